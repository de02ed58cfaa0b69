"""What Slack shows of an incident: one message that is edited in place, and a line in its thread for each change. Pure.

Block Kit's limits: 150 characters a header, 3,000 a text, 10 fields a section, 50 blocks a message.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from market_pipeline.alerts.buttons import Signer, buttons
from market_pipeline.alerts.cures import INCIDENT_TAG, NEEDS_NO_ANSWER, RESTART_PROGRAM
from market_pipeline.alerts.incident import Change, Incident, State
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.escaping import for_slack, for_slack_code, visible
from market_pipeline.local.programs import EXECUTE_JOB

TEXT_LIMIT, HEADER_LIMIT = 2_900, 150
PLAIN_LIMIT = CODE_LIMIT = 1_000
SHOWN_EVIDENCE = 8

_SIGNS = {Severity.P1: "🔴", Severity.P2: "🟠", Severity.P3: "🟡", Severity.P4: "⚪"}
_DONE = "✅"

Message = Mapping[str, Any]
"""``text``, which notifications show, and ``blocks``."""


def root(
    incident: Incident, rule: Rule | None, flags: str = "", signer: Signer | None = None, page: str = ""
) -> Message:
    """The message of an incident as it stands.

    Args:
        incident: one that somebody was told of.
        rule: of it; None of a rule that is no more.
        flags: what a command needs to name this pipeline, such as `` --data-dir /srv/mp``.
        signer: what signs buttons; None where nobody listens.
        page: Dagster's, to which it links.
    """
    sign = _DONE if incident.state is State.RESOLVED else _SIGNS[incident.severity]
    text = f"{sign} {incident.severity} {title(incident, rule)}"
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": visible(text)[:HEADER_LIMIT], "emoji": False}},
        _section(for_slack(incident.text) or "no details"),
        {"type": "section", "fields": [_mrkdwn(f"*{name}*\n{value}") for name, value in _facts(incident)]},
    ]
    if incident.was_worse:
        blocks.append(_section(for_slack(at_worst(incident))))
    if incident.worst.evidence:
        blocks.append(_section(_evidence(incident.worst.evidence)))
    if incident.state is not State.RESOLVED:
        by_hand = how_to_mend(incident, rule, flags) if rule is not None and rule.remedy and incident.mendable else ""
        if signer is None:
            blocks.append(_section(_what_to_type(incident, flags)))
        if by_hand:
            blocks.append(_section(for_slack(by_hand)))
    if signer is not None and (pressable := buttons(incident, rule, signer)) is not None:
        blocks.append(pressable)
    link = f" · <{runs_url(page, incident.id)}|runs of its remedy>" if page else ""
    origin = for_slack(_origin(incident, rule)) + link
    blocks.append({"type": "context", "elements": [_mrkdwn(origin)]})
    return {"text": _cut(for_slack(f"{text}: {incident.text}")), "blocks": blocks}


def reply(change: str, text: str, contact: str, at: float) -> Message:
    """A line in the incident's thread."""
    contact = for_slack(contact)
    who = {
        Change.ACKED: f"taken on by {contact}",
        Change.RESOLVED: "over",
        Change.WORSENED: f"worse; *{contact}*, please look",
        Change.ESCALATED: f"nobody took it on in time; *{contact}*, please look",
        Change.REOPENED: f"it was taken on, and goes on; *{contact}*, please look",
        Change.TOLD_LATE: f"it outlasted what kept it back; *{contact}*, please look",
        Change.OPENED: f"*{contact}*, please look",
    }.get(Change(change), change)
    seen = f"Last seen: {text}" if change == Change.RESOLVED else text
    line = f"{moment(at)} UTC: {who}. {for_slack(seen)}"
    return {"text": _cut(line), "blocks": [_section(line)]}


def runs_url(page: str, incident: str) -> str:
    """Where Dagster's page shows the runs that were made for an incident."""
    return f"{page}/runs?{urlencode({'q[0]': f'tag:{INCIDENT_TAG}={incident}'})}"


def note(text: str, at: float) -> Message:
    """Any other line in a thread."""
    line = f"{moment(at)} UTC: {for_slack(text)}"
    return {"text": _cut(line), "blocks": [_section(line)]}


