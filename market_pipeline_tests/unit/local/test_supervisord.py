"""The supervisor's configuration, and who gets to see the key."""

import configparser
import contextlib
import os
import shlex
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from supervisor.options import ServerOptions

from market_pipeline.feed.producer import EXIT_KEY_REFUSED
from market_pipeline.feed.program import EXIT_USAGE
from market_pipeline.local.down import bring_down
from market_pipeline.local.jvm import UnusablePath
from market_pipeline.local.overrides import override
from market_pipeline.local.preflight import StartError
from market_pipeline.local.programs import Program, every_program, names, programs
from market_pipeline.local.supervisord import (
    CONFIGURATION,
    configuration,
    environment_for,
    socket_path,
    write_configuration,
)
from market_pipeline.settings import SECRETS, Settings, variable

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


def read_by_supervisor(settings: Settings, where: Path, monkeypatch: pytest.MonkeyPatch) -> ServerOptions:
    """What supervisor's own parser makes of a configuration, in the data dir, where it runs."""
    with monkeypatch.context() as patch:
        patch.chdir(settings.data_dir)
        patch.setattr(os, "environ", environment_for(settings, os.environ, Path("/java")))
        options = ServerOptions()
        options.realize(["--configuration", str(where)])
    return options


def read_programs(options: ServerOptions) -> dict[str, tuple[str, str | None, str, dict[str, str]]]:
    read = [program for group in options.process_group_configs for program in group.process_configs]
    return {each.name: (each.command, each.directory, each.stdout_logfile, each.environment) for each in read}


HOSTILE = (
    *("a%b", "100% (of) data", "%(here)s", "50%%", "%(ENV_HOME)s", "%(ENV_NOBODY)s", "%(program_name)s"),
    *("a ;b", "a #b", 'a"b', "a'b", "a=b", " a ", "[program:x]", "a\ncommand=/bin/sh -c id", "a\n[program:x]\n"),
    *('A",PATH="/elsewhere', "\r\ncommand=x", "\x1b]0;x\x07", "日経", "\u2028command=x", "\u202e"),
)
hostile = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(
        st.sampled_from([*HOSTILE, *"%;#\"'=\n\r\\,[]() ", "command=", "environment=", "x"]), min_size=1, max_size=5
    ).map("".join),
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40),
).filter(lambda text: 0 < len(os.fsencode(text)) <= 200 and text not in (".", ".."))


