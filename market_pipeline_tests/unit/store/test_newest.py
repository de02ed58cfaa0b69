"""The newest queryable trade: of the one that arrived last, when it was received."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from market_pipeline.settings import Settings
from market_pipeline.store.newest import newest_received_at

TS = datetime(2021, 1, 8, 10, 17, 3)  # noqa: DTZ001 - the driver gives UTC without a zone
RECEIVED = datetime(2021, 1, 8, 10, 17, 4)  # noqa: DTZ001


class Tables:
    """Answers as a session does: ``latest_prices`` has a row for each id, ``trades_silver`` those of ``silver``."""

    def __init__(self, latest: list[str], silver: set[str]) -> None:
        self._latest = latest
        self._silver = silver

    def prepare(self, query: str) -> str:
        return query

    def execute(self, query: str, key: tuple[Any, ...] = ()) -> Any:
        if not key:
            return [SimpleNamespace(symbol="A", ts=TS, trade_id=trade_id) for trade_id in self._latest]
        assert key[:3] == ("A", TS.replace(minute=0, second=0), TS)
        found = SimpleNamespace(received_at=RECEIVED) if key[3] in self._silver else None
        return SimpleNamespace(one=lambda: found)


def newest(latest: list[str], silver: set[str]) -> datetime | None:
    session: Any = Tables(latest, silver)
    return newest_received_at(session, Settings.load())


def test_a_price_that_comes_before_its_trade_is_passed_over() -> None:
    assert newest(["0001", "0003", "0002"], {"0001", "0002"}) == RECEIVED.replace(tzinfo=UTC)


def test_there_is_none_before_the_first() -> None:
    assert newest([], set()) is None
    assert newest(["0001"], set()) is None
