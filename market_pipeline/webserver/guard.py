"""The guard as ASGI: asks the policy about every request and websocket before Dagster's app sees it."""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from market_pipeline.webserver.pages import refusal_page, reopening_page
from market_pipeline.webserver.policy import Allow, Policy, Reopen, SignIn, decide
from market_pipeline.webserver.request import Refused, Request

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY_VIOLATION = 1008
"""The code with which a websocket is closed."""

EVERYWHERE = (
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
FRAMING = (b"content-security-policy", b"frame-ancestors 'none'")
"""Beside Dagster's own: a browser heeds both."""

logger = logging.getLogger("dagster-webserver")


class Guard:
    """Dagster's app, behind the policy."""

    def __init__(self, app: App, policy: Policy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, one websocket, or the server's start and end."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] in ("http", "websocket"):
            await self._guard(scope, receive, send)
        else:
            raise ValueError(f"no such thing as {scope['type']!r} is served here")

    async def _guard(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = head(scope)
        decision = decide(request, self._policy)
        if isinstance(decision, Allow):
            await self._app(scope, receive, send if request.websocket else _with_headers(send))
            return
        if isinstance(decision, Refused):
            _log(request, decision)
        if request.websocket:
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        status, headers, body = _answer(request, decision)
        headers += [*EVERYWHERE, (b"cache-control", b"no-store"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})


def head(scope: Scope) -> Request:
    """What the policy judges of an ASGI scope."""
    client = scope.get("client")
    return Request(
        method=scope.get("method", "GET"),
        path=scope["path"],
        query=scope.get("query_string", b""),
        headers=tuple((bytes(name).lower(), bytes(value)) for name, value in scope["headers"]),
        peer=client[0] if client else None,
        websocket=scope["type"] == "websocket",
    )


def _answer(request: Request, decision: SignIn | Reopen | Refused) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    if isinstance(decision, SignIn):
        return 303, [(b"location", decision.location.encode()), (b"set-cookie", decision.cookie.encode()), FRAMING], b""
    html = "text/html" in ",".join(request.values("accept"))
    headers = [(b"www-authenticate", b'Bearer realm="Dagster"')] if _status(decision) == 401 else []
    if not html and isinstance(decision, Refused):
        return (
            decision.status,
            [*headers, (b"content-type", b"text/plain; charset=utf-8"), FRAMING],
            (f"{decision.reason}\n".encode()),
        )
    page, security = refusal_page(decision) if isinstance(decision, Refused) else reopening_page()
    headers += [(b"content-type", b"text/html; charset=utf-8"), (b"content-security-policy", security.encode())]
    return _status(decision), headers, page.encode()


def _status(decision: Reopen | Refused) -> int:
    return decision.status if isinstance(decision, Refused) else 401


def _with_headers(send: Send) -> Send:
    ours = {name for name, _ in EVERYWHERE}

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            theirs = [(name, value) for name, value in message.get("headers", ()) if bytes(name).lower() not in ours]
            message = {**message, "headers": [*theirs, *EVERYWHERE, FRAMING]}
        await send(message)

    return sending


def _log(request: Request, refused: Refused) -> None:
    """Without the query, where a token may stand, and without what could forge a line."""
    what = "websocket" if request.websocket else request.method[:20]
    logger.warning(
        "refused %s %s from %s: %s",
        *(ascii(what)[1:-1], ascii(request.path[:200])[1:-1], request.peer, ascii(refused.reason)[1:-1]),
    )
