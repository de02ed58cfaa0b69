"""Beside the runbook's four: what Dagster should have done and did not, or did with an unhappy end."""

from collections.abc import Iterator, Mapping

from market_pipeline.alerts.look import Look, Unhappy
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict

FAILED_RUN = Rule(
    "failed-run",
    "A job's last run failed",
    Severity.P3,
    runbook="beside Common Alerts: a remedy or a routine task with an unhappy end",
    while_stopped=True,
)
FAILED_CHECK = Rule(
    "failed-check",
    "A check of the data fails",
    Severity.P3,
    runbook="Daily Health Checks: what the checks prove",
    while_stopped=True,
)
MISSED_SCHEDULE = Rule(
    "missed-schedule",
    "A schedule missed its time",
    Severity.P3,
    runbook="beside Common Alerts: missed schedule",
    while_stopped=True,
    hold_s=300,  # what was missed while nobody was there is made up by then
)


def judge_runs(look: Look) -> Iterator[Signal]:
    """Each job, by its newest run that is over."""
    return _signals(FAILED_RUN, look.runs.jobs if look.runs else {}, "its last run succeeded")


def judge_checks(look: Look) -> Iterator[Signal]:
    """Each check, by its newest execution."""
    return _signals(FAILED_CHECK, look.runs.checks if look.runs else {}, "it passed")


def judge_schedules(look: Look) -> Iterator[Signal]:
    """Each schedule that runs, by its newest tick."""
    return _signals(MISSED_SCHEDULE, look.runs.schedules if look.runs else {}, "its ticks come in time")


def _signals(rule: Rule, told: Mapping[str, Unhappy | None], well: str) -> Iterator[Signal]:
    for subject, wrong in told.items():
        if wrong is None:
            yield Signal(rule.id, subject, Verdict.FINE, f"{subject}: {well}")
        else:
            evidence = {"run": wrong.run} if wrong.run is not None else {}
            yield Signal(rule.id, subject, Verdict.FAULT, f"{subject}: {wrong.text}", evidence=evidence)
