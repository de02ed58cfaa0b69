"""UTC days, from the first of which there are trades. Today is one of them: it is rebuilt beside the running stream."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from json import JSONDecodeError, loads

import click
import dagster as dg

from market_pipeline.mendable import Mendable
from market_pipeline.settings import Settings, SettingsError
from market_pipeline.supervision.first_day import first_day

PARTITION = "dagster/partition"
ONE_RUN = dg.BackfillPolicy.single_run()
"""A range of days is one run: Spark starts once."""


def partitions_begin(today: date) -> date:
    """The first partition: the earliest of the day that is set, the first day of data, and a day that is asked for.

    Definitions are loaded once a process. A day before it that comes later is added when they are loaded again.
    """
    try:
        settings = Settings.load()
    except SettingsError:  # a run says which variable is wrong; the pages are there meanwhile
        return min([today, *asked_for()])
    known = [day for day in (settings.first_day, first_day(settings.paths)) if day is not None]
    return min([today, *known, *asked_for()])


def asked_for() -> Iterator[date]:
    """Days that `dagster asset materialize` or `dagster job execute` names, when such a command loads the definitions.

    So any day can be materialised from a shell, whether the pipeline has trades of it or not.
    """
    context = click.get_current_context(silent=True)
    given = context.params if context is not None else {}
    named = [str(given.get("partition")), *str(given.get("partition_range")).split("...")]
    with suppress(KeyError, TypeError, JSONDecodeError):  # of tags that are wrong Dagster says so itself
        named.append(str(loads(given["tags"])[PARTITION]))
    for text in named:
        with suppress(ValueError):
            yield date.fromisoformat(text)


FIRST_PARTITION = partitions_begin(datetime.now(UTC).date())
DAILY = dg.DailyPartitionsDefinition(start_date=FIRST_PARTITION.isoformat(), timezone="UTC", end_offset=1)


OF_WHICH_DAY = (
    "of which day? Choose it on Dagster's page, or type `dagster job execute … --tags "
    """'{"dagster/partition": "2026-11-24"}'` or `dagster asset materialize … --partition 2026-11-24`"""
)


class NoDay(Mendable):
    """A run of what is of a day was asked for without one; one line with the cure."""


def days_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[date]:
    """The days that a run is for, in order.

    Raises:
        NoDay: it is for none.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        raise NoDay(OF_WHICH_DAY)
    return [date.fromisoformat(key) for key in sorted(context.partition_keys)]
