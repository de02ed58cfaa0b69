"""What a program's heartbeats say about the data: whether it moved on, and how the program does.

Pure: beats and the last report in, what to tell out. Data that moves on is told at once when it was quiet before, and
then every ``REPORT_EVERY_S``: each tick would fill Dagster's event log with tens of thousands of entries a day.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from market_pipeline.supervision.heartbeat import Beat

REPORT_EVERY_S = 300.0

PRODUCER_FIGURES = ("received", "confirmed", "symbols", "seen", "frames", "price_updates", "reconnects")
STREAM_FIGURES = ("lag", "newest_event_age_s", "oldest_waiting_age_s", "input_rate")


@dataclass(frozen=True)
class Told:
    """What was reported last: the data's mark, when (epoch s), the program's state, when that was observed, and the
    newest day (ISO) of which there was data."""

    mark: str = ""
    advanced_at: float = 0.0
    state: str = ""
    observed_at: float = 0.0
    day: str = ""


@dataclass(frozen=True)
class Report:
    """What to tell about a program's data now.

    Attributes:
        state: one line for a person.
        advanced: the data moved on, and it is time to say so.
        observed: the state changed, or it is time to repeat it.
        newest: event time of the newest record, if known.
        figures: the program's own numbers.
        told: to be remembered for the next time.
        new_day: the first data of a UTC day is among it.
    """

    state: str
    advanced: bool
    observed: bool
    newest: datetime | None
    told: Told
    figures: Mapping[str, float] = field(default_factory=dict)
    new_day: bool = False

    @property
    def day(self) -> date | None:
        """The UTC day that the newest record belongs to."""
        return self.newest.date() if self.newest else None


def producer_report(beat: Beat | None, told: Told, now: float) -> Report:
    """What the producer's heartbeat says of ``trades_raw``."""
    if beat is None:
        return _report("no heartbeat", "", None, {}, told, now)
    detail = beat.detail
    confirmed = _number(detail.get("confirmed")) or 0
    mark = f"{beat.started_at:.0f}:{confirmed:.0f}" if confirmed > 0 else ""
    state = "connected" if detail.get("connected") else "not connected"
    if detail.get("kafka_error"):
        state = f"{state}, Kafka: {detail['kafka_error']}"
    newest = _moment(detail.get("last_trade_ts"))
    return _report(_fresh(beat, state, now), mark, newest, _figures(detail, PRODUCER_FIGURES), told, now)


def stream_report(beat: Beat | None, told: Told, now: float) -> Report:
    """What the stream's heartbeat says of the tables that it keeps."""
    if beat is None:
        return _report("no heartbeat", "", None, {}, told, now)
    detail = beat.detail
    offsets = detail.get("offsets")
    counted = (
        [n for n in (_number(v) for v in offsets.values()) if n is not None] if isinstance(offsets, Mapping) else []
    )
    newest = _moment(detail.get("newest_event_ts"))
    reached = f"{sum(counted):.0f}:{newest.timestamp() if newest else 0:.3f}"
    mark = reached if newest or sum(counted) > 0 else ""
    state = str(detail.get("phase", "unknown"))
    return _report(_fresh(beat, state, now), mark, newest, _figures(detail, STREAM_FIGURES), told, now)


def gaps_report(beat: Beat | None, told: Told, now: float) -> Report:
    """What the producer's heartbeat says of ``feed_gaps``: rows that it wrote since it began."""
    detail = beat.detail if beat is not None else {}
    stored, waiting = _number(detail.get("gap_rows_stored")) or 0, _number(detail.get("gaps_waiting")) or 0
    state = f"{stored:.0f} rows stored" + (f", {waiting:.0f} gaps wait for Cassandra" if waiting else "")
    mark = f"{beat.started_at:.0f}:{stored:.0f}" if beat is not None and stored > 0 else ""
    return _report("no heartbeat" if beat is None else state, mark, None, {"rows_stored": stored}, told, now)


def encode_told(told: Mapping[str, Told]) -> str:
    """What a sensor keeps as its cursor."""
    return json.dumps({name: asdict(each) for name, each in told.items()}, sort_keys=True)


def decode_told(cursor: str | None) -> dict[str, Told]:
    """The inverse; a cursor that isn't one (of another version, say) means that nothing was told yet."""
    try:
        record = json.loads(cursor or "{}")
        return {
            name: Told(
                str(t["mark"]), float(t["advanced_at"]), str(t["state"]), float(t["observed_at"]), str(t.get("day", ""))
            )
            for name, t in record.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def _report(
    state: str, mark: str, newest: datetime | None, figures: dict[str, float], told: Told, now: float
) -> Report:  # fmt: skip
    moved = bool(mark) and mark != told.mark
    advanced = moved and _due(told.advanced_at, now)
    observed = state != told.state or _due(told.observed_at, now)
    day = str(newest.date()) if newest is not None else ""
    remembered = told
    if advanced:
        remembered = replace(remembered, mark=mark, advanced_at=now, day=day)
    if observed:
        remembered = replace(remembered, state=state, observed_at=now)
    new_day = advanced and day != told.day and bool(day)
    return Report(state, advanced, observed, newest, remembered, figures, new_day)


def _due(at: float, now: float) -> bool:
    """A clock that was set back makes everything due instead of silent until it has caught up."""
    return now < at or now - at >= REPORT_EVERY_S


def _fresh(beat: Beat, state: str, now: float) -> str:
    return f"{state}, but no heartbeat lately" if beat.is_stale(now) else state


def _figures(detail: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, float]:
    found = {name: _number(detail.get(name)) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _moment(epoch_ms: object) -> datetime | None:
    number = _number(epoch_ms)
    if number is None:
        return None
    try:
        return datetime.fromtimestamp(number / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
