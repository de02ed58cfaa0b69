"""A whole pipeline under the command line, as a user runs it, on ports and in a folder of its own.

What tests ask again and again, ``status`` and ``query``, they ask of what is behind the commands: a new process for
each answer would take the cores from the pipeline that they wait for.
"""

import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from market_pipeline.local.snapshot import gather
from market_pipeline.settings import Settings
from market_pipeline.store.cells import json_rows
from market_pipeline.store.cluster import connect
from market_pipeline_tests import reaper
from market_pipeline_tests.waiting import wait_for

T = TypeVar("T")
STARTS_WITHIN_S = 420
MATERIALIZE = (sys.executable, "-m", "dagster", "asset", "materialize", "-m", "market_pipeline.definitions")


class RunningPipeline:
    """Starts, asks and hurts a pipeline through its command line; ``stop`` leaves no process behind.

    Attributes:
        settings: of the pipeline.
        environment: the variables of every command.
        python: the interpreter that runs the commands.
        prefix: a program, with its arguments, that starts them, such as one that changes the user.
    """

    def __init__(self, data_dir: Path, port_base: int) -> None:
        self.settings = Settings.load(data_dir=data_dir, port_base=port_base)
        self.python = Path(sys.executable)
        self.prefix: tuple[str, ...] = ()
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MARKET_PIPELINE_", "FINNHUB_", "KAFKA_", "CASSANDRA_"))
        } | dict(self.settings.environment())

    def run(
        self, *arguments: str, check: bool = True, timeout_s: float = STARTS_WITHIN_S
    ) -> subprocess.CompletedProcess[str]:
        """One command of the command line; with ``check`` it must succeed."""
        done = subprocess.run(
            [*self.prefix, self.python, "-m", "market_pipeline.cli", *arguments],
            env=self.environment,
            cwd=self.settings.data_dir.parent,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def up(self, *arguments: str, **variables: str) -> None:
        self.environment |= variables
        reaper.started(self.settings.data_dir)
        self.run("up", "--detach", *arguments)

    def status(self) -> dict[str, Any]:
        """What ``status --json`` prints."""
        answer: dict[str, Any] = json.loads(json.dumps(gather(self.settings).as_json(), default=str))
        return answer

    def rows(self, cql: str) -> list[dict[str, Any]]:
        """What ``query --json`` prints, numbers as decimals.

        Raises:
            any of ``STORE_ERRORS``: Cassandra is away, or refuses.
        """
        with connect(self.settings, timeout_s=60) as session:
            result = session.execute(cql)
            text = "".join(json_rows(result.column_names or [], result))
        answer: list[dict[str, Any]] = json.loads(text, parse_float=Decimal, parse_int=Decimal)
        return answer

    def count(self, table: str, where: str = "") -> int:
        condition = f" WHERE {where} ALLOW FILTERING" if where else ""
        return int(self.rows(f"SELECT count(*) AS n FROM market_data.{table}{condition}")[0]["n"])

    def day_of_trades(self) -> str:
        """The UTC day of the newest trade that can be queried; just after midnight there may be none of today."""
        newest: str = max(row["ts"] for row in self.rows("SELECT ts FROM market_data.latest_prices"))
        return newest[: len("2026-11-24")]

    def states(self) -> dict[str, str]:
        """Of each program the supervisor's word for how it is."""
        return {name: process["state"] for name, process in self.status()["processes"].items()}

    def pid(self, program: str) -> int:
        return int(self.status()["processes"][program]["pid"])

    def kill(self, program: str) -> int:
        """SIGKILL; returns the pid that is no more."""
        pid = self.pid(program)
        os.kill(pid, signal.SIGKILL)
        return pid

    def killed_and_back(self, program: str, *, within_s: float = 60) -> None:
        """SIGKILL, and wait until another process has its place."""
        before = self.kill(program)
        wait_for(
            lambda: (self.status()["processes"][program].get("pid") or before) != before,
            f"{program} to come back",
            within_s=within_s,
        )

    def materialize(self, assets: str, partition: str) -> str:
        """``dagster asset materialize`` from a plain shell, as a user types it; with a comma between two assets."""
        done = subprocess.run(
            [*MATERIALIZE, "--select", assets, "--partition", partition],
            env=self.environment | {"DAGSTER_HOME": str(self.settings.paths.dagster)},
            capture_output=True,
            text=True,
            timeout=STARTS_WITHIN_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def reconciled(self, day: str) -> dict[str, Any]:
        done = self.run("reconcile", "--day", day, "--json", check=False)
        assert done.stdout, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def stop(self) -> None:
        self.run("down", check=False, timeout_s=120)
        reaper.stopped(self.settings.data_dir)
