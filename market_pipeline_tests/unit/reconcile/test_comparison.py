"""What is compared, how long differences are waited for, and when a report is clean."""

import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from market_pipeline import model, reconcile
from market_pipeline.bronze.layout import file_name
from market_pipeline.bronze.writer import Batch, open_writer
from market_pipeline.feed.journal import Journal
from market_pipeline.quality.bar_sums import BarMismatch, BarSum
from market_pipeline.quality.columns import of_trades
from market_pipeline.quality.digest import Difference, HopDigest
from market_pipeline.quality.latest import PriceMismatch
from market_pipeline.reconcile import DayExpired, Report, settled
from market_pipeline.reconcile.comparison import (
    COMMITTED_SETTLE_S,
    SETTLE_S,
    STREAM_STARTS_S,
    _Comparison,
    _Reading,
    newest_archived_day,
)
from market_pipeline.reconcile.hops import Cut, Hop, Span, cut_now
from market_pipeline.settings import Settings
from market_pipeline.stream import query
from market_pipeline_tests.unit.bronze import one_run


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(data_dir=tmp_path)


def finished(settings: Settings, offsets: str) -> None:
    checkpoint = query.checkpoint(settings)
    for folder in ("offsets", "commits"):
        (checkpoint / folder).mkdir(parents=True)
    (checkpoint / "offsets" / "0").write_text(f'v1\n{{}}\n{{"{settings.topic}":{offsets}}}', encoding="utf-8")
    (checkpoint / "commits" / "0").write_text("v1\n{}", encoding="utf-8")


def test_the_stream_is_behind_by_what_its_last_batch_did_not_take(settings: Settings) -> None:
    finished(settings, '{"0":90,"1":250}')
    assert reconcile.stream_behind(settings, {0: 100, 1: 200}) == 10
    assert reconcile.stream_behind(settings, {0: 90, 1: 250}) == 0


def test_a_partition_that_is_new_was_not_taken_at_all(settings: Settings) -> None:
    finished(settings, '{"0":90}')
    assert reconcile.stream_behind(settings, {0: 90, 1: 7}) == 7


def test_a_stream_whose_checkpoints_are_elsewhere_says_nothing(settings: Settings) -> None:
    assert reconcile.stream_behind(settings, {0: 100}) is None


DAY = date(2025, 11, 28)
LOST = Difference("silver", missing=("a",), extra=(), changed=())


class Time:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def after(*reports: Report, behind: int | None = None, expired: bool = False) -> tuple[Report, float]:
    """What comes out when the hops show these, one a time, and the last one from then on; and after how long."""
    left, time = list(reports), Time()
    found = settled(
        lambda: left.pop(0) if len(left) > 1 else left[0],
        lambda: {0: 100},
        lambda ends: behind,
        lambda: expired,
        clock=time.clock,
        sleep=time.sleep,
    )
    return found, time.now


def test_a_clean_report_needs_no_second_read() -> None:
    assert after(Report(DAY)) == (Report(DAY), 0.0)


def test_a_trade_on_its_way_is_waited_for() -> None:
    found, seconds = after(Report(DAY, differences=[LOST]), Report(DAY, unsettled=3), Report(DAY, counts={"silver": 7}))
    assert (found.clean, found.counts, seconds) == (True, {"silver": 7}, 2.0)


def test_what_stays_lost_is_lost() -> None:
    found, seconds = after(Report(DAY, differences=[LOST]))
    assert found.lost == 1
    assert SETTLE_S < seconds < SETTLE_S + 3


def test_what_the_stream_has_committed_and_silver_lacks_is_lost_soon() -> None:
    found, seconds = after(Report(DAY, differences=[LOST]), behind=0)
    assert (found.lost, seconds) == (1, COMMITTED_SETTLE_S)


def test_what_kafka_lacks_may_still_be_on_its_way_whatever_the_stream_has_committed() -> None:
    lost = Difference("produced", missing=("a",), extra=(), changed=())
    found, seconds = after(Report(DAY, differences=[lost]), behind=0)
    assert found.lost == 1
    assert seconds > SETTLE_S


def test_a_trade_that_came_to_kafka_during_the_comparison_is_waited_for() -> None:
    """The stream has committed what Kafka had at first, and not what the comparison saw."""
    time, kafka_ends = Time(), [{0: 100}, {0: 101}]

    def compare() -> Report:
        return Report(DAY, differences=[LOST] if time.now < 20 else [])

    found = settled(
        compare,
        lambda: kafka_ends.pop(0),
        lambda ends: max(0, ends[0] - (100 if time.now < 20 else 101)),
        lambda: False,
        clock=time.clock,
        sleep=time.sleep,
    )
    assert (found.clean, time.now) == (True, 20.0)


def test_bars_that_are_known_to_be_behind_are_waited_for_longer() -> None:
    wrong = BarMismatch("A", 0, BarSum(1, Decimal(1)), None)
    found, seconds = after(Report(DAY, bars=[wrong]), behind=9)
    assert found.bars == [wrong]
    assert STREAM_STARTS_S < seconds < STREAM_STARTS_S + 3


