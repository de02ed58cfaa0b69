"""The head of a request to Dagster's page, read strictly: whatever could be read in two ways is refused."""

import re
from dataclasses import dataclass

DEFAULT_PORTS = {"http": 80, "https": 443}
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)(?::([0-9]{1,5}))?")


class Refused(Exception):
    """The request goes no further.

    Attributes:
        status: of the HTTP response.
        reason: one sentence for people.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class Authority:
    """A ``Host`` header, or that part of an origin; ``port`` is None where it is the scheme's own."""

    host: str
    port: int | None

    def at(self, scheme: str) -> "Authority":
        """The same, with its port."""
        return Authority(self.host, self.port or DEFAULT_PORTS[scheme])


@dataclass(frozen=True)
class Origin:
    """A web origin. ``authority`` always has its port."""

    scheme: str
    authority: Authority


@dataclass(frozen=True)
class Request:
    """The head of a request.

    Attributes:
        method: ``GET`` of a websocket's handshake too.
        path: decoded.
        query: as it came.
        headers: as they came, names in lower case.
        peer: the address at the other end of the connection; None of a Unix socket.
        websocket: whether it asks for one.
    """

    method: str
    path: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    peer: str | None = None
    websocket: bool = False

    def values(self, name: str) -> list[str]:
        wanted = name.lower().encode()
        return [value.decode("latin-1") for key, value in self.headers if key == wanted]

    def value(self, name: str) -> str | None:
        """The value of a header that stands there at most once.

        Raises:
            Refused: it stands there more than once, and the next reader might take another one.
        """
        found = self.values(name)
        if len(found) > 1:
            raise Refused(400, f"The request has more than one {name} header.")
        return found[0].strip() if found else None

    @property
    def safe(self) -> bool:
        """Whether the method is one that changes nothing."""
        return self.method in ("GET", "HEAD")

    @property
    def opens_a_page(self) -> bool:
        """Whether a browser asks for it in order to show it in a tab of its own."""
        return (
            (self.method, self.websocket) == ("GET", False)
            and self.value("sec-fetch-mode") == "navigate"
            and self.value("sec-fetch-dest") == "document"
        )


def authority(text: str) -> Authority | None:
    """``NAME[:PORT]``; None where it is something else."""
    match = _AUTHORITY.fullmatch(text.lower())
    if match is None or (match[2] is not None and not 0 < int(match[2]) < 65536):
        return None
    return Authority(match[1], int(match[2]) if match[2] else None)


def origin(text: str) -> Origin | None:
    """``SCHEME://NAME[:PORT]``, perhaps with a path behind it; None where it is something else."""
    scheme, separator, rest = text.lower().partition("://")
    where = authority(rest.partition("/")[0]) if separator and scheme in DEFAULT_PORTS else None
    return None if where is None else Origin(scheme, where.at(scheme))
