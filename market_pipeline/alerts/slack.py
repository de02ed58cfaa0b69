"""Slack's web API: the few calls that a thread an incident needs, each message marked so that it can be found again."""

import http.client
import logging
from collections.abc import Callable, Mapping
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from market_pipeline.alerts.message import Message
from market_pipeline.alerts.slack_errors import SCOPES, Scope, explained, scope_of

EVENT_TYPE = "market_pipeline_incident"
TIMEOUT_S = 10
TOO_MANY, BROKEN = 429, 500
logger = logging.getLogger(__name__)
LOOKED_BACK = 200
"""Messages among which one that may have arrived is looked for."""


class SlackAway(Exception):
    """Slack takes nothing now.

    Attributes:
        retry_after_s: how long it asked to be left alone, in seconds; None when it did not.
        answered: False when nobody answered, which may be due to this one call.
    """

    def __init__(self, why: str, retry_after_s: float | None = None, *, answered: bool = True) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s
        self.answered = answered


class SlackRefuses(Exception):
    """Slack refuses this call; whatever does not depend on the same channel or thread can go on.

    Attributes:
        scope: what the error is about; never ``Scope.DELIVERY``.
    """

    def __init__(self, why: str, scope: Scope) -> None:
        super().__init__(why)
        self.scope = scope


class Slack:
    """One workspace.

    Args:
        token: a bot token, with the scopes ``chat:write``, and ``channels:history`` (``groups:history`` for a private
            channel, ``im:history`` for a direct message) to find what may have arrived.
        base_url: where its API is, ending with a slash.
    """

    def __init__(self, token: str, base_url: str = WebClient.BASE_URL) -> None:
        # no retries of its own: what failed is in the outbox, and is looked for before it is sent again
        self._client = WebClient(token, base_url=base_url, timeout=TIMEOUT_S, retry_handlers=[])

    def team(self) -> str:
        """Slack's id of the workspace of the token.

        Raises:
            SlackAway: it does not say.
            SlackRefuses: it can't.
        """
        return str(_called(self._client.auth_test)["team_id"])

    def post(self, channel: str, mark: str, message: Message, thread_ts: str | None = None) -> str:
        """Post a message; returns Slack's name of it.

        Raises:
            SlackAway: nothing is taken now, or nobody knows.
            SlackRefuses: this is not taken.
        """
        # an address that stands in a text from outside is not fetched
        shown = {"unfurl_links": False, "unfurl_media": False}
        content = {"channel": channel, "thread_ts": thread_ts, **shown, **_content(message, mark)}
        return str(_called(lambda: self._client.chat_postMessage(**content))["ts"])

    def edit(self, channel: str, ts: str, mark: str, message: Message) -> None:
        """Replace a message.

        Raises:
            SlackAway: nothing is taken now, or nobody knows.
            SlackRefuses: this is not taken.
        """
        # unlike a post, an edit would look for names and links in the text
        _called(lambda: self._client.chat_update(channel=channel, ts=ts, parse="none", **_content(message, mark)))

    def find(self, channel: str, mark: str, thread_ts: str | None = None) -> str | None:
        """The name of the message with this mark among the newest of the channel, or in the thread; None without one,
        or when the token must not read there: a message that comes twice is better than none.

        Raises:
            SlackAway: it does not say.
        """
        try:
            return self._found(channel, mark, thread_ts)
        except SlackRefuses as error:
            logger.warning("%s; whether %s had arrived is not known, so that it may come twice", error, mark)
            return None

    def _found(self, channel: str, mark: str, thread_ts: str | None) -> str | None:
        look: dict[str, Any] = {"channel": channel, "limit": LOOKED_BACK, "include_all_metadata": True}
        if thread_ts is None:
            answer = _called(lambda: self._client.conversations_history(**look), reads=True)
        else:
            answer = _called(lambda: self._client.conversations_replies(ts=thread_ts, **look), reads=True)
        return {_mark(message): str(message["ts"]) for message in answer["messages"]}.get(mark)


def _called(call: Callable[[], SlackResponse], *, reads: bool = False) -> SlackResponse:
    try:
        return call()
    except SlackApiError as error:
        raise _meant(error.response, reads=reads) from None
    except (SlackClientError, http.client.HTTPException, OSError, ValueError) as error:  # a proxy's answer is no JSON
        raise SlackAway(f"Slack does not answer ({type(error).__name__})", answered=False) from None


def _meant(response: SlackResponse, *, reads: bool) -> SlackAway | SlackRefuses:
    """The exception for an error that Slack answered with."""
    code = str(response.get("error") or f"HTTP {response.status_code}")
    if response.status_code == TOO_MANY or code in ("ratelimited", "rate_limited"):
        asked = {name.lower(): value for name, value in response.headers.items()}.get("retry-after", "")
        return SlackAway("Slack limits our calls", float(asked) if str(asked).isdecimal() else None)
    scope = scope_of(code)
    if reads and code == "missing_scope":  # posting needs another scope
        scope = Scope.UNKNOWN
    why = f"Slack refuses: {explained(code, str(response.get('needed') or ''))}"
    if scope is Scope.DELIVERY:
        return SlackAway(why)
    if response.status_code >= BROKEN and code not in SCOPES:
        return SlackAway(why, answered=False)
    return SlackRefuses(why, scope)


def _content(message: Message, mark: str) -> dict[str, Any]:
    metadata = {"event_type": EVENT_TYPE, "event_payload": {"mark": mark}}
    return {"text": message["text"], "blocks": message["blocks"], "metadata": metadata}


def _mark(message: Mapping[str, Any]) -> str | None:
    metadata = message.get("metadata") or {}
    return metadata.get("event_payload", {}).get("mark") if metadata.get("event_type") == EVENT_TYPE else None
