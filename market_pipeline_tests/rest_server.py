"""A vendor's REST server over a real socket: one answer to whatever is asked, and what that was."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from market_pipeline.settings import LOOPBACK


@contextmanager
def rest_server(
    status: int = 200, location: str = "", *, body: bytes = b""
) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A server that answers so; its address, and what it was asked: the path and the key's header."""
    asked: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("X-Finnhub-Token")))
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{LOOPBACK}:{server.server_address[1]}", asked
        finally:
            server.shutdown()
