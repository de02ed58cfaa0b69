import pytest

from market_pipeline.deploy import kafka_tools
from market_pipeline.local.jars import ROOTS


def test_an_unknown_tool_shows_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert kafka_tools.main(["zookeeper-shell"]) == 2
    assert "kafka-topics" in capsys.readouterr().err


def test_no_tool_shows_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert kafka_tools.main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_the_tools_jars_are_a_set_of_the_lock() -> None:
    assert "kafka-tools" in ROOTS
