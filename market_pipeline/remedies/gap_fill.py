"""Fills gaps of the feed with what another listener of the same vendor recorded.

Which trades are missing is told by ``missing_trades``, with what we have: ``trades_silver``, once the stream is through
what Kafka has, and our own journal, of which some may still wait for Kafka. A filled trade is a record like any other,
but for the mark of its ``trade_id``: the stream writes it to silver, and corrects its bar. A gap that the second source
heard from end to end is marked as filled, when Kafka has its trades: from then on those who judge a day leave it out,
and a rebuild, which reads Kafka up to its end first, gives its minutes their flags. Where the second source may have
been down too, it stays a gap.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cassandra.cluster import Session

from market_pipeline.broker.offsets import begin_offsets, end_offsets, group_offsets
from market_pipeline.feed.journal import read_frames
from market_pipeline.feed.normalise import trades_of
from market_pipeline.feed.second_source import Recording, listen, recordings
from market_pipeline.feed.subscribed import load_subscribed
from market_pipeline.mendable import Mendable, Refused
from market_pipeline.model import Trade, is_filled
from market_pipeline.remedies.missing_trades import Content, Spans, content, missing, span_of, widened
from market_pipeline.remedies.sending import send
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import connect
from market_pipeline.store.feed_gaps import StoredGap, mark_filled, stored_gaps
from market_pipeline.store.trades import SILVER_KEPT, silver_between
from market_pipeline.utc_day import day_start

LOOK_BACK_DAYS = 7
SETTLED_AFTER = timedelta(minutes=2)
"""By then the producer has stored a gap for the second time, and marked its bars with it."""
MARGIN_US = 60_000_000
"""Read beyond a gap: what was received so much sooner or later may be equal to something of it."""
STREAM_WITHIN_S = 60.0


class CannotFill(Mendable):
    """Gaps can't be filled; one line with the cure."""


class FillRefused(CannotFill, Refused):
    """The rules of filling keep it from running now."""


@dataclass
class Fill:
    """A gap, how many of the second source's trades are in it now or would be, and whether it heard all of the gap."""

    gap: StoredGap
    trades: int = 0
    whole: bool = False

    def __str__(self) -> str:
        lasted = f"{self.gap.started_at:%Y-%m-%d %H:%M:%S}–{self.gap.ended_at:%H:%M:%S}"
        rest = "" if self.whole else "; it stays a gap: the second source may not have heard all of it"
        return f"{self.gap.symbol} {lasted} ({self.gap.reason}): {self.trades:,} trades{rest}"


@dataclass
class Filled:
    """What became of the gaps.

    Attributes:
        fills: by gap that was not filled before.
        missing: trades that we lack and the second source has.
        sent: of these, how many Kafka has confirmed; 0 in a dry run.
        rebuild: the UTC days whose bars and flags are to be rebuilt.
    """

    fills: list[Fill] = field(default_factory=list)
    missing: int = 0
    sent: int = 0
    rebuild: list[date] = field(default_factory=list)


def day_of(text: str | None) -> date | None:
    """A UTC day as people write it.

    Raises:
        CannotFill: it is none.
    """
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise CannotFill(f"{text!r} is not a day: write it as 2026-11-24") from None


def fill(settings: Settings, day: date | None = None, *, really: bool) -> Filled:
    """Look for the trades of the gaps that are not filled, and send them.

    Args:
        settings: of the pipeline.
        day: gaps that began on this UTC day; None: on one of the last ``LOOK_BACK_DAYS``.
        really: send, and mark the gaps; otherwise only count.

    Raises:
        FillRefused: no second source, a day that silver has forgotten, or a stream that is behind.
        RecordingError: the second source can't be read.
        BrokerUnreachableError, TopicError: Kafka does not answer.
        StoreUnreachableError: Cassandra does not answer.
        NotConfirmed: Kafka did not confirm all; no gap is marked, and all can be sent again.
    """
    now = datetime.now(UTC)
    sources = _sources(settings)
    days = [day] if day else [now.date() - timedelta(days=back) for back in range(LOOK_BACK_DAYS)][::-1]
    if day_start(days[0]) + SILVER_KEPT <= now:
        raise FillRefused(
            f"gaps of {days[0]} can't be filled any more: trades_silver keeps a row for {SILVER_KEPT.days} days, and "
            "what it has forgotten would be doubled; choose a later day"
        )
    done = Filled()
    with connect(settings, timeout_s=60) as session:
        found = stored_gaps(session, settings, set(days))
        gaps = [gap for gap in found if gap.filled_at is None and gap.ended_at + SETTLED_AFTER <= now]
        if gaps:
            _await_stream(settings)
        for each in days:
            if of_day := [gap for gap in gaps if gap.day == each]:
                _fill_day(session, settings, sources, of_day, done, really=really)
    done.rebuild = sorted(set(done.rebuild))
    return done


