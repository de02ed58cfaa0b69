"""The digest of a report: what a person wants to know of it over the first coffee. Told by Slack, once a report."""

import logging

from market_pipeline.alerts.message import note
from market_pipeline.alerts.notices import Notices
from market_pipeline.alerts.round import courier
from market_pipeline.alerts.slack import SlackAway, SlackRefuses
from market_pipeline.routine.report import MARKS, Finding, Report
from market_pipeline.settings import Settings

END = ("times", "unheard", "trades", "healed")
"""The boxes of an incident's report that its thread is told."""
logger = logging.getLogger(__name__)


def digest(report: Report) -> str:
    """The headline, and a line for each box. Pure."""
    mark = MARKS[not report.attention]
    lines = [f"{MARKS[found.fine]} {title}: {found.text}" for title, found in report.findings.values()]
    return "\n".join([f"{mark} {report.title}: {report.verdict}", *lines])


def tell_end(settings: Settings, incident: str, report: Report) -> bool:
    """Tell in an incident's thread what is left of it: how long, which trades, what healed it. Not when it was told
    before, nor when nobody was told of the incident, nor when Slack is away: the report has it all the same."""
    messenger = courier(settings)
    thread = messenger.outbox.thread(incident) if messenger is not None else None
    if messenger is None or thread is None or thread.ts is None:
        return False
    mark, text = f"report of {incident}", "\n".join(f"{title}: {each.text}" for title, each in _end(report))
    try:
        if messenger.slack.find(thread.channel, mark, thread.ts) is None:
            messenger.slack.post(thread.channel, mark, note(text, report.made_at.timestamp()), thread.ts)
            return True
    except (SlackAway, SlackRefuses) as error:
        logger.warning("%s; the report of %s is not told in its thread", error, incident)
    return False


def _end(report: Report) -> list[tuple[str, Finding]]:
    return [report.findings[box] for box in END if box in report.findings]


def tell_digest(settings: Settings, key: str, report: Report) -> bool:
    """Tell it, where Slack is set up; False when a report of that key was told before, or there is no Slack."""
    messenger = courier(settings)
    if messenger is None:
        return False
    is_new = Notices(settings.paths.incidents).tell(key, digest(report), report.made_at.timestamp())
    messenger.deliver()
    return is_new
