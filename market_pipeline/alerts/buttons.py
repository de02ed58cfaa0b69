"""The buttons of an incident's message, and what a press of one says. Pure.

Each button's value is signed with the workspace's own secret, so that only a button that we made is acted upon.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from market_pipeline.alerts.cures import NEEDS_NO_ANSWER, RESTART_PROGRAM
from market_pipeline.alerts.incident import Incident, State
from market_pipeline.alerts.rule import Rule

VALUE_LIMIT = 2_000
"""Block Kit's, in characters."""


class Action(StrEnum):
    ACK = "ack"
    SILENCE = "silence"
    RUN = "run"


@dataclass(frozen=True)
class Press:
    """Somebody wants something done about an incident.

    Attributes:
        action: what.
        incident: its id.
        by: who.
        channel: where it was pressed; Slack's id, and '' of one that was typed.
        thread_ts: the message that has the button.
    """

    action: Action
    incident: str
    by: str
    channel: str = ""
    thread_ts: str = ""


def buttons(incident: Incident, rule: Rule | None, secret: bytes) -> dict[str, Any] | None:
    """The block of buttons; None where nothing is to be done any more.

    Args:
        incident: whose message it is.
        rule: of it.
        secret: what signs.
    """
    if incident.state is State.RESOLVED:
        return None
    shown = [] if incident.state is State.ACKED else [_button(Action.ACK, "Take it on", incident, secret, "primary")]
    shown.append(_button(Action.SILENCE, "Silence for 1 h", incident, secret))
    if rule is not None and incident.mendable and rule.remedy in NEEDS_NO_ANSWER:
        run = _button(Action.RUN, f"Run {rule.remedy}", incident, secret)
        what = f"{rule.remedy}{f' of {incident.subject}' if rule.remedy == RESTART_PROGRAM else ''}"
        shown.append(run | {"confirm": _sure(f"Dagster runs {what} as soon as no other remedy runs.")})
    return {"type": "actions", "elements": shown}


def press(payload: Mapping[str, Any], secret: bytes) -> Press | None:
    """What an interaction of Slack's asks for; None of one that is none of ours, or whose signature is not.

    Source: Slack's reference of ``block_actions`` payloads.
    """
    if payload.get("type") != "block_actions":
        return None
    for told in payload.get("actions", ()):
        name, value = str(told.get("action_id", "")), str(told.get("value", ""))
        incident, _, signature = value.rpartition("|")
        if name in list(Action) and hmac.compare_digest(signature, _signature(Action(name), incident, secret)):
            user = payload.get("user", {})
            by = str(user.get("username") or user.get("name") or user.get("id") or "somebody")
            container = payload.get("container", {})
            channel = str(container.get("channel_id") or payload.get("channel", {}).get("id", ""))
            return Press(Action(name), incident, by, channel, str(container.get("message_ts", "")))
    return None


def _button(action: Action, text: str, incident: Incident, secret: bytes, style: str | None = None) -> dict[str, Any]:
    value = f"{incident.id}|{_signature(action, incident.id, secret)}"
    button = {
        "type": "button",
        "action_id": str(action),
        "text": {"type": "plain_text", "text": text},
        "value": value[:VALUE_LIMIT],
    }
    return button | ({"style": style} if style is not None else {})


def _sure(text: str) -> dict[str, Any]:
    plain = {"type": "plain_text"}
    return {
        "title": plain | {"text": "Are you sure?"},
        "text": plain | {"text": text},
        "confirm": plain | {"text": "Run it"},
        "deny": plain | {"text": "No"},
    }


def _signature(action: Action, incident: str, secret: bytes) -> str:
    return hmac.new(secret, f"{action}|{incident}".encode(), "sha256").hexdigest()
