"""What ends a run of the stream, with stand-ins for Spark's query and its JVM."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from market_pipeline.settings import Settings
from market_pipeline.stream import position
from market_pipeline.stream.checkpoints import OutOfReach
from market_pipeline.stream.failure import StreamError
from market_pipeline.stream.progress import Progress
from market_pipeline.stream.queryable import View
from market_pipeline.stream.watch import Watch


class Query:
    """A streaming query that has ended, with an error or without."""

    def __init__(self, name: str, error: Exception | None = None, *, active: bool = False) -> None:
        self.name = name
        self.isActive = active
        self._error = error
        self.forgotten = False

    def exception(self) -> Exception | None:
        return self._error

    def awaitTermination(self) -> None:  # noqa: N802 - Spark's
        self.forgotten = True


def watch(*, death: str | None = None, view: View | None = None, alive: bool = True, **settings: object) -> Watch:
    jvm: Any = SimpleNamespace(death=lambda: death, process=None)
    visibility: Any = SimpleNamespace(alive=alive, view=view or View(lag=0), advanced_at=0.0)
    wake = threading.Event()
    wake.set()
    return Watch(Settings.load(**settings), jvm, Progress(), visibility, wake)


def never() -> bool:
    return False


def test_a_query_that_has_passed_over_what_is_there_is_over() -> None:
    query = Query("trades")
    watch().over(query)
    assert query.forgotten  # else the next one could not have its name


def test_a_query_is_watched_until_something_is_done() -> None:
    answers = iter([False, True])
    watch().until(Query("trades", active=True), lambda: next(answers))
    assert next(answers, None) is None


@pytest.mark.parametrize(
    ("looks", "says"),
    [
        (watch(death="Spark's JVM died with status 137"), "died with status 137"),
        (watch(alive=False), "the thread that watches visibility died"),
        (watch(view=View(beyond_end=(OutOfReach("trades_raw", 1, 50, 0, 12),))), "delete the checkpoints below "),
    ],
)
def test_a_part_that_is_gone_ends_the_run(looks: Watch, says: str) -> None:
    with pytest.raises(StreamError, match=says):
        looks.until(Query("trades", active=True), never)


def test_a_query_that_fails_is_reported_with_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(position, "check", lambda settings: None)
    failed = Query("trades", RuntimeError("top\nCaused by: a.b.WriteFailure: no room"))
    with pytest.raises(StreamError, match=r"the query failed: .*no room"):
        watch().until(failed, never)
    with pytest.raises(StreamError, match=r"the query failed: .*no room"):
        watch().over(failed)


def test_a_query_that_ends_without_a_reason_is_an_error() -> None:
    with pytest.raises(StreamError, match="the query ended"):
        watch().until(Query("trades"), never)
