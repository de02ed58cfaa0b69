"""The program ``producer``: feed → journal → Kafka. ``python -m market_pipeline.feed.producer``."""

import logging
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from market_pipeline.feed.backoff import Backoff
from market_pipeline.feed.finnhub import Protocol
from market_pipeline.feed.forwarder import Forwarder
from market_pipeline.feed.gap_recorder import FILE_NAME, GapRecorder
from market_pipeline.feed.gaps import GapRow
from market_pipeline.feed.journal import Journal, read_backwards
from market_pipeline.feed.journal.writer import epoch_us
from market_pipeline.feed.keeper import keep, limits
from market_pipeline.feed.key_lock import KeyInUse, hold, state_dir
from market_pipeline.feed.outbox import Outbox
from market_pipeline.feed.program import EXIT_FAILED, EXIT_USAGE, Threads, log_to_stderr, settings_or_exit
from market_pipeline.feed.quote import Quotes, ask_quote
from market_pipeline.feed.receiver import KeyRefused, Receiver
from market_pipeline.feed.recorded import REPLAY, last_mark
from market_pipeline.feed.recording import RecordingError, symbols_in
from market_pipeline.feed.secrecy import Secrecy
from market_pipeline.feed.subscribed import note_subscribed
from market_pipeline.feed.transport import connect
from market_pipeline.sessions import is_busy
from market_pipeline.settings import Settings
from market_pipeline.supervision.heartbeat import Heartbeat
from market_pipeline.supervision.lock import EXIT_ALREADY_RUNNING, AlreadyRunning, ProcessLock
from market_pipeline.supervision.termination import on_termination

logger = logging.getLogger("market_pipeline.feed.producer")
NAME = "producer"
EXIT_KEY_REFUSED = 77
"""EX_NOPERM of sysexits.h: starting again with the same key would change nothing, for a person has to choose."""
DRAIN_S = 10.0
"""How long a stop waits for Kafka; what is left is in the journal and goes out at the next start."""


class Producer:
    """Everything of one producer, put together.

    Args:
        settings: of the pipeline.
        symbols: those to subscribe.
        key: of the feed; None when it needs none.
        secrecy: hides it.

    Raises:
        OSError: the journal can't be opened.
    """

    def __init__(self, settings: Settings, symbols: tuple[str, ...], key: str | None, secrecy: Secrecy) -> None:
        feed = settings.active_feed
        self.feed = feed
        limit = settings.symbol_limit if feed == "finnhub" else len(symbols)
        self.journal = Journal(settings.paths.journal, feed, settings.journal_segment_mb << 20)
        self.gaps = GapRecorder(settings.paths.journal / FILE_NAME, partial(_store_gaps, settings))
        self.protocol = Protocol(symbols, limit, settings.mute_after_s, _never if feed == REPLAY else _busy_now)
        if feed == REPLAY:
            self.protocol.mark = last_mark(read_backwards(settings.paths.journal))
        self.receiver = Receiver(
            partial(connect, settings.ws_url, key, secrecy),
            self.protocol,
            self.journal,
            self.gaps,
            Backoff(random.random),
            replaying=feed == REPLAY,
        )
        subscribed = note_subscribed(self.journal.directory, self.protocol.symbols, self.journal.last + 1)
        self.forwarder = Forwarder(self.journal, feed, partial(Outbox.to_kafka, settings), subscribed)
        self.quotes = None
        if feed == "finnhub" and key is not None:
            ask = partial(ask_quote, settings.finnhub_rest_url, key)
            counted = self.forwarder.normaliser
            self.quotes = Quotes(ask, self.protocol.symbols, lambda: counted.newest_ts, _busy_now)
        self._limits = limits(settings)

    def run(self, stopped: threading.Event) -> int:
        """Run until ``stopped`` is set or a part fails; returns the exit code."""
        if self.protocol.left_out:
            logger.warning(
                "the plan allows %d symbols, left out: %s",
                len(self.protocol.symbols),
                ", ".join(self.protocol.left_out),
            )
        background = threading.Event()
        threads = Threads(stopped)
        threads.start("receiver", lambda: self.receiver.run(stopped))
        threads.start("forwarder", self.forwarder.run)
        threads.start("backlog", self.journal.count_backlog)
        threads.start("journal", lambda: keep(self.journal, self._limits, background))
        threads.start("gaps", lambda: self.gaps.run(background))
        if self.quotes is not None:
            quotes = self.quotes
            threads.start("quotes", lambda: quotes.run(background))
        stopped.wait()
        threads.join("receiver", DRAIN_S)
        self.forwarder.finish(DRAIN_S)
        threads.join("forwarder", DRAIN_S + 1)
        background.set()
        threads.join("journal", 1.0)
        self.journal.close()
        left = self.journal.unconfirmed_frames
        if left:
            logger.warning("%d frames are not in Kafka yet: they are in the journal and go out at the next start", left)
        for name, error in threads.failures.items():
            expected = isinstance(error, KeyRefused | OSError)
            logger.critical("%s: %s", name, error, exc_info=None if expected else error)
        if any(isinstance(error, KeyRefused) for error in threads.failures.values()):
            return EXIT_KEY_REFUSED
        return EXIT_FAILED if threads.failures else 0

    def detail(self) -> dict[str, Any]:
        """For the heartbeat."""
        state, sent, counted = self.receiver.state, self.forwarder.state, self.forwarder.normaliser
        gap = self.gaps.lasting
        return {
            "feed": self.feed,
            "connected": state.connected_since is not None,
            "connected_since": state.connected_since,
            "gap_since": gap.started_at / 1e6 if gap else None,
            "gap_reason": gap.reason if gap else None,
            "symbols": len(self.protocol.symbols),
            "symbol_names": list(self.protocol.symbols),
            "left_out": list(self.protocol.left_out),
            "seen": len(self.protocol.seen),
            "unseen": self.protocol.unseen,
            "rejected_symbols": self.protocol.rejected_symbols,
            "plan_limit": self.protocol.plan_limit,
            "received": self.protocol.received,
            "frames": state.frames,
            "repeated_frames": self.protocol.repeated,
            "kinds": dict(self.protocol.kinds),
            "price_updates": counted.price_updates,
            "rejected": dict(counted.rejected),
            "clock_is_slow": counted.clock_is_slow,
            "produced": sent.produced,
            "confirmed": sent.confirmed,
            "dead_letters": sent.dead_letters,
            "last_received_at": state.last_received_at,
            "last_trade_at": state.last_trade_at,
            "first_trade_ts": counted.oldest_ts,
            "last_trade_ts": counted.newest_ts,
            "reconnects": state.reconnects,
            "last_disconnect": state.last_disconnect,
            "kafka_error": sent.kafka_error,
            "journal_error": state.journal_error,
            "gaps_waiting": self.gaps.waiting,
            "gap_rows_stored": self.gaps.rows_stored,
            "journal": self.journal.figures(epoch_us()),
            "quote": self.quotes.told() if self.quotes is not None else None,
        }


