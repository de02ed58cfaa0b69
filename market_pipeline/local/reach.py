"""Whether what the pipeline talks to can be reached: for `doctor`. Nothing here shows the key or an address with it."""

import email.utils
import http.client
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from market_pipeline.feed.quote import KEY_HEADER, NoRedirect
from market_pipeline.spark_master import addresses

REACH_WITHIN_S = 5.0


@dataclass(frozen=True)
class Reply:
    """What the vendor's server answered: how long that took, its clock less ours (both seconds), and the status."""

    seconds: float
    offset_s: float | None
    status: int = 200


def ask_vendor(url: str, key: str | None = None) -> Reply | str:
    """Ask the vendor's server: with a key as a header, never in the address. Why not, where nobody answers."""
    began, clock = time.monotonic(), time.time()
    try:
        request = urllib.request.Request(url, headers={KEY_HEADER: key} if key else {})
        with urllib.request.build_opener(NoRedirect).open(request, timeout=REACH_WITHIN_S) as answer:
            headers, status = dict(answer.headers), int(answer.status)
    except urllib.error.HTTPError as error:
        headers, status = dict(error.headers), error.code
    except (OSError, http.client.HTTPException, ValueError) as error:
        # of an odd key in a header, the library's words hold the key
        return type(error).__name__ if isinstance(error, ValueError) else str(getattr(error, "reason", error))[:80]
    seconds = time.monotonic() - began
    told = clock_offset({name.lower(): value for name, value in headers.items()}, clock + seconds / 2)
    return Reply(seconds, told, status)


def clock_offset(headers: Mapping[str, str], our_time: float) -> float | None:
    """The server's clock less ours, from the ``Date`` of an answer; None without one."""
    try:
        told = email.utils.parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return None
    return told + 0.5 - our_time  # it is cut to the second, so half a second is the best guess


def knock(url: str) -> str | None:
    """Open and close a connection to the host of a ``ws`` or ``wss`` address, with TLS and through the proxy where the
    producer would. None when it opens, else why not."""
    try:
        parts = urlsplit(url)
        secure = parts.scheme == "wss"
        host, port = parts.hostname or "", parts.port or (443 if secure else 80)
        proxy = (
            None
            if urllib.request.proxy_bypass(host)
            else urllib.request.getproxies().get("https" if secure else "http")
        )
        via = urlsplit(proxy) if proxy else None
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind((via.hostname if via else None) or host, (via.port if via else port), timeout=REACH_WITHIN_S)
        if via is not None:
            connection.set_tunnel(host, port)
        connection.connect()
        connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return _reason(error)
    return None


def listens(host: str, port: int, within_s: float = REACH_WITHIN_S) -> str | None:
    """None when somebody accepts a connection there, else why not."""
    try:
        socket.create_connection((host, port), within_s).close()
    except (OSError, ValueError) as error:
        return _reason(error)
    return None


def spark_master_fault(master: str, within_s: float = REACH_WITHIN_S) -> str | None:
    """Why no master of a standalone cluster can be reached, one being enough; None when one can, or none is needed.

    Raises:
        ValueError: it is no master that Spark takes.
    """
    faults = [f"{host}:{port}: {why}" for host, port in addresses(master) if (why := listens(host, port, within_s))]
    return "; ".join(faults) if faults and len(faults) == len(addresses(master)) else None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)[:80]
