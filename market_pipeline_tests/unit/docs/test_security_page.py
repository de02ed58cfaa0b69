"""Each claim of docs/security.md names a test that there is."""

import re

from market_pipeline_tests.documented import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`(test_[a-z0-9_]+)`", PAGE))


def test_every_test_that_the_page_names_exists() -> None:
    sources = (file.read_text(encoding="utf-8") for file in (ROOT / "market_pipeline_tests").rglob("test_*.py"))
    defined = {name for source in sources for name in re.findall(r"^\s*def (test_[a-z0-9_]+)\(", source, re.MULTILINE)}
    assert len(NAMED) > 40
    assert NAMED - defined == set()


def test_every_row_of_what_is_refused_or_accepted_names_a_test() -> None:
    tables = re.findall(r"^\|.*\| test \|$\n^\|[-|]+\|$\n((?:^\|.*\|$\n?)+)", PAGE, re.MULTILINE)
    assert len(tables) >= 4
    rows = [row for table in tables for row in table.strip().splitlines()]
    assert [row for row in rows if "`test_" not in row] == []