def test_a_day_whose_rows_have_left_is_not_called_lost() -> None:
    with pytest.raises(DayExpired, match="keeps a row for 90 days"):
        after(Report(DAY, differences=[LOST]), expired=True)
    other = Difference("bronze", missing=("a",), extra=(), changed=())
    assert after(Report(DAY, differences=[other]), expired=True)[0].lost == 1


@pytest.mark.parametrize(
    "report",
    [
        Report(DAY, counts={"received": 9241, "silver": 9216}, unsettled=1),
        Report(DAY, prices=[PriceMismatch("A", None, None)]),
        Report(DAY, differences=[Difference("silver", (), (), (), more_missing=25)]),
    ],
)
def test_nothing_else_is_clean(report: Report) -> None:
    assert not report.clean


def test_the_newest_day_with_trades_is_not_one_of_probes_or_of_rubbish(settings: Settings) -> None:
    """Canaries and dead letters are archived on the day that they come; they are no trades."""
    days = {DAY: one_run.value_of(0, 0)}
    later = int(datetime(2025, 11, 30, 12, tzinfo=UTC).timestamp() * 1_000_000)
    days[date(2025, 11, 30)] = model.encode(model.canary(later))
    for day, value in days.items():
        folder = settings.paths.bronze / f"date={day}" / "hour=12"
        with open_writer(folder / file_name(0)) as writer:
            batch = Batch()
            batch.append(b"rubbish", 0, 0, later // 1000)
            batch.append(value, 0, 1, later // 1000)
            writer.write_batch(batch.to_arrow())
    assert newest_archived_day(settings) == DAY


def test_what_was_received_before_is_compared_whatever_its_id_says() -> None:
    """Of a recording the ids may lie in the future; what comes while hops are compared is left out."""
    cut = Cut(1_763_000_000_000_000)
    now, ahead = cut.micros - 5, cut.micros + 10**12
    rows = [(now, now), (ahead, now), (now - 10**12, cut.micros + 5), (cut.micros + 7, cut.micros + 7)]
    trades = [
        model.Trade("A", Decimal(1), Decimal(1), 0, model.trade_id(identity, 0), 0, "replay", received)
        for identity, received in rows
    ]
    assert cut.before(of_trades(trades)).to_pylist() == [True, True, True, False]


def test_the_cut_is_not_before_what_the_journal_has(settings: Settings) -> None:
    """The clock was put back: what was received by the old one is compared all the same."""
    ahead = time.time_ns() // 1000 + 3_600_000_000
    journal = Journal(settings.paths.journal, "simulator", clock=lambda: ahead)
    journal.append(b"{}")
    journal.close()
    assert ahead < cut_now(settings).micros <= ahead + 1000


NOON_MS = int(datetime(2025, 11, 28, 12, tzinfo=UTC).timestamp() * 1000)


def numbered(*numbers: int) -> list[model.Trade]:
    """Trades of one symbol and hour, received in the order of their numbers."""
    return [
        model.Trade("A", Decimal(each), Decimal(1), NOON_MS + each, model.trade_id(each, 0), 0, "t", each)
        for each in numbers
    ]


def compared(settings: Settings, **hops: list[model.Trade]) -> Report:
    """What a comparison of these hops reports, each read in batches of two."""
    readings = []
    for name, trades in hops.items():
        batches = [of_trades(trades[start : start + 2]) for start in range(0, len(trades), 2)]
        hop = Hop(name, lambda batches=batches: iter(batches), log=name != "silver")  # type: ignore[misc]
        readings.append(_Reading(hop, HopDigest(name, "", (), hop.log)))
        for batch in batches:
            readings[-1].digest.add(batch)
    no_server: Any = None
    report = Report(DAY)
    _Comparison(settings, no_server, no_server, Span(DAY), Cut(10**15), lambda _: None)._compare_all(readings, report)
    return report


def test_a_dead_letter_that_was_sent_again_is_a_trade_that_came_late(settings: Settings) -> None:
    """Its id is that of its receipt: among what was sent later it looks like one that was sent twice."""
    journal = numbered(1, 2, 3, 4, 5)
    kafka = [*numbered(1, 3, 4), *numbered(4), *numbered(5, 2)]  # 4 was sent twice by a producer that was killed
    report = compared(settings, received=journal, produced=kafka, bronze=kafka, silver=journal)
    assert report.clean, report
    assert report.counts == dict.fromkeys(("received", "produced", "bronze", "silver"), 5)
    assert report.repeated == {"produced": 1, "bronze": 1}
    # of a journal that has forgotten it, too
    report = compared(settings, produced=kafka, bronze=kafka, silver=journal)
    assert (report.clean, set(report.counts.values())) == (True, {5})


def test_one_that_came_late_hides_none_that_is_lost(settings: Settings) -> None:
    journal, kafka = numbered(1, 2, 3, 4, 5), numbered(1, 3, 5, 2)
    report = compared(settings, received=journal, produced=kafka, bronze=kafka, silver=numbered(1, 3, 5))
    lost = {each.hop: each.missing for each in report.differences}
    assert lost == {"produced": (model.trade_id(4, 0),), "silver": (model.trade_id(2, 0),)}
    assert (report.unsettled, report.counts) == (0, {"received": 5, "produced": 4, "bronze": 4, "silver": 3})
