from market_pipeline.stream.progress import Progress


def report(batch: int, rows: int) -> dict[str, object]:
    source = {"endOffset": {"trades_raw": {"0": 10 * batch, "1": 3}}}
    return {"batchId": batch, "numInputRows": rows, "sources": [source]}


def test_the_newest_epoch_with_records_is_reported() -> None:
    progress = Progress()
    progress.record(report(1, 5))
    progress.record(report(2, 0))
    assert progress.epoch is not None
    assert (progress.epoch.batch_id, progress.epoch.input_rows) == (1, 5)
    assert progress.offsets == {0: 20, 1: 3}


def test_a_first_epoch_without_records_is_reported() -> None:
    progress = Progress()
    progress.record(report(0, 0))
    assert progress.epoch is not None
    assert progress.epoch.input_rows == 0


def test_the_time_of_the_last_report_is_kept_until_the_query_ends() -> None:
    now = [1.0]
    progress = Progress(lambda: now[0])
    assert progress.reported_at is None
    progress.keep_alive()
    assert progress.reported_at == 1.0
    now[0] = 9.0
    progress.record(report(1, 5))
    assert progress.reported_at == 9.0
    progress.end()
    assert progress.reported_at is None


def test_offsets_of_a_source_that_has_none_yet() -> None:
    progress = Progress()
    progress.record({"batchId": 0, "sources": [{"endOffset": None}]})
    assert progress.offsets == {}
