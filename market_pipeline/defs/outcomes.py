"""What the run of a remedy came to is kept with the incident that it is for, whether it was well or not."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten
from typing import TYPE_CHECKING, Protocol

import dagster as dg

from market_pipeline.alerts.cures import INCIDENT_TAG
from market_pipeline.defs.failures import line_of
from market_pipeline.mendable import Refused

if TYPE_CHECKING:
    from market_pipeline.settings import Settings


TEXT_LIMIT = 400
"""Characters: what a message holds."""


class Keep(Protocol):
    """Takes what was done, and whether that was what the remedy is for; None where there was nothing to do."""

    def __call__(self, text: object, *, worked: bool | None = True) -> None: ...


@contextmanager
def kept_with_incident(context: dg.OpExecutionContext, settings: "Settings") -> Iterator["Keep"]:
    """Gives what is called with each thing that is done; what is raised within, a termination too, is kept as a failure
    and raised on.

    A run that a person started by hand is for no incident, and nothing is kept.
    """
    from market_pipeline.alerts.outcomes import Outcome, Outcomes

    incident = context.run.tags.get(INCIDENT_TAG)

    def keep(text: object, *, worked: bool | None = True) -> None:
        if incident is None:
            return
        said = shorten(str(text), TEXT_LIMIT, placeholder=" …")
        outcome = Outcome(incident, context.run_id, time.time(), worked, said)
        try:
            Outcomes(settings.paths.incidents).keep(outcome)
        except sqlite3.Error as error:  # no reason to leave a remedy undone
            context.log.warning(f"not kept with {incident}: {error}")

    try:
        yield keep
    except Refused as refused:
        keep(f"refused: {refused}", worked=None)
        raise
    except BaseException as error:
        line = line_of(error) if isinstance(error, Exception) else None
        keep(line or f"{type(error).__name__}: {error}", worked=False)
        raise
