"""Every fault of the drill in a real pipeline: noticed, notified, remediated, and nothing is lost."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from market_pipeline.drill.faults import FAULTS
from market_pipeline_tests.conftest import die_with_parent

pytestmark = [pytest.mark.real_servers, pytest.mark.nightly, pytest.mark.timeout(3_600)]


def test_every_fault_is_noticed_and_recovered_from_without_loss(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "market_pipeline.cli", "drill", "--json"],
        env=os.environ | {"MARKET_PIPELINE_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=3_500,
        check=False,
        preexec_fn=die_with_parent,
    )
    outcomes = json.loads(done.stdout or "[]")
    for outcome in outcomes:  # into the report
        record_property(outcome["fault"], json.dumps(outcome))
    assert len(outcomes) == len(FAULTS), done.stderr
    for outcome in outcomes:
        assert outcome["noticed_s"] is not None, outcome
        assert outcome["healed_s"] is not None, outcome
        assert (outcome["lost"], outcome["doubled"], outcome["bars_wrong"]) == (0, 0, 0), outcome
