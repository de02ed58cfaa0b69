"""The values that a setting may have, in words, from its JSON schema."""

from collections.abc import Mapping
from typing import Any

_TYPES = {
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "comma-separated text",
    "string": "text",
}
_FORMATS = {"path": "a path", "date": "a day such as 2026-11-24"}
_BOUNDS = {
    "exclusiveMinimum": "above",
    "minimum": "at least",
    "exclusiveMaximum": "below",
    "maximum": "at most",
}


def permitted(schema: Mapping[str, Any]) -> str:
    """What a value must be, such as ``a number, above 0 and at most 100000``.

    Args:
        schema: of one property, as pydantic makes it.
    """
    alternatives = [part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"]
    return " or ".join(_one(part) for part in alternatives)


def _one(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        *others, last = map(str, schema["enum"])
        return f"{', '.join(others)} or {last}" if others else last
    what = _FORMATS.get(schema.get("format", "")) or _TYPES.get(schema.get("type", ""), "another value")
    bounds = [f"{word} {schema[name]:.15g}" for name, word in _BOUNDS.items() if name in schema]
    return f"{what}, {' and '.join(bounds)}" if bounds else what
