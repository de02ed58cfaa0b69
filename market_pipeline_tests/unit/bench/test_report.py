"""Figures of the bench into tables."""

import math

import pytest

from market_pipeline_tests.bench import report
from market_pipeline_tests.bench.catch_up import SAMPLES, Progress
from market_pipeline_tests.bench.figures import median, percentile, spread, summary
from market_pipeline_tests.bench.trades import backlog


def row(arm: str, p50: float, *more: float, table: str = "trades_silver") -> dict[str, object]:
    rounds = [summary([each, each * 2]) for each in (p50, *more)]
    return {"arm": arm, "table": table, "rate": 1_000, "rounds": rounds}


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.99, 1.0)] == [50, 99, 100]
    assert math.isnan(percentile([], 0.5))


def test_a_spread_is_half_of_the_range_over_the_median() -> None:
    assert (median([8, 10, 14]), spread([8, 10, 14])) == (10, pytest.approx(0.3))
    assert spread([]) == 0


def test_each_way_has_its_ratio_to_the_stream() -> None:
    figures = {"seconds": 30, "warm_up_s": 60, "rows": [row("real-time", 4, 6, 5), row("Python", 10)]}
    silver, bars = report.latency(figures)
    assert [line[:3] for line in silver.rows] == [["real-time", "1,000", "5.0"], ["Python", "1,000", "10.0"]]
    assert [line[-2] for line in silver.rows] == ["1.00×", "2.00×"]
    assert bars.rows == []


def test_the_largest_of_all_rounds_is_shown() -> None:
    figures = {"seconds": 30, "warm_up_s": 0, "rows": [row("real-time", 4, 600, 5)]}
    assert report.latency(figures)[0].rows[0][6] == "1,200"


def test_cost_is_summed_over_the_programs() -> None:
    weights = {"stream": {"cores": 0.25, "mib": 500.0}, "kafka": {"cores": 0.15, "mib": 300.0}}
    timings = summary([4.0])
    figures = {"rate": 1_000, "first_minute": weights, "steady": weights, "idle": weights, "queryable_ms": timings,
               "bar_ms": timings}  # fmt: skip
    (part,) = report.cost(figures)
    assert part.rows[0] == ["stream", "0.25", "500", "0.25", "500", "0.25", "500", "250"]
    assert part.rows[-1][1:3] == ["0.40", "800"]


def test_what_a_page_says_is_no_markup() -> None:
    part = report.Part("A <b>", "`up` & more", ["", "x"], [["<script>", "1"]])
    page = report.page([part], "Bench", "2 × <cpu>")
    assert "<script>" not in page
    assert "<h2>A &lt;b&gt;</h2><p>up &amp; more</p>" in page
    assert "| <script> | 1 |" in report.markdown([part], "Bench", "2 × cpu")


def test_samples_of_a_backlog_are_of_every_symbol() -> None:
    class Nothing:
        def is_queryable(self, trade: object) -> bool:
            return trade is not None

    trades = list(backlog(20_000, symbols=20))
    progress = Progress(Nothing(), trades)  # type: ignore[arg-type]
    assert len(progress._waiting) == 20
    assert sum(map(len, progress._waiting.values())) == SAMPLES
    assert progress.seen() == progress.rows == 20_000
