"""Beside the runbook's four: one table is not written any more, while the others are.

Each is written by a query of its own. One that gets no task slot (a cluster with too few cores, an executor that was
lost) or hangs by itself leaves its table as it was, and the lag of ``trades_silver`` says nothing of it.
"""

from collections.abc import Iterator
from functools import partial

from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict

RULE = Rule(
    "table-frozen",
    "A table is not written any more",
    Severity.P2,
    runbook="beside Common Alerts: a query without a task slot",
    hold_s=30,
    clear_s=60,
    remedy="restart_stream",
)
_signal = partial(Signal, RULE.id)


def judge(look: Look) -> Iterator[Signal]:
    """Each table that the stream reports, by how long its query has made no progress with something to do."""
    stream = look.snapshot.stream
    if stream.jvm_silent_s is not None or stream.late_after_s is None:
        return
    for table, behind in stream.tables.items():
        lag, still_s = behind["lag"], behind["still_s"]
        if still_s <= stream.late_after_s:
            yield _signal(table, Verdict.FINE, f"{table} is written as trades come", still_s)
            continue
        text = f"{table} is {lag:,.0f} records behind, its query has made no progress for {still_s:.0f} s"
        evidence = {"if other tables are written": "too few task slots: raise SPARK_WORKER_CORES or add workers"}
        yield _signal(table, Verdict.FAULT, text, still_s, evidence=evidence)
