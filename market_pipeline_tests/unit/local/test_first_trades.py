"""When a start has shown that trades can be queried."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cassandra.cluster import NoHostAvailable

from market_pipeline.local.first_trades import QUIET_AFTER_S, Watch
from market_pipeline.model import trade_id
from market_pipeline.settings import Settings
from market_pipeline.store.newest import Price
from market_pipeline.supervision.heartbeat import Heartbeat

SINCE_US = 1_767_607_200_000_000
NOW = SINCE_US / 1e6 + 60


def row(symbol: str, received_us: int) -> Price:
    received = datetime.fromtimestamp(received_us / 1e6, UTC)
    return Price(symbol, Decimal(1), Decimal(1), datetime.now(UTC), trade_id(0, 0), received)


class WatchOf(Watch):
    """With given rows instead of Cassandra's."""

    rows: tuple[Price, ...] = ()

    def _prices(self) -> list[Price]:
        return list(self.rows)


def watch(tmp_path: Path, *rows: Price, feed: str = "finnhub") -> WatchOf:
    found = WatchOf(Settings.load(data_dir=tmp_path, feed=feed, finnhub_api_key="k"), SINCE_US, lambda: NOW)
    found.rows = rows
    return found


@pytest.fixture
def beat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def write(name: str, **detail: object) -> None:
        monkeypatch.setattr("market_pipeline.supervision.heartbeat.time.time", lambda: NOW)
        path = Settings.load(data_dir=tmp_path).paths.heartbeat(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Heartbeat(path, name, lambda: detail).beat()

    return write


def test_trades_of_an_earlier_run_do_not_count(tmp_path: Path) -> None:
    assert watch(tmp_path, row("AAPL", SINCE_US - 1)).look() is None


def test_the_newest_come_first_and_none_of_an_earlier_run(tmp_path: Path) -> None:
    seen = watch(tmp_path, row("OLD", SINCE_US - 5), row("A", SINCE_US + 1), row("B", SINCE_US + 2)).look()
    assert seen is not None
    assert [each.symbol for each in seen.rows] == ["B", "A"]


def test_a_replay_of_old_trades_is_seen_by_the_streams_word(tmp_path: Path, beat: Any) -> None:
    old = row("BINANCE:BTCUSDT", SINCE_US - 1000)
    beat("stream", phase="running", newest_event_age_s=3.0)
    seen = watch(tmp_path, old, feed="replay").look()
    assert seen is not None
    assert seen.rows == []  # those of an earlier run are not shown as this one's


def test_a_market_that_is_closed_does_not_hold_up_a_start(tmp_path: Path, beat: Any) -> None:
    beat("stream", phase="running")
    beat("producer", connected=True, connected_since=NOW - QUIET_AFTER_S - 1, received=0)
    seen = watch(tmp_path).look()
    assert seen is not None
    assert seen.quiet


def test_a_silent_simulator_is_no_closed_market(tmp_path: Path, beat: Any) -> None:
    beat("stream", phase="running")
    beat("producer", connected=True, connected_since=NOW - QUIET_AFTER_S - 1, received=0)
    assert watch(tmp_path, feed="simulator").look() is None


def test_who_says_that_it_works(tmp_path: Path, beat: Any) -> None:
    assert watch(tmp_path).working() == set()
    beat("producer", connected=True)
    beat("stream", phase="starting")
    assert watch(tmp_path).working() == {"producer"}
    beat("feed-server", clients=0)
    assert watch(tmp_path).working() == {"producer", "feed-server"}


def test_a_slow_clock_is_the_producers_word(tmp_path: Path, beat: Any) -> None:
    assert not watch(tmp_path).clock_is_slow()
    beat("producer", connected=True, clock_is_slow=True)
    assert watch(tmp_path).clock_is_slow()


def test_a_stream_that_gets_on_is_told_from_one_that_does_not(tmp_path: Path, beat: Any) -> None:
    assert watch(tmp_path).advance() is None
    beat("stream", phase="running", offsets={"0": 10}, lag=500)
    first = watch(tmp_path).advance()
    beat("stream", phase="running", offsets={"0": 10}, lag=600)
    assert watch(tmp_path).advance() == first
    beat("stream", phase="running", offsets={"0": 90}, lag=600)
    assert watch(tmp_path).advance() != first


def test_a_cassandra_that_goes_away_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def away(*_: object, **__: object) -> Iterator[object]:
        raise NoHostAvailable("away", {})
        yield

    monkeypatch.setattr("market_pipeline.local.first_trades.connect", away)
    assert Watch(Settings.load(data_dir=tmp_path), SINCE_US, lambda: NOW).look() is None
