"""Other settings for one service: validated, kept as data, and read by that service alone."""

import json
from pathlib import Path

import pytest

from market_pipeline.local.overrides import override
from market_pipeline.local.preflight import StartError
from market_pipeline.local.programs import programs
from market_pipeline.local.supervisord import write_configuration
from market_pipeline.settings import Settings, SettingsError


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(data_dir=tmp_path / "data", port_base=21_000, feed="simulator", symbols="MSFT")


def test_the_service_loads_them_and_no_other_does(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKET_PIPELINE_SYMBOLS", "MSFT")
    override(settings, "producer", {"symbols": ["AAPL", "IC MARKETS:1"]})
    assert Settings.load_for("producer", data_dir=settings.data_dir).symbols == ("AAPL", "IC MARKETS:1")
    assert Settings.load_for("stream", data_dir=settings.data_dir).symbols == ("MSFT",)
    assert Settings.load(data_dir=settings.data_dir).symbols == ("MSFT",)


def test_later_ones_are_added_to_earlier_ones(settings: Settings) -> None:
    override(settings, "stream", {"spark_driver_memory_mb": 2048})
    override(settings, "stream", {"kafka_partitions": 4})
    override(settings, "stream", {"spark_driver_memory_mb": 1024})
    loaded = Settings.load_for("stream", data_dir=settings.data_dir)
    assert (loaded.spark_driver_memory_mb, loaded.kafka_partitions) == (1024, 4)


def test_what_is_written_is_what_was_validated_and_only_this_user_reads_it(settings: Settings) -> None:
    override(settings, "producer", {"symbols": " AAPL ,BRK.B,AAPL,"})
    file = settings.paths.run / "producer.overrides.json"
    assert json.loads(file.read_text()) == {"symbols": ["AAPL", "BRK.B"]}
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_the_next_start_forgets_them(settings: Settings) -> None:
    override(settings, "producer", {"symbols": ["AAPL"]})
    write_configuration(settings, programs(settings), {})
    assert Settings.load_for("producer", data_dir=settings.data_dir, symbols="MSFT").symbols == ("MSFT",)
    assert not (settings.paths.run / "producer.overrides.json").exists()


@pytest.mark.parametrize(
    ("service", "values", "why"),
    [
        ("stream", {"spark_driver_memory_mb": 7}, "MARKET_PIPELINE_SPARK_DRIVER_MEMORY_MB must be a whole number, at"),
        (
            "producer",
            {"symbols": ['A"\ncommand=/bin/sh']},
            r"""MARKET_PIPELINE_SYMBOLS: 'A"\\ncommand=/bin/sh' is no""",
        ),
        ("producer", {"data_dir": "/elsewhere"}, "producer can't be given 'data_dir' while the pipeline runs: it take"),
        ("kafka", {"symbols": ["AAPL"]}, "kafka can't be given 'symbols' while the pipeline runs: it takes nothing"),
        ("nobody\n", {"symbols": ["AAPL"]}, "can't be given"),
    ],
)
def test_what_can_not_be_is_refused_in_one_line_and_nothing_is_written(
    settings: Settings, service: str, values: dict[str, object], why: str
) -> None:
    with pytest.raises(StartError, match=why):
        override(settings, service, values)
    assert not settings.paths.run.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"data_dir": "/elsewhere"}', '{"spark_driver_memory_mb": 2048}'])
def test_a_damaged_file_is_one_line_that_names_it(settings: Settings, text: str) -> None:
    settings.paths.run.mkdir(parents=True)
    settings.paths.overrides("producer").write_text(text)
    with pytest.raises(SettingsError, match=r"producer\.overrides\.json can't be used \(.*\): remove it$"):
        Settings.load_for("producer", data_dir=settings.data_dir)


def test_a_value_that_a_file_may_not_have_is_refused_as_any_other(settings: Settings) -> None:
    settings.paths.run.mkdir(parents=True)
    settings.paths.overrides("producer").write_text('{"symbols": ["A\\nB"]}')
    with pytest.raises(SettingsError, match=r"MARKET_PIPELINE_SYMBOLS: 'A\\nB' is no symbol"):
        Settings.load_for("producer", data_dir=settings.data_dir)
