"""The smoke test where there is nothing to test: a hop says what is missing, and what can not be tried is not tried."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from market_pipeline.cli import main
from market_pipeline.model import SMOKE_TEST, decode, encode, is_probe, smoke_test_probe, trade_id
from market_pipeline.routine.smoke_test import Hop, SmokeTest
from market_pipeline.settings import Settings
from market_pipeline.supervision.lock import ProcessLock


def test_a_probe_is_a_trade_like_any_other_and_known_by_its_record() -> None:
    made = smoke_test_probe(1_764_000_000_123_456)
    assert decode(encode(made)) == made
    assert (made.symbol, made.trade_id) == (f"{SMOKE_TEST}1764000000123456", trade_id(1_764_000_000_123_456, 0))
    assert is_probe(encode(made))
    assert not is_probe(encode(made).replace(b"PROBE", b"AAPL"))
    assert not is_probe(b"")


@pytest.mark.parametrize("options", [(), ("-v",), ("--json",)])
def test_a_stopped_pipeline_is_reported_at_once_and_no_hop_is_tried(
    options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(SmokeTest, "run", lambda _: pytest.fail("a hop was tried"))
    answer = CliRunner().invoke(main, ["smoke-test", *options])
    assert (answer.exit_code, answer.stdout) == (1, "")
    flags = f"--data-dir {tmp_path / 'data'}"
    assert answer.stderr == (
        f"error: nothing runs on {tmp_path / 'data'}: start it with `market-pipeline up {flags}`\n"
    )


def test_every_hop_of_a_pipeline_of_which_one_service_runs_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(SmokeTest, "run", lambda _: [Hop("feed", False, None, "the producer does not run")])
    with ProcessLock(Settings.load().paths.lock("kafka")):
        answer = CliRunner().invoke(main, ["smoke-test"])
    assert answer.stderr == "error: feed: the producer does not run\n"


@pytest.fixture
def nothing(tmp_path: Path, refusing_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers of our own, elsewhere, that don't answer: nobody can tell that they were stopped."""
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{refusing_port}")
    monkeypatch.setenv("CASSANDRA_CONTACT_POINTS", "127.0.0.1")
    monkeypatch.setenv("CASSANDRA_PORT", str(refusing_port))
    monkeypatch.setattr("market_pipeline.routine.smoke_test.WITHIN_S", 1.0)


def test_with_nothing_there_each_hop_says_so_and_the_way_is_not_tried(nothing: None) -> None:
    answer = CliRunner().invoke(main, ["smoke-test", "-v"])
    assert answer.exit_code == 1
    lines = [line.split()[:2] for line in answer.stdout.splitlines()]
    assert lines[:2] == [["FAIL", "feed"], ["FAIL", "kafka"]]
    assert ["FAIL", "cassandra"] in lines
    for hop in ("silver", "bar", "bronze"):
        assert ["–", hop] in lines
    assert answer.stderr.startswith("error: feed: the producer does not run")
    assert len(answer.stderr.splitlines()) == 1


def test_as_json_it_is_one_array(nothing: None) -> None:
    answer = CliRunner().invoke(main, ["smoke-test", "--json"])
    told = {hop["name"]: hop["fine"] for hop in json.loads(answer.stdout)}
    assert told["feed"] is told["kafka"] is False
    assert told["silver"] is None
