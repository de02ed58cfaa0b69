r"""One escaping function per sink: terminal, log, Slack, Markdown, XML. Pure.

Text from outside (a vendor's message, a symbol, a server's error, a file's name) must not act on what shows it: move a
cursor, hide or reorder what stands beside it, begin a second line of a log, notify a channel, add a column to a table.
Every sink calls its own function here, once, on what it is about to write.

What can't be seen is shown as JSON writes it (``\u001b``), in every sink. An escaped JSON text is therefore still JSON,
and of the same value.
"""

import re
import unicodedata
from html import escape

UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of what acts and is not seen: control and format characters (ANSI escapes, bidirectional
overrides, zero-width characters), lone surrogates, line and paragraph separators."""
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Letters and marks that show nothing: those that Unicode's Default_Ignorable_Code_Point has beside ``UNSEEN``, and
Braille's blank. Two texts that differ in them alone look the same."""
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MARKDOWN = re.compile(r"[\\`*\[\]<>&|~#$]|(?<![^\W_])_|_(?![^\W_])")
_MARKDOWN_BEGINS = re.compile(r"^(\d{0,9})(?=[-+=.)])")
_NO_XML = re.compile("[\ufffe\uffff]")


def visible(text: str, keep: str = "") -> str:
    """The text with every character that is not seen written out; those in ``keep`` stay."""
    if not text.isprintable():
        text = "".join(
            each if each in keep or unicodedata.category(each) not in UNSEEN else _written_out(each) for each in text
        )
    return _BLANK.sub(lambda found: _written_out(found[0]), text)


def for_terminal(text: str) -> str:
    """Text for a terminal. Line feeds and tabs stay."""
    return visible(text, keep="\n\t")


def for_log(text: str) -> str:
    """Text for a log, as one line whatever it holds. Tabs stay."""
    return visible(text, keep="\t")


def for_slack(text: str) -> str:
    """Text for Slack, in ``text`` or in mrkdwn: its three control characters, by its own documentation, which make
    links, mentions and notifications. Line feeds and tabs stay; formatting, such as of ``*this*``, is no harm."""
    return visible(text, keep="\n\t").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def for_slack_code(text: str) -> str:
    """Text for a block of code in mrkdwn, which it can't end."""
    return for_slack(text).replace("```", "'''")


def for_markdown(text: str) -> str:
    """Text for Markdown, as one line that is a paragraph's, heading's, link's or cell's text and nothing else.

    An address that stands in it is still made a link by readers that do so with every text, such as GitHub's.
    """
    line = visible(" ".join(text.split()))
    return _MARKDOWN_BEGINS.sub(r"\1\\", _MARKDOWN.sub(lambda found: f"\\{found[0]}", line))


def for_xml(text: str) -> str:
    """Text for the inside of an element or a quoted attribute of XML, SVG or HTML."""
    return escape(_NO_XML.sub("\ufffd", visible(text)))


def _written_out(character: str) -> str:
    code = ord(character)
    if code > 0xFFFF:  # a pair of surrogates, as in JSON
        return f"\\u{0xD800 + ((code - 0x10000) >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return _SHORT.get(character, f"\\u{code:04x}")
