"""The supervisor's configuration, and who gets to see the key."""

import configparser
import os
import shlex
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from market_pipeline.feed.producer import EXIT_KEY_REFUSED
from market_pipeline.feed.program import EXIT_USAGE
from market_pipeline.local.down import bring_down
from market_pipeline.local.programs import Program, every_program, names, programs
from market_pipeline.local.supervisord import (
    configuration,
    environment_for,
    socket_path,
    write_configuration,
)
from market_pipeline.settings import Settings

KEY = "secret-key-of-finnhub"


def parsed(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(" ;",))
    parser.read_string(text)
    return parser


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(data_dir=tmp_path / "100% of data", port_base=21_000, feed="simulator")


def test_every_program_ends_with_its_children(settings: Settings) -> None:
    found = parsed(configuration(settings, programs(settings), {}))
    sections = [name for name in found.sections() if name.startswith("program:")]
    assert sections == [f"program:{name}" for name in names(settings)]
    for section in sections:
        assert found[section]["stopasgroup"] == found[section]["killasgroup"] == "true"
        assert found[section]["autostart"] == "false"
        assert int(found[section]["stdout_logfile_backups"]) >= 1


def test_a_program_that_ends_cleanly_stays_down_and_a_server_does_not(settings: Settings) -> None:
    found = parsed(configuration(settings, programs(settings), {}))
    restart = {name: found[f"program:{name}"]["autorestart"] for name in names(settings)}
    assert restart["kafka"] == restart["cassandra"] == restart["dagster-daemon"] == "true"
    assert restart["producer"] == restart["feed-server"] == restart["stream"] == "unexpected"


def test_the_listener_of_buttons_runs_where_slack_is_set_up_for_it(tmp_path: Path) -> None:
    tokens = {"slack_token": "xoxb-1", "slack_app_token": "xapp-1", "slack_channel": "C0123456789"}
    assert "slack" in names(Settings.load(data_dir=tmp_path, **tokens))
    assert "slack" not in names(Settings.load(data_dir=tmp_path, **tokens | {"slack_app_token": None}))


def test_some_ends_are_final(settings: Settings) -> None:
    found = parsed(configuration(settings, programs(settings), {}))
    assert found["program:producer"]["exitcodes"].split(",") == ["0", str(EXIT_USAGE), str(EXIT_KEY_REFUSED)]


def test_spaces_and_percents_survive(settings: Settings) -> None:
    program = Program("stream", ("/a python/bin", "-m", "x"), stop_within_s=1, stop_stage=1)
    found = parsed(configuration(settings, [program], {}))["program:stream"]
    assert shlex.split(found["command"]) == ["/a python/bin", "-m", "x"]
    assert found["directory"] == str(settings.data_dir).replace("%", "%%")


@pytest.mark.parametrize("folder", ["a%b", "100% (of) data", "%(here)s", "50%%"])
def test_supervisord_itself_reads_what_was_meant(tmp_path: Path, folder: str) -> None:
    settings = Settings.load(data_dir=tmp_path / folder, feed="simulator")
    options = ServerOptions()
    options.realize(["--configuration", str(write_configuration(settings, programs(settings), {}))])
    assert options.logfile == str(settings.paths.log("supervisord"))
    assert [config["file"] for config in options.server_configs] == [str(socket_path(settings))]
    read = [program for group in options.process_group_configs for program in group.process_configs]
    assert {program.name: program.stdout_logfile for program in read} == {
        name: str(settings.paths.log(name)) for name in names(settings)
    }
    assert {program.directory for program in read} == {str(settings.data_dir)}
    dagster = next(program for program in read if program.name == "dagster-daemon")
    assert dagster.environment == {"DAGSTER_HOME": str(settings.paths.dagster)}


@pytest.mark.parametrize("variable", ["FINNHUB_API_KEY", "MARKET_PIPELINE_FINNHUB_API_KEY"])
@pytest.mark.parametrize("feed", ["finnhub", "simulator"])
def test_the_key_is_in_no_environment(settings: Settings, variable: str, feed: str) -> None:
    chosen = settings.model_copy(update={"feed": feed})
    assert KEY not in environment_for(chosen, {variable: KEY, "PATH": "/bin"}, Path("/java")).values()


