"""Hostile text in every sink: it is shown, and does nothing."""

import json
import sys
import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from market_pipeline.escaping import (
    UNSEEN,
    for_log,
    for_markdown,
    for_slack,
    for_slack_code,
    for_terminal,
    for_xml,
    visible,
)

HOSTILE = st.text(
    st.one_of(
        st.sampled_from("\\`*_[]()<>&|~#$!-+=.:@/\"' \t\n\r\x1b\x07\x85\u2028\u202e\u200b\ufeff\ud800\ufffe19ab"),
        st.characters(),
    ),
    max_size=60,
)


def unseen(text: str, keep: str = "") -> list[str]:
    return [each for each in text if unicodedata.category(each) in UNSEEN and each not in keep]


@given(HOSTILE)
@example("\x1b]0;title\x07\x1b[2J")
@example("AAPL\u202eLPAA")
@example("\U000e0041\ud800")
def test_no_sink_is_given_a_character_that_acts_and_is_not_seen(text: str) -> None:
    assert not unseen(for_terminal(text), keep="\n\t")
    assert not unseen(for_slack(text), keep="\n\t")
    assert not unseen(for_slack_code(text), keep="\n\t")
    assert not unseen(for_log(text), keep="\t")
    assert not unseen(for_markdown(text))
    assert not unseen(for_xml(text))


def test_every_such_character_of_unicode_is_written_out() -> None:
    acting = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in UNSEEN]
    assert len(acting) > 2_000
    for each in acting:
        assert visible(each).isascii()
        assert visible(each).isprintable()


@pytest.mark.parametrize("blank", [0x034F, 0x115F, 0x1160, 0x17B4, 0x180B, 0x2800, 0x3164, 0xFE0F, 0xFFA0, 0xE0100])
def test_a_letter_or_mark_that_shows_nothing_is_written_out(blank: int) -> None:
    assert for_terminal(f"AAPL{chr(blank)}") == "AAPL" + json.dumps(chr(blank))[1:-1]
    assert for_terminal(f"\x1b{chr(blank)}").isascii()


@given(st.text(st.characters(codec="utf-8")))
def test_json_that_was_escaped_is_json_of_the_same_value(text: str) -> None:
    document = json.dumps({"symbol": text}, ensure_ascii=False, indent=1)
    assert json.loads(for_terminal(document)) == {"symbol": text}


@pytest.mark.parametrize("text", ["BINANCE:BTCUSDT", "naïve · 価格 ✅ 12,5 °", "a\tb\nc"])
def test_plain_text_stays_as_it_is_on_a_terminal(text: str) -> None:
    assert for_terminal(text) == text


@given(HOSTILE)
@example("<!channel> & <https://evil.example|click> &lt;")
@example("```")
@example("a ```` b ``````` c")
def test_text_in_slack_is_no_link_mention_or_entity_and_ends_no_code(text: str) -> None:
    shown = for_slack(text)
    assert not set("<>") & set(shown)
    assert shown.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").count("&") == 0
    assert "```" not in for_slack_code(text)


PAGE = """\
# {0}

before **bold** {0}

- {0}
- ✅ **{0}**: {0}

{0}

![{0}](x.svg) [{0}](y)

| a | {0} |
|---|---|
| {0} | {0} |
"""


def structure(page: str) -> list[tuple[str, str]]:
    """The kinds of a document's tokens in order, without its texts."""
    kinds = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page):
        kinds.append((token.type, token.tag))
        kinds += [(each.type, each.tag) for each in token.children or () if each.type not in ("text", "text_special")]
    return kinds


@given(HOSTILE)
@example("| x |\n|---|")
@example("](javascript:alert(1)) ![")
@example("<script>alert(1)</script>")
@example("**bold** `code` ~~gone~~ _a_ &lt; # x #")
@example("1. one")
@example("===")
@example("# a heading")
@example("> a quotation")
@example("<div onclick=x")
@example("<!-- x")
@example("a | b | c")
def test_text_changes_nothing_about_the_structure_of_a_page(text: str) -> None:
    escaped = for_markdown(text) or "word"
    assert structure(PAGE.format(escaped)) == structure(PAGE.format("word"))


def test_a_dollar_begins_no_formula() -> None:
    """Which GitHub makes of it, and no parser of CommonMark."""
    assert for_markdown("$x$ and $`y`$") == r"\$x\$ and \$\`y\`\$"


@given(HOSTILE)
@example("&lt;b&gt; &amp;")
@example("a `code` b")
def test_what_a_reader_of_the_page_sees_is_the_text(text: str) -> None:
    (_, inline, _) = MarkdownIt("commonmark").parse(f"x {for_markdown(text)} x")
    assert inline.children is not None
    shown = "".join(each.content for each in inline.children)
    assert shown.split() == ["x", *visible(" ".join(text.split())).split(), "x"]


@given(HOSTILE)
@example("\ufffe \uffff")
@example("\"'><script>&lt;")
def test_xml_reads_back_as_the_text_was_shown(text: str) -> None:
    parsed = ElementTree.fromstring(f'<a b="{for_xml(text)}">{for_xml(text)}</a>')
    wanted = visible(text).replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")
    assert (parsed.text or "") == wanted
    assert parsed.attrib["b"] == wanted
    assert not list(parsed)
