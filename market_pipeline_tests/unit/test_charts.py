"""Charts are well-formed, small, and say in words what they show."""

import base64
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.charts import MAX_LABELS, MAX_POINTS, _short, as_markdown, bar_chart, line_chart

SVG = "{http://www.w3.org/2000/svg}"
values = st.floats(0, 1e15, allow_nan=False)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"])), st.lists(values, max_size=50))
def test_a_bar_chart_is_an_image_of_its_values(title: str, heights: list[float]) -> None:
    tree = ET.fromstring(bar_chart(title, ["<a>", "b"], heights))
    assert len(tree.findall(f"{SVG}rect")) == 1 + sum(1 for height in heights if height > 0)


@given(st.lists(st.one_of(st.none(), values), max_size=3000))
def test_a_line_chart_has_holes_and_stays_small(points: list[float | None]) -> None:
    svg = line_chart("price", ["00:00", "24:00"], points)
    (path,) = [p for p in ET.fromstring(svg).findall(f"{SVG}path") if p.get("fill") == "none"]
    assert len(re.findall("[ML]", path.get("d") or "")) <= MAX_POINTS
    assert len(as_markdown(svg, "chart")) < 100_000


def test_markdown_holds_the_image_itself() -> None:
    svg = bar_chart("t", [], [1.0])
    markdown = as_markdown(svg, "a [b]")
    assert markdown.startswith(r"![a \[b\]](data:image/svg+xml;base64,")
    assert base64.b64decode(markdown.partition("base64,")[2].rstrip(")")).decode() == svg


def test_the_title_and_the_extremes_are_told_in_words() -> None:
    svg = line_chart("BTC", ["0", "1"], [1.5, None, 2500.0])
    assert "<title>BTC: from 1.5 to 2,500</title>" in svg


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (0.00123456, "0.001235"), (39432.48, "39.43k"), (1234.0, "1,234"), (1.0512, "1.051"),
        (4_560_000.0, "4.56M"), (2.5e9, "2.50G"), (5e15, "5,000,000G"),
    ],
)  # fmt: skip
def test_numbers_fit_an_axis(value: float, text: str) -> None:
    assert _short(value) == text


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (2, 2), (7, 7), (8, 4), (60, 6), (2_880, 6)])
def test_labels_of_a_long_series_do_not_stand_on_top_of_each_other(count: int, shown: int) -> None:
    labels = [f"L{number}" for number in range(count)]
    drawn = re.findall(r">(L\d+)<", line_chart("lag", labels, [1.0] * count))
    assert (drawn[0], drawn[-1]) == (labels[0], labels[-1])
    assert len(drawn) <= MAX_LABELS
    assert len(drawn) == shown


def test_hostile_labels_and_titles_change_no_picture() -> None:
    hostile = "</text><script>x</script>\x1b[2J\x00\ufffe\ud800\u202e&\"'"
    for svg in (bar_chart(hostile, [hostile], [1.0], slots=True), line_chart(hostile, [hostile, "b"], [1.0, 2.0])):
        parsed = ET.fromstring(svg)
        assert {each.tag.rpartition("}")[2] for each in parsed.iter()} <= {"svg", "title", "rect", "text", "path"}
        assert "</text><script>x</script>\\u001b[2J\\u0000" in "".join(parsed.itertext())
