"""Errors that a person can put right."""


class Mendable(Exception):
    """Something that a person can put right: the message is one line that names the cure, and no stack helps anybody.

    Programs end with it and a status other than 0, runs of Dagster fail with it, a box of a report bears it.
    """
