"""Settings: precedence, the words they accept, what is said when one is wrong, and that the key stays where it is."""

import os
import re
from pathlib import Path

import pytest

from market_pipeline.layout import Ports
from market_pipeline.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("FINNHUB_API_KEY", "KAFKA_BOOTSTRAP_SERVERS", "CASSANDRA_CONTACT_POINTS", "MARKET_PIPELINE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_key_the_simulator_is_the_feed() -> None:
    assert Settings.load().active_feed == "simulator"


def test_with_a_key_finnhub_is_the_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINNHUB_API_KEY", "canary-key")
    assert Settings.load().active_feed == "finnhub"
    assert Settings.load(feed="simulator").active_feed == "simulator"


def test_arguments_win_over_variables_and_variables_over_the_env_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("MARKET_PIPELINE_SYMBOLS=FROM:FILE\nMARKET_PIPELINE_RATE=7\n")
    assert Settings.load().symbols == ("FROM:FILE",)
    monkeypatch.setenv("MARKET_PIPELINE_SYMBOLS", "FROM:ENV")
    assert Settings.load().symbols == ("FROM:ENV",)
    assert Settings.load(symbols="A, B,A,").symbols == ("A", "B")
    assert Settings.load().rate == 7


def test_a_data_dir_knows_its_ports_unless_others_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = Settings.load(data_dir=tmp_path).paths.port_base
    kept.parent.mkdir()
    kept.write_text("41000\n")
    assert Settings.load(data_dir=tmp_path).ports.webserver == 41030
    assert Settings.load(data_dir=tmp_path, port_base=42000).port_base == 42000
    assert Settings.load(data_dir=tmp_path / "another").port_base == 29000
    monkeypatch.setenv("MARKET_PIPELINE_PORT_BASE", "43000")
    assert Settings.load(data_dir=tmp_path).port_base == 43000


def test_a_data_dir_of_another_user_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Settings.load(data_dir=tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 54_321)
    if tmp_path.stat().st_uid == 0:
        Settings.load(data_dir=tmp_path)  # root's is believed
        os.chown(tmp_path, 54_320, -1)
    with pytest.raises(SettingsError, match=f"^{re.escape(str(tmp_path))} belongs to .*: run this as that user, or"):
        Settings.load(data_dir=tmp_path)


def test_ports_that_a_data_dir_cannot_tell_are_the_usual_ones(tmp_path: Path) -> None:
    kept = Settings.load(data_dir=tmp_path).paths.port_base
    kept.parent.mkdir()
    kept.write_bytes(b"\xff")
    assert Settings.load(data_dir=tmp_path).port_base == 29000


@pytest.mark.parametrize(
    ("variable", "value", "may_be"),
    [
        ("MARKET_PIPELINE_FEED", "bloomberg", "finnhub, simulator or replay"),
        ("MARKET_PIPELINE_RATE", "-1", "a number, above 0 and at most 100000"),
        ("MARKET_PIPELINE_RATE", "x", "a number, above 0 and at most 100000"),
        ("MARKET_PIPELINE_PORT_BASE", "80", "a whole number, at least 1024 and at most 65400"),
        ("MARKET_PIPELINE_REPLAY_SPEED", "fast", "'max'"),
        ("MARKET_PIPELINE_REPLAY_ONCE", "perhaps", "true or false"),
        ("MARKET_PIPELINE_JOURNAL_KEEP_HOURS", "inf", "a number, above 0"),
        ("CASSANDRA_PORT", "x", "a whole number"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable_and_what_it_may_be(
    variable: str, value: str, may_be: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    said = str(caught.value)
    assert said.startswith(f"{variable} must be ")
    assert may_be in said
    assert "\n" not in said


def test_a_wrong_argument_names_the_variable_too() -> None:
    with pytest.raises(SettingsError, match=r"^MARKET_PIPELINE_JOURNAL_MAX_GB must be a number, above 0 \(Disk"):
        Settings.load(journal_max_gb=0)
    with pytest.raises(SettingsError, match=r"^MARKET_PIPELINE_SYMBOLS must be comma-separated text \("):
        Settings.load(symbols=5)


def test_a_child_loads_the_same_settings_but_gets_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FINNHUB_API_KEY", "canary-key")
    parent = Settings.load(
        data_dir=tmp_path / "d", port_base=31000, symbols="A,B", replay_speed="max", feed="replay",
        kafka_bootstrap_servers="k:1", cassandra_contact_points="a,b", spark_master="spark://m:7077",
    )  # fmt: skip
    environment = parent.environment()
    assert "canary-key" not in str(environment)
    monkeypatch.delenv("FINNHUB_API_KEY")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    child = Settings.load()
    assert child.model_dump(exclude={"finnhub_api_key"}) == parent.model_dump(exclude={"finnhub_api_key"})
    assert child.replay_speed == 0
    assert child.contact_points == ("a", "b")


def test_the_key_is_not_shown_by_repr_or_dump(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINNHUB_API_KEY", "canary-key")
    settings = Settings.load()
    assert "canary-key" not in repr(settings) + str(settings.model_dump()) + settings.model_dump_json()


def test_two_pipelines_share_no_port() -> None:
    def ports(base: int) -> set[int]:
        of = Settings.load(port_base=base).ports
        values = [getattr(of, name) for name, member in vars(Ports).items() if isinstance(member, property)]
        drivers = [of.stream, *of.batches]
        numbers = [value for value in values if isinstance(value, int)] + [
            port for each in drivers for port in each.every()
        ]
        assert len(values) >= 9
        assert len(set(numbers)) == len(numbers)
        assert set(numbers) <= set(range(base, base + 100))
        return set(numbers)

    assert not ports(29000) & ports(29100)


def test_a_second_source_is_the_same_in_every_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Dagster's programs run elsewhere than the command that starts them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MARKET_PIPELINE_SECOND_SOURCE", "other")
    settings = Settings.load()
    assert settings.second_source == tmp_path / "other"
    assert settings.environment()["MARKET_PIPELINE_SECOND_SOURCE"] == str(tmp_path / "other")


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("finnhub_ws_url", "ws://collector.example"),
        ("finnhub_ws_url", "ws://127.0.0.1.example:80"),
        ("finnhub_ws_url", "https://ws.finnhub.io"),
        ("finnhub_ws_url", "wss://"),
        ("finnhub_rest_url", "http://finnhub.io/api/v1"),
        ("finnhub_rest_url", "file:///etc/passwd"),
        ("slack_api_url", "http://slack.com/api/"),
        ("slack_api_url", "https://slack.com/ api"),
        ("watchdog_url", "http://hc-ping.example/canary-secret"),
        ("watchdog_url", "hc-ping.example/canary-secret"),
        ("watchdog_url", "https:/canary-secret"),
        ("watchdog_url", "https://[canary-secret"),
    ],
)
def test_no_secret_is_sent_in_clear(setting: str, url: str) -> None:
    with pytest.raises(SettingsError, match=r"it must be an address that begins with|it must begin with") as caught:
        Settings.load(**{setting: url})
    assert "canary-secret" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost:9", "[::1]:9", "127.9.9.9"])
def test_this_machine_itself_needs_no_encryption(host: str) -> None:
    settings = Settings.load(
        finnhub_ws_url=f"ws://{host}", finnhub_rest_url=f"http://{host}/a", slack_api_url=f"http://{host}/api/"
    )
    assert settings.finnhub_ws_url == f"ws://{host}"


@pytest.mark.parametrize("setting", ["finnhub_api_key", "slack_token", "slack_app_token", "watchdog_url"])
@pytest.mark.parametrize("secret", ["schlüssel", "key\nX-Header: 1", "ключ", "key\x00", "https://a.example/ü"])
def test_a_secret_that_can_not_be_sent_is_refused_without_showing_it(setting: str, secret: str) -> None:
    with pytest.raises(SettingsError, match=r"copy it anew$") as caught:
        Settings.load(**{setting: secret})
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        *(
            (name, value)
            for name in ("topic", "dead_letter_topic")
            for value in ("a b", "", "a/b", "ü", "a" * 250, "a\n")
        ),
        *(("keyspace", value) for value in ("", "1a", "a-b", "A", "a; DROP KEYSPACE b", "ü", "a" * 49, "a\n")),
        *(("consumer_group", value) for value in ("a b", "", "a\n")),
    ],
)
def test_a_name_that_kafka_or_cassandra_would_refuse_is_refused(setting: str, name: str) -> None:
    with pytest.raises(SettingsError, match=f"MARKET_PIPELINE_{setting.upper()} must be text"):
        Settings.load(**{setting: name})


def test_a_data_dir_knows_that_it_was_started_without_dagster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mark = Settings.load(data_dir=tmp_path).paths.without_dagster
    assert Settings.load(data_dir=tmp_path).dagster
    mark.parent.mkdir()
    mark.touch()
    assert not Settings.load(data_dir=tmp_path).dagster
    assert Settings.load(data_dir=tmp_path, as_started=False).dagster  # what `up` takes
    assert Settings.load(data_dir=tmp_path, dagster=True).dagster
    monkeypatch.setenv("MARKET_PIPELINE_DAGSTER", "yes")
    assert Settings.load(data_dir=tmp_path).dagster
