"""Runbook, Weekly Checks: the smoke test, Cassandra's disk, and the stream's figures over the week.

And what they really need beside them: tombstones, a compaction where there is room, and the size of Dagster's storage.
"""

import json
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median

from market_pipeline.alerts.history import DELAY, LAG, History
from market_pipeline.charts import line_chart
from market_pipeline.remedies.compaction import NodetoolFailed, NoRoom, compact, run_nodetool
from market_pipeline.routine.daily import disk_forecast
from market_pipeline.routine.report import Box, Finding, Report, fill_in
from market_pipeline.routine.smoke_test import SmokeTest
from market_pipeline.settings import Settings
from market_pipeline.supervision.disk import bytes_below

WEEK = timedelta(days=7)
DRIFT = 1.5
"""The second half of the week against the first: what grows faster is worth a look."""
TOMBSTONES_PER_READ = 100.0
PENDING_COMPACTIONS = 20


def boxes(settings: Settings, now: datetime, prune: Callable[[], int]) -> list[Box]:
    """The weekly checklist, looked at at ``now``; ``prune`` deletes old runs of Dagster's and tells how many."""
    looks: list[tuple[str, str, Callable[[Settings, datetime], Finding]]] = [
        ("smoke-test", "A marked trade over the whole path", smoke_test),
        ("disk-usage", "The disk under Cassandra, by table", disk_usage),
        ("tombstones", "Tombstones and the compaction backlog", tombstones),
        ("stream-metrics", "The stream's figures over the week", stream_metrics),
        ("compaction", "Compaction and cleanup", compaction),
        ("dagster-storage", "Dagster's own storage", partial(dagster_storage, prune)),
    ]
    return [Box(name, title, partial(look, settings, now)) for name, title, look in looks]


def weekly_report(
    settings: Settings,
    now: datetime,
    tell: Callable[[str], None] = lambda _: None,
    prune: Callable[[], int] = lambda: 0,
) -> Report:
    """Every box of the weekly checklist; ``prune`` deletes old runs of Dagster's and tells how many."""
    year, week, _ = now.isocalendar()
    return fill_in(f"Weekly checks, {year} week {week}", boxes(settings, now, prune), now, tell)


def smoke_test(settings: Settings, now: datetime) -> Finding:
    """Every hop of a marked trade."""
    hops = SmokeTest(settings).run()
    failed = [f"{hop.name}: {hop.text}" for hop in hops if hop.fine is False]
    rows = [
        {
            "hop": hop.name,
            "seen": hop.fine,
            "seconds": f"{hop.seconds:.3f}" if hop.seconds else "",
            "what": hop.text,
        }
        for hop in hops
    ]
    return Finding(not failed, "; ".join(failed) or f"{len(hops)} hops seen", rows)


def disk_usage(settings: Settings, now: datetime) -> Finding:
    """How full the disk is, by table, and when it is full."""
    return disk_forecast(settings, now.date(), now)


def tombstones(settings: Settings, now: datetime) -> Finding:
    """What reads pass over, and what waits to be compacted, by Cassandra's own word."""
    try:
        told = json.loads(run_nodetool(settings, ("tablestats", "-F", "json", settings.keyspace)))
        pending = pending_compactions(run_nodetool(settings, ("compactionstats",)))
    except (NodetoolFailed, ValueError) as error:
        return Finding(None, f"could not be told: {error}")
    rows = rows_of(told, settings.keyspace)
    worst = max((float(str(row["tombstones a read"])) for row in rows), default=0.0)
    text = f"{worst:.1f} tombstones a read at most, {pending} compactions pending"
    return Finding(worst < TOMBSTONES_PER_READ and pending < PENDING_COMPACTIONS, text, rows)


def rows_of(told: dict[str, dict[str, dict[str, dict[str, object]]]], keyspace: str) -> list[dict[str, object]]:
    """A line for each table, of ``nodetool tablestats -F json``."""
    return [
        {
            "table": name,
            "MB": round(float(str(table["space_used_live"])) / 1e6, 1),
            "sstables": table["sstable_count"],
            "tombstones a read": _number(table["average_tombstones_per_slice_last_five_minutes"]),
        }
        for name, table in sorted(told[keyspace]["tables"].items())
    ]


def pending_compactions(text: str) -> int:
    """Of ``nodetool compactionstats``.

    Raises:
        ValueError: it says nothing of them.
    """
    for line in text.splitlines():
        found = re.match(r"\s*pending tasks:?\s+(\d+)", line)  # Cassandra 5 has no colon
        if found:
            return int(found[1])
    raise ValueError("nodetool compactionstats tells no pending tasks")


def stream_metrics(settings: Settings, now: datetime) -> Finding:
    """Latency and lag of the week, and whether the second half is worse than the first."""
    if not settings.paths.incidents.exists():
        return Finding(None, "nobody has looked yet: Dagster's sensor `alerts` does")
    history, since = History(settings.paths.incidents), (now - WEEK).timestamp()
    delays, lags = history.since(DELAY, since), history.since(LAG, since)
    if not delays:
        return Finding(None, "no look within a week could tell the latency")
    values = [value for _, value in delays]
    before, after = halves(values)
    times = [f"{datetime.fromtimestamp(at, UTC):%m-%d %H:%M}" for at, _ in delays]
    chart = line_chart("95 % of received → written, seconds", times, values)
    rows: list[dict[str, object]] = [
        {"figure": "received → written, p95 (s)", "first half": round(before, 3), "second half": round(after, 3)}
    ]
    if lags:
        first, second = halves([lag for _, lag in lags])
        rows.append({"figure": "lag (records)", "first half": round(first), "second half": round(second)})
    drifts = before > 0 and after > DRIFT * before and after > 1.0
    text = f"{after:.2f} s, {before:.2f} s in the half week before" + (": it drifts" if drifts else "")
    return Finding(not drifts, text, rows, chart)


def halves(values: list[float]) -> tuple[float, float]:
    """The median of the first and of the second half."""
    cut = max(1, len(values) // 2)
    return median(values[:cut]), median(values[cut:] or values)


def compaction(settings: Settings, now: datetime) -> Finding:
    """Compact and clean up, where the disk has room for it."""
    try:
        done = compact(settings)
    except (NoRoom, NodetoolFailed) as error:
        return Finding(False, str(error))
    rows = [
        {"table": name, "before, MB": round(size / 1e6, 1), "after, MB": round(done.after.get(name, 0) / 1e6, 1)}
        for name, size in sorted(done.before.items())
    ]
    return Finding(True, str(done), rows)


def dagster_storage(prune: Callable[[], int], settings: Settings, now: datetime) -> Finding:
    """Delete old runs, and how large the storage of runs, events and logs is."""
    before = bytes_below(settings.paths.dagster)
    try:
        gone = prune()
    except sqlite3.Error as error:
        return Finding(None, f"old runs could not be deleted: {error}")
    after = bytes_below(settings.paths.dagster)
    freed = f"; {gone:,} old runs deleted, {(before - after) / 1e6:,.0f} MB freed" if gone else "; no old run to delete"
    return Finding(True, f"{after / 1e6:,.0f} MB in {settings.paths.dagster}{freed}")


def _number(value: object) -> float:
    """nodetool writes NaN where nothing was read."""
    number = float(str(value))
    return round(number, 1) if number == number else 0.0
