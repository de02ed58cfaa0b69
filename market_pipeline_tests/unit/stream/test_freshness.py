"""How far behind each table is that Spark's offsets tell of."""

from collections.abc import Mapping

import pytest

from market_pipeline.stream.freshness import Behind, Freshness, late_after_s

TABLES = {"latest_prices": {0: 10}, "ohlcv_1m": {0: 10}}


class Run:
    """A stream whose clock, ends and offsets a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.done: dict[str, dict[int, int]] = {}
        self.freshness = Freshness(TABLES, lambda: self.now)

    def after(self, seconds: float, end: int | None, *, running: bool = True) -> Mapping[str, Behind]:
        self.now += seconds
        ends = None if end is None else {0: end}
        return self.freshness.of(ends, lambda query: self.done.get(query, {}), running=running)


@pytest.fixture
def run() -> Run:
    return Run()


def test_a_table_whose_query_gets_no_slot_is_late_although_another_gets_on(run: Run) -> None:
    run.done["latest_prices"] = {0: 50}
    for end in range(50, 400, 50):
        run.done["latest_prices"] = {0: end}
        found = run.after(30.0, end)
    assert found["latest_prices"] == Behind(0, 0.0)
    assert found["ohlcv_1m"] == Behind(340, 210.0)
    assert found["ohlcv_1m"].still_s > late_after_s(30)


def test_a_query_that_reports_once_a_commit_is_not_late(run: Run) -> None:
    for end in range(100, 3_000, 100):
        found = run.after(15.0, end)
        if end % 200 == 0:
            run.done["latest_prices"] = {0: end}
        assert found["latest_prices"].still_s < late_after_s(30)


def test_nothing_to_do_is_no_lateness(run: Run) -> None:
    assert run.after(3_600.0, 10)["ohlcv_1m"] == Behind(0, 0.0)
    assert run.after(5.0, 11)["ohlcv_1m"] == Behind(1, 5.0)


@pytest.mark.parametrize(("end", "running"), [(None, True), (50, False)])
def test_time_without_kafka_or_in_a_catch_up_does_not_count(run: Run, end: int | None, running: bool) -> None:
    run.after(1.0, 50)
    assert run.after(3_600.0, end, running=running) == {}
    assert run.after(5.0, 50)["ohlcv_1m"] == Behind(40, 5.0)
