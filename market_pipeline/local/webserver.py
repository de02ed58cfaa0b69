"""Whether Dagster's webserver answers, and its daemon works; and the URL that signs a browser in."""

import http.client
import json
import os
from urllib.parse import quote

from market_pipeline.endpoints import is_loopback
from market_pipeline.local.ports import listeners
from market_pipeline.settings import EVERY_ADDRESS, LOOPBACK, Settings
from market_pipeline.webserver import access_token

ANSWER_WITHIN_S = 2.0


def address(settings: Settings) -> str:
    """``HOST:PORT`` of Dagster's page, for the programs of this machine."""
    host = LOOPBACK if settings.dagster_host == EVERY_ADDRESS else settings.dagster_host
    return f"{host}:{settings.ports.webserver}"


def url_with_token(settings: Settings) -> str | None:
    """The URL that signs a browser in to Dagster's page; None while there is no token.

    For its owner's terminal alone: never for a message, a log or a report.

    Raises:
        TokenFileError, OSError: the token can't be read.
    """
    token = access_token.read(settings.dagster_token_path)
    return None if token is None else f"{settings.page_url}/?token={quote(token, safe='')}"


def serves_page(settings: Settings) -> bool:
    """Whether Dagster's webserver answers a request."""
    return _ask(settings, "GET", "/server_info") is not None


def daemon_works(settings: Settings, since_s: float) -> bool:
    """Whether every needed part of the daemon is healthy and has said so since ``since_s`` (epoch seconds)."""
    query = "{ instance { daemonHealth { allDaemonStatuses { required healthy lastHeartbeatTime } } } }"
    answer = _ask(settings, "POST", "/graphql", json.dumps({"query": query}))
    try:
        statuses = json.loads(answer or "")["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
    except (ValueError, KeyError, TypeError):
        return False
    needed = [status for status in statuses if status["required"]]
    return bool(needed) and all(each["healthy"] and (each["lastHeartbeatTime"] or 0) >= since_s for each in needed)


def is_anothers(settings: Settings) -> bool:
    """Whether another user of this machine listens where the page should be: the token is not for them."""
    host, _, port = address(settings).rpartition(":")
    return is_loopback(host) and any(user not in (0, os.getuid()) for user in listeners(int(port)))


def _ask(settings: Settings, method: str, path: str, body: str | None = None) -> bytes | None:
    """The answer's body, or None when there is none or it is an error."""
    connection = http.client.HTTPConnection(address(settings), timeout=ANSWER_WITHIN_S)
    headers = {"Content-Type": "application/json"} if body else {}
    if is_anothers(settings):
        return None
    try:
        if token := access_token.read(settings.dagster_token_path):
            headers["Authorization"] = f"Bearer {token}"
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.read() if response.status == http.client.OK else None
    except (OSError, http.client.HTTPException, access_token.TokenFileError):
        return None
    finally:
        connection.close()
