"""Write times of rows that replace others in Cassandra, where the latest write time wins."""


def outbid(own_us: int, replaced_us: int | None) -> int:
    """The write time of a row, later than that of the row that it replaces; epoch microseconds. Pure.

    Args:
        own_us: what it would have by itself.
        replaced_us: of the row that is there; None when there is none.
    """
    return own_us if replaced_us is None else max(own_us, replaced_us + 1)
