"""``status``: the whole pipeline on one screen, or as JSON."""

import contextlib
import json
import time
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from market_pipeline.cli import REPORTED_FAULT, load_settings
from market_pipeline.cli.echo import echo
from market_pipeline.cli.terminal import cell, console
from market_pipeline.local.processes import NOT_SEEN, ProcessStatus
from market_pipeline.local.snapshot import Snapshot, StreamStatus, gather
from market_pipeline.settings import Settings
from market_pipeline.unanswered import start_it
from market_pipeline.which import where_flags

EXIT_NOTHING_RUNS = 3
WATCH_EVERY_S = 1.0
NONE = "–"


@click.command(short_help="one screen of everything")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--watch", is_flag=True, help="Renew the screen until Ctrl-C.")
def status(as_json: bool, watch: bool) -> None:
    """Show each process, the feed, Kafka, the stream and Cassandra. Exit code 3 when nothing runs.

    \b
    Examples:
      market-pipeline status
      market-pipeline status --watch
      market-pipeline status --json | jq .stream.oldest_waiting_age_s
    """
    settings = load_settings()
    if watch and not as_json:
        _watch(settings)
        return
    while True:
        snapshot = gather(settings)
        if as_json:
            echo(json.dumps(snapshot.as_json(), default=str))
        else:
            console().print(screen(snapshot, settings), crop=False)
        if not watch:
            break
        time.sleep(WATCH_EVERY_S)
    if not snapshot.anything_runs:
        raise SystemExit(EXIT_NOTHING_RUNS)
    click.get_current_context().meta[REPORTED_FAULT] = shows_fault(snapshot)


def shows_fault(snapshot: Snapshot) -> bool:
    """Whether a service on the screen is down, stopped (SIGSTOP) or silent, the stream's JVM does not respond, or the
    feed can't go on."""
    services, stream = snapshot.processes.values(), snapshot.stream
    down = any(each.asleep or (each.pid is None and each.last_error is not None) for each in services)
    silent = (snapshot.feed.silent_s, stream.silent_s, stream.jvm_silent_s)
    stuck = (snapshot.feed.kafka_error, snapshot.feed.journal_error)
    return down or any(sign is not None for sign in (*silent, *stuck))


