"""``reconcile`` on a real journal, Kafka, archive and Cassandra: equal hops are clean, and what differs is named."""

import json
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from cassandra.cluster import Session
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from market_pipeline.broker.client import client_config
from market_pipeline.cli import main
from market_pipeline.feed.journal import Journal, read_frames
from market_pipeline.feed.normalise import trades_of
from market_pipeline.feed.recorded import Mark, marked
from market_pipeline.model import Trade, canary, encode
from market_pipeline.quality.bar_sums import BarSums
from market_pipeline.quality.columns import of_trades
from market_pipeline.quality.latest import NewestTrades
from market_pipeline.reconcile import Report, comparison, reconcile
from market_pipeline.reconcile.silver_reader import SilverReader, SilverUnreadable
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.trade_key import silver_key
from market_pipeline.utc_day import instant

pytestmark = pytest.mark.real_servers

DAY = date(2019, 3, 14)
NOON_MS = int(datetime(2019, 3, 14, 12, tzinfo=UTC).timestamp() * 1000)


@dataclass
class Pipeline:
    """All hops of a day, each as the programs write it, without the programs."""

    settings: Settings
    session: Session
    symbol: str = field(default_factory=lambda: f"TEST:{uuid.uuid4().hex[:8]}")
    trades: list[Trade] = field(default_factory=list)

    def receive(self, elements: Iterable[str], *, recorded_at_us: int, refused: int | None = None) -> None:
        """A replayed frame a trade, in the journal, on Kafka and in the tables. The one that is ``refused`` at first
        comes on Kafka behind all others."""
        journal = Journal(self.settings.paths.journal, "replay")
        for number, element in enumerate(elements):
            payload = f'{{"data":[{element.replace("SYMBOL", self.symbol)}],"type":"trade"}}'.encode()
            journal.append(marked(payload, Mark("run", number, recorded_at_us + number)))
        journal.close()
        frames = read_frames(self.settings.paths.journal)
        self.trades = [item for item in trades_of(frames, "replay") if isinstance(item, Trade)]
        producer = Producer(client_config(self.settings))
        sent = sorted(self.trades, key=lambda trade: refused is not None and trade is self.trades[refused])
        for value in (*map(encode, sent), encode(canary(time.time_ns() // 1000))):
            producer.produce(self.settings.topic, key=self.symbol, value=value)
        assert producer.flush(30) == 0
        for trade in self.trades:
            self.store(trade)
        self.store_bars()
        newest = NewestTrades()
        newest.add(of_trades(self.trades))
        for symbol, price, _ in newest.found():
            self.store_price(symbol, price.ts, price.trade_id, price.price, price.volume)

    def store(self, trade: Trade) -> None:
        insert = self.session.prepare(
            "INSERT INTO market_data.trades_silver (symbol, bucket, ts, trade_id, price, volume, received_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        volume = abs(trade.volume)  # Spark has no -0
        self.session.execute(insert, (*silver_key(trade), trade.price, volume, instant(trade.received_at // 1000)))

    def store_bars(self) -> None:
        sums = BarSums()
        sums.add(of_trades(self.trades))
        insert = self.session.prepare(
            "INSERT INTO market_data.ohlcv_1m (symbol, day, ts, volume, trades) VALUES (?, ?, ?, ?, ?)"
        )
        for (symbol, minute), bar in sums.settled().items():
            self.session.execute(insert, (symbol, DAY, instant(minute), bar.volume, bar.trades))

    def store_price(self, symbol: str, ts: int, identity: str, price: Decimal, volume: Decimal) -> None:
        insert = self.session.prepare(
            "INSERT INTO market_data.latest_prices (symbol, ts, trade_id, price, volume) VALUES (?, ?, ?, ?, ?)"
        )
        self.session.execute(insert, (symbol, instant(ts), identity, price, volume))

    def clear(self) -> None:
        for table, key in (("trades_silver", "bucket"), ("ohlcv_1m", "day")):
            for row in self.session.execute(f"SELECT DISTINCT symbol, {key} FROM market_data.{table}"):
                if row.symbol == self.symbol:
                    delete = f"DELETE FROM market_data.{table} WHERE symbol = %s AND {key} = %s"
                    self.session.execute(delete, (row.symbol, row[1]))
        self.session.execute("DELETE FROM market_data.latest_prices WHERE symbol = %s", (self.symbol,))


@pytest.fixture
def pipeline(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterable[Pipeline]:
    monkeypatch.setattr(comparison, "SETTLE_S", 0.0)
    own = Settings.load(
        data_dir=tmp_path,
        port_base=settings.port_base,
        topic=settings.topic,
        dead_letter_topic=settings.dead_letter_topic,
        feed="simulator",
    )
    with connect(own) as session:
        made = Pipeline(own, session)
        yield made
        made.clear()


def element(number: int, *, price: str = "1.5", volume: str = "0.25") -> str:
    return f'{{"c":null,"p":{price},"s":"SYMBOL","t":{NOON_MS + number},"v":{volume}}}'


PAST_US = NOON_MS * 1000 + 5_000_000
FUTURE_US = time.time_ns() // 1000 + 10**13


def compared(pipeline: Pipeline) -> Report:
    return reconcile(pipeline.settings, DAY)


def command(pipeline: Pipeline, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["reconcile", *arguments], env=dict(pipeline.settings.environment()))


@pytest.mark.parametrize("recorded_at_us", [PAST_US, FUTURE_US], ids=["past", "future"])
def test_equal_hops_are_clean_whatever_time_their_ids_are_of(pipeline: Pipeline, recorded_at_us: int) -> None:
    pipeline.receive(
        [element(1), element(2, volume="-0.0"), element(2, price="1E+2"), element(61_000, volume="1e-7")],
        recorded_at_us=recorded_at_us,
    )
    report = compared(pipeline)
    assert report.counts == {"received": 4, "produced": 4, "bronze": 4, "silver": 4, "bars": 3}
    assert report.clean, report


def test_a_dead_letter_that_was_sent_again_is_a_trade_like_any_other(pipeline: Pipeline) -> None:
    pipeline.receive([element(number) for number in range(4)], recorded_at_us=FUTURE_US, refused=1)
    report = compared(pipeline)
    assert report.clean, report
    assert report.counts == dict.fromkeys(("received", "produced", "bronze", "silver", "bars"), 4)
    assert not report.repeated


def test_a_lost_a_false_and_a_changed_row_are_named(pipeline: Pipeline) -> None:
    pipeline.receive([element(number) for number in range(4)], recorded_at_us=FUTURE_US)
    lost, changed = pipeline.trades[0], pipeline.trades[1]
    key = "symbol = %s AND bucket = %s AND ts = %s AND trade_id = %s"
    pipeline.session.execute(f"DELETE FROM market_data.trades_silver WHERE {key}", silver_key(lost))
    update = pipeline.session.prepare(f"UPDATE market_data.trades_silver SET price = ? WHERE {key.replace('%s', '?')}")
    pipeline.session.execute(update, (Decimal("1.50000000000000000001"), *silver_key(changed)))
    report = compared(pipeline)
    (found,) = report.differences
    assert (found.hop, found.missing, found.extra, found.changed) == (
        "silver", (lost.trade_id,), (), (changed.trade_id,),
    )  # fmt: skip
    assert report.lost == report.counts["bronze"] - report.counts["silver"] == 1


def test_a_price_that_stays_behind_is_found(pipeline: Pipeline) -> None:
    pipeline.receive([element(1), element(2)], recorded_at_us=PAST_US)
    old = pipeline.trades[0]
    pipeline.store_price(old.symbol, old.ts, old.trade_id, old.price, old.volume)
    report = compared(pipeline)
    assert not report.clean
    assert report.differences == []
    (wrong,) = report.prices
    assert (wrong.symbol, wrong.want.trade_id, wrong.have.trade_id) == (
        pipeline.symbol, pipeline.trades[1].trade_id, old.trade_id,
    )  # fmt: skip


def test_a_symbol_without_a_price_is_read_all_the_same(pipeline: Pipeline) -> None:
    pipeline.receive([element(1)], recorded_at_us=PAST_US)
    pipeline.session.execute("DELETE FROM market_data.latest_prices WHERE symbol = %s", (pipeline.symbol,))
    report = compared(pipeline)
    assert (report.lost, len(report.prices)) == (0, 1)


def test_without_a_day_the_newest_with_trades_is_compared(pipeline: Pipeline) -> None:
    """A canary of today is in the archive too, and is no trade."""
    pipeline.receive([element(1), element(2)], recorded_at_us=PAST_US)
    answer = command(pipeline, "--json")
    assert answer.exit_code == 0, answer.output
    assert f"comparing {DAY} (UTC), the newest day with trades" in answer.stderr
    assert json.loads(answer.stdout)["day"] == str(DAY)


def test_a_reader_that_is_ended_midway_does_not_pass_for_an_empty_table(pipeline: Pipeline) -> None:
    pipeline.receive([element(number) for number in range(20)], recorded_at_us=PAST_US)
    with SilverReader(pipeline.settings) as reader:
        whole = [batch.num_rows for batch in reader.batches(DAY, [pipeline.symbol])]
        assert sum(whole) == 20
        reader.end()
        with pytest.raises(SilverUnreadable, match="ended with status -9"):
            list(reader.batches(DAY, [pipeline.symbol]))
