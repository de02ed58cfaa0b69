"""A report looks at every box, whatever one of them finds, and its page is a page whatever is in it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from market_pipeline.broker.topics import TopicError
from market_pipeline.routine.page import keep
from market_pipeline.routine.report import SHOWN_ROWS, Box, Finding, fill_in
from market_pipeline.settings import Settings

AT = datetime(2026, 11, 26, 1, 10, tzinfo=UTC)


def well() -> Finding:
    return Finding(True, "fine", [{"table": "a|b <c>", "MB": 1234}], chart="<svg/>")


def away() -> Finding:
    raise TopicError("there is no topic trades_dlq\n(see topics)")


def bad() -> Finding:
    return Finding(False, "3 lost")


def test_a_box_that_can_not_be_told_keeps_no_other_from_being_looked_at() -> None:
    heard: list[str] = []
    boxes = [Box("one", "One", away), Box("two", "Two", well), Box("three", "Three", bad)]
    report = fill_in("Checks", boxes, AT, heard.append)
    assert report.attention == ["one", "three"]
    assert heard == [
        "❔ One: could not be told: there is no topic trades_dlq (see topics)",
        "✅ Two: fine",
        "❌ Three: 3 lost",
    ]
    page = report.markdown()
    assert page.startswith("# Checks\n\n2026-11-26 01:10 UTC: **2 of 3 need a person**.\n")
    assert r"| a\|b \<c\> | 1,234 |" in page
    assert "data:image/svg+xml;base64," in page
    assert "## One" not in page  # it has nothing more to show


def test_a_long_table_says_how_much_is_left_out() -> None:
    rows = [{"n": number} for number in range(SHOWN_ROWS + 7)]
    page = fill_in("x", [Box("a", "A", lambda: Finding(True, "", rows))], AT).markdown()
    assert "… and 7 more" in page
    assert "all is well" in page


def test_a_fault_of_ours_is_not_swallowed() -> None:
    def wrong() -> Finding:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fill_in("x", [Box("a", "A", wrong)], AT)


def test_the_page_is_kept_and_written_anew(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    for finding in (bad, well):
        path = keep(settings, "daily/2026-11-25", fill_in("x", [Box("a", "A", finding)], AT))
    assert path == tmp_path / "reports" / "daily" / "2026-11-25.md"
    assert "all is well" in path.read_text(encoding="utf-8")
    assert [each.name for each in path.parent.iterdir()] == ["2026-11-25.md"]
