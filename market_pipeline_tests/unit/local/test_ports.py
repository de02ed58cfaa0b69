"""Which ports are taken, and by whom."""

import os
import socket
from collections.abc import Callable, Iterator

import pytest

from market_pipeline.layout import Ports
from market_pipeline.local.ports import all_of, is_free, needed, taken
from market_pipeline.settings import LOOPBACK, Settings


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def test_a_port_with_a_listener_is_not_free(listener: int) -> None:
    assert not is_free(listener)


def test_who_listens_is_named(listener: int) -> None:
    (found,) = taken({"kafka": listener})
    assert f"port {listener} (kafka) is taken by " in found.sentence()
    assert f"(pid {os.getpid()})" in found.sentence()


def test_a_free_port_is_nobodys(free_port_base: Callable[[], int]) -> None:
    port = free_port_base()
    assert is_free(port)
    assert taken({"kafka": port}) == []


def test_all_ports_lie_within_a_hundred_of_the_base() -> None:
    ports = all_of(20_000)
    assert len(set(ports)) == len(ports) == 9 + 4 * 7
    assert all(20_000 <= port < 20_100 for port in ports)


def test_only_the_servers_that_run_here_need_ports() -> None:
    at_times = Ports(20_000)
    batches = [port for spark in at_times.batches for port in spark.every()]
    embedded = needed(Settings.load(port_base=20_000, feed="simulator"))
    elsewhere = needed(
        Settings.load(
            port_base=20_000,
            feed="finnhub",
            kafka_bootstrap_servers="kafka:9092",
            cassandra_contact_points=("cassandra",),
        )
    )
    assert set(embedded.values()) == set(all_of(20_000)) - {at_times.dagster_code, *batches}
    stream = {name for name in elsewhere if name.startswith("stream's ")}
    assert set(elsewhere) - stream == {"dagster-webserver"}
    assert stream == set(elsewhere) & set(needed(Settings.load(port_base=20_000, dagster=False)))
