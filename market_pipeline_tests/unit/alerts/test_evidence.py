"""What a verdict is shown with."""

from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from market_pipeline.alerts.evidence import LOG_LINES, LOG_WIDTH, entries, last_lines, with_evidence
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.charts import sparkline
from market_pipeline.settings import SECRETS, Settings
from market_pipeline_tests.unit.alerts.looks import WELL


def test_of_a_log_the_entries_are_shown_and_no_stacks() -> None:
    log = (
        "2026-11-26T06:34:21.583Z ERROR stream: query failed: Cassandra is away\n"
        "java.lang.IllegalStateException: no node\n"
        "\tat com.datastax.Driver(Driver.java:174)\n"
        "    at com.datastax.Other(Other.java:1)\n"
        f"2026-11-26T06:35:07.241Z INFO stream: {'x' * 500}\n\n"
    )
    shown = entries(log)
    assert [line.split()[1] for line in shown] == ["ERROR", "INFO"]
    assert len(shown[1]) == LOG_WIDTH
    assert entries("Traceback\n  File x\nValueError: no\n") == ["Traceback", "ValueError: no"]  # nothing is dated


def test_a_fault_of_a_program_comes_with_the_end_of_its_log_and_one_of_lag_with_its_course(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    settings.paths.logs.mkdir(parents=True)
    lines = [f"2026-11-26T06:34:{second:02d}Z INFO stream: {second}" for second in range(20)]
    settings.paths.log("stream").write_text("\n".join(lines))
    look = replace(WELL, lags=[(WELL.now - 60, 0.0), (WELL.now - 30, 500.0), (WELL.now, 1000.0)])
    hung = Signal("program-hung", "stream", Verdict.FAULT, evidence={"pid": 7})
    lag = Signal("consumer-lag", "stream", Verdict.FAULT)
    fine = Signal("consumer-lag", "stream", Verdict.FINE)
    one, two, three = with_evidence(settings, look, [hung, lag, fine])
    assert one.evidence == {"pid": 7, "the end of its log": "\n".join(lines[-LOG_LINES:])}
    ((name, course),) = two.evidence.items()
    assert (name.startswith("lag since "), course) == (True, "▁▅█ from 0 to 1,000")
    assert three == fine
    unknown = Signal("program-down", "supervisord", Verdict.FAULT)
    assert next(iter(with_evidence(settings, look, [unknown]))).evidence == {}  # it has no log yet


def test_a_run_that_failed_comes_with_its_page(tmp_path: Path) -> None:
    failed = Signal("failed-run", "archive", Verdict.FAULT, evidence={"run": "1a2b"})
    for settings, page in (
        (Settings.load(data_dir=tmp_path, dagster_url="https://dagster.example/"), "https://dagster.example/runs/1a2b"),
        (Settings.load(data_dir=tmp_path, dagster=False), None),
    ):
        (shown,) = with_evidence(settings, WELL, [failed])
        assert shown.evidence.get("its page") == page


def test_a_sparkline_is_thinned_to_its_peaks() -> None:
    assert sparkline([]) == ""
    assert sparkline([5.0, 5.0]) == "▁▁"
    assert sparkline([0.0] * 30 + [9.0] + [0.0] * 29, points=30) == "▁" * 15 + "█" + "▁" * 14


def test_no_piece_of_evidence_shows_a_key(tmp_path: Path) -> None:
    keys = {name: SecretStr(f"s3cret-{name}") for name in SECRETS}
    settings = Settings.load(data_dir=tmp_path).model_copy(update=keys)
    key = keys["finnhub_api_key"].get_secret_value()
    evidence = {"last disconnect": {"reason": f"?token={key}", "tried": [key, 3]}, key: 7, "count": 3}
    for verdict in Verdict:
        (shown,) = with_evidence(settings, WELL, [Signal("key", "x", verdict, f"refused: {key}", evidence=evidence)])
        assert key not in shown.text
        assert verdict is not Verdict.FAULT or key not in repr(shown.evidence)
        assert shown.evidence["count"] == 3


def test_the_end_of_a_log_shows_no_key(tmp_path: Path) -> None:
    keys = {name: SecretStr(f"https://s3cret-{name}") for name in SECRETS}
    settings = Settings.load(data_dir=tmp_path).model_copy(update=keys)
    log = settings.paths.log("producer")
    log.parent.mkdir(parents=True, exist_ok=True)
    shown = " ".join([*(each.get_secret_value() for each in keys.values()), "xoxb-1-other", "?token=another"])
    log.write_text(f"2026-11-29T10:00:00.000Z ERROR producer: {shown}\n")
    said = last_lines(settings, "producer")
    assert "ERROR producer" in said
    for secret in ("s3cret", "xoxb", "another"):
        assert secret not in said
