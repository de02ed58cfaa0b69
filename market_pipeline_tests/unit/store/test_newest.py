"""The newest queryable trade: of the one that arrived last, when it was received."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from market_pipeline.settings import Settings
from market_pipeline.store import newest
from market_pipeline.store.newest import newest_received_at, queryable_prices

TS = datetime(2021, 1, 8, 10, 17, 3)  # noqa: DTZ001 - the driver gives UTC without a zone


def received(minute: int) -> datetime:
    return TS + timedelta(minutes=minute)


class Tables:
    """Answers as a session does: ``latest_prices`` has a row for each id; ``silver`` tells the minute in which the
    trade of an id that ``trades_silver`` has was received."""

    def __init__(self, latest: Iterable[str], silver: Mapping[str, int], lacking: str = "") -> None:
        self._latest = latest
        self._lacking = lacking
        self._silver = silver

    def prepare(self, query: str) -> str:
        return query

    def execute(self, query: str) -> Any:
        found = [SimpleNamespace(symbol=f"S{each}", price=1, volume=2, ts=TS, trade_id=each) for each in self._latest]
        for row in found[:1] if hasattr(found[0] if found else None, self._lacking) else ():
            setattr(row, self._lacking, None)
        return found

    def look_up(self, key: tuple[Any, ...]) -> Any:
        trade_id = key[3]
        assert key[:3] == (f"S{trade_id}", TS.replace(minute=0, second=0), TS)
        there = trade_id in self._silver
        known = self._lacking != "received_at" or trade_id != next(iter(self._latest))
        found = SimpleNamespace(received_at=received(self._silver[trade_id]) if known else None) if there else None
        return SimpleNamespace(one=lambda: found)


@pytest.fixture(autouse=True)
def _one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(session: Tables, _: str, keys: Iterable[tuple[Any, ...]], **__: Any) -> list[tuple[bool, Any]]:
        return [(True, session.look_up(key)) for key in keys]

    monkeypatch.setattr(newest, "execute_concurrent_with_args", execute)


def newest_of(latest: Iterable[str], silver: Mapping[str, int]) -> datetime | None:
    session: Any = Tables(latest, silver)
    return newest_received_at(session, Settings.load())


def test_a_trade_that_is_replayed_is_the_newest_although_its_id_is_old() -> None:
    live = {f"09{number}": number for number in range(10)}
    assert newest_of(["01", *live], {"01": 30, **live}) == received(30).replace(tzinfo=UTC)


def test_a_price_that_comes_before_its_trade_is_passed_over() -> None:
    assert newest_of(["0001", "0003", "0002"], {"0001": 1, "0002": 2}) == received(2).replace(tzinfo=UTC)


def test_there_is_none_before_the_first() -> None:
    assert newest_of([], {}) is None
    assert newest_of(["0001"], {}) is None


def test_a_price_whose_trade_silver_lacks_is_not_queryable_yet() -> None:
    """silver may starve while latest_prices is written."""
    session: Any = Tables(["1", "2"], {"2": 5})
    (price,) = queryable_prices(session, Settings.load())
    assert (price.symbol, price.received_at) == ("S2", received(5).replace(tzinfo=UTC))


@pytest.mark.parametrize("lacking", ["price", "volume", "ts", "trade_id", "received_at"])
def test_a_row_that_lacks_a_figure_is_passed_over(lacking: str) -> None:
    """Cassandra takes an INSERT of some columns."""
    session: Any = Tables(["1", "2"], {"1": 9, "2": 5}, lacking)
    assert [price.symbol for price in queryable_prices(session, Settings.load())] == ["S2"]
