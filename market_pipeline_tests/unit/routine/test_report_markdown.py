"""What a vendor or a server says changes nothing about the structure of a report."""

from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from market_pipeline.charts import bar_chart
from market_pipeline.routine.report import Finding, Report

AT = datetime(2026, 11, 29, tzinfo=UTC)


def structure(text: str) -> list[str]:
    found = Finding(False, text, [{"symbol": text, "n": 1}, {"symbol": "AAPL", "n": 2}], bar_chart("t", ["a"], [1.0]))
    report = Report(text, AT, {"box": (text, found), "next": ("Next", Finding(True, "fine"))})
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(report.markdown())
    inline = [child.type for token in tokens for child in token.children or () if not child.type.startswith("text")]
    return [token.type for token in tokens] + inline


@given(st.text(st.one_of(st.characters(), st.sampled_from("\\\\`*_[]()<>&|~#!\\n- =.")), min_size=1).filter(str.strip))
@example("x | y |\n|---|---|\n# heading")
@example("](https://evil.example) <img src=x> ![a](b)")
@example("```\nfence")
def test_no_text_changes_the_structure_of_a_report(text: str) -> None:
    assert structure(text) == structure("word")
