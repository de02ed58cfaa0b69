"""Finds the original bytes of a message's elements, for dead letters. Only bad messages pay for it."""

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]

# values aren't wanted, and read as text a huge integer is no error
_scan = json.JSONDecoder(parse_float=str, parse_int=str).scan_once  # type: ignore[attr-defined]
_white = re.compile(r"[ \t\n\r]*").match


def original_elements(payload: bytes) -> list[bytes]:
    """The elements of the message's ``data`` list, each with the bytes it came in.

    Args:
        payload: a message that ``model.parse_json`` accepts as an object whose ``data`` is a list.
    """
    text = payload.decode(json.detect_encoding(payload), "surrogatepass")
    elements: list[bytes] = []
    position = _skip(text, _skip(text, 0) + 1)
    while text[position] != "}":
        key, position = scanstring(text, position + 1, True)
        position = _skip(text, _skip(text, position) + 1)
        if key == "data" and text[position] == "[":
            elements, position = _split(text, position)  # of a key that comes twice the last one counts, as in JSON
        else:
            _, position = _scan(text, position)
        position = _skip(text, position)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return elements


def _split(text: str, position: int) -> tuple[list[bytes], int]:
    """The elements of the list that begins at ``position``, and where it ends."""
    elements: list[bytes] = []
    position = _skip(text, position + 1)
    while text[position] != "]":
        _, end = _scan(text, position)
        elements.append(text[position:end].encode("utf-8", "surrogatepass"))
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return elements, position + 1


def _skip(text: str, position: int) -> int:
    if text[position] not in " \t\n\r":
        return position
    found = _white(text, position)
    return found.end() if found else position
