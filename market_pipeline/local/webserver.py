"""Whether Dagster's servers answer, and its daemon works."""

import http.client
import json
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
    return _ask(port, "GET", "/server_info") is not None


def daemon_works(port: int, since_s: float) -> bool:
    """Whether every needed part of the daemon is healthy and has said so since ``since_s`` (epoch seconds)."""
    query = "{ instance { daemonHealth { allDaemonStatuses { required healthy lastHeartbeatTime } } } }"
    answer = _ask(port, "POST", "/graphql", json.dumps({"query": query}))
    try:
        statuses = json.loads(answer or "")["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
    except (ValueError, KeyError, TypeError):
        return False
    needed = [status for status in statuses if status["required"]]
    return bool(needed) and all(each["healthy"] and (each["lastHeartbeatTime"] or 0) >= since_s for each in needed)


def _ask(port: int, method: str, path: str, body: str | None = None) -> bytes | None:
    """The answer's body, or None when there is none or it is an error."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        return response.read() if response.status == http.client.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
