"""The ports of Spark's batches: one block each, and no more batches than blocks."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from market_pipeline.settings import LOOPBACK, Settings
from market_pipeline.stream.batch_session import NoPorts, _claimed


def test_each_batch_has_ports_of_its_own(tmp_path: Path, free_port_base: Callable[[], int]) -> None:
    settings = Settings.load(data_dir=tmp_path, port_base=free_port_base())
    blocks = settings.ports.batches
    with socket.create_server((LOOPBACK, blocks[0].gateway)):  # a pipeline elsewhere has it
        held = [_claimed(settings) for _ in blocks[1:]]
        assert [ports for ports, _ in held] == blocks[1:]
        with pytest.raises(NoPorts, match="are taken: wait until another batch has ended"):
            _claimed(settings)
        held[2][1].release()
        ports, _ = _claimed(settings)
        assert ports == blocks[3]


def test_dagster_runs_no_more_at_once_than_there_are_ports_for() -> None:
    import market_pipeline

    text = (Path(market_pipeline.__file__).parent / "dagster.yaml").read_text(encoding="utf-8")
    limit = yaml.safe_load(text)["concurrency"]["runs"]["max_concurrent_runs"]
    assert limit <= len(Settings.load().ports.batches)