def plain(message: Message) -> Message:
    """The same in words alone, when Slack refuses what it looks like."""
    return {"text": message["text"][:PLAIN_LIMIT], "blocks": []}


def notice(text: str) -> Message:
    """What is told of no incident; its first line is the headline."""
    headline, _, rest = text.partition("\n")
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": visible(headline)[:HEADER_LIMIT], "emoji": False}}
    ]
    blocks += [_section(for_slack(rest))] if rest else []
    return {"text": _cut(for_slack(headline)), "blocks": blocks}


def at_worst(incident: Incident) -> str:
    """The worst moment of an incident, which is what its evidence is of."""
    return f"at its worst, {moment(incident.worst.at)} UTC: {incident.worst.text}"


def _facts(incident: Incident) -> list[tuple[str, str]]:
    facts = [("State", _state(incident)), ("Since", f"{moment(incident.since)} UTC")]
    if incident.resolved_at is not None:
        facts.append(("Lasted", lasted(incident.lasted_s(incident.resolved_at))))
    else:
        facts.append(("For", incident.severity.contact(incident.level)))
    facts.append(("Subject", for_slack(incident.subject)))
    if incident.flaps:
        facts.append(("Came back", f"{incident.flaps} times"))
    return facts


def _state(incident: Incident) -> str:
    if incident.state is State.ACKED:
        return f"taken on by {for_slack(incident.acked_by or 'somebody')}"
    if incident.state is State.RESOLVED:
        return f"over, ended by {for_slack(incident.resolved_by or 'itself')}"
    return str(incident.state)


def _evidence(evidence: Mapping[str, Any]) -> str:
    shown = dict(list(evidence.items())[:SHOWN_EVIDENCE])
    texts = {name: value if isinstance(value, str) else json.dumps(value, default=str) for name, value in shown.items()}
    return "\n".join(_shown(name, text) for name, text in texts.items())


def _shown(name: str, text: str) -> str:
    return f"• {for_slack(name)}: {for_slack(text)}" if "\n" not in text else _code(name, text)


def _code(name: str, text: str) -> str:
    return f"• {for_slack(name)}:\n```{_cut(for_slack_code(text), CODE_LIMIT)}```"


def _what_to_type(incident: Incident, flags: str) -> str:
    commands = [f"market-pipeline incidents ack {incident.id} --by YOU{flags}"] if incident.acked_by is None else []
    commands.append(f"market-pipeline incidents silence {incident.rule} --for 1h --reason WHY{flags}")
    return "```" + "\n".join(map(for_slack_code, commands)) + "```"


def how_to_mend(incident: Incident, rule: Rule, flags: str = "") -> str:
    """What mends it, as a person types it; of a rule that has a remedy. ``flags`` name the pipeline."""
    if rule.remedy == RESTART_PROGRAM:
        by_itself = " (Dagster's job restart_program does it by itself)" if rule.heals else ""
        return f"market-pipeline restart {incident.subject}{flags}{by_itself}"
    if rule.remedy in NEEDS_NO_ANSWER:
        return f"market-pipeline incidents run {incident.id}{flags} (Dagster's job {rule.remedy})"
    return f"{EXECUTE_JOB} {rule.remedy}"


def _origin(incident: Incident, rule: Rule | None) -> str:
    return f"{incident.id}" + (f" · Runbook, {rule.runbook}" if rule is not None else "")


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> dict[str, Any]:
    # verbatim: no name, channel or address in it is made a link
    return {"type": "mrkdwn", "text": _cut(text), "verbatim": True}


def _cut(text: str, limit: int = TEXT_LIMIT) -> str:
    """Escaped text within a limit, without half an entity at its end, and with its last block of code closed."""
    if len(text) <= limit:
        return text
    text = re.sub(r"&[a-z]{0,3}$", "", text[: limit - 4])
    return text + ("…```" if text.count("```") % 2 else "…")


def title(incident: Incident, rule: Rule | None) -> str:
    """What is wrong; of a rule that is no more, its id."""
    return rule.title if rule is not None else incident.rule


def moment(at: float) -> str:
    """A time in UTC, to the second."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"


def lasted(seconds: float) -> str:
    return str(timedelta(seconds=max(0, round(seconds))))
