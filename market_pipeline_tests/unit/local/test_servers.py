"""The configuration of the embedded Kafka and Cassandra."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.sync.server import Server

from market_pipeline.feed import server
from market_pipeline.feed.players import SimulatorPlayer
from market_pipeline.feed.server import FeedServer
from market_pipeline.local import cassandra, kafka
from market_pipeline.local.preflight import StartError, check_hosts
from market_pipeline.settings import Settings, SettingsError
from market_pipeline.stream.session import configuration as spark_configuration


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(data_dir=tmp_path / "a data dir", port_base=21_000, kafka_retention_hours=5)


def test_kafka_listens_on_its_ports_and_keeps_its_data_below_the_data_dir(settings: Settings) -> None:
    values = dict(line.split("=", 1) for line in kafka.server_properties(settings).splitlines())
    assert values["listeners"] == "PLAINTEXT://127.0.0.1:21092,CONTROLLER://127.0.0.1:21093"
    assert values["log.dirs"] == str(settings.paths.kafka / "data")
    assert values["log.retention.hours"] == "5"
    assert values["auto.create.topics.enable"] == "false"


def named(settings: Settings, host: str, insecure: bool) -> Settings:
    hosts = {"server_host": host, "feed_host": host, "spark_driver_host": host}
    return Settings.load(data_dir=settings.data_dir, insecure_listen=insecure, feed="simulator", **hosts)


class Listens(FeedServer):
    """Says where it was told to listen, and does not."""

    def listen(self, host: str, port: int) -> Server:
        raise OSError(f"{host}:{port}")


def where_the_feed_listens(settings: Settings) -> str:
    with pytest.raises(OSError, match=f":{settings.ports.feed}$") as told:
        server._serve(settings, Listens(SimulatorPlayer(1.0, 1)))
    return str(told.value)


SERVERS: dict[str, Callable[[Settings], str]] = {
    "kafka": kafka.server_properties,
    "cassandra": cassandra.cassandra_yaml,
    "stream": lambda settings: str(spark_configuration(settings)),
    "feed-server": where_the_feed_listens,
}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "kafka", "127.0.0.1.example"])
@pytest.mark.parametrize("name", SERVERS)
def test_a_server_without_a_login_is_not_reached_by_other_machines(settings: Settings, name: str, host: str) -> None:
    refused = f"_HOST={host} would let other machines reach a server that has no login"
    with pytest.raises(SettingsError, match=refused) as caught:
        SERVERS[name](named(settings, host, insecure=False))
    assert "MARKET_PIPELINE_INSECURE_LISTEN=yes" in str(caught.value)
    with pytest.raises(StartError, match=refused):
        check_hosts(named(settings, host, insecure=False))


@pytest.mark.parametrize("setting", ["server_host", "feed_host", "spark_driver_host"])
def test_each_of_the_hosts_alone_is_checked_before_the_start(settings: Settings, setting: str) -> None:
    beyond = Settings.load(data_dir=settings.data_dir, feed="simulator", **{setting: "192.0.2.7"})
    with pytest.raises(StartError, match=f"^MARKET_PIPELINE_{setting.upper()}=192.0.2.7 would let other machines"):
        check_hosts(beyond)


@pytest.mark.parametrize("name", SERVERS)
def test_one_that_may_be_reached_listens_on_the_address_that_is_named(settings: Settings, name: str) -> None:
    wanted = named(settings, "node-7", insecure=True)
    check_hosts(wanted)
    text = SERVERS[name](wanted)
    assert "node-7" in text
    assert "0.0.0.0" not in text
    assert (wanted.bootstrap_servers, wanted.contact_points) == (f"node-7:{wanted.ports.kafka}", ("node-7",))


def test_a_kafka_in_a_container_is_reached_by_name_and_as_localhost(settings: Settings) -> None:
    wanted = named(settings, "kafka", insecure=True)
    text = kafka.server_properties(wanted, contained=True)
    assert f"listeners=PLAINTEXT://0.0.0.0:{wanted.ports.kafka}," in text
    assert f"advertised.listeners=PLAINTEXT://kafka:{wanted.ports.kafka}" in text
    with pytest.raises(SettingsError, match="no login"):
        kafka.server_properties(named(settings, "kafka", insecure=False), contained=True)
    assert "0.0.0.0" not in kafka.server_properties(settings, contained=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.53"])
def test_loopback_by_any_name_needs_no_leave(settings: Settings, host: str) -> None:
    check_hosts(named(settings, host, insecure=False))


def test_a_cluster_id_is_never_taken_for_an_option() -> None:
    with_a_dash, without = uuid.UUID(int=0xF8 << 120), uuid.UUID(int=0x08 << 120)
    assert kafka.new_cluster_id(iter([with_a_dash, with_a_dash, without]).__next__) == "CAAAAAAAAAAAAAAAAAAAAA"


def test_cassandra_listens_on_its_ports_and_keeps_its_data_below_the_data_dir(settings: Settings) -> None:
    lines = (line.split(": ", 1) for line in cassandra.cassandra_yaml(settings).splitlines())
    values = {name: json.loads(value) for name, value in lines}
    assert values["native_transport_port"] == 21_042
    assert values["seed_provider"][0]["parameters"] == [{"seeds": "127.0.0.1:21070"}]
    home = str(settings.paths.cassandra)
    assert values["data_file_directories"] == [f"{home}/data"]
    assert all(values[name].startswith(home) for name in values if name.endswith("_directory"))


def test_cassandra_opens_what_it_needs_and_no_module_that_a_jre_lacks() -> None:
    flags = cassandra.module_flags()
    assert "java.base/jdk.internal.misc=ALL-UNNAMED" in flags
    assert not any("jdk.compiler" in flag for flag in flags)
    assert all(flag.startswith("-") or "=ALL-UNNAMED" in flag for flag in flags)


def test_a_prepared_cassandra_has_its_configuration(settings: Settings) -> None:
    cassandra.prepare(settings)
    assert (settings.paths.config / "cassandra.yaml").exists()
    assert (settings.paths.cassandra / "tmp").is_dir()


def test_the_command_is_short_and_its_arguments_are_in_a_file(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cassandra, "classpath", lambda name: [Path(f"/repository/{name}.jar")])
    command = cassandra.start_command(settings)
    assert command[0].endswith("bin/java")
    assert command[1:] == [
        f"@{settings.paths.config / 'cassandra.args'}",
        "org.apache.cassandra.service.CassandraDaemon",
    ]
    arguments = (settings.paths.config / "cassandra.args").read_text()
    assert '"-Xmx768m"' in arguments
    assert "-javaagent" not in arguments  # JMX for nodetool is on loopback; nothing else is let in
