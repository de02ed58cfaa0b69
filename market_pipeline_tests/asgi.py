"""Drives an ASGI app without a server: one request, or one websocket's handshake."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What the app sent; of a websocket ``status`` is 101 when it was accepted, else 403."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]


def ask(
    app: Any,
    method: str,
    path: str,
    headers: Mapping[str, str],
    *,
    query: str = "",
    body: bytes = b"",
    peer: str = "127.0.0.1",
    websocket: bool = False,
) -> Answer:
    """The app's answer to one request. A websocket is closed by us as soon as it is open."""
    scope = {
        "type": "websocket" if websocket else "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws" if websocket else "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": (peer, 40_000),
        "server": ("127.0.0.1", 29030),
        "state": {},
    } | ({"subprotocols": ["graphql-ws"]} if websocket else {"method": method})
    arriving = (
        [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}]
        if websocket
        else [{"type": "http.request", "body": body, "more_body": False}]
    )
    sent: list[Any] = []

    async def receive() -> Any:
        return arriving.pop(0) if arriving else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    if websocket:
        return Answer(101 if any(message["type"] == "websocket.accept" for message in sent) else 403)
    (start,) = (message for message in sent if message["type"] == "http.response.start")
    parts = [message.get("body", b"") for message in sent if message["type"] == "http.response.body"]
    return Answer(
        start["status"], [(name.decode().lower(), value.decode()) for name, value in start["headers"]], b"".join(parts)
    )
