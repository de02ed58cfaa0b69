"""A real JVM: one that works responds, and one that does nothing but collect garbage is said to do so."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from market_pipeline.local.java import java_home
from market_pipeline.settings import Settings
from market_pipeline.stream.gateway import Jvm, start_jvm
from market_pipeline.stream.responsiveness import Activity
from market_pipeline_tests.waiting import wait_for

KEPT = 1_000_000
"""Objects that each collection has to follow."""


@pytest.fixture(scope="module")
def jvm(tmp_path_factory: pytest.TempPathFactory, free_port_base: Callable[[], int]) -> Iterator[Jvm]:
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("jvm"), port_base=free_port_base())
    settings.paths.run.mkdir(parents=True)
    options = ["-Xmx256m", "-XX:+UseSerialGC"]
    properties_at = settings.paths.run / "spark.properties"
    started = start_jvm(java_home(settings), options, [], {}, settings.ports.stream, properties_at)
    yield started
    started.kill()


def test_a_jvm_that_works_answers_the_ping(jvm: Jvm) -> None:
    ping = jvm.ping()
    assert ping() != ping()


def test_garbage_collection_is_named(jvm: Jvm) -> None:
    java = jvm.gateway.jvm.java.util
    kept = java.ArrayList(java.stream.IntStream.range(1_000, 1_000 + KEPT).boxed().toList())
    collect, ended = jvm.gateway.jvm.java.lang.System.gc, threading.Event()

    def collect_again_and_again() -> None:
        with suppress(Exception):  # the JVM is killed at the end
            while not ended.is_set():
                collect()

    threading.Thread(target=collect_again_and_again, daemon=True).start()
    activity = Activity(jvm.process.pid)

    def description() -> str:
        activity.sample(time.monotonic())
        return activity.description()

    wait_for(lambda: description().startswith("garbage collection ("), "its name")
    ended.set()
    assert kept.size() == KEPT
