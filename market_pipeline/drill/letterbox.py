"""Takes what the pipeline of a drill tells Slack, over a real socket, and keeps when it came."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from market_pipeline.settings import LOOPBACK

TOKEN, CHANNEL = "xoxb-drill", "C00000DRILL"


class Letter(NamedTuple):
    """A message: when it came, epoch seconds, its text, and what it was a reply to."""

    at: float
    text: str
    thread_ts: str | None


class Letterbox:
    """The few calls of Slack's web API that delivery makes."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        letterbox = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                said = json.dumps(letterbox.take(self.path.rpartition("/")[2], _given(self.headers, body))).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *arguments: object) -> None: ...

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.url = f"http://{LOOPBACK}:{self._server.server_port}/api/"
        threading.Thread(target=self._server.serve_forever, name="letterbox", daemon=True).start()

    def take(self, method: str, given: dict[str, Any]) -> dict[str, Any]:
        """What Slack would say."""
        match method:
            case "chat.postMessage":
                self.letters.append(Letter(time.time(), str(given.get("text", "")), given.get("thread_ts")))
                return {"ok": True, "channel": CHANNEL, "ts": f"1800000000.{len(self.letters):06d}"}
            case "chat.update":
                return {"ok": True, "channel": CHANNEL, "ts": given.get("ts")}
            case _:
                return {"ok": True, "messages": []}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _given(headers: Any, body: str) -> dict[str, Any]:
    if str(headers.get("Content-Type", "")).startswith("application/json"):
        told: dict[str, Any] = json.loads(body or "{}")
        return told
    return {name: values[0] for name, values in parse_qs(body).items()}
