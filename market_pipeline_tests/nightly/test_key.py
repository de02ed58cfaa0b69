"""Who gets to see a key that is in ``.env``, on the first start of a pipeline."""

from collections.abc import Callable
from pathlib import Path

import pytest

from market_pipeline_tests.key_exposure import KEY, assert_only_in, files_with
from market_pipeline_tests.running import RunningPipeline

pytestmark = [pytest.mark.real_servers, pytest.mark.nightly, pytest.mark.timeout(600)]


def test_a_key_in_an_env_file_is_seen_by_no_process_and_in_no_other_file(
    tmp_path: Path, free_port_base: Callable[[], int]
) -> None:
    file = tmp_path / ".env"
    file.write_text(f"FINNHUB_API_KEY={KEY}\n")
    pipeline = RunningPipeline(tmp_path / "data", free_port_base())
    pipeline.environment["XDG_STATE_HOME"] = str(tmp_path / "state")
    try:
        assert_only_in({file}, tmp_path, pipeline)
    finally:
        pipeline.stop()
    assert files_with(KEY, tmp_path) == {file}
