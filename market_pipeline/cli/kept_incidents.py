"""The ledger of incidents as the commands find it, and how old its verdict is."""

import time
from pathlib import Path

from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.message import moment
from market_pipeline.alerts.outbox import Outbox
from market_pipeline.cli import PipelineError
from market_pipeline.cli.echo import echo
from market_pipeline.settings import Settings

STALE_S = 150.0
"""So long after the last look a state is none any more: the sensor looks each half minute."""
WHO_JUDGES = "Dagster's sensor `alerts` does it, from two or three minutes after `up`, while Dagster runs"


def kept_incidents(settings: Settings) -> Path:
    """The file of incidents of the pipeline that is meant.

    Raises:
        PipelineError: nothing was ever judged there.
    """
    if not settings.paths.incidents.exists():
        raise PipelineError(f"nothing was judged yet on {settings.data_dir}: {WHO_JUDGES}")
    return settings.paths.incidents


def kept_ledger(settings: Settings) -> Ledger:
    """The ledger in it.

    Raises:
        PipelineError: nothing was ever judged there.
    """
    return Ledger(kept_incidents(settings))


def tell_when_judged(ledger: Ledger) -> None:
    """An old verdict is no verdict, and what can't be told is not well."""
    judged_at = ledger.judged_at()
    ago_s = time.time() - judged_at if judged_at is not None else None
    if judged_at is not None and ago_s is not None and ago_s < STALE_S:
        echo(f"judged {ago_s:.0f} s ago")
        for rule, why in ledger.unknown():
            echo(f"  {rule} can't be told: {why}")
        return
    since = f"since {moment(judged_at)} UTC" if judged_at is not None else "yet"
    echo(f"warning: nobody has judged {since}: {WHO_JUDGES}", err=True)


def warn_of_held_messages(settings: Settings) -> None:
    """Say why messages wait for Slack, when some do."""
    if settings.slack_token is not None and (why := Outbox(kept_incidents(settings)).trouble()) is not None:
        echo(f"warning: messages wait for Slack: {why}", fg="yellow", err=True)
