"""The whole pipeline at one moment, as ``status`` shows it: from the supervisor, the heartbeats, Kafka and Cassandra.

Whatever doesn't answer in time is left out, so that a look never hangs with what it looks at.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from market_pipeline.local import webserver
from market_pipeline.local.processes import ProcessStatus, kept_elsewhere, process_statuses, supervisor_states
from market_pipeline.local.programs import BEATING
from market_pipeline.settings import Settings
from market_pipeline.supervision.heartbeat import Beat, read_heartbeat
from market_pipeline.supervision.servers import CassandraStatus, KafkaStatus, cassandra_status, kafka_status
from market_pipeline.unanswered import listens

ANSWER_WITHIN_S = 2.5


@dataclass(frozen=True)
class FeedStatus:
    """What the producer says; all None or 0 when it says nothing.

    Attributes:
        silent_s: since when one that hangs or is gone says nothing, in seconds; None of one that answers.
        last_received_age_s: since the last message came, pings included; ``last_trade_age_s`` is since the last trade.
        left_out: symbols beyond the plan's limit.
        journal_error: why frames can't be kept; nothing is received then.
        gaps_waiting: gaps that are not in Cassandra yet.
        gap_since: of a gap that lasts, epoch seconds; ``gap_reason`` says why.
        symbol_names: what is subscribed.
        rejected_symbols: those that the feed does not send, and its words.
        clock_is_slow: trades come from the future of this machine's clock.
        quote: the vendor's own last trade, as its quote endpoint tells it while the stream is silent.
    """

    name: str | None = None
    connected: bool = False
    symbols: int | None = None
    seen: int | None = None
    unseen: list[str] = field(default_factory=list)
    received: int | None = None
    last_received_age_s: float | None = None
    last_trade_age_s: float | None = None
    rejected: dict[str, int] = field(default_factory=dict)
    reconnects: int | None = None
    last_disconnect: Mapping[str, Any] | None = None
    kafka_error: str | None = None
    journal: Mapping[str, Any] | None = None
    silent_s: float | None = None
    left_out: list[str] = field(default_factory=list)
    rejected_symbols: dict[str, str] = field(default_factory=dict)
    journal_error: str | None = None
    gaps_waiting: int | None = None
    gap_since: float | None = None
    gap_reason: str | None = None
    clock_is_slow: bool | None = None
    symbol_names: list[str] = field(default_factory=list)
    quote: Mapping[str, Any] | None = None


_RECKONED = {"name", "connected", "last_received_age_s", "last_trade_age_s", "silent_s"}
_SAID_BY_PRODUCER = {each.name for each in fields(FeedStatus)} - _RECKONED
"""What the producer's heartbeat has under the same name; the rest is reckoned."""


