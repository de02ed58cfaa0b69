"""The digest of a report: what a person wants to know of it over the first coffee. Told once a report, by Slack."""

from market_pipeline.alerts.notices import Notices
from market_pipeline.alerts.round import courier
from market_pipeline.routine.report import MARKS, Report
from market_pipeline.settings import Settings


def digest(report: Report) -> str:
    """The headline, and a line for each box. Pure."""
    wanted = len(report.attention)
    verdict = "all is well" if not wanted else f"{wanted} of {len(report.findings)} need a person"
    mark = MARKS[not wanted]
    lines = [f"{MARKS[found.fine]} {title}: {found.text}" for title, found in report.findings.values()]
    return "\n".join([f"{mark} {report.title}: {verdict}", *lines])


def tell_digest(settings: Settings, key: str, report: Report) -> bool:
    """Tell it, where Slack is set up; False when a report of that key was told before, or there is no Slack."""
    messenger = courier(settings)
    if messenger is None:
        return False
    is_new = Notices(settings.paths.incidents).tell(key, digest(report), report.made_at.timestamp())
    messenger.deliver()
    return is_new
