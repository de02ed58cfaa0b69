"""What the doctor finds."""

from pathlib import Path

import pytest

from market_pipeline.local import checkup
from market_pipeline.local.checkup import Reply, check_feed, check_memory, check_vendor, check_versions, clock_offset
from market_pipeline.settings import Settings

KEY = "secret-key-of-finnhub"
GIB = 1024**3


def test_a_healthy_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    monkeypatch.setattr(checkup, "ask_vendor", lambda url: "no network")
    settings = Settings.load(data_dir=tmp_path / "data", feed="simulator")
    found = {check.name: check for check in checkup.examine(settings)}
    assert list(found) == [
        *("java", "versions", "jars", "data dir", "disk", "memory", "ports", "feed", "reachability", "time offset")
    ]
    for name in ("java", "versions", "data dir", "feed", "reachability"):
        assert found[name].verdict == "ok", found[name]


def test_the_key_is_told_to_be_there_and_never_shown() -> None:
    check = check_feed(Settings.load(finnhub_api_key=KEY))
    assert check.verdict == "ok"
    assert "a key is set" in check.found
    assert KEY not in check.found + check.cure


def test_a_missing_key_fails_with_its_cure() -> None:
    check = check_feed(Settings.load(feed="finnhub"))
    assert (check.verdict, check.found) == ("failed", "the feed finnhub needs a key")
    assert "FINNHUB_API_KEY" in check.cure


def test_little_memory_is_a_warning_unless_the_pipeline_has_it() -> None:
    assert check_memory(3 * GIB, running=False).verdict == "warning"
    assert check_memory(3 * GIB, running=True).verdict == "ok"
    assert check_memory(8 * GIB, running=False).verdict == "ok"


@pytest.mark.parametrize(("python", "verdict"), [((3, 10, 1), "failed"), ((3, 11, 0), "ok"), ((3, 14, 0), "failed")])
def test_pythons(python: tuple[int, int, int], verdict: str) -> None:
    assert check_versions(python).verdict == verdict


@pytest.mark.parametrize(
    ("feed", "reply", "verdicts"),
    [
        ("finnhub", "refused", ["failed", "ok"]),
        ("simulator", "refused", ["ok", "ok"]),
        ("finnhub", Reply(0.1, 0.4), ["ok", "ok"]),
        ("finnhub", Reply(0.1, None), ["ok", "ok"]),
        ("finnhub", Reply(0.1, -30.0), ["ok", "failed"]),
    ],
)
def test_the_vendor_and_its_clock(feed: str, reply: Reply | str, verdicts: list[str]) -> None:
    settings = Settings.load(feed=feed, finnhub_api_key=KEY)
    found = list(check_vendor(settings, lambda url: reply))
    assert [check.verdict for check in found] == verdicts
    assert all(check.cure for check in found if check.verdict == "failed")


def test_an_offset_is_told_with_its_direction() -> None:
    settings = Settings.load(feed="finnhub", finnhub_api_key=KEY)
    assert list(check_vendor(settings, lambda url: Reply(0.1, 30.0)))[1].found == "this clock is 30 s behind"


def test_the_clock_is_compared_with_the_date_of_an_answer() -> None:
    headers = {"date": "Mon, 05 Jan 2026 10:00:00 GMT"}
    assert clock_offset(headers, 1767607190.5) == pytest.approx(10.0)
    assert clock_offset({}, 0.0) is clock_offset({"date": "yesterday"}, 0.0) is None
