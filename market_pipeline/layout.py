"""Where one pipeline lives on its machine: its ports and its folders."""

from dataclasses import dataclass
from pathlib import Path

LAYOUT = 2
"""How a data dir is laid out; its ``VERSION`` holds the number that it was made with."""


@dataclass(frozen=True)
class SparkPorts:
    """The four ports of one Spark driver, the first of which is ``driver``."""

    driver: int

    @property
    def blocks(self) -> int:
        """Where executors fetch blocks of data."""
        return self.driver + 1

    @property
    def gateway(self) -> int:
        """Where the JVM takes calls of its Python process (py4j)."""
        return self.driver + 2

    @property
    def callbacks(self) -> int:
        """Where that Python process takes calls of the JVM."""
        return self.driver + 3

    def every(self) -> list[int]:
        return [self.driver, self.blocks, self.gateway, self.callbacks]


@dataclass(frozen=True)
class Ports:
    """The TCP ports of one pipeline, all within 100 of ``base``, so that two pipelines live side by side.

    No process of a pipeline listens on any other, nor on another address than loopback, unless a setting names one.
    Dagster's code server and the supervisor have Unix sockets.
    """

    base: int

    @property
    def kafka(self) -> int:
        return self.base + 92

    @property
    def kafka_controller(self) -> int:
        return self.base + 93

    @property
    def cassandra(self) -> int:
        return self.base + 42

    @property
    def cassandra_storage(self) -> int:
        return self.base + 70

    @property
    def cassandra_jmx(self) -> int:
        return self.base + 71

    @property
    def cassandra_jmx_rmi(self) -> int:
        """Where the objects live that JMX hands out."""
        return self.base + 72

    @property
    def stream(self) -> SparkPorts:
        return SparkPorts(self.base)

    @property
    def batches(self) -> list[SparkPorts]:
        """Of the Spark drivers of batches, one each: so many can run at once."""
        return [SparkPorts(self.base + first) for first in range(4, 28, 4)]

    @property
    def webserver(self) -> int:
        return self.base + 30

    @property
    def dagster_code(self) -> int:
        """Where the process that holds our definitions listens in a container; elsewhere it has a Unix socket."""
        return self.base + 31

    @property
    def feed(self) -> int:
        """Where the simulator or the replayer listens."""
        return self.base + 80


@dataclass(frozen=True)
class Paths:
    """Where one pipeline keeps its things, all below its data dir."""

    root: Path

    @property
    def version(self) -> Path:
        return self.root / "VERSION"

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def port_base(self) -> Path:
        """On which ports it was started last."""
        return self.config / "port-base"

    @property
    def without_dagster(self) -> Path:
        """There while the pipeline that was started last has no Dagster."""
        return self.config / "without-dagster"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Locks, heartbeats, the supervisor's pid: things that mean nothing after a reboot."""
        return self.root / "run"

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def bronze(self) -> Path:
        """The archive of ``trades_raw`` as Parquet."""
        return self.root / "bronze"

    @property
    def reports(self) -> Path:
        """The pages of routine reports."""
        return self.root / "reports"

    @property
    def worked(self) -> Path:
        """When each command last did what it was asked for."""
        return self.reports / "worked"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def kafka(self) -> Path:
        return self.root / "kafka"

    @property
    def cassandra(self) -> Path:
        return self.root / "cassandra"

    @property
    def dagster(self) -> Path:
        """``DAGSTER_HOME``."""
        return self.root / "dagster"

    @property
    def incidents(self) -> Path:
        """The ledger of incidents, a SQLite file."""
        return self.root / "incidents" / "ledger.sqlite"

    @property
    def button_key(self) -> Path:
        """What signs the buttons of Slack's messages."""
        return self.root / "incidents" / "buttons.key"

    @property
    def dagster_token(self) -> Path:
        """The token of Dagster's page, unless it is elsewhere."""
        return self.run / "dagster-webserver.token"

    def lock(self, program: str) -> Path:
        return self.run / f"{program}.lock"

    def heartbeat(self, program: str) -> Path:
        return self.run / f"{program}.heartbeat.json"

    def last_end(self, program: str) -> Path:
        """Why a program ended itself the last time."""
        return self.run / f"{program}.end.json"

    def overrides(self, program: str) -> Path:
        """Settings that a program was given while it runs; gone at the next ``up``."""
        return self.run / f"{program}.overrides.json"

    def log(self, program: str) -> Path:
        return self.logs / f"{program}.log"


def version_fault(root: Path) -> str | None:
    """Why this version can't use the data dir, with the cure, in one line; None where it can, or nothing is there yet.

    Raises:
        OSError: it can't be read.
    """
    try:
        text = (root / "VERSION").read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not (text.isascii() and text.isdigit()):
        return f"{root}/VERSION says {text[:20]!r}, which no version wrote: choose another --data-dir"
    if int(text) < LAYOUT:
        return (
            f"{root} was made by an older market-pipeline (layout {text}, this one has {LAYOUT}): move it away, or "
            "choose another --data-dir; `record`ed or journalled trades can be played again with `replay`"
        )
    if int(text) > LAYOUT:
        return (
            f"{root} was made by a newer market-pipeline (layout {text}, this one has {LAYOUT}): upgrade "
            "market-pipeline, or choose another --data-dir"
        )
    return None


def write_version(root: Path) -> None:
    """Say with which layout the data dir is made, where nothing says so yet.

    Raises:
        OSError: it can't be written.
    """
    version = root / "VERSION"
    if not version.exists():
        version.write_text(f"{LAYOUT}\n", encoding="utf-8")


def kept_port_base(paths: Paths) -> int | None:
    """The first of the ports on which the pipeline of this data dir was started last; None when it never was."""
    try:
        return int(paths.port_base.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
