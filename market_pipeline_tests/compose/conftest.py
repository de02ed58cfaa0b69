"""One stack for the whole session: built, started as docs/containers.md says, and taken down at the end."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from market_pipeline.settings import LOOPBACK
from market_pipeline_tests.compose.stack import Stack, engine_answers, start_engine, stop_engine

PORTS = ("WEBSERVER_PORT", "SPARK_UI_PORT")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str] | None]:
    """The variables of an engine that was started for the session; None where one runs already."""
    if engine_answers():
        yield None
        return
    directory: Path = tmp_path_factory.mktemp("engine")
    try:
        yield start_engine(directory)
    finally:
        stop_engine(directory)


@pytest.fixture(scope="session")
def stack(engine: dict[str, str] | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with _free_ports(len(PORTS)) as ports:
        made = Stack(
            directory=tmp_path_factory.mktemp("stack"),
            variables=engine or {},
            ports=dict(zip(PORTS, ports, strict=True)),
        )
    try:
        made.build()
        made.up()
        made.wait_healthy()
        yield made
    finally:
        made.down()


@contextmanager
def _free_ports(count: int) -> Iterator[list[int]]:
    """So many different ports that nobody listens on, held until the block ends."""
    with ExitStack() as held:
        listeners = [held.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(count)]
        yield [each.getsockname()[1] for each in listeners]