@pytest.mark.parametrize("key", [KEY, 'it\'s a \\ "key" # $HOME %s'])
@pytest.mark.parametrize("variable", ["FINNHUB_API_KEY", "MARKET_PIPELINE_FINNHUB_API_KEY"])
def test_an_exported_key_is_in_one_file_that_the_producer_alone_runs_beside(
    settings: Settings, variable: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_key = settings.model_copy(update={"feed": "finnhub"})
    found = parsed(write_configuration(with_key, programs(with_key), {variable: key}).read_text())
    folder = settings.paths.run / "producer"
    assert [name for name in names(with_key) if found[f"program:{name}"]["directory"].endswith("/producer")] == [
        "producer"
    ]
    for file in settings.data_dir.rglob("*"):
        assert file.is_dir() or key not in file.read_text() or file == folder / ".env"
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.chdir(folder)
    told = Settings.load().finnhub_api_key
    assert told is not None
    assert told.get_secret_value() == key


def test_the_copy_of_the_key_goes_with_the_pipeline(settings: Settings) -> None:
    with_key = settings.model_copy(update={"feed": "finnhub"})
    for _ in range(2):  # a second start after a crash finds the first one's
        write_configuration(with_key, programs(with_key), {"FINNHUB_API_KEY": KEY})
    copy = settings.paths.run / "producer" / ".env"
    assert copy.exists()
    bring_down(settings)
    assert not copy.exists()
    write_configuration(with_key, programs(with_key), {"FINNHUB_API_KEY": KEY})
    write_configuration(settings, programs(settings), {"FINNHUB_API_KEY": KEY})  # the simulator needs none
    assert not copy.exists()


@pytest.mark.parametrize("variable", ["SLACK_BOT_TOKEN", "MARKET_PIPELINE_SLACK_TOKEN"])
def test_slacks_token_is_in_one_file_that_dagster_alone_runs_beside(
    settings: Settings, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "xoxb-canary")
    with_token = Settings.load(data_dir=settings.data_dir, feed="simulator")
    found = parsed(write_configuration(with_token, programs(with_token), os.environ).read_text())
    beside = [name for name in names(with_token) if found[f"program:{name}"]["directory"].endswith("run/dagster")]
    assert beside == ["dagster-code-server", "dagster-webserver", "dagster-daemon"]
    assert "xoxb-canary" not in environment_for(with_token, os.environ, Path("/java")).values()
    folder = settings.paths.run / "dagster"
    for file in settings.data_dir.rglob("*"):
        assert file.is_dir() or "xoxb-canary" not in file.read_text() or file == folder / ".env"
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    monkeypatch.delenv(variable)
    monkeypatch.chdir(folder)
    told = Settings.load().slack_token
    assert told is not None
    assert told.get_secret_value() == "xoxb-canary"
    bring_down(with_token)
    assert not (folder / ".env").exists()


def test_the_feed_is_decided_once(tmp_path: Path) -> None:
    undecided = Settings.load(data_dir=tmp_path, finnhub_api_key=KEY)
    assert environment_for(undecided, {}, Path("/java"))["MARKET_PIPELINE_FEED"] == "finnhub"


def test_the_producer_runs_beside_the_env_file_that_has_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"FINNHUB_API_KEY={KEY}\n")
    settings = Settings.load(data_dir=tmp_path / "data")
    found = parsed(write_configuration(settings, programs(settings), {}).read_text())
    assert found["program:producer"]["directory"] == str(tmp_path)
    assert found["program:stream"]["directory"] == str(tmp_path / "data")


def test_what_receives_stops_before_what_stores(settings: Settings) -> None:
    stage = {program.name: program.stop_stage for program in every_program(settings)}
    assert stage["producer"] < stage["feed-server"]  # or a clean stop would be a gap, "closed by the server"
    assert stage["producer"] < stage["stream"] < stage["kafka"] == stage["cassandra"]
    assert stage["dagster-daemon"] <= stage["producer"]


def test_what_runs_elsewhere_is_not_started() -> None:
    settings = Settings.load(
        feed="finnhub", kafka_bootstrap_servers="kafka:9092", cassandra_contact_points=("cassandra",)
    )
    assert not {"kafka", "cassandra", "feed-server"} & set(names(settings))
    assert names(Settings.load(feed="simulator", dagster=False)) == [
        *("kafka", "cassandra", "feed-server", "producer", "stream")
    ]
