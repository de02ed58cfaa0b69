"""``up``, ``down`` and ``init``: the life of a pipeline on this machine."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click
from rich.text import Text

from market_pipeline.alerts.database import NewerLedger
from market_pipeline.alerts.handover import end_of_stop, inherited
from market_pipeline.broker.client import BrokerUnreachableError
from market_pipeline.broker.topics import TopicError, ensure_topics
from market_pipeline.cli import PipelineError, load_settings, unusable
from market_pipeline.cli.echo import echo
from market_pipeline.cli.foreground import watch
from market_pipeline.cli.start_display import StartDisplay, what_next
from market_pipeline.cli.terminal import SafeConsole
from market_pipeline.cli.terminal import console as new_console
from market_pipeline.local.down import Stopped, bring_down
from market_pipeline.local.interrupts import deaf, interruptible
from market_pipeline.local.jars import JarError
from market_pipeline.local.java import NoJava
from market_pipeline.local.jvm import UnusablePath
from market_pipeline.local.preflight import StartError
from market_pipeline.local.processes import anything_runs
from market_pipeline.local.programs import EVERY_NAME
from market_pipeline.local.supervisor_client import SupervisorAway
from market_pipeline.local.up import Start
from market_pipeline.private_process import in_container, root_warning
from market_pipeline.settings import Settings
from market_pipeline.store import failure
from market_pipeline.store.cluster import STORE_ERRORS
from market_pipeline.store.migrate import MigrationError, migrate
from market_pipeline.supervision.lock import holder

START_FAILURES = (
    *(NoJava, UnusablePath, JarError, StartError, SupervisorAway),
    *(BrokerUnreachableError, TopicError, MigrationError, *STORE_ERRORS, OSError),
)
"""What keeps a pipeline from starting and is told in one line; what was started by then is stopped."""


@click.command(short_help="start everything")
@click.option("--detach", is_flag=True, help="Return when trades can be queried, and leave it running.")
@click.option("--feed", type=click.Choice(["finnhub", "simulator", "replay"]), help="Where trades come from.")
@click.option("--symbols", metavar="A,B", help="Comma-separated symbols.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Simulator: trades a second.")
@click.option("--replay-file", type=click.Path(path_type=Path), metavar="F", help="What the replayer plays.")
@click.option("--replay-speed", metavar="X|max", help="Replay: times real time, or as fast as it is taken.")
@click.option("--replay-once", is_flag=True, default=None, help="Replay: stop after the last message.")
@click.option("--dagster/--no-dagster", default=None, help="Run Dagster too, or leave it to one that runs elsewhere.")
def up(
    detach: bool,
    feed: str | None,
    symbols: str | None,
    rate: float | None,
    replay_file: Path | None,
    replay_speed: str | None,
    replay_once: bool | None,
    dagster: bool | None,
) -> None:
    """Start Kafka, Cassandra, the feed, the stream and Dagster, and show the first trades.

    Without FINNHUB_API_KEY (in the environment or in .env) it runs on the simulator. Ctrl-C stops everything.

    \b
    Examples:
      market-pipeline up
      market-pipeline up --detach --feed simulator --rate 200
      market-pipeline up --feed finnhub --symbols AAPL,MSFT,BINANCE:BTCUSDT
      market-pipeline up --replay-file trades.jsonl --replay-speed max --replay-once
    """
    if replay_file and feed not in (None, "replay"):
        raise PipelineError(f"--replay-file goes with --feed replay, not with --feed {feed}: leave out one of them")
    settings = load_settings(
        feed=feed or ("replay" if replay_file else None),
        symbols=symbols,
        rate=rate,
        replay_file=replay_file.expanduser().resolve() if replay_file else None,
        replay_speed=replay_speed,
        replay_once=replay_once,
        dagster=dagster,
        as_started=False,
    )
    if warning := root_warning(os.geteuid(), in_container=in_container()):
        echo(f"warning: {warning}", fg="yellow", err=True)
    console = new_console()
    with interruptible():
        display = StartDisplay(console)
        start = Start(settings, display)
        try:
            start.check()
            console.print(_headline(settings), soft_wrap=True)
            _report_inherited(settings, console)
            with display:
                start.run()
                without_dagster = _dagster(start, wait=not detach) if settings.dagster else None
            what_next(settings, console, detached=detach)
            if detach:
                if without_dagster:
                    raise PipelineError(without_dagster)
                return
            ended = watch(settings, console)
        except KeyboardInterrupt:
            ended = None
            if not start.begun:
                raise
        except START_FAILURES as error:
            _give_up(settings, console, error, begun=start.begun)
    _stop(settings, console)
    if ended:
        raise PipelineError(ended)


def _dagster(start: Start, *, wait: bool) -> str | None:
    """Start Dagster; what to tell when it does not start, which is no reason to stop receiving trades."""
    try:
        start.start_dagster()
        if wait:
            start.wait_for_dagster()
    except (StartError, SupervisorAway) as error:
        echo(getattr(error, "log", ""), err=True)
        echo(f"warning: {error}", fg="yellow", err=True)
        return f"{error}. Trades are received and can be queried all the same; try `market-pipeline restart SERVICE`"
    return None


def _headline(settings: Settings) -> str:
    feed = {
        "finnhub": f"Finnhub, {len(settings.symbols)} symbols",
        "simulator": f"the built-in simulator, {settings.rate:g} trades/s over {len(settings.symbols)} symbols",
        "replay": f"a replay of {settings.replay_file}",
    }[settings.active_feed]
    no_key = settings.feed is None and settings.finnhub_api_key is None
    return f"market-pipeline on {feed}" + (" (no FINNHUB_API_KEY)" if no_key else "")


def _give_up(settings: Settings, console: SafeConsole, error: Exception, *, begun: bool) -> NoReturn:
    """Stop what this start had begun, and say why with the end of the guilty program's log."""
    if begun:
        _stop(settings, console)
    log = getattr(error, "log", "")
    if log:
        echo(log, err=True)
    raise PipelineError(why(error)) from None


