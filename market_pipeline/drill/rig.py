"""The pipeline that a drill breaks: in a folder and on ports of its own, fed by the drill's vendor, and with the
drill's letterbox for Slack."""

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import psutil
from cassandra.cluster import Session

from market_pipeline.alerts.incident import Incident
from market_pipeline.alerts.ledger import Ledger
from market_pipeline.drill.letterbox import CHANNEL, TOKEN, Letterbox
from market_pipeline.drill.surroundings import (
    DrillError,
    Filler,
    free_base,
    mount_small_disk,
    only,
    unmount,
    without_others,
)
from market_pipeline.drill.vendor import Vendor
from market_pipeline.interpreter import PYTHON
from market_pipeline.local.down import bring_down
from market_pipeline.local.programs import EVERY_NAME
from market_pipeline.local.supervisor_client import ProcessState, SupervisorAway, SupervisorClient
from market_pipeline.reconcile import reconcile
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import STORE_ERRORS, connect
from market_pipeline.store.feed_gaps import stored_gaps
from market_pipeline.store.newest import newest_received_at
from market_pipeline.supervision.heartbeat import read_heartbeat
from market_pipeline.supervision.lock import holder

SYMBOLS = "BINANCE:BTCUSDT,BINANCE:ETHUSDT,BINANCE:SOLUSDT"
"""Markets that never close."""
MUTE_AFTER_S = 30
UP_WITHIN_S, JUDGED_WITHIN_S = 600.0, 300.0


