from market_pipeline.stream.progress import Progress


def report(batch: int, rows: int) -> dict[str, object]:
    source = {"endOffset": {"trades_raw": {"0": 10 * batch, "1": 3}}}
    return {"batchId": batch, "numInputRows": rows, "sources": [source]}


def test_the_newest_batch_with_records_is_told() -> None:
    progress = Progress()
    progress.record("trades_silver", report(1, 5))
    progress.record("trades_silver", report(2, 0))
    told = progress.queries()["trades_silver"]
    assert (told["batch_id"], told["input_rows"]) == (1, 5)
    assert progress.offsets("trades_silver") == {0: 20, 1: 3}
    assert progress.offsets("ohlcv_1m") == {}


def test_a_query_is_heard_of_until_it_ends() -> None:
    now = [1.0]
    progress = Progress(lambda: now[0])
    progress.hear("ohlcv_1m")
    now[0] = 9.0
    progress.record("trades_silver", report(1, 5))
    assert progress.heard() == {"ohlcv_1m": 1.0, "trades_silver": 9.0}
    progress.forget("ohlcv_1m")
    progress.forget("ohlcv_1m")
    assert progress.heard() == {"trades_silver": 9.0}


def test_offsets_of_a_source_that_has_none_yet() -> None:
    progress = Progress()
    progress.record("x", {"batchId": 0, "sources": [{"endOffset": None}]})
    assert progress.offsets("x") == {}
