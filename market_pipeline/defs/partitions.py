"""UTC days. The current day is one of them: it can be rebuilt beside the running stream."""

from datetime import date

import dagster as dg

FIRST_DAY = date(2021, 1, 1)
DAILY = dg.DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat(), timezone="UTC", end_offset=1)
ONE_RUN = dg.BackfillPolicy.single_run()
"""A range of days is one run: Spark starts once."""


def days_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> list[date]:
    """The days that a run is for, in order."""
    return [date.fromisoformat(key) for key in sorted(context.partition_keys)]