@given(folder=hostile, symbol=hostile, text=hostile, deep=st.booleans())
@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_of_a_user_changes_a_command_or_an_environment(
    folder: str, symbol: str, text: str, deep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as root:
        plain = Settings.load(data_dir=Path(root) / "plain", port_base=21_000, feed="replay")
        odd = plain.model_copy(
            update={
                # a path from whose length on the socket is elsewhere, or a short one
                "data_dir": Path(root) / ("d" * 80 if deep else "d") / folder,
                "symbols": (symbol, text),
                "replay_file": Path(root) / text,
                "topic": text,
                "keyspace": text,
                "feed_host": text,
                "kafka_bootstrap_servers": None,
                "finnhub_ws_url": text,
                "dagster_url": text,
            }
        )
        odd.__dict__.pop("paths", None)
        expected, found = (
            read_by_supervisor(each, write_configuration(each, programs(each), {}), monkeypatch)
            for each in (plain, odd)
        )
        assert read_programs(found) == read_programs(expected)
        assert set(read_programs(found)) == set(names(plain))
        assert all(environment == {} for *_, environment in read_programs(found).values())
        assert found.logfile == expected.logfile.replace(str(plain.data_dir), str(odd.data_dir))
        assert [config["file"] for config in found.server_configs] == [str(socket_path(odd))]

        written = (odd.paths.config / CONFIGURATION).read_bytes()
        with contextlib.suppress(StartError):  # refused, or kept as data
            override(odd, "producer", {"symbols": [symbol, text]})
        assert (odd.paths.config / CONFIGURATION).read_bytes() == written


def test_supervisor_itself_reads_what_was_meant(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with_key = settings.model_copy(update={"feed": "finnhub"})
    where = write_configuration(with_key, programs(with_key), {"FINNHUB_API_KEY": KEY})
    read = read_programs(read_by_supervisor(with_key, where, monkeypatch))
    assert {name: log for name, (_, _, log, _) in read.items()} == {
        name: f"logs/{name}.log" for name in names(with_key)
    }
    assert {name: folder for name, (_, folder, _, _) in read.items() if folder} == {"producer": "run/producer"}
    assert {name: shlex.split(command) for name, (command, *_) in read.items()} == {
        program.name: list(program.command) for program in programs(with_key)
    }


@pytest.mark.parametrize("folder", ["100%", "%(here)s", "%(ENV_HOME)s", "50%%", "%s"])
def test_a_percent_in_the_path_of_python_or_of_the_sockets_is_read_as_it_is(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", f"{tmp_path}/{folder}")
    deep = Settings.load(data_dir=tmp_path / ("d" * 80), feed="simulator")
    program = Program("stream", (f"/{folder}/python", "-m", "x"), stop_within_s=1, stop_stage=1)
    options = read_by_supervisor(deep, write_configuration(deep, [program], {}), monkeypatch)
    assert shlex.split(read_programs(options)["stream"][0])[0] == f"/{folder}/python"
    assert [config["file"] for config in options.server_configs] == [str(socket_path(deep))]


CUT_OFF = ("/a ;b", "/a #b", "/a\ncommand=id", "/a\r\n[program:x]", "/a\x1b[2J", "/a\u2028b", "/a\u202eb", "/a\x85b")


@pytest.mark.parametrize("folder", CUT_OFF)
def test_a_python_whose_path_supervisor_would_cut_off_is_refused(settings: Settings, folder: str) -> None:
    program = Program("stream", (f"{folder}/python", "-m", "x"), stop_within_s=1, stop_stage=1)
    with pytest.raises(UnusablePath, match="install market-pipeline") as caught:
        configuration(settings, [program], {})
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("folder", CUT_OFF)
def test_a_folder_for_sockets_whose_path_supervisor_would_cut_off_is_refused(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", folder)  # where they are for a data dir of a long path
    deep = Settings.load(data_dir=tmp_path / ("d" * 80), feed="simulator")
    with pytest.raises(UnusablePath, match="let TMPDIR be, somewhere else"):
        configuration(deep, [], {})


SPELLINGS = sorted(
    {
        spell(name)
        for setting in SECRETS
        for name in (
            setting,
            f"market_pipeline_{setting}",
            variable(setting),
            *getattr(Settings.model_fields[setting].validation_alias, "choices", ()),
        )
        for spell in (str.upper, str.lower, str.title)
    }
)
"""Each secret by each of its names in each case: the settings read them all."""


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("feed", ["finnhub", "simulator"])
def test_no_secret_is_in_an_environment(settings: Settings, name: str, feed: str) -> None:
    chosen = settings.model_copy(update={"feed": feed})
    own = {name: "https://canary-secret.example", "AWS_SECRET_ACCESS_KEY": "x", "PATH": "/bin", "LC_ALL": "C"}
    given = environment_for(chosen, own, Path("/java"))
    assert not [value for value in given.values() if "canary-secret" in value]
    assert (given["PATH"], given["LC_ALL"]) == ("/bin", "C")
    assert "AWS_SECRET_ACCESS_KEY" not in given


@pytest.mark.parametrize("key", [KEY, 'it\'s a \\ "key" # $HOME %s'])
@pytest.mark.parametrize("alias", ["FINNHUB_API_KEY", "MARKET_PIPELINE_FINNHUB_API_KEY", "finnhub_api_key"])
def test_an_exported_key_is_in_one_file_that_the_producer_alone_runs_beside(
    settings: Settings, alias: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_key = settings.model_copy(update={"feed": "finnhub"})
    found = parsed(write_configuration(with_key, programs(with_key), {alias: key}).read_text())
    folder = settings.paths.run / "producer"
    assert [name for name in names(with_key) if found[f"program:{name}"].get("directory") == "run/producer"] == [
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
    beside = [name for name in names(with_token) if found[f"program:{name}"].get("directory") == "run/dagster"]
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


def test_the_producer_alone_reads_the_env_file_that_has_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"FINNHUB_API_KEY={KEY}\n")
    settings = Settings.load(data_dir=tmp_path / "data")
    found = parsed(write_configuration(settings, programs(settings), {}).read_text())
    assert not [name for name in names(settings) if "directory" in found[f"program:{name}"]]
    monkeypatch.setattr(os, "environ", environment_for(settings, os.environ, Path("/java")))
    monkeypatch.chdir(settings.data_dir)
    told = Settings.load_for("producer").finnhub_api_key
    assert told is not None
    assert told.get_secret_value() == KEY
    assert all(Settings.load_for(name).finnhub_api_key is None for name in names(settings) if name != "producer")


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
