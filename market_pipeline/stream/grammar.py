"""What a record of ``trades_raw`` looks like, as one regular expression (Java's dialect).

It settles at once what Spark's JSON parser is too kind about: types (a price in quotes), digits beyond the 18th (they
would be rounded away), rubbish behind the record. One literal costs the planner nothing, where the same checks as
expressions cost a tenth of a second a batch.

Every loop over a group is possessive: Java runs those in a loop of its own, any other kind recurses for each round, and
a record of a megabyte would overflow the stack.
"""

from market_pipeline.model import MAX_DECIMALS, MAX_WRITTEN_DECIMALS, MAX_WRITTEN_WHOLE, TRADE_RECORD
from market_pipeline.model.characters import UNICODE_ESCAPE

_GAP = r"[ \t\r\n]*+"
_ESCAPE = rf"(?:\\[\"\\/bfnrt]|{UNICODE_ESCAPE})"
_PLAIN = r"[^\"\\\x00-\x1f]"
_TEXT = rf'"{_PLAIN}*+(?:{_ESCAPE}{_PLAIN}*+)*+"'
_WHOLE = "(?:0|[1-9][0-9]*+)"
_LIMITED = f"(?:0|[1-9][0-9]{{0,{MAX_WRITTEN_WHOLE - 1}}}+)"
_NUMBER = rf"-?{_WHOLE}(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"


def _list(item: str, gap: str) -> str:
    return rf"\[{gap}(?:{item}(?:{gap},{gap}{item})*+)?+{gap}\]"


def _exact() -> str:
    """A number whose digits behind the point, after the exponent, are 18 at most (zeros at the end aside)."""
    zero = rf"-?0(?:\.0{{1,{MAX_WRITTEN_DECIMALS}}}+)?+(?:[eE][+-]?[0-9]{{1,2}})?"
    zeros = f"0{{0,{MAX_WRITTEN_DECIMALS - MAX_DECIMALS}}}+"
    forms = [rf"(?:\.[0-9]{{1,{MAX_DECIMALS}}}+{zeros})?(?:[eE]\+?[0-9]{{1,2}})?"]
    for exponent in range(1, MAX_DECIMALS + 1):
        fraction = rf"(?:\.[0-9]{{1,{MAX_DECIMALS - exponent}}})?" if exponent < MAX_DECIMALS else ""
        forms.append(rf"{fraction}[eE]-0?{exponent}")
    return rf"{zero}|-?{_LIMITED}(?:{'|'.join(forms)})"


def _canonical() -> str:
    """What ``model.encode`` writes, to the byte."""
    number = rf"{_LIMITED}(?:\.[0-9]{{1,{MAX_DECIMALS}}})?"
    return (
        rf'\{{"symbol":(?!""){_TEXT},"price":{number},"volume":{number},"ts":{_WHOLE},'
        rf'"conditions":{_list(_TEXT, "")},"trade_id":{_TEXT},"seq":{_WHOLE},"source":{_TEXT},'
        rf'"received_at":{_WHOLE}\}}'
    )


def _flat() -> str:
    """The same fields in any order, with gaps and other fields between them: a JSON object without objects in it."""
    scalar = f"(?:{_TEXT}|{_NUMBER}|true|false|null)"
    member = f"{_TEXT}{_GAP}:{_GAP}(?:{scalar}|{_list(scalar, _GAP)})"
    whole = rf"\{{{_GAP}{member}(?:{_GAP},{_GAP}{member})*+{_GAP}\}}{_GAP}"

    def has(name: str, value: str) -> str:
        # inside a JSON string the quotes around the name would be escaped: no value can be taken for the name
        return rf'(?=.*?"{name}"{_GAP}:{_GAP}{value}{_GAP}[,\}}])'

    codes = _list(f"(?:{_TEXT}|-?{_WHOLE})", _GAP)
    wanted = (
        has("symbol", f'(?!""){_TEXT}'),
        has("price", f"(?:{_exact()})"),
        has("volume", f"(?:{_exact()})"),
        has("ts", f"-?{_WHOLE}"),
        has("trade_id", _TEXT),
        has("seq", f"(?:-0|{_WHOLE})"),
        has("source", _TEXT),
        has("received_at", f"(?:-0|{_WHOLE})"),
        rf'(?:(?!.*?"conditions"{_GAP}:)|{has("conditions", f"(?:null|{codes})")})',
    )
    # Spark's parser reads a key as often as it comes
    names = "|".join(column.name for column in TRADE_RECORD)
    once = rf'(?!.*?"({names})"{_GAP}:.*"\1"{_GAP}:)'
    return rf"{_GAP}(?=\{{){once}{''.join(wanted)}{whole}"


RECORD = rf"(?s)\A(?:{_canonical()}|{_flat()})\z"
"""Matches a record whose types and digits are those of a trade; whether its values are is for ``parsing``."""
