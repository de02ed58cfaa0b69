"""Whether Dagster's servers answer."""

import http.client
import socket

from market_pipeline.settings import LOOPBACK

ANSWER_WITHIN_S = 2.0


def accepts(port: int) -> bool:
    """Whether something accepts connections on the port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=ANSWER_WITHIN_S).close()
    except OSError:
        return False
    return True


def serves_page(port: int) -> bool:
    """Whether Dagster's webserver answers a request there."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("GET", "/server_info")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
