"""Dagster's webserver as a program of its own, over an instance of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from market_pipeline.local.webserver import address
from market_pipeline.settings import Settings
from market_pipeline.unanswered import listens
from market_pipeline.webserver import access_token
from market_pipeline_tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[1]
STARTS_WITHIN_S = 180


@contextmanager
def webserver(data_dir: Path, port_base: int, workspace: Path, *, bare: bool = False) -> Iterator[Settings]:
    """Dagster's page over an instance of its own; ``bare`` is Dagster's own command, without the guard."""
    settings = Settings.load(data_dir=data_dir, port_base=port_base)
    settings.paths.dagster.mkdir(parents=True)
    (settings.paths.dagster / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\nnux: {enabled: false}\ncode_servers: {local_startup_timeout: 180}\n",
        encoding="utf-8",
    )
    access_token.renew(settings.dagster_token_path)
    log = data_dir / "webserver.log"
    port = ["--port", str(settings.ports.webserver)]
    program = ["dagster_webserver", *port] if bare else ["market_pipeline.webserver"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *program, "--workspace", str(workspace)],
            cwd=ROOT,
            env=os.environ | dict(settings.environment()) | {"DAGSTER_HOME": str(settings.paths.dagster)},
            stdout=output,
            stderr=output,
        )
        try:
            wait_for(lambda: listens(address(settings)) or process.poll() is not None, "the page", STARTS_WITHIN_S)
            assert process.poll() is None, log.read_text()
            yield settings
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
