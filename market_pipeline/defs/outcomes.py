"""What the run of a remedy came to is kept with the incident that it is for, whether it was well or not."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from market_pipeline.alerts.cures import INCIDENT_TAG
from market_pipeline.defs.failures import line_of

if TYPE_CHECKING:
    from market_pipeline.settings import Settings


@contextmanager
def kept_with_incident(context: dg.OpExecutionContext, settings: "Settings") -> Iterator[Callable[[object], None]]:
    """Gives what is called with each thing that is done; what is raised within is kept as a failure and raised on.

    A run that a person started by hand is for no incident, and nothing is kept.
    """
    from market_pipeline.alerts.outcomes import Outcome, Outcomes

    incident = context.run.tags.get(INCIDENT_TAG)

    def keep(text: object, *, worked: bool = True) -> None:
        if incident is None:
            return
        outcome = Outcome(incident, context.run_id, time.time(), worked, " ".join(str(text).split()))
        try:
            Outcomes(settings.paths.incidents).keep(outcome)
        except sqlite3.Error as error:  # no reason to leave a remedy undone
            context.log.warning(f"not kept with {incident}: {error}")

    try:
        yield keep
    except Exception as error:
        keep(line_of(error) or f"{type(error).__name__}: {error}", worked=False)
        raise