def why(error: Exception) -> str:
    """One line with the cure, of anything in ``START_FAILURES``."""
    if isinstance(error, SupervisorAway):
        return f"the supervisor does not do what it is told ({error}): see `market-pipeline logs supervisord`"
    if isinstance(error, OSError):
        return unusable(error)
    if isinstance(error, STORE_ERRORS):
        return failure.one_line(error)
    return str(error) or type(error).__name__


def _stop(settings: Settings, console: SafeConsole) -> list[Stopped]:
    def told(stopped: Stopped) -> None:
        mark = ("!", "yellow") if stopped.killed else ("✓", "green")
        console.print(Text.assemble("  ", mark, f" {stopped.sentence()}"), soft_wrap=True)

    if anything_runs(settings):
        console.print("stopping")
    with deaf():
        stopped = bring_down(settings, told)
        with _incidents_or_warning():
            if over := end_of_stop(settings, time.time()):
                names = ", ".join(f"{each.rule}/{each.subject}" for each in over)
                console.print(f"incidents that only a running pipeline can evaluate are over: {names}", soft_wrap=True)
        return stopped


def _report_inherited(settings: Settings, console: SafeConsole) -> None:
    with _incidents_or_warning():
        if lines := inherited(settings, time.time()):
            console.print("incidents that are open from before this start (see `market-pipeline incidents list`):")
            for line in lines:
                console.print(f"  {line}", soft_wrap=True)


@contextmanager
def _incidents_or_warning() -> Iterator[None]:
    """A file of incidents that can't be used, or that a newer version wrote, keeps nobody from starting or stopping a
    pipeline."""
    try:
        yield
    except (NewerLedger, sqlite3.Error) as error:
        echo(f"warning: the incidents' file can't be used ({error})", fg="yellow", err=True)


@click.command(short_help="stop everything, losing nothing")
def down() -> None:
    """Stop the producer, then the local feed, the stream, Dagster and the servers. What hangs is killed, and named.

    \b
    Examples:
      market-pipeline down
      market-pipeline down --data-dir /tmp/second
    """
    settings = load_settings()
    console = new_console()
    stopped = _stop(settings, console)
    if left := [name for name in EVERY_NAME if holder(settings.paths.lock(name)) is not None]:
        raise PipelineError(
            f"{', '.join(left)} on {settings.data_dir} can't be stopped from here: where containers keep them, use "
            "`docker-compose stop`"
        )
    if not stopped:
        console.print(f"nothing runs on {settings.data_dir}", soft_wrap=True)


@click.command(short_help="create topics and tables")
def init() -> None:
    """Create the pipeline's Kafka topics and bring Cassandra's tables up to date; what is there is left alone.

    \b
    Examples:
      market-pipeline init
      KAFKA_BOOTSTRAP_SERVERS=kafka:9092 CASSANDRA_CONTACT_POINTS=cassandra market-pipeline init
    """
    settings = load_settings()
    try:
        topics = ensure_topics(settings)
        migrations = migrate(settings)
    except (BrokerUnreachableError, TopicError, MigrationError, *STORE_ERRORS, OSError) as error:
        raise PipelineError(why(error)) from None
    echo(f"topics created: {', '.join(topics) or 'none, all were there'}")
    echo(f"migrations applied: {', '.join(migrations) or 'none, all were there'}")
