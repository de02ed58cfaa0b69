"""What is checked before anything is started: each failure is one line that says what to do."""

import os
import stat
from pathlib import Path

import psutil

from market_pipeline.feed.recording import RecordingError, check_playable
from market_pipeline.layout import version_fault, write_version
from market_pipeline.local import ports
from market_pipeline.local.jars import locked, missing, repository
from market_pipeline.local.java import find
from market_pipeline.local.jvm import check_path
from market_pipeline.local.programs import EVERY_NAME
from market_pipeline.local.reach import spark_master_fault
from market_pipeline.local.supervisord import NAME as SUPERVISOR
from market_pipeline.mendable import Mendable
from market_pipeline.settings import ListenSetting, Settings, SettingsError
from market_pipeline.supervision.lock import holder
from market_pipeline.which import where_flags

KEEP_FREE_BYTES = 1024**3
"""Kafka and Cassandra both go wrong on a full disk, so nothing starts with less than this."""

MASTER_WITHIN_S = 3.0

OURS = frozenset(
    {
        *("VERSION", "bronze", "cassandra", "checkpoints", "config", "dagster", "incidents", "java"),
        *("journal", "kafka", "logs", "reports", "run"),
    }
)
"""What may be in a data dir that has no ``VERSION`` yet."""


class StartError(Mendable):
    """The pipeline cannot start; the message is one line with the cure.

    Attributes:
        log: the last lines of the log of the program that is to blame, if one is.
    """

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


def check(settings: Settings) -> None:
    """Everything that can be known to go wrong before the start.

    Raises:
        StartError: the first thing found.
        NoJava: there is no Java 17.
        UnusablePath: the data dir's path has a character that the servers cannot live with.
    """
    check_feed(settings)
    check_hosts(settings)
    check_path(settings.data_dir)
    check_layout(settings.data_dir)
    check_writable(settings.data_dir)
    check_nothing_runs(settings)
    check_disk(settings)
    find(settings)
    check_ports(settings)
    check_spark(settings)


def check_feed(settings: Settings) -> None:
    """The feed has what it needs: Finnhub a key, the replayer a file with a trade."""
    if settings.active_feed == "finnhub" and settings.finnhub_api_key is None:
        raise StartError(
            "the feed finnhub needs a key: put FINNHUB_API_KEY=… into .env or the environment, or use --feed simulator"
        )
    if settings.active_feed == "replay":
        if settings.replay_file is None:
            raise StartError("the feed replay needs --replay-file FILE (Finnhub messages, one a line)")
        try:
            check_playable(settings.replay_file)
        except RecordingError as error:
            raise StartError(str(error)) from None
    if not settings.symbols:
        raise StartError("no symbols: --symbols takes them separated by commas, such as AAPL,BINANCE:BTCUSDT")


def check_hosts(settings: Settings) -> None:
    """No server without a login listens where other machines reach it, unless that is wanted."""
    listening: dict[ListenSetting, bool] = {
        "server_host": settings.embedded_kafka or settings.embedded_cassandra,
        "feed_host": settings.active_feed != "finnhub",
        "spark_driver_host": True,
    }
    try:
        for setting in (setting for setting, here in listening.items() if here):
            settings.listen_host(setting)
    except SettingsError as error:
        raise StartError(str(error)) from None


def check_spark(settings: Settings) -> None:
    """The master of a cluster listens: Spark itself would try for minutes before it says so."""
    try:
        fault = spark_master_fault(settings.master, MASTER_WITHIN_S)
    except ValueError as error:
        raise StartError(f"SPARK_MASTER: {error}") from None
    if fault is not None:
        raise StartError(
            f"Spark's master {settings.master} can't be reached ({fault}): start it, or set SPARK_MASTER to its "
            "address; unset, Spark runs here"
        )


def check_layout(root: Path) -> None:
    """The data dir is ours and of this version, or still empty."""
    version = root / "VERSION"
    try:
        if root.exists() and not root.is_dir():
            raise StartError(f"{root} is a file: choose a folder with --data-dir")
        fault = version_fault(root)
        if fault is not None:
            raise StartError(fault)
        if version.exists():
            return
        foreign = sorted({each.name for each in root.iterdir()} - OURS) if root.exists() else []
    except OSError as error:
        raise StartError(f"cannot read {root} ({error.strerror}): choose another folder with --data-dir") from None
    if foreign:
        raise StartError(
            f"{root} is no data dir of a pipeline (it has {foreign[0]!r}): choose an empty folder with --data-dir"
        )


def check_writable(root: Path) -> None:
    """The data dir can be written, or made where it is to be."""
    there = _nearest(root)
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        what = f"cannot write to {root}" if there == root else f"cannot make {root}, for {there} can't be written"
        raise StartError(f"{what}: choose another folder with --data-dir")


def _nearest(path: Path) -> Path:
    """The path, or the folder above it that is there already."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def claim(settings: Settings) -> None:
    """Make the data dir and write its version. Nobody else sees what is in it, also of one that was made before."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(settings.data_dir.stat().st_mode) & 0o077:
            settings.data_dir.chmod(0o700)
        write_version(settings.data_dir)
    except OSError as error:
        raise StartError(f"cannot write to {settings.data_dir} ({error.strerror}): choose another --data-dir") from None


def check_nothing_runs(settings: Settings) -> None:
    """No pipeline on this data dir, whole or in parts."""
    pid, flags = holder(settings.paths.lock(SUPERVISOR)), where_flags(settings)
    if pid is not None:
        raise StartError(
            f"already running on {settings.data_dir} (supervisor pid {pid}): see `market-pipeline status{flags}`, stop "
            f"it with `market-pipeline down{flags}`"
        )
    left = {name: held for name in EVERY_NAME if (held := holder(settings.paths.lock(name))) is not None}
    if left:
        told = ", ".join(f"{name} (pid {held})" for name, held in left.items())
        raise StartError(
            f"still running on {settings.data_dir}: {told}. End them with `market-pipeline down{flags}` first"
        )


def free_bytes(path: Path) -> int:
    """Free space where the path is, or will be."""
    return psutil.disk_usage(str(_nearest(path))).free


def check_disk(settings: Settings) -> None:
    """There is room for the data, and for what has still to be downloaded."""
    download = sum(jar.size for jar in missing(locked("kafka", "cassandra", "spark", "ecj")))
    for what, path, needed in (
        ("the data dir", settings.data_dir, KEEP_FREE_BYTES),
        ("the Maven repository", repository(), download),
    ):
        free = free_bytes(path)
        if free < needed:
            raise StartError(
                f"{what} {path} has {free / 1024**2:,.0f} MiB free and needs {needed / 1024**2:,.0f} MiB: "
                f"make room, or move it ({'--data-dir' if path == settings.data_dir else 'M2_REPO'})"
            )


def check_ports(settings: Settings) -> None:
    """Nobody else listens where our servers will."""
    busy = ports.taken(ports.needed(settings))
    if busy:
        others = f" (and {len(busy) - 1} more)" if len(busy) > 1 else ""
        raise StartError(f"{busy[0].sentence()}{others}: end it, or choose other ports with --port-base")
