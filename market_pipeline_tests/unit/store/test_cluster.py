"""Cassandra that can't be reached is one line with its cure, whatever the driver raises."""

from pathlib import Path

import pytest
from cassandra import OperationTimedOut
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionShutdown

from market_pipeline.settings import Settings
from market_pipeline.store import cluster
from market_pipeline.store.cluster import STORE_ERRORS, StoreUnreachableError, connect, wait_for_cql


def elsewhere(tmp_path: Path, host: str) -> Settings:
    return Settings.load(data_dir=tmp_path, cassandra_contact_points=(host,))


def test_a_host_that_has_no_address_is_told_with_its_cure(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreUnreachableError, match=r"at no\.such\.host\.invalid:.*check CASSANDRA_CONTACT_POINTS"),
        connect(elsewhere(tmp_path, "no.such.host.invalid")),
    ):
        pass


@pytest.mark.parametrize(
    "error", [NoHostAvailable("all hosts failed", {}), OperationTimedOut(), ConnectionShutdown("closed")]
)
def test_whatever_the_driver_raises_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(_: Settings) -> None:
        raise error

    monkeypatch.setattr(cluster, "connect", failing)
    assert isinstance(error, STORE_ERRORS)
    with pytest.raises(StoreUnreachableError, match="waited 0 s"):
        wait_for_cql(elsewhere(tmp_path, "127.0.0.1"), 0.0)
