"""When real time gives way to batches."""

from market_pipeline.stream.backlog import Backlog

PATIENCE_S = 20.0


def test_a_backlog_that_lasts_is_told_after_the_patience() -> None:
    backlog = Backlog(above=100, after_s=PATIENCE_S)
    assert not backlog.lasts(0.0, 101)
    assert not backlog.lasts(PATIENCE_S - 0.1, 5_000)
    assert backlog.lasts(PATIENCE_S, 101)


def test_one_that_was_worked_off_in_between_starts_anew() -> None:
    backlog = Backlog(above=100, after_s=PATIENCE_S)
    assert not backlog.lasts(0.0, 5_000)
    assert not backlog.lasts(10.0, 100)
    assert not backlog.lasts(PATIENCE_S, 5_000)
    assert not backlog.lasts(PATIENCE_S + 19.9, 5_000)
    assert backlog.lasts(2 * PATIENCE_S, 5_000)


def test_a_lag_that_is_not_known_proves_nothing() -> None:
    backlog = Backlog(above=100, after_s=PATIENCE_S)
    assert not backlog.lasts(0.0, 5_000)
    assert not backlog.lasts(10.0, None)
    assert not backlog.lasts(PATIENCE_S, 5_000)
