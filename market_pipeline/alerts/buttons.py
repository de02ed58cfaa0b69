"""The buttons of an incident's message, and what a press of one says. Pure.

Each button's value is signed, with its channel and the time, so that only a button that we made is acted upon.
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
        user: Slack's id of who.
        team: Slack's id of the workspace where it was pressed.
        home: that of the one who pressed it, which differs in a channel that workspaces share.
        signed_at: when the button was made, epoch seconds.
    """

    action: Action
    incident: str
    by: str
    channel: str = ""
    thread_ts: str = ""
    user: str = ""
    team: str = ""
    home: str = ""
    signed_at: float = 0.0


@dataclass(frozen=True)
class Signer:
    """Signs the buttons of a channel.

    Attributes:
        secret: the key.
        channel: where the message will be.
        now: epoch seconds.
    """

    secret: bytes
    channel: str
    now: float

    def value(self, action: Action, incident: str) -> str:
        """A button's value."""
        signed = f"{incident}|{int(self.now)}"
        return f"{signed}|{_signature(self.secret, action, self.channel, signed)}"


def buttons(incident: Incident, rule: Rule | None, signer: Signer) -> dict[str, Any] | None:
    """The block of buttons; None where nothing is to be done any more.

    Args:
        incident: whose message it is.
        rule: of it.
        signer: of the channel.
    """
    if incident.state is State.RESOLVED:
        return None
    shown = [] if incident.state is State.ACKED else [_button(Action.ACK, "Take it on", incident, signer, "primary")]
    shown.append(_button(Action.SILENCE, "Silence for 1 h", incident, signer))
    if rule is not None and incident.mendable and rule.remedy in NEEDS_NO_ANSWER:
        run = _button(Action.RUN, f"Run {rule.remedy}", incident, signer)
        what = f"{rule.remedy}{f' of {incident.subject}' if rule.remedy == RESTART_PROGRAM else ''}"
        shown.append(run | {"confirm": _sure(f"Dagster runs {what} as soon as no other remedy runs.")})
    return {"type": "actions", "elements": shown}


def press(payload: Mapping[str, Any], secret: bytes) -> Press | None:
    """What an interaction of Slack's asks for; None of one that is none of ours, or whose signature is not.

    Source: Slack's reference of ``block_actions`` payloads.
    """
    if payload.get("type") != "block_actions":
        return None
    user, container = payload.get("user", {}), payload.get("container", {})
    channel = str(container.get("channel_id") or payload.get("channel", {}).get("id", ""))
    for told in payload.get("actions", ()):
        name, value = str(told.get("action_id", "")), str(told.get("value", ""))
        signed, _, signature = value.rpartition("|")
        incident, _, signed_at = signed.rpartition("|")
        if name not in list(Action) or not signature.isascii():
            continue
        if hmac.compare_digest(signature, _signature(secret, Action(name), channel, signed)):
            by = str(user.get("username") or user.get("name") or user.get("id") or "somebody")
            team = str((payload.get("team") or {}).get("id", ""))
            return Press(
                *(Action(name), incident, by, channel, str(container.get("message_ts", ""))),
                *(str(user.get("id", "")), team, str(user.get("team_id", team)), float(signed_at)),
            )
    return None


def _button(action: Action, text: str, incident: Incident, signer: Signer, style: str | None = None) -> dict[str, Any]:
    button = {
        "type": "button",
        "action_id": str(action),
        "text": {"type": "plain_text", "text": text},
        "value": signer.value(action, incident.id)[:VALUE_LIMIT],
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


def _signature(secret: bytes, action: Action, channel: str, signed: str) -> str:
    said = "\n".join((action, channel, signed)).encode("utf-8", "backslashreplace")
    return hmac.new(secret, said, "sha256").hexdigest()
