"""``cqlsh`` is Apache's own, wired to the pipeline: where it connects, and what the user's words can change."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from market_pipeline.cli import main
from market_pipeline.cli.cqlsh import cqlsh_arguments, environment
from market_pipeline.settings import Settings


def test_it_connects_to_the_pipelines_server_and_keyspace_whatever_the_shell_says() -> None:
    settings = Settings.load(cassandra_contact_points="10.0.0.7,10.0.0.8", cassandra_port=9999, keyspace="mine")
    found = environment(settings, {"CQLSH_HOST": "elsewhere", "HOME": "/", "PATH": "/bin"})
    assert (found["CQLSH_HOST"], found["CQLSH_PORT"], found["PATH"]) == ("10.0.0.7", "9999", "/bin")
    assert cqlsh_arguments(settings, ["-e", "SELECT 1"])[:2] == ["--keyspace", "mine"]


def test_the_users_words_come_last_and_win() -> None:
    arguments = cqlsh_arguments(Settings.load(), ["-k", "system", "--request-timeout", "5"])
    assert arguments[-4:] == ["-k", "system", "--request-timeout", "5"]


def test_without_a_home_the_history_is_beside_the_data(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    found = environment(settings, {"HOME": "/proc/nothing-here"})
    assert found["CQL_HISTORY"] == str(tmp_path / "cqlsh_history")


def test_a_history_of_ones_own_stays(tmp_path: Path) -> None:
    assert environment(Settings.load(), {"CQL_HISTORY": "/x/y", "HOME": "/nowhere"})["CQL_HISTORY"] == "/x/y"


def test_no_cassandra_is_one_line_that_says_how_to_start_it(tmp_path: Path, refusing_port: int) -> None:
    done = CliRunner().invoke(
        main, ["cqlsh", "--data-dir", str(tmp_path), "-e", "SELECT 1"], env={"CASSANDRA_PORT": str(refusing_port)}
    )
    assert done.exit_code == 1
    assert done.stderr.startswith("error: Cassandra does not answer at 127.0.0.1:")
    assert "market-pipeline up" in done.stderr
    assert done.stderr.count("\n") == 1


def test_its_own_help_is_one_word_away(capfd: pytest.CaptureFixture[str]) -> None:
    assert CliRunner().invoke(main, ["cqlsh", "--", "--help"]).exit_code == 0
    assert "--request-timeout" in capfd.readouterr().out