def _fill_day(
    session: Session, settings: Settings, sources: Sequence[Path], gaps: list[StoredGap], done: Filled, *, really: bool
) -> None:
    spans = widened((gap.symbol, _us(gap.started_at), _us(gap.ended_at)) for gap in gaps)
    heard = [_listen(settings, path, spans) for path in sources]
    held = dict(_held(session, settings, spans))
    trades = missing(spans, (recording.trades for recording in heard), held)
    fills = counted(gaps, heard, trades, held)
    if really:
        done.sent += send(settings, trades)
        for each in fills:
            if each.whole:
                mark_filled(session, settings, each.gap, datetime.now(UTC), each.trades)
    done.fills += fills
    done.missing += len(trades)
    done.rebuild += [each.gap.day for each in fills if each.whole or each.trades]
    done.rebuild += [datetime.fromtimestamp(trade.ts / 1000, UTC).date() for trade in trades]


def counted(
    gaps: Sequence[StoredGap], heard: Sequence[Recording], new: Sequence[Trade], held: Mapping[str, Content]
) -> list[Fill]:
    """What each gap gets, with what it got before. Pure; a trade of the widened edges counts for the nearest gap."""
    fills = [Fill(gap) for gap in gaps]
    by_symbol: dict[str, list[Fill]] = {}
    for each in fills:
        by_symbol.setdefault(each.gap.symbol, []).append(each)
        span = _us(each.gap.started_at), _us(each.gap.ended_at)
        each.whole = any(recording.covers(each.gap.symbol, *span) for recording in heard)
    before = [(c.symbol, c.ts) for identity, c in held.items() if is_filled(identity)]
    for symbol, ts in [*before, *((trade.symbol, trade.ts) for trade in new)]:
        nearest = min(by_symbol[symbol], key=lambda each: _distance(each.gap, ts * 1000))
        nearest.trades += 1
    return fills


def _distance(gap: StoredGap, at_us: int) -> int:
    return max(_us(gap.started_at) - at_us, at_us - _us(gap.ended_at), 0)


def _sources(settings: Settings) -> list[Path]:
    if settings.second_source is None:
        raise FillRefused(
            "there is no second source: set MARKET_PIPELINE_SECOND_SOURCE to another pipeline's journal, or to what "
            "its `market-pipeline record` wrote"
        )
    return recordings(settings.second_source)


def _await_stream(settings: Settings) -> None:
    """What Kafka has at this moment must be in silver, or it would be taken for missing."""
    ends, begins = end_offsets(settings, settings.topic), begin_offsets(settings, settings.topic)
    deadline = time.monotonic() + STREAM_WITHIN_S
    while True:
        done = group_offsets(settings, settings.consumer_group, settings.topic)
        behind = sum(max(0, end - (done.get(p) or begins[p])) for p, end in ends.items())
        if not behind:
            return
        if time.monotonic() > deadline:
            raise FillRefused(
                f"{behind:,} of Kafka's records are not in silver yet, so that what is missing can't be told: fill "
                "when the stream has caught up (see `market-pipeline status`)"
            )
        time.sleep(0.5)


def _listen(settings: Settings, path: Path, spans: Spans) -> Recording:
    since, until = _reach(spans)
    return listen(
        path, settings.active_feed, since, until, lambda trade: span_of(spans, trade.symbol, trade.ts) is not None
    )


def _held(session: Session, settings: Settings, spans: Spans) -> Iterator[tuple[str, Content]]:
    """What silver and our own journal have of the spans, by ``trade_id``; some are in both."""
    for symbol, stretches in spans.items():
        for start, end in stretches:
            for row in silver_between(session, settings, symbol, _moment(start), _moment(end)):
                yield row.trade_id, Content(symbol, row.ts, row.price, row.volume, row.conditions)
    since, until = _reach(spans)
    journal = settings.paths.journal
    for item in trades_of(read_frames(journal, since), settings.active_feed, load_subscribed(journal)):
        if item.received_at > until:
            return
        if isinstance(item, Trade) and span_of(spans, item.symbol, item.ts) is not None:
            yield item.trade_id, content(item)


def _reach(spans: Spans) -> tuple[int, int]:
    """What is read, in receive times."""
    every = [span for stretches in spans.values() for span in stretches]
    return min(span.start for span in every) - MARGIN_US, max(span.end for span in every) + MARGIN_US


def _us(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def _moment(epoch_us: int) -> datetime:
    return datetime.fromtimestamp(epoch_us // 1_000_000, UTC) + timedelta(microseconds=epoch_us % 1_000_000)
