"""Waits until Dagster's servers answer."""

import http.client
import socket
import time
from collections.abc import Callable

from market_pipeline.settings import LOOPBACK

POLL_S = 0.2


def wait_for_port(port: int, give_up: Callable[[], None]) -> None:
    """Return when something accepts connections; ``give_up`` is called between tries and may raise."""
    while not _accepts(port):
        give_up()
        time.sleep(POLL_S)


def wait_for_page(port: int, give_up: Callable[[], None]) -> None:
    """Return when Dagster's webserver says who it is; ``give_up`` is called between tries and may raise."""
    while not answers(port):
        give_up()
        time.sleep(POLL_S)


def answers(port: int, timeout_s: float = 2.0) -> bool:
    """Whether the webserver answers a request now."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout_s)
    try:
        connection.request("GET", "/server_info")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
