"""Cassandra's values as text for people and as exact JSON for programs."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import UTC, date, datetime
from decimal import Decimal

from cassandra.util import Date, Time

MOST_ZEROS = 100


def plain(number: Decimal) -> str:
    """A decimal without exponent; JSON reads it as a number with every digit. One that would take more than
    ``MOST_ZEROS`` zeros, such as 1E+200000000, keeps its exponent."""
    return f"{number:f}" if abs(number.adjusted()) <= MOST_ZEROS else str(number)


def iso(moment: datetime) -> str:
    """A UTC time as ISO-8601 with its zone; Cassandra keeps milliseconds and its driver leaves out the zone."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text_cell(value: object) -> str:
    """One value for a table on the terminal."""
    match value:
        case None:
            return ""
        case Decimal():
            return plain(value)
        case datetime():
            return iso(value)
        case Date() | Time() | date():
            return str(value)
        case list() | tuple() | Set():
            return ", ".join(text_cell(part) for part in value)
        case _:
            return str(value)


def json_cell(value: object) -> str:
    """One value as JSON text. Decimals are numbers with all their digits, which ``json.dumps`` can't write."""
    match value:
        case None | bool() | int() | str():
            return json.dumps(value, ensure_ascii=False)
        case Decimal():
            return plain(value) if value.is_finite() else "null"
        case float():
            return json.dumps(value) if value == value and abs(value) != float("inf") else "null"
        case datetime():
            return json.dumps(iso(value))
        case bytes():
            return json.dumps("0x" + value.hex())
        case Mapping():
            pairs = (f"{json.dumps(text_cell(key))}:{json_cell(part)}" for key, part in value.items())
            return "{" + ",".join(pairs) + "}"
        case list() | tuple() | Set() | Sequence():
            return "[" + ",".join(json_cell(part) for part in value) + "]"
        case _:
            return json.dumps(str(value))


def json_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """A JSON array of objects, a piece a row, so that a large result needs no memory."""
    names = [json.dumps(name) for name in columns]
    yield "["
    for index, row in enumerate(rows):
        cells = ",".join(f"{name}:{json_cell(cell)}" for name, cell in zip(names, row, strict=True))
        yield (",\n {" if index else "{") + cells + "}"
    yield "]"
