"""Other settings for one program: in the supervisor's own file, and nothing else of it changed."""

import configparser

import pytest

from market_pipeline.local.overrides import check, with_variables
from market_pipeline.local.preflight import StartError

FILE = """\
[supervisord]
nodaemon=true

[program:producer]
command=python -m x
environment=
autostart=false

[program:dagster-daemon]
command=python -m dagster
environment=DAGSTER_HOME="/data, of ours/100%%",OTHER="b"
autostart=false
"""


def environment(configuration: str, program: str) -> str:
    parser = configparser.RawConfigParser()
    parser.read_string(configuration)
    return parser[f"program:{program}"]["environment"]


def test_a_program_gets_variables_and_the_rest_stays_as_it_is() -> None:
    changed = with_variables(FILE, "producer", {"MARKET_PIPELINE_SYMBOLS": "AAPL,BINANCE:BTCUSDT"})
    assert environment(changed, "producer") == 'MARKET_PIPELINE_SYMBOLS="AAPL,BINANCE:BTCUSDT"'
    assert changed.replace('environment=MARKET_PIPELINE_SYMBOLS="AAPL,BINANCE:BTCUSDT"', "environment=") == FILE


def test_what_it_has_already_is_kept_and_the_same_variable_is_replaced() -> None:
    once = with_variables(FILE, "dagster-daemon", {"X": "1", "OTHER": "c%"})
    assert environment(once, "dagster-daemon") == 'DAGSTER_HOME="/data, of ours/100%%",OTHER="c%%",X="1"'
    twice = with_variables(once, "dagster-daemon", {"X": "2"})
    assert environment(twice, "dagster-daemon") == 'DAGSTER_HOME="/data, of ours/100%%",OTHER="c%%",X="2"'


def test_what_can_not_be_is_refused_in_one_line() -> None:
    with pytest.raises(StartError, match="there is no program 'nobody'"):
        with_variables(FILE, "nobody", {})
    with pytest.raises(StartError, match="MARKET_PIPELINE_SPARK_DRIVER_MEMORY_MB must be"):
        check({"spark_driver_memory_mb": 7})
