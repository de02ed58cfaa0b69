"""Characters that no symbol and no condition may hold, for Python and for Spark from one list.

They are the Unicode categories Cc, Cf, Cs, Zl and Zp: invisible on a screen, or able to change what else is shown there
(a terminal's escape sequences, text that runs backwards, a line break in a log). The list is told here and not taken
from ``unicodedata``: Python and Java know different versions of Unicode, and both have to agree on every record.
"""

import re

_RANGES = (
    (0x0000, 0x001F),
    (0x007F, 0x009F),
    (0x00AD, 0x00AD),
    (0x0600, 0x0605),
    (0x061C, 0x061C),
    (0x06DD, 0x06DD),
    (0x070F, 0x070F),
    (0x0890, 0x0891),
    (0x08E2, 0x08E2),
    (0x180E, 0x180E),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
    (0x110BD, 0x110BD),
    (0x110CD, 0x110CD),
    (0x13430, 0x1343F),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0001, 0xE0001),
    (0xE0020, 0xE007F),
)
"""By Unicode 16, surrogates excepted: text in UTF-8 has none."""
_SURROGATES = (0xD800, 0xDFFF)

FORBIDDEN = "[" + "".join(rf"\x{{{first:X}}}-\x{{{last:X}}}" for first, last in _RANGES) + "]"
"""Matches one of them, in Java's dialect of regular expressions."""
_FORBIDDEN = re.compile(f"[{''.join(f'{chr(first)}-{chr(last)}' for first, last in (*_RANGES, _SURROGATES))}]")

UNICODE_ESCAPE = (
    r"\\u(?:[0-9a-ce-fA-CE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}"
    r"|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)
"""JSON's escape of a character (Java's dialect and Python's): half of a surrogate pair alone is none."""
ESCAPES_ARE_CHARACTERS = rf"(?s)\A(?:[^\\]++|\\[^u]|{UNICODE_ESCAPE})*+\Z"
"""Matches JSON text without a lone surrogate, which JSON can write and UTF-8 can't."""
_ESCAPES_ARE_CHARACTERS = re.compile(ESCAPES_ARE_CHARACTERS)


def forbidden_in(text: str) -> str | None:
    """The first character of ``text`` that no symbol or condition may hold, None when there is none."""
    if text.isascii() and text.isprintable():
        return None
    found = _FORBIDDEN.search(text)
    return found[0] if found else None


def has_lone_surrogate(json_text: str) -> bool:
    """Whether JSON text writes half of a surrogate pair alone."""
    return r"\u" in json_text and _ESCAPES_ARE_CHARACTERS.match(json_text) is None
