"""Errors that a person can put right."""


class Mendable(Exception):
    """Something that a person can put right: the message is one line that names the cure, and no stack helps anybody.

    Programs end with it and a status other than 0, runs of Dagster fail with it, a box of a report bears it.
    """


class InvalidInput(Mendable):
    """What a person typed can't be done, whatever runs: a name of nothing, a statement that is none. The message says
    so in one line. It says nothing of the pipeline, so that no command counts it as a fault.
    """


class Refused(Mendable):
    """A remediation that its own rule keeps from running: nothing was done and nothing is broken. The message says why,
    and what to set or to wait for.

    The command line ends with it as with any other; a run of Dagster is shown as refused, which is no failure.
    """
