"""Where Spark runs: the addresses in the name of a standalone cluster's master."""

import re

SCHEME = "spark://"
_ADDRESS = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})")


def addresses(master: str) -> list[tuple[str, int]]:
    """Host and port of each master of a standalone cluster; none for a Spark within the stream's own process.

    Raises:
        ValueError: it is no master that Spark takes.
    """
    if not master.startswith(SCHEME):
        return []
    found = [_ADDRESS.fullmatch(part) for part in master.removeprefix(SCHEME).split(",")]
    if not all(found):
        raise ValueError(f"{master!a} is no address of a master: it looks like spark://HOST:7077")
    return [(each[1].strip("[]"), int(each[2])) for each in found if each is not None]
