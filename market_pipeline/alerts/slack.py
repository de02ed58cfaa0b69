"""Slack's web API: the few calls that a thread an incident needs, each message marked so that it can be found again."""

from collections.abc import Callable, Mapping
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from market_pipeline.alerts.message import Message

EVENT_TYPE = "market_pipeline_incident"
TIMEOUT_S = 10
TOO_MANY = 429
REFUSED_FOR_GOOD = frozenset(
    {"invalid_blocks", "invalid_blocks_format", "msg_too_long", "no_text", "metadata_too_large"}
)
"""What is wrong with one message; all else, such as a token or a channel, is wrong with every one."""
LOOKED_BACK = 200
"""Messages among which one that may have arrived is looked for."""


class SlackAway(Exception):
    """Slack did not take it. ``retry_after_s`` is the patience that it asked for, in seconds."""

    def __init__(self, why: str, retry_after_s: float | None = None) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class SlackRefuses(Exception):
    """Slack will never take this message, whatever comes of the others."""


class Slack:
    """One workspace.

    Args:
        token: a bot token, with the scopes ``chat:write``, and ``channels:history`` to find what may have arrived.
        base_url: where its API is, ending with a slash.
    """

    def __init__(self, token: str, base_url: str = WebClient.BASE_URL) -> None:
        # no retries of its own: what failed is in the outbox, and is looked for before it is sent again
        self._client = WebClient(token, base_url=base_url, timeout=TIMEOUT_S, retry_handlers=[])

    def post(self, channel: str, mark: str, message: Message, thread_ts: str | None = None) -> str:
        """Post a message; returns Slack's name of it.

        Raises:
            SlackAway: it was not taken, or nobody knows.
            SlackRefuses: it never will be.
        """
        content = {"channel": channel, "thread_ts": thread_ts, **_content(message, mark)}
        return str(_called(lambda: self._client.chat_postMessage(**content))["ts"])

    def edit(self, channel: str, ts: str, mark: str, message: Message) -> None:
        """Replace a message.

        Raises:
            SlackAway: it was not taken, or nobody knows.
            SlackRefuses: it never will be.
        """
        _called(lambda: self._client.chat_update(channel=channel, ts=ts, **_content(message, mark)))

    def find(self, channel: str, mark: str, thread_ts: str | None = None) -> str | None:
        """The name of the message with this mark among the newest of the channel, or in the thread; None without one.

        Raises:
            SlackAway: it does not say.
        """
        look: dict[str, Any] = {"channel": channel, "limit": LOOKED_BACK, "include_all_metadata": True}
        if thread_ts is None:
            answer = _called(lambda: self._client.conversations_history(**look))
        else:
            answer = _called(lambda: self._client.conversations_replies(ts=thread_ts, **look))
        return {_mark(message): str(message["ts"]) for message in answer["messages"]}.get(mark)


def _called(call: Callable[[], SlackResponse]) -> SlackResponse:
    try:
        return call()
    except SlackApiError as error:
        response = error.response
        if response.status_code == TOO_MANY:
            asked = {name.lower(): value for name, value in response.headers.items()}.get("retry-after", "")
            raise SlackAway("Slack asks for patience", float(asked) if str(asked).isdecimal() else None) from None
        said = str(response.get("error", response.status_code))
        if said in REFUSED_FOR_GOOD:
            raise SlackRefuses(f"Slack refuses this message: {said}") from None
        raise SlackAway(f"Slack refuses: {said}") from None
    except (SlackClientError, OSError, ValueError) as error:  # an answer of a proxy is no JSON
        raise SlackAway(f"Slack does not answer ({type(error).__name__})") from None


def _content(message: Message, mark: str) -> dict[str, Any]:
    metadata = {"event_type": EVENT_TYPE, "event_payload": {"mark": mark}}
    return {"text": message["text"], "blocks": message["blocks"], "metadata": metadata}


def _mark(message: Mapping[str, Any]) -> str | None:
    metadata = message.get("metadata") or {}
    return metadata.get("event_payload", {}).get("mark") if metadata.get("event_type") == EVENT_TYPE else None
