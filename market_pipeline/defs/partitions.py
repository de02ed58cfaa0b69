"""UTC days. The current day is one of them: it can be rebuilt beside the running stream."""

from datetime import date

import dagster as dg

from market_pipeline.mendable import Mendable

FIRST_DAY = date(2021, 1, 1)
DAILY = dg.DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat(), timezone="UTC", end_offset=1)
ONE_RUN = dg.BackfillPolicy.single_run()
"""A range of days is one run: Spark starts once."""


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
