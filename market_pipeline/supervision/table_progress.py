"""What the stream's heartbeat says of one table: each is written by a query of its own, which may hang by itself.

The stream's marks of ``trades_silver`` are by visibility, looked up about once a second. Of the other tables the newest
batch that had records is what there is to tell.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from market_pipeline.supervision.heartbeat import Beat
from market_pipeline.supervision.progress import Report, Told, stream_report


def table_report(query: str) -> Callable[[Beat | None, Told, float], Report]:
    """What to tell of the table that a query writes. Pure, as ``stream_report`` is."""

    def report(beat: Beat | None, told: Told, now: float) -> Report:
        # without a mark: what is told at this moment if the table moved on
        due = stream_report(beat, replace(told, mark=""), now)
        mark = batch_mark(beat, query)
        if due.advanced and mark and mark != told.mark:
            return replace(due, told=replace(due.told, mark=mark))
        remembered = replace(due.told, mark=told.mark, advanced_at=told.advanced_at, day=told.day)
        return replace(due, advanced=False, new_day=False, told=remembered)

    return report


def batch_mark(beat: Beat | None, query: str) -> str:
    """What changes with each batch of the query that had records; empty while there was none."""
    queries = beat.detail.get("queries") if beat else None
    newest = queries.get(query) if isinstance(queries, Mapping) else None
    if not isinstance(newest, Mapping) or not newest.get("input_rows"):
        return ""
    return f"{newest.get('batch_id')}:{newest.get('at')}"