def _watch(settings: Settings) -> None:
    """On a terminal one screen that renews itself; in a pipe or a file one screen after the other."""
    out = console()
    with contextlib.suppress(KeyboardInterrupt):
        if not out.is_terminal:
            while True:
                out.print(screen(gather(settings), settings), crop=False)
                out.file.flush()
                time.sleep(WATCH_EVERY_S)
        with Live(screen(gather(settings), settings), console=out, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(WATCH_EVERY_S)
                live.update(screen(gather(settings), settings), refresh=True)


def screen(snapshot: Snapshot, settings: Settings) -> Group:
    """What is printed."""
    head = cell(
        f"{time.strftime('%Y-%m-%d %H:%M:%S %Z', time.localtime(snapshot.at))}  {snapshot.data_dir}", style="dim"
    )
    if not snapshot.anything_runs:
        cure = f"nothing runs here: {start_it(settings)}"
        if snapshot.elsewhere:
            servers = f"Kafka at {settings.bootstrap_servers} nor Cassandra at {','.join(settings.contact_points)}"
            cure = f"neither {servers} answers, and no service of ours runs on this data dir"
        return Group(head, cell(cure, "yellow", whole=True))  # a command is copied whole
    unseen = [name for name, each in snapshot.processes.items() if each.state == NOT_SEEN]
    note = [cell(f"kept by another platform, not seen from here: {', '.join(unseen)}", "dim")] if unseen else []
    return Group(head, _processes(snapshot), *note, _figures(snapshot, settings))


def _processes(snapshot: Snapshot) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("process", "pid", "state", "uptime", "restarts", "memory", "last error"):
        table.add_column(heading, header_style="bold", justify="right" if heading in _NUMERIC else "left")
    for name, each in snapshot.processes.items():
        if each.state == NOT_SEEN:
            continue
        table.add_row(
            name,
            str(each.pid or NONE),
            _state(snapshot, name, each),
            duration(each.uptime_s),
            cell(str(each.restarts), "yellow" if each.restarts else ""),
            f"{each.rss_mb:,.0f} MB" if each.rss_mb is not None else NONE,
            each.last_error or "",
        )
    return table


def _state(snapshot: Snapshot, name: str, process: ProcessStatus) -> Text:
    stream, state = snapshot.stream, process.state
    if process.asleep:
        return cell("stopped by SIGSTOP", "red")
    responds = {
        "kafka": snapshot.kafka.live,
        "cassandra": snapshot.cassandra.live,
        "stream": stream.silent_s is None and stream.jvm_silent_s is None,
        "producer": snapshot.feed.silent_s is None,
    }
    if state == "RUNNING" and not responds.get(name, True):
        return cell("running, silent", "red")
    colour = {"RUNNING": "green", "STARTING": "yellow", "STOPPED": "dim", "EXITED": "dim"}.get(state, "red")
    return cell(state.lower(), colour)


_NUMERIC = frozenset({"pid", "uptime", "restarts", "memory"})


def _figures(snapshot: Snapshot, settings: Settings) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column()
    for name, text in (
        ("feed", feed_line(snapshot)),
        ("kafka", kafka_line(snapshot)),
        ("stream", stream_line(snapshot)),
        *([("writer", writer_line(snapshot.stream))] if snapshot.stream.writer else []),
        ("cassandra", cassandra_line(snapshot)),
        *([("dagster", dagster_line(snapshot, settings))] if "dagster-webserver" in snapshot.processes else []),
    ):
        table.add_row(name, text)
    return table


def feed_line(snapshot: Snapshot) -> str:
    feed = snapshot.feed
    if feed.name is None:
        return "no producer has said anything yet"
    parts = [
        f"{feed.name} {'connected' if feed.connected else 'NOT connected'}",
        f"{number(feed.seen)} of {number(feed.symbols)} symbols seen",
        f"{number(feed.received)} trades received since the producer's start",
        _last("trade", feed.last_trade_age_s),
        _last("message", feed.last_received_age_s),
    ]
    if feed.rejected:
        parts.append(f"rejected {sum(feed.rejected.values()):,}")
    if feed.reconnects:
        parts.append(f"{feed.reconnects} reconnect{'s' if feed.reconnects > 1 else ''}")
    if feed.last_disconnect and not feed.connected:
        parts.append(str(feed.last_disconnect.get("reason")))
    if feed.kafka_error:
        parts.append(f"Kafka: {feed.kafka_error}")
    return " · ".join([*parts, *feed_faults(snapshot), *_journal(feed.journal)])


def _last(what: str, age_s: float | None) -> str:
    return f"last {what} {age(age_s)} ago" if age_s is not None else f"no {what} yet"


def feed_faults(snapshot: Snapshot) -> list[str]:
    """What a person should know of the feed, besides its figures."""
    feed = snapshot.feed
    told = []
    if feed.silent_s is not None:
        told.append(f"no answer for {duration(feed.silent_s)}")
    if feed.journal_error:
        told.append(f"nothing is received: the journal can't be written ({feed.journal_error})")
    if feed.gap_since is not None:
        lasts = duration(max(0.0, snapshot.at - feed.gap_since))
        told.append(f"gap since {lasts}" + (f" ({feed.gap_reason})" if feed.gap_reason else ""))
    if feed.gaps_waiting:
        told.append(f"gaps that wait for Cassandra: {feed.gaps_waiting}")
    if feed.rejected_symbols:
        told.append(f"rejected by the feed: {', '.join(feed.rejected_symbols)}")
    if feed.left_out:
        told.append(f"beyond the plan's limit, left out: {', '.join(feed.left_out)}")
    return told


def _journal(journal: Mapping[str, Any] | None) -> list[str]:
    if not journal:
        return []
    text = f"journal {journal.get('bytes', 0) / 1e6:,.1f} MB"
    waiting = journal.get("unconfirmed_frames")
    return [text + (f", frames that wait for Kafka: {waiting:,}" if waiting else "")]


def kafka_line(snapshot: Snapshot) -> str:
    kafka = snapshot.kafka
    if not kafka.live:
        return f"does not answer: {kafka.fault}"
    if kafka.fault is not None:
        return f"answers, but {kafka.fault}"
    offsets = " ".join(f"{partition}:{kafka.begin.get(partition, 0)}–{end}" for partition, end in kafka.end.items())
    return f"{sum(kafka.end.values()):,} records · offsets {offsets} · {kafka.rate or 0:,.1f}/s in the last minute"


def stream_line(snapshot: Snapshot) -> str:
    stream = snapshot.stream
    if stream.silent_s is not None:
        return f"no answer for {duration(stream.silent_s)} · {newest_trade(stream.newest_event_age_s)}"
    if stream.phase is None:
        return "has not said anything yet"
    phase = f"{stream.phase} ({stream.mode})"
    if stream.jvm_silent_s is not None:
        phase = f"JVM does not respond for {duration(stream.jvm_silent_s)} ({stream.jvm_doing})"
    parts = [
        phase,
        f"lag {number(stream.lag)}",
        f"{stream.input_rate:,.1f}/s" if stream.input_rate is not None else f"{NONE}/s",
        oldest_waiting(stream) if stream.lag else newest_trade(stream.newest_event_age_s),
    ]
    if stream.last_progress_age_s is not None:
        parts.append(f"last progress {age(stream.last_progress_age_s)} ago")
    if stream.master is not None:
        parts.append(f"on {stream.master}")
    if stream.dead_letters:
        parts.append(f"rejected {sum(stream.dead_letters.values()):,}")
    return " · ".join(parts)


def writer_line(stream: StreamStatus) -> str:
    """What the writer did since the stream started, up to its last commit."""
    did = stream.writer
    p50_ms, p99_ms = (did.get(f"acknowledged_{each}_us", 0) / 1000 for each in ("p50", "p99"))
    return (
        f"{did.get('trades', 0):,} trades in {did.get('batches', 0):,} batches "
        f"(largest {did.get('largest_batch', 0):,}) · "
        f"acknowledged within {p50_ms:,.1f} ms (p50), {p99_ms:,.1f} ms (p99) · "
        f"bars: {did.get('bar_writes', 0):,} writes, {did.get('bar_loads', 0):,} loads"
    )


def oldest_waiting(stream: StreamStatus) -> str:
    """How far behind the slowest partition is: beside a lag, the age of another partition's newest trade misleads."""
    if stream.oldest_waiting_age_s is None:
        return "oldest waiting trade not known yet"
    where = f" (partition {stream.slowest_partition})" if stream.slowest_partition is not None else ""
    return f"oldest waiting trade {age(stream.oldest_waiting_age_s)} old{where}"


def newest_trade(age_s: float | None) -> str:
    return f"newest queryable trade {age(age_s)} old" if age_s is not None else "newest queryable trade not known yet"


def cassandra_line(snapshot: Snapshot) -> str:
    cassandra = snapshot.cassandra
    disk = f" · {cassandra.disk_mb:,.0f} MB on disk" if cassandra.disk_mb is not None else ""
    return (f"answers, version {cassandra.version}" if cassandra.live else "does not answer") + disk


def dagster_line(snapshot: Snapshot, settings: Settings) -> str:
    page = settings.page_url
    if snapshot.elsewhere and not snapshot.dagster_page:
        return f"not seen from here: {page}"
    if not snapshot.dagster_page:
        return f"its page does not answer yet: {page}"
    # no token here: what `status` shows is pasted into tickets
    return f"{page} · `market-pipeline dagster-url{where_flags(settings)}` prints it with its token"


def number(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def age(seconds: float | None) -> str:
    """'0.02 s', '1.5 s', '4 min'."""
    if seconds is None:
        return NONE
    return f"{seconds:.2f} s" if seconds < 10 else duration(seconds)


def duration(seconds: float | None) -> str:
    """'12 s', '4 min', '3 h 20 min', '2 d 3 h'."""
    if seconds is None:
        return NONE
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    if whole < 172_800:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"
