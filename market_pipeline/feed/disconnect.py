"""Why a connection ended or could not be made: the code that logs, heartbeats and gap records bear."""

from enum import StrEnum


class Reason(StrEnum):
    """A cause that a person can act on."""

    CLOSED = "closed by the server"
    ERROR = "connection error"
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no answer to the handshake"
    REFUSED = "key refused"
    RATE_LIMITED = "rate limited"
    BAD_ANSWER = "bad answer to the handshake"
    KEY_IN_USE = "key in use elsewhere"
    DEAD = "no message of any kind"
    MUTE = "connected but mute"
    JOURNAL_FULL = "journal full"
    STOPPED = "stopped"
    PRODUCER_DOWN = "producer down"
    UNSUBSCRIBED = "not subscribed"
    """Nothing went down: the symbol was left out of those that are subscribed, and taken in again."""
    START = "start"
    """Nothing went down: before this moment of its first day a symbol was never listened to."""


class Disconnected(Exception):
    """The connection is over, or was never made.

    Attributes:
        reason: the cause.
        detail: what else is known; never holds the key.
        retry_after_s: how long the server asked us to stay away.
    """

    def __init__(self, reason: Reason, detail: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail
        self.retry_after_s = retry_after_s
