"""The writer's Java with the tests' own, compiled together once a session, without servers and without Spark."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from market_pipeline.local.jars import classpath
from market_pipeline.local.java import java_home
from market_pipeline.local.jvm import joined
from market_pipeline.local.pyspark_jars import pyspark_jars
from market_pipeline.settings import Settings
from market_pipeline.writer.compiled import compiled, sources
from market_pipeline_tests.conftest import die_with_parent

TESTS = Path(__file__).parents[1] / "java"
Program = Callable[..., "subprocess.Popen[str]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test here needs Java and the jars."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.real_servers)


@pytest.fixture(scope="session")
def java() -> Path:
    return java_home(Settings.load())


@pytest.fixture(scope="session")
def program(java: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Starts a class with a ``main``, its standard streams as text."""
    own = {str(file.relative_to(TESTS)): file.read_bytes() for file in TESTS.rglob("*.java")}
    against = [*classpath("spark"), *pyspark_jars()]
    jar = compiled(java, sources() | own, against, tmp_path_factory.mktemp("java"))
    started: list[subprocess.Popen[str]] = []

    def start(name: str, *arguments: str) -> "subprocess.Popen[str]":
        command = [java / "bin" / "java", "-cp", joined([jar, *against]), f"marketpipeline.{name}"]
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            preexec_fn=die_with_parent,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