class Rig:
    """``tell`` hears what happens."""

    def __init__(self, rate: float, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._rate = rate
        self.folder = Path(tempfile.mkdtemp(prefix="market-pipeline-drill-"))
        self.vendor = Vendor(rate)
        self.letterbox = Letterbox()
        base = free_base()
        self.environment = without_others(os.environ) | {
            "MARKET_PIPELINE_DATA_DIR": str(self.folder / "data"),
            "MARKET_PIPELINE_PORT_BASE": str(base),
            "MARKET_PIPELINE_FEED": "finnhub",
            "MARKET_PIPELINE_SYMBOLS": SYMBOLS,
            "MARKET_PIPELINE_MUTE_AFTER_S": str(MUTE_AFTER_S),
            "MARKET_PIPELINE_SLACK_CHANNEL": CHANNEL,
            "MARKET_PIPELINE_SLACK_API_URL": self.letterbox.url,
            "FINNHUB_API_KEY": f"drill-{secrets.token_hex(8)}",  # two drills are no second use of one key
            "FINNHUB_WS_URL": self.vendor.url,
            "FINNHUB_REST_URL": self.letterbox.url,
            "SLACK_BOT_TOKEN": TOKEN,
        }
        with only(self.environment):
            self.settings = Settings(_env_file=None)
        self.has_journal_disk = False
        self.filler = Filler(self.settings.paths.journal)

    def up(self) -> None:
        """Start it, and return when its rules are judged.

        Raises:
            DrillError: it does not start.
        """
        self.has_journal_disk = mount_small_disk(self.settings.paths.journal, self._rate)
        self._tell(f"starting a pipeline of its own in {self.folder}, ports from {self.settings.port_base}")
        self.command("up", "--detach", within_s=UP_WITHIN_S)
        self._tell("trades flow; waiting until Dagster's sensors judge")
        deadline = time.monotonic() + JUDGED_WITHIN_S
        while not self.settings.paths.incidents.exists() or self.ledger.judged_at() is None:
            if time.monotonic() > deadline:
                raise DrillError(f"Dagster's sensors did not judge within {JUDGED_WITHIN_S:.0f} s: see {self.logs}")
            time.sleep(1)

    def command(self, *arguments: str, within_s: float = 180.0) -> str:
        """One command of the command line on this pipeline; returns what it printed.

        Raises:
            DrillError: it failed.
        """
        command = [*PYTHON, "-m", "market_pipeline.cli", *arguments]
        variables, folder = self.environment, self.folder
        try:
            done = subprocess.run(
                command, env=variables, cwd=folder, capture_output=True, text=True, timeout=within_s, check=False
            )
        except subprocess.TimeoutExpired:
            typed = " ".join(arguments)
            raise DrillError(f"`market-pipeline {typed}` took over {within_s:.0f} s: see {self.logs}") from None
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise DrillError(f"`market-pipeline {' '.join(arguments)}` failed: {said[-1] if said else done.returncode}")
        return done.stdout

    def down(self, *, keep: bool = False) -> None:
        """Stop it, and remove all of it unless it is to be kept, or something of it still runs."""
        bring_down(self.settings)
        self.vendor.close()
        self.letterbox.close()
        if self.has_journal_disk:
            unmount(self.settings.paths.journal)
        left = [name for name in EVERY_NAME if holder(self.settings.paths.lock(name)) is not None]
        if left:
            self._tell(f"{', '.join(left)} did not end: {self.folder} is left as it is")
        elif not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def logs(self) -> Path:
        return self.settings.paths.logs

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.settings.paths.incidents)

    def process(self, program: str) -> ProcessState | None:
        """What the supervisor says of a program; None when it does not answer."""
        with contextlib.suppress(SupervisorAway):
            return SupervisorClient(self.settings).processes().get(program)
        return None

    def family(self, program: str) -> list[psutil.Process]:
        """The processes of a program, its children first: PySpark's JVM is one."""
        state = self.process(program)
        if state is None or state.pid is None:
            raise DrillError(f"{program} does not run, so that it can't be broken: see {self.logs}")
        leader = psutil.Process(state.pid)
        return [*leader.children(recursive=True), leader]

    def jvm(self, program: str) -> psutil.Process:
        """The JVM of a program: a child of the stream's process, and a server's process itself.

        Raises:
            DrillError: it has none.
        """
        found = next((each for each in self.family(program) if each.name() == "java"), None)
        if found is None:
            raise DrillError(f"{program} has no JVM that could hang: see {self.logs}")
        return found

    def signal(self, program: str, number: int) -> None:
        """Send every process of a program a signal."""
        for process in self.family(program):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def connections(self) -> int:
        """How often the producer has connected, by its own word."""
        beat = read_heartbeat(self.settings.paths.heartbeat("producer"))
        return int((beat.detail.get("reconnects") or 0) if beat is not None else 0)

    def opened_since(self, at: float) -> list[Incident]:
        """The incidents that were opened at ``at`` (epoch seconds) or later, the oldest first."""
        return sorted(
            (each for each in self.ledger.since(at) if each.opened_at is not None and each.opened_at >= at),
            key=lambda each: each.opened_at or 0.0,
        )

    @contextlib.contextmanager
    def store(self) -> Iterator[Callable[[], float | None]]:
        """A way to ask when the newest queryable trade was received, epoch seconds; None while Cassandra is away."""
        session: Session | None = None
        with contextlib.ExitStack() as held:

            def newest() -> float | None:
                nonlocal session
                try:
                    if session is None:
                        session = held.enter_context(connect(self.settings, timeout_s=2.0))
                    moment = newest_received_at(session, self.settings)
                except STORE_ERRORS:
                    return None
                return moment.timestamp() if moment is not None else None

            yield newest

    def unheard_s(self, since: float) -> float:
        """How long the feed was not listened to since then, by the record of gaps."""
        days = sorted({datetime.fromtimestamp(at, UTC).date() for at in (since, time.time())})
        with connect(self.settings) as session:
            spans = {(gap.started_at, gap.ended_at) for gap in stored_gaps(session, self.settings, days)}
        return sum((end - start).total_seconds() for start, end in spans if end.timestamp() > since)

    def reconciled(self, since: float) -> tuple[int, int, int]:
        """Trades lost and doubled, and bars wrong, of the days since then."""
        days: list[date] = sorted({datetime.fromtimestamp(at, UTC).date() for at in (since, time.time())})
        reports = [reconcile(self.settings, day) for day in days]
        return sum(r.lost for r in reports), sum(r.doubled for r in reports), sum(len(r.bars) for r in reports)
