"""The bench and the soak in small: what they print on a release is no surprise."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from market_pipeline_tests.bench.arms import ARMS
from market_pipeline_tests.bench.catch_up import CEILING
from market_pipeline_tests.conftest import die_with_parent
from market_pipeline_tests.nightly.conftest import ROOT

pytestmark = [pytest.mark.real_servers, pytest.mark.nightly, pytest.mark.timeout(3_600)]

SECTIONS = "latency,catch_up,feed,reconcile,daily"
SMALL = f"--rounds 1 --seconds 2 --warm-up 0 --rows 4000 --reconcile 4000 --days 2 --only {SECTIONS}"
CHARTS = ("trades_silver.svg", "ohlcv_1m.svg", "catch_up.svg")


def run(command: list[str]) -> str:
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=3_500, check=False, preexec_fn=die_with_parent
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    return done.stdout


def test_the_bench_measures_every_way_and_writes_a_report(tmp_path: Path) -> None:
    run(["make", "bench", f"ARGS={SMALL} --out {tmp_path}"])
    report = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert [arm.name for arm in ARMS if f"| {arm.name} |" not in report] == []
    assert f"| {CEILING} |" in report
    assert "nan" not in report
    assert all((tmp_path / chart).stat().st_size > 1_000 for chart in CHARTS)
    assert (tmp_path / "index.html").read_text(encoding="utf-8").count("<table>") == report.count("\n|---")


def test_a_soak_of_some_minutes_loses_nothing() -> None:
    found = json.loads(run([sys.executable, "-m", "market_pipeline_tests.soak", "--minutes", "3", "--rate", "300"]))
    assert sum(found["faults"].values()) == 3
    assert found["price_reads"] > 0
    assert found["clean"], found