@dataclass(frozen=True)
class StreamStatus:
    """What the stream says; all None when it says nothing. Ages are as of the snapshot.

    Attributes:
        newest_event_age_s: how long ago the newest queryable trade was received: as Cassandra has it, or as the stream
            last saw it, whichever is newer. The stream looks once a second, so by itself it is late by as much.
        oldest_waiting_age_s: since when the oldest trade that is not known to be queryable was received, in seconds,
            which is that of the partition ``slowest_partition``; 0 while none waits.
        silent_s: since when one that hangs or is gone says nothing, in seconds; None of one that answers. What it said
            of its work is None then.
        writer: what the writer of the tables did since the stream started, up to its last commit
            (``WriterMetrics.java``); counts, and times in microseconds.
        jvm_silent_s: how long Spark's JVM has not responded while the stream's own process goes on, in seconds; None
            of one that responds. ``jvm_doing`` says what the operating system shows of it.
        master: Spark's master, on which it runs.
    """

    mode: str | None = None
    phase: str | None = None
    lag: int | None = None
    newest_event_age_s: float | None = None
    input_rate: float | None = None
    last_progress_age_s: float | None = None
    silent_s: float | None = None
    oldest_waiting_age_s: float | None = None
    slowest_partition: int | None = None
    writer: Mapping[str, int] = field(default_factory=dict)
    jvm_pid: int | None = None
    jvm_silent_s: float | None = None
    jvm_doing: str | None = None
    master: str | None = None

    @property
    def dead_letters(self) -> dict[str, int]:
        """How many records became dead letters since the stream started, by reason."""
        prefix = "dead_letters."
        return {name.removeprefix(prefix): n for name, n in self.writer.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class Snapshot:
    """All of it. ``supervisor`` is the pid of the supervisor, None when there is none."""

    at: float
    data_dir: str
    supervisor: int | None
    processes: dict[str, ProcessStatus]
    feed: FeedStatus
    kafka: KafkaStatus
    stream: StreamStatus
    cassandra: CassandraStatus
    dagster_page: bool = False
    """Whether Dagster's webserver is there: it listens once it has loaded the definitions."""

    elsewhere: bool = False
    """Whether another platform keeps the services, such as containers: of those that share no data dir with us nothing
    can be seen but whether they answer."""

    @property
    def anything_runs(self) -> bool:
        here = self.supervisor is not None or any(each.pid is not None for each in self.processes.values())
        return here or (self.elsewhere and (self.kafka.live or self.cassandra.live))

    def as_json(self) -> dict[str, Any]:
        return {"running": self.anything_runs, **asdict(self)}


def gather(settings: Settings) -> Snapshot:
    """Look at everything at once; takes no longer than ``ANSWER_WITHIN_S``."""
    answers = within(
        ANSWER_WITHIN_S,
        {
            "processes": lambda: supervisor_states(settings),
            "kafka": lambda: kafka_status(settings),
            "cassandra": lambda: cassandra_status(settings),
            "dagster": lambda: listens(webserver.address(settings)),
        },
    )
    now = time.time()
    supervisor, states = answers["processes"] or (None, None)
    beats = heartbeats(settings)
    processes = process_statuses(settings, states, beats, now)
    stored = answers["cassandra"] or CassandraStatus()
    return Snapshot(
        at=now,
        data_dir=str(settings.data_dir),
        supervisor=supervisor,
        processes=processes,
        feed=feed_status(beats["producer"], processes["producer"].pid, now),
        kafka=answers["kafka"] or KafkaStatus(fault=f"no answer within {ANSWER_WITHIN_S} s"),
        stream=stream_status(beats["stream"], processes["stream"].pid, now, stored.newest_trade_age_s),
        cassandra=stored,
        dagster_page=bool(answers["dagster"]),
        elsewhere=supervisor is None and kept_elsewhere(settings),
    )


def programs_alone(settings: Settings) -> Snapshot:
    """What the supervisor and the heartbeats say; no server is asked anything."""
    supervisor, states = supervisor_states(settings) or (None, None)
    now = time.time()
    beats = heartbeats(settings)
    processes = process_statuses(settings, states, beats, now, memory=False)
    return Snapshot(
        at=now,
        data_dir=str(settings.data_dir),
        supervisor=supervisor,
        processes=processes,
        feed=FeedStatus(),
        kafka=KafkaStatus(),
        stream=stream_status(beats["stream"], processes["stream"].pid, now),
        cassandra=CassandraStatus(),
        elsewhere=supervisor is None and kept_elsewhere(settings),
    )


def heartbeats(settings: Settings) -> dict[str, Beat | None]:
    """The newest of each program that beats."""
    return {name: read_heartbeat(settings.paths.heartbeat(name)) for name in BEATING}


def within(seconds: float, questions: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Ask all at once; None for what has not answered in time. The threads of those are left behind."""
    answers: dict[str, Any] = dict.fromkeys(questions)

    def ask(name: str) -> None:
        answers[name] = questions[name]()

    threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in questions]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(answers)


def silent_for(beat: Beat, pid: int | None, now: float) -> float | None:
    """Seconds since the last word of a program that hangs or is gone; None of one that answers.

    Args:
        beat: the newest heartbeat.
        pid: the program's process now; a beat of another one is old news.
        now: epoch seconds.
    """
    return None if pid == beat.pid and not beat.is_stale(now) else round(beat.age_s(now), 1)


def feed_status(beat: Beat | None, pid: int | None, now: float) -> FeedStatus:
    """The feed, from the producer's heartbeat and process; one that hangs or is dead is not connected."""
    if beat is None:
        return FeedStatus()
    silent_s = silent_for(beat, pid, now)
    said = {key: value for key, value in beat.detail.items() if key in _SAID_BY_PRODUCER and value is not None}
    return FeedStatus(
        **said,
        name=beat.detail.get("feed"),
        connected=bool(beat.detail.get("connected")) and silent_s is None,
        last_received_age_s=_seconds_since(beat.detail.get("last_received_at"), now),
        last_trade_age_s=_seconds_since(beat.detail.get("last_trade_at"), now),
        silent_s=silent_s,
    )


def _seconds_since(moment: float | None, now: float) -> float | None:
    return round(max(0.0, now - moment), 3) if moment is not None else None


def stream_status(beat: Beat | None, pid: int | None, now: float, stored_age_s: float | None = None) -> StreamStatus:
    """The stream, from its heartbeat and process. Its ages grow while it says nothing.

    ``stored_age_s`` is that of the newest trade in Cassandra.
    """
    if beat is None:
        return StreamStatus(newest_event_age_s=stored_age_s)
    silent_s = silent_for(beat, pid, now)
    detail = beat.detail
    # what it was doing and how far behind it was: nobody knows of one that does not answer
    work = detail if silent_s is None else {}
    jvm = work.get("jvm") or {}
    waiting_s = work.get("oldest_waiting_age_s")
    seen_age_s, progress = detail.get("newest_event_age_s"), detail.get("last_progress_at")
    ages = [stored_age_s] if stored_age_s is not None else []
    ages += [round(seen_age_s + beat.age_s(now), 3)] if seen_age_s is not None else []
    return StreamStatus(
        mode=detail.get("mode"),
        phase=work.get("phase"),
        lag=work.get("lag"),
        newest_event_age_s=min(ages, default=None),
        input_rate=work.get("input_rate"),
        last_progress_age_s=round(max(0.0, now - progress), 1) if progress is not None else None,
        silent_s=silent_s,
        oldest_waiting_age_s=round(waiting_s + beat.age_s(now), 3) if waiting_s else waiting_s,
        slowest_partition=work.get("slowest_partition"),
        writer=detail.get("writer") or {},
        jvm_pid=jvm.get("pid"),
        jvm_silent_s=round(jvm["silent_s"] + beat.age_s(now), 1) if "silent_s" in jvm else None,
        jvm_doing=jvm.get("doing"),
        master=detail.get("master"),
    )
