"""The socket: a thin shell around websocket-client that hides the key and names the cause of every end.

Errors of the libraries below are never passed on or chained: their text and their frames hold the URL, and so the key.
"""

import contextlib
import errno
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from urllib.parse import quote

import websocket

from market_pipeline.feed.backoff import retry_after_s
from market_pipeline.feed.bounded_frames import BoundedFrames, BoundedMessages
from market_pipeline.feed.disconnect import Disconnected, Reason
from market_pipeline.feed.secrecy import Secrecy

OPEN_TIMEOUT_S = 30.0
"""An upgrade was once answered after more than a minute, and then nothing came (finnhubio/Finnhub-API #38)."""
READ_TIMEOUT_S = 0.25
"""How often the read loop looks up from the socket."""

logging.getLogger("websocket").setLevel(logging.CRITICAL)  # it logs headers, and so the key
websocket.enableTrace(False)


class Connection:
    """One open websocket, for one thread. Made by ``connect``."""

    def __init__(self, socket_: websocket.WebSocket, secrecy: Secrecy) -> None:
        self._socket = socket_
        self._secrecy = secrecy

    def receive(self) -> bytes | None:
        """The next message, text or binary, as its bytes; None when none was whole within ``READ_TIMEOUT_S``.

        Of one that is larger than ``limits.MAX_MESSAGE_BYTES`` what ``limits.cut_off`` keeps.

        Raises:
            Disconnected: the connection is over.
        """
        try:
            opcode, frame = self._socket.recv_data_frame(control_frame=True)
        except websocket.WebSocketTimeoutException:
            return None
        except Exception as error:
            failure = _ended(error, self._secrecy)
        else:
            if opcode in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
                return bytes(frame.data)
            if opcode != websocket.ABNF.OPCODE_CLOSE:
                return None
            failure = Disconnected(Reason.CLOSED, _close_text(frame.data, self._secrecy))
        raise failure

    def send(self, text: str) -> None:
        """Send one message.

        Raises:
            Disconnected: the connection is over.
        """
        try:
            self._socket.send(text)
        except Exception as error:
            failure = _ended(error, self._secrecy)
        else:
            return
        raise failure

    def say_goodbye(self) -> None:
        """Tell the server that we end; what it sent before can still be received."""
        try:
            self._socket.send_close()
        except Exception as error:
            failure = _ended(error, self._secrecy)
        else:
            return
        raise failure

    def close(self) -> None:
        """Let go of the socket at once."""
        self._socket.shutdown()  # type: ignore[no-untyped-call]


def connect(url: str, key: str | None, secrecy: Secrecy, open_timeout_s: float = OPEN_TIMEOUT_S) -> Connection:
    """Open a websocket; the key is added to the URL here and nowhere else.

    Raises:
        Disconnected: it could not be opened; its ``retry_after_s`` is what the server asked for.
    """
    address = f"{url}?token={quote(key, safe='')}" if key else url
    connection = websocket.WebSocket(
        sockopt=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)], skip_utf8_validation=True, enable_multithread=False
    )
    try:
        with _ended_after(connection, 2 * open_timeout_s):
            # a server takes an Origin header for a browser's, and ours refuses those
            connection.connect(  # type: ignore[no-untyped-call]
                address, timeout=open_timeout_s, redirect_limit=0, suppress_origin=True
            )
        connection.settimeout(READ_TIMEOUT_S)
        # compression is never offered, so that a frame's length is that of what it holds
        connection.frame_buffer = BoundedFrames(connection._recv, READ_TIMEOUT_S)  # noqa: SLF001
        connection.cont_frame = BoundedMessages(connection.frame_buffer)
    except Exception as error:
        failure = _not_opened(error, url, secrecy)
    else:
        return Connection(connection, secrecy)
    raise failure


@contextlib.contextmanager
def _ended_after(connection: websocket.WebSocket, seconds: float) -> Iterator[None]:
    """End a handshake that lasts longer: the library's own timeout is that of each read, and a server may send a header
    without an end."""

    def end() -> None:
        with contextlib.suppress(OSError):  # no more connected
            if connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _not_opened(error: Exception, url: str, secrecy: Secrecy) -> Disconnected:
    where = secrecy.redact(url)
    if isinstance(error, websocket.WebSocketBadStatusException):
        status = error.status_code
        if status in (401, 403):
            return Disconnected(Reason.REFUSED, f"{where} answered {status}")
        if status == 429:
            headers = {name.lower(): value for name, value in (error.resp_headers or {}).items()}
            return Disconnected(
                Reason.RATE_LIMITED, f"{where} answered 429", retry_after_s(headers.get("retry-after"), time.time())
            )
        return Disconnected(Reason.BAD_ANSWER, f"{where} answered {status}")
    if isinstance(error, websocket.WebSocketTimeoutException | TimeoutError):
        return Disconnected(Reason.NO_ANSWER, where)
    if isinstance(error, OSError | websocket.WebSocketAddressException | websocket.WebSocketProxyException):
        return Disconnected(Reason.UNREACHABLE, f"{where}: {_why(error, secrecy)}")
    return Disconnected(Reason.BAD_ANSWER, f"{where}: {_why(error, secrecy)}")


def _ended(error: Exception, secrecy: Secrecy) -> Disconnected:
    lost = isinstance(error, websocket.WebSocketConnectionClosedException | ConnectionResetError | BrokenPipeError)
    return Disconnected(Reason.CLOSED if lost else Reason.ERROR, _why(error, secrecy))


def _why(error: Exception, secrecy: Secrecy) -> str:
    if isinstance(error, OSError) and error.errno in errno.errorcode and not isinstance(error, ssl.SSLError):
        return f"{error.strerror}"
    return secrecy.redact(f"{type(error).__name__}: {error}")[:200]


def _close_text(data: bytes, secrecy: Secrecy) -> str:
    if len(data) < 2:
        return "no close code"
    reason = secrecy.redact(data[2:].decode("utf-8", "replace"))
    return f"code {int.from_bytes(data[:2], 'big')}" + (f", {reason}" if reason else "")
