"""What a person does about an incident, as jobs: the same as `market-pipeline incidents ack|resolve|silence`.

And what is left of one that is over, as an asset.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from market_pipeline.defs.description import OWNERS
from market_pipeline.defs.failures import told_in_one_line
from market_pipeline.defs.resources import PipelineResource

if TYPE_CHECKING:
    from market_pipeline.alerts.incident import Transition
    from market_pipeline.alerts.ledger import Ledger
    from market_pipeline.settings import Settings


class Who(dg.Config):
    """Which incident, by its id or the beginning of it, and who acts."""

    incident: str
    by: str


class Quiet(dg.Config):
    """What nobody shall be told of, and why."""

    rule: str
    """An id, or a pattern such as `kafka-*`."""
    subject: str = "*"
    by: str
    reason: str
    minutes: float = 60.0


@dg.op(description="Tell nobody of what matches, for a while; the incidents are kept all the same.")
def silence_rule_now(context: dg.OpExecutionContext, config: Quiet, pipeline: PipelineResource) -> None:
    from market_pipeline.alerts.rulebook import about_some_rule
    from market_pipeline.alerts.silence import Silence
    from market_pipeline.alerts.silences import Silences

    now = time.time()
    with told_in_one_line():
        ends = now + config.minutes * 60
        wanted = about_some_rule(Silence(config.rule, config.subject, config.by, config.reason, now, ends))
        Silences(pipeline.settings().paths.incidents).keep(wanted)
    context.log.info(f"{config.rule} of {config.subject} is silenced for {config.minutes:.0f} min by {config.by}")


@dg.job(description="Tell nobody of what matches, for a while; the incidents are kept all the same.")
def silence_rule() -> None:
    silence_rule_now()


def _acting(name: str, what: str, act: Callable[["Ledger", Who, float], "Transition | None"]) -> dg.JobDefinition:
    @dg.op(name=f"{name}_now", description=what)
    def now(context: dg.OpExecutionContext, config: Who, pipeline: PipelineResource) -> None:
        from market_pipeline.alerts.ledger import Ledger

        with told_in_one_line():
            transition = act(Ledger(pipeline.settings().paths.incidents), config, time.time())
        context.log.info("nothing to do" if transition is None else f"{transition.incident.id} {transition.change}")

    @dg.job(name=name, description=what)
    def job() -> None:
        now()

    return job


ack_incident = _acting(
    "ack_incident",
    "Take an incident on, which ends its escalation at once.",
    lambda ledger, who, now: ledger.ack(who.incident, who.by, now),
)
resolve_incident = _acting(
    "resolve_incident",
    "End an incident by hand; a fault that goes on is a new one.",
    lambda ledger, who, now: ledger.resolve(who.incident, who.by, now),
)


incident_reports = dg.AssetSpec(
    "incident_reports",
    group_name="operations",
    kinds={"report"},
    owners=OWNERS,
    description="One materialisation for each incident that is over: its course, the trades that it touched, its "
    "cause, what healed it, and its times against their targets. Kept by the sensors `programs` and `alerts`.",
)


def reports_of(
    settings: "Settings", incidents: Iterable[str], tell: Callable[[str], None]
) -> Iterator[dg.AssetMaterialization]:
    """A report of each incident, kept as a page; one that can't be made is told, and made with the next look."""
    from market_pipeline.alerts.ledger import Ledger
    from market_pipeline.mendable import Mendable
    from market_pipeline.routine.digest import tell_end
    from market_pipeline.routine.incident_report import incident_report
    from market_pipeline.routine.page import keep

    for incident in incidents:
        now = datetime.now(UTC)
        try:
            report = incident_report(settings, incident, now)
            path = keep(settings, f"incidents/{incident}", report)
            tell_end(settings, incident, report)
        except (Mendable, OSError) as error:
            tell(f"no report of {incident} yet: {error}")
            continue
        yield dg.AssetMaterialization(
            asset_key=incident_reports.key,
            description=report.title,
            metadata={
                "report": dg.MetadataValue.md(report.markdown()),
                "page": dg.MetadataValue.path(str(path)),
                "incident": incident,
                **{box: dg.MetadataValue.text(found.text) for box, (_, found) in report.findings.items()},
            },
        )
        Ledger(settings.paths.incidents).reported(incident, now.timestamp())
