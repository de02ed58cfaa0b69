"""What ends a run of the stream, judged on stand-ins for Spark's queries and its JVM."""

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

    def exception(self) -> Exception | None:
        return self._error


def watch(*, death: str | None = None, view: View | None = None, alive: bool = True, **settings: object) -> Watch:
    jvm: Any = SimpleNamespace(death=lambda: death, process=None)
    visibility: Any = SimpleNamespace(alive=alive, view=view or View(lag=0), advanced_at=0.0)
    wake = threading.Event()
    wake.set()
    return Watch(Settings.load(**settings), jvm, Progress(), visibility, wake)


def run(looks: Watch, running: list[Any], passing: list[Any]) -> None:
    looks.until_over(running, passing)


def test_batches_that_have_passed_over_a_backlog_are_the_end_of_it() -> None:
    run(watch(), [], [Query("trades_silver"), Query("latest_prices")])


def test_a_stream_that_falls_behind_goes_over_to_batches(caplog: pytest.LogCaptureFixture) -> None:
    looks = watch(view=View(lag=2_000), catch_up_above=1_000, catch_up_after_s=0.0)
    with caplog.at_level("INFO"):
        run(looks, [Query("trades_silver", active=True)], [])
    assert "2000 records wait: going over to batches" in caplog.text


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
        run(looks, [Query("trades_silver", active=True)], [])


def test_a_query_that_fails_is_told_by_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(position, "check", lambda settings: None)
    failed = Query("ohlcv_1m", RuntimeError("top\nCaused by: a.b.WriteFailure: no room"))
    with pytest.raises(StreamError, match=r"query ohlcv_1m failed: .*no room"):
        run(watch(), [failed], [])


def test_a_batch_that_failed_and_is_still_heard_of_did_not_end_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(position, "check", lambda settings: None)
    looks = watch()
    looks.progress.hear("trades_silver")  # Spark tells of a query's end a little after it
    with pytest.raises(StreamError, match=r"query trades_silver failed: .*no room"):
        run(looks, [], [Query("trades_silver", RuntimeError("no room"))])


def test_a_query_that_ends_without_a_reason_is_an_error() -> None:
    with pytest.raises(StreamError, match="query ohlcv_1m ended"):
        run(watch(), [Query("ohlcv_1m")], [])
