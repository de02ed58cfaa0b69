"""The first UTC day of which a pipeline has trades, as its data dir tells it: no server has to answer."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from market_pipeline.layout import Paths
from market_pipeline.supervision.heartbeat import read_heartbeat

_EVENT_TIMES = {"producer": ("first_trade_ts", "last_trade_ts"), "stream": ("newest_event_ts",)}
"""Of each service the event times (epoch ms) in its heartbeat: what it read is archived minutes later."""


def first_day(paths: Paths) -> date | None:
    """The earliest day in the bronze archive or in what the services read last; None where there is no trade yet."""
    return min([*_archived(paths.bronze), *_live(paths)], default=None)


def _archived(bronze: Path) -> Iterator[date]:
    for folder in bronze.glob("date=*"):
        try:
            yield date.fromisoformat(folder.name.removeprefix("date="))
        except ValueError:  # not a day of the archive
            continue


def _live(paths: Paths) -> Iterator[date]:
    for service, names in _EVENT_TIMES.items():
        beat = read_heartbeat(paths.heartbeat(service))
        detail = beat.detail if beat is not None else {}
        for name in names:
            epoch_ms = detail.get(name)
            if isinstance(epoch_ms, int) and epoch_ms > 0:
                yield datetime.fromtimestamp(epoch_ms / 1000, UTC).date()
