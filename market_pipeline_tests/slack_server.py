"""A Slack workspace that speaks its web API over a socket: channels, threads, edits, metadata, bad days, and Socket
Mode, over which it tells what people press."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.sync.server import ServerConnection, serve

from market_pipeline.settings import LOOPBACK

TOKEN = "xoxb-canary"
APP_TOKEN = "xapp-canary"
TEAM = "T0123456789"


def pressed(message: dict[str, Any], action: dict[str, Any], by: str) -> dict[str, Any]:
    """What Slack tells of a press, by its reference of ``block_actions``."""
    return {
        "type": "block_actions",
        "user": {"id": f"U{by.upper():0>10}", "username": by, "team_id": TEAM},
        "team": {"id": TEAM, "domain": "ours"},
        "container": {"type": "message", "message_ts": message["ts"], "channel_id": message["channel"]},
        "channel": {"id": message["channel"], "name": "alerts"},
        "actions": [action | {"type": "button", "block_id": "x", "action_ts": "1800000000.1"}],
    }


@dataclass
class Answer:
    """An HTTP answer instead of what the workspace would say. ``taken``: it takes the message all the same."""

    status: int = 200
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    taken: bool = False
    cut: bool = False


class SlackServer:
    """Runs in a thread. ``bad_day`` says what comes instead of a method's answer, ``refuses`` with which error a call
    is refused; None lets it answer."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.listeners: list[ServerConnection] = []
        self.confirmed: list[str] = []
        self._socket = serve(self._listen, LOOPBACK, 0)
        threading.Thread(target=self._socket.serve_forever, daemon=True).start()
        self.bad_day: Callable[[str], Answer | None] = lambda method: None
        self.refuses: Callable[[str, dict[str, Any]], str | None] = lambda method, given: None
        self._lock = threading.Lock()
        self._count = 0
        workspace = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self._serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())

            def do_GET(self) -> None:
                self._serve("")

            def _serve(self, body: str) -> None:
                url = urlsplit(self.path)
                method = url.path.rpartition("/")[2]
                given: dict[str, Any] = {name: values[0] for name, values in parse_qs(url.query).items()}
                if (self.headers.get("Content-Type") or "").startswith("application/json"):
                    given |= json.loads(body or "{}")
                elif body:
                    given |= {name: values[0] for name, values in parse_qs(body).items()}
                wanted = APP_TOKEN if method == "apps.connections.open" else TOKEN
                authorised = self.headers.get("Authorization") == f"Bearer {wanted}"
                instead = workspace.bad_day(method)
                if instead is None and (code := workspace.refuses(method, given)) is not None:
                    instead = Answer(body={"ok": False, "error": code, "needed": "groups:history"})
                workspace.calls.append(method)
                said: dict[str, Any] = {"ok": False, "error": "invalid_auth"}
                if authorised and (instead is None or instead.taken):
                    said = workspace.call(method, given)
                answer = Answer(body=said) if instead is None else instead
                if answer.cut:
                    self.close_connection = True
                    self.connection.close()
                    return
                content = json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: object) -> None: ...

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.url = f"http://{LOOPBACK}:{self._server.server_port}/api/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._socket.shutdown()
        self._server.shutdown()
        self._server.server_close()

    def press(self, message: dict[str, Any], action: str, by: str = "ann", envelope: str | None = None) -> str:
        """A person presses a button of a message; returns the envelope's id, by which ``confirmed`` knows it."""
        (block,) = [each for each in message["blocks"] if each["type"] == "actions"]
        (button,) = [each for each in block["elements"] if each["action_id"] == action]
        return self.tell(pressed(message, {"action_id": action, "value": button["value"]}, by), envelope)

    def tell(self, payload: dict[str, Any], envelope: str | None = None) -> str:
        """Send an interaction to whoever listens."""
        name = envelope or f"envelope-{len(self.confirmed)}-{self._count}"
        said = {"envelope_id": name, "type": "interactive", "accepts_response_payload": True, "payload": payload}
        for each in list(self.listeners):
            each.send(json.dumps(said))
        return name

    def _listen(self, connection: ServerConnection) -> None:
        self.listeners.append(connection)
        connection.send(json.dumps({"type": "hello", "num_connections": len(self.listeners)}))
        try:
            for said in connection:
                if '"envelope_id"' in str(said):
                    self.confirmed.append(json.loads(said)["envelope_id"])
        finally:
            self.listeners.remove(connection)

    @property
    def roots(self) -> list[dict[str, Any]]:
        return [each for each in self.messages if not each.get("thread_ts")]

    def replies(self, ts: str) -> list[dict[str, Any]]:
        return [each for each in self.messages if each.get("thread_ts") == ts]

    def call(self, method: str, given: dict[str, Any]) -> dict[str, Any]:
        """What the workspace does and says."""
        given = {
            name: json.loads(value) if name in ("blocks", "metadata") and isinstance(value, str) else value
            for name, value in given.items()
        }
        with self._lock:
            match method:
                case "auth.test":
                    return {"ok": True, "team_id": TEAM}
                case "apps.connections.open":
                    port = self._socket.socket.getsockname()[1]
                    return {"ok": True, "url": f"ws://{LOOPBACK}:{port}/link"}
                case "chat.postMessage":
                    self._count += 1
                    message = given | {"ts": f"1800000000.{self._count:06d}"}
                    self.messages.append(message)
                    return {"ok": True, "channel": given["channel"], "ts": message["ts"]}
                case "chat.update":
                    message = next((each for each in self.messages if each["ts"] == given["ts"]), None)
                    if message is None:
                        return {"ok": False, "error": "message_not_found"}
                    message.update({name: value for name, value in given.items() if name != "channel"})
                    return {"ok": True, "channel": given["channel"], "ts": given["ts"]}
                case "conversations.history":
                    return {"ok": True, "messages": [e for e in self.roots if e["channel"] == given["channel"]]}
                case "conversations.replies":
                    root = [each for each in self.messages if each["ts"] == given["ts"]]
                    if not root:
                        return {"ok": False, "error": "thread_not_found"}
                    return {"ok": True, "messages": [*root, *self.replies(given["ts"])]}
        return {"ok": False, "error": "unknown_method"}
