from market_pipeline.stream.stall import StallWatch


def test_quiet_is_not_stalled() -> None:
    watch = StallWatch(30, 0)
    assert watch.verdict(1_000, lag=0, advanced_at=999, heard={"trades_silver": 990}) is None


def test_records_that_wait_for_too_long() -> None:
    watch = StallWatch(30, 0)
    heard = {"trades_silver": 1_000.0}
    assert watch.verdict(1_000, lag=5, advanced_at=911, heard=heard) is None
    told = watch.verdict(1_000, lag=5, advanced_at=909, heard=heard)
    assert told is not None
    assert "5 records wait" in told


def test_a_query_that_is_silent_beyond_its_commit_interval() -> None:
    watch = StallWatch(30, 0)
    assert watch.verdict(1_000, lag=0, advanced_at=1_000, heard={"ohlcv_1m": 881}) is None
    told = watch.verdict(1_000, lag=0, advanced_at=1_000, heard={"ohlcv_1m": 879})
    assert told is not None
    assert "ohlcv_1m" in told


def test_the_deadline_starts_again_when_kafka_and_cassandra_are_back() -> None:
    watch = StallWatch(30, 0)
    assert watch.verdict(1_000, lag=None, advanced_at=10, heard={"trades_silver": 10}) is None
    assert watch.verdict(1_080, lag=7, advanced_at=10, heard={"trades_silver": 10}) is None
    assert watch.verdict(1_091, lag=7, advanced_at=10, heard={"trades_silver": 10}) is not None


def test_a_start_gets_the_whole_deadline() -> None:
    assert StallWatch(30, 500).verdict(589, lag=7, advanced_at=0, heard={}) is None