def _store_gaps(settings: Settings, rows: list[GapRow]) -> None:
    from market_pipeline.store.feed_gaps import write_gaps  # the driver is only needed when the feed was down

    write_gaps(settings, rows)


def _busy_now(symbol: str) -> bool:
    return is_busy(symbol, datetime.now(UTC))


def _never(symbol: str) -> bool:
    """A recording that has been played is silent for good, whatever its market does today."""
    return False


def _wanted_symbols(settings: Settings) -> tuple[str, ...]:
    """What to subscribe: in a replay, what the recording holds.

    Raises:
        RecordingError: there is no recording to look into.
    """
    return symbols_in(settings.replay_file) if settings.active_feed == REPLAY else settings.symbols


def main() -> int:
    """Run the producer; the exit code is 0 after a clean stop."""
    settings = settings_or_exit(NAME)
    key = settings.finnhub_api_key.get_secret_value() if settings.finnhub_api_key else None
    key = key if settings.active_feed == "finnhub" else None
    secrecy = Secrecy(key)
    log_to_stderr(secrecy)
    if settings.active_feed == "finnhub" and key is None:
        logger.critical("the feed finnhub needs a key: put FINNHUB_API_KEY=… into .env, or use --feed simulator")
        return EXIT_USAGE
    try:
        return _run(settings, key, secrecy)
    except AlreadyRunning as error:
        logger.critical("%s", error)
        return EXIT_ALREADY_RUNNING
    except RecordingError as error:
        logger.critical("%s", error)
        return EXIT_USAGE
    except KeyInUse as error:
        logger.critical("%s", error)
        return EXIT_KEY_REFUSED
    except NotStarted as error:
        logger.critical("%s", error)
        return EXIT_FAILED


class NotStarted(Exception):
    """A file that the producer needs can't be had; the message names what for and which."""


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Tell what was tried when the operating system refuses it.

    Raises:
        NotStarted: it did.
    """
    try:
        yield
    except OSError as error:
        raise NotStarted(f"{what}: {error} (MARKET_PIPELINE_DATA_DIR chooses another place)") from None


def _run(settings: Settings, key: str | None, secrecy: Secrecy) -> int:
    symbols = _wanted_symbols(settings)
    with ExitStack() as held:
        with _step("the producer's lock can't be taken"):
            held.enter_context(ProcessLock(settings.paths.lock(NAME)))
        if key is not None:
            try:
                held.callback(hold(key, state_dir()).release)
            except OSError as error:
                logger.warning("whether another producer uses the key can't be known: %s", error)
        stopped, asked = threading.Event(), threading.Event()

        def end() -> None:
            asked.set()
            stopped.set()

        on_termination(end)
        with _step("the journal can't be opened"):
            producer = Producer(settings, symbols, key, secrecy)
        with _step("the heartbeat can't be written"):
            heartbeat = Heartbeat(settings.paths.heartbeat(NAME), NAME, producer.detail).start()
        held.callback(heartbeat.stop)
        with _step("the journal can't be closed"):
            status = producer.run(stopped)
        heartbeat.asked_to_end = asked.is_set() and status == 0
        return status


if __name__ == "__main__":
    sys.exit(main())
