from market_pipeline.stream.stall import DEADLINE_S, PATIENCE_S, StallWatch

START = 1_000.0
COMMIT = 30.0


def verdict(
    now: float, lag: int | None = 5, advanced_at: float = START + 1, reported_at: float | None = None
) -> str | None:
    return StallWatch(COMMIT, START).verdict(now, lag, advanced_at, reported_at)


def test_quiet_is_not_stalled() -> None:
    assert verdict(START + 10_000, lag=0, advanced_at=START + 10_000, reported_at=START + 9_990) is None


def test_records_that_wait_for_too_long() -> None:
    assert verdict(START + 1 + DEADLINE_S) is None
    why = verdict(START + 2 + DEADLINE_S)
    assert why is not None
    assert "5 records wait" in why


def test_the_first_rows_after_a_start_may_take_longer() -> None:
    assert verdict(START + PATIENCE_S, advanced_at=START - 50) is None
    assert verdict(START + PATIENCE_S + 1, advanced_at=START - 50) is not None


def test_a_query_that_is_silent_beyond_its_commit_interval() -> None:
    now = START + 5_000
    silent = now - COMMIT - PATIENCE_S
    assert verdict(now, lag=0, advanced_at=now, reported_at=silent) is None
    why = verdict(now, lag=0, advanced_at=now, reported_at=silent - 1)
    assert why is not None
    assert "Spark has not reported" in why


def test_the_deadline_starts_again_when_kafka_and_cassandra_are_back() -> None:
    watch, old = StallWatch(COMMIT, START), START + 1
    back = START + 5_000
    assert watch.verdict(back, None, old, old) is None
    assert watch.verdict(back + DEADLINE_S, 7, old, old) is None
    assert watch.verdict(back + DEADLINE_S + 1, 7, old, old) is not None
