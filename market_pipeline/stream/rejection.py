"""Why a Kafka record isn't a trade: ``model.decode``, check by check, in Spark's own expressions.

That it isn't one is known already (``parsing.parse``); this names the reason for the few that need one. Types come from
a variant of the parsed document; the digits of a number come from the text itself, because every parser of Spark's goes
through a double or rounds to its type. Lambdas over arrays of one element bind what is looked at more than once: as
nested expressions each check would parse the record again, and the plan would fill pages.
"""

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F

from market_pipeline.model import (
    EARLIEST_TS_MS,
    MAX_AHEAD_MS,
    MAX_DECIMALS,
    MAX_KEY_CHARACTERS,
    MAX_PRICE,
    MAX_VOLUME,
    MAX_WHOLE,
    MAX_WRITTEN_DECIMALS,
    MAX_WRITTEN_WHOLE,
    TRADE_RECORD,
    Rejection,
)
from market_pipeline.model.characters import ESCAPES_ARE_CHARACTERS, FORBIDDEN

SHOWN = 40
"""Characters of the offending value that a detail shows."""

_NAMES = tuple(column.name for column in TRADE_RECORD)
_KEYS = ("symbol", "trade_id")
_NUMBERS = {"price": "DECIMAL(38,18)", "volume": "DECIMAL(38,18)", "ts": "DECIMAL(38,6)"}


_BARE = r"([:,\[]\s*)(NaN|-?Infinity)(?=\s*[,}\]])"
"""What Python's JSON has and a variant has not; put in quotes it keeps the rest of the record readable."""


def rejection(text: Column) -> Column:
    """A struct (reason, detail) for the value of a record that is not a trade."""
    # a 0 behind the record makes what follows it visible: '{…} {…}' would parse as its first object otherwise
    document = F.try_parse_json(F.concat(F.lit("["), F.regexp_replace(text, _BARE, '$1"$2"'), F.lit(",0]")))
    facts = _bind(document, lambda parsed: _facts(text, parsed))
    return _bind(facts, lambda bound: _Checks(text, bound).first_failure())


def _bind(value: Column, body: Callable[[Column], Column]) -> Column:
    return F.element_at(F.transform(F.array(value), body), 1)


def _facts(text: Column, document: Column) -> Column:
    """What the checks look at: ``kinds`` (Spark's name of each value's type, null when absent), ``shown`` (values as
    text), ``characters`` (how long a text is) and ``numbers``."""

    def kind(path: str) -> Column:
        return F.schema_of_variant(F.try_variant_get(document, path, "variant"))

    def shown(name: str) -> Column:
        value = F.substring(F.try_variant_get(document, f"$[0].{name}", "string"), 1, SHOWN)
        return F.coalesce(value, F.lit("a structure"))

    def characters(name: str) -> Column:
        return F.length(F.try_variant_get(document, f"$[0].{name}", "string"))

    codes = F.try_variant_get(document, "$[0].conditions", "array<variant>")
    symbol = F.try_variant_get(document, "$[0].symbol", "string")
    joined = F.array_join(F.try_variant_get(document, "$[0].conditions", "array<string>"), "")
    return F.struct(
        document.isNull().alias("unreadable"),
        (kind("$[1]").isNotNull() & kind("$[2]").isNull()).alias("alone"),
        kind("$[0]").alias("outermost"),
        F.struct(*(kind(f"$[0].{name}").alias(name) for name in _NAMES)).alias("kinds"),
        F.struct(*(shown(name).alias(name) for name in _NAMES)).alias("shown"),
        F.struct(*(characters(name).alias(name) for name in _KEYS)).alias("characters"),
        F.try_variant_get(document, "$[0].seq", "int").alias("seq"),
        F.try_variant_get(document, "$[0].received_at", "bigint").alias("received_at"),
        F.struct(*(_number(text, name).alias(name) for name in _NUMBERS)).alias("numbers"),
        F.forall(codes, lambda code: F.schema_of_variant(code).isin("STRING", "BIGINT")).alias("are_codes"),
        symbol.rlike(FORBIDDEN).alias("hidden_in_symbol"),
        F.coalesce(joined.rlike(FORBIDDEN), F.lit(False)).alias("hidden_in_codes"),
    )


def _number(text: Column, name: str) -> Column:
    """The number behind a key as a struct: ``value`` (null when it doesn't fit) and ``decimals``, the digits behind
    the point that it really has (2 for 1.500e-1; 0 and less for whole numbers).

    Inside a JSON string the quotes around the key would be escaped, so no value can be taken for the key.
    """
    pattern = rf'"{name}"\s*:\s*(-?[0-9]+)(?:\.([0-9]+))?+(?:[eE]([+-]?[0-9]+))?+'
    parts = F.struct(
        *(F.regexp_extract(text, pattern, group).alias(part) for group, part in enumerate(("whole", "behind", "e"), 1))
    )

    def figures(part: Column) -> Column:
        digits = F.concat(part.whole, part.behind)
        exponent = F.when(part.e != "", F.concat(F.lit("e"), part.e)).otherwise("")
        written = F.concat(part.whole, F.lit("."), part.behind, F.lit("0"), exponent)
        # a number such as 1e999999999 would be written out digit by digit by the decimal parser
        # and one of a million digits takes it half a minute
        short = (F.length(part.e) <= 3) & (F.length(digits) <= MAX_WRITTEN_WHOLE + MAX_WRITTEN_DECIMALS)
        fits = F.when(short, written.try_cast(_NUMBERS[name]))
        zero = F.lit(0).cast(_NUMBERS[name])
        value = F.when(part.whole != "", F.when(digits.rlike("[1-9]"), fits).otherwise(zero))
        zeros = F.length(digits) - F.length(F.rtrim(digits, F.lit("0")))
        decimals = F.length(part.behind) - F.coalesce(part.e.try_cast("BIGINT"), F.lit(0)) - zeros
        return F.struct(
            value.alias("value"),
            F.when(F.length(part.behind) > MAX_WRITTEN_DECIMALS, F.length(part.behind))
            .when(digits.rlike("[1-9]"), decimals)
            .otherwise(0)
            .alias("decimals"),
            ((part.behind == "") & (part.e == "")).alias("written_whole"),
        )

    return _bind(parts, figures)


class _Checks:
    """The checks of one record, in the order of ``model.decode``."""

    def __init__(self, text: Column, facts: Column) -> None:
        self._text = text
        self._facts = facts
        self._chain: Column | None = None

    def first_failure(self) -> Column:
        facts = self._facts
        self._document_is_an_object()
        for name in _NAMES:
            if name != "conditions":
                self._reject(facts.kinds[name].isNull(), Rejection.MISSING_FIELD, F.lit(f"no {name}"))
        self._is_of_kind("trade_id", "STRING", "text")
        self._is_of_kind("source", "STRING", "text")
        self._is_of_kind("seq", "BIGINT", "a whole number", also=F.coalesce(facts.seq >= 0, F.lit(False)))
        receivable = F.coalesce(facts.received_at.between(0, MAX_WHOLE["received_at"]), F.lit(False))
        self._is_of_kind("received_at", "BIGINT", "epoch microseconds", also=receivable)
        self._is_there("symbol")
        self._is_of_kind("symbol", "STRING", "text")
        self._reject(facts.shown.symbol == "", Rejection.MISSING_FIELD, F.lit("no symbol"))
        self._key_fits("symbol")
        hidden = F.lit("symbol has a character that can't be seen")
        self._reject(facts.hidden_in_symbol, Rejection.FORBIDDEN_CHARACTER, hidden)
        self._number_fits("price", str(MAX_PRICE))
        self._reject(self._value("price") <= 0, Rejection.PRICE_NOT_POSITIVE, self._told("price"))
        self._number_fits("volume", str(MAX_VOLUME))
        self._reject(self._value("volume") < 0, Rejection.VOLUME_NEGATIVE, self._told("volume"))
        self._time_is_plausible()
        self._key_fits("trade_id")
        no_codes = facts.kinds.conditions.isNull() | (facts.kinds.conditions == "VOID")
        codes = facts.kinds.conditions.startswith("ARRAY") & F.coalesce(facts.are_codes, F.lit(False))
        self._reject(~no_codes & ~codes, Rejection.WRONG_TYPE, self._told("conditions", "a list of codes"))
        hidden = F.lit("a condition has a character that can't be seen")
        self._reject(facts.hidden_in_codes, Rejection.FORBIDDEN_CHARACTER, hidden)
        assert self._chain is not None
        other = F.lit("not a flat record as the producer writes it")
        return self._chain.otherwise(F.struct(F.lit(Rejection.WRONG_TYPE.value).alias("reason"), other.alias("detail")))

    def _document_is_an_object(self) -> None:
        facts, start = self._facts, F.concat(F.lit("starts "), F.substring(self._text, 1, SHOWN))
        undecodable = self._text.isNull() | ~F.is_valid_utf8(self._text)
        self._reject(undecodable, Rejection.MALFORMED_JSON, F.lit("empty or not UTF-8"))
        lone_surrogate = ~self._text.rlike(ESCAPES_ARE_CHARACTERS)
        self._reject(facts.unreadable | ~facts.alone | lone_surrogate, Rejection.MALFORMED_JSON, start)
        self._reject(~facts.outermost.startswith("OBJECT"), Rejection.NOT_AN_OBJECT, start)

    def _key_fits(self, name: str) -> None:
        characters = self._facts.characters[name]
        told = F.concat(F.lit(f"{name} has "), characters.cast("string"), F.lit(" characters"))
        self._reject(characters > MAX_KEY_CHARACTERS, Rejection.TOO_LARGE, told)

    def _number_fits(self, name: str, limit: str) -> None:
        self._is_there(name)
        not_finite = self._text.rlike(rf'"{name}"\s*:\s*(?:NaN|-?Infinity)')
        self._reject(not_finite, Rejection.NOT_FINITE, self._told(name))
        self._is_of_kind(name, "DECIMAL|BIGINT|DOUBLE|FLOAT", "a finite number")
        value, decimals = self._value(name), self._facts.numbers[name].decimals
        beyond = F.abs(value) >= F.lit(limit).cast("DECIMAL(38,0)")
        self._reject(beyond | (value.isNull() & (decimals <= 0)), Rejection.OUT_OF_RANGE, self._told(name))
        self._reject(decimals > MAX_DECIMALS, Rejection.TOO_MANY_DIGITS, self._told(name))
        self._reject(value.isNull(), Rejection.OUT_OF_RANGE, self._told(name))

    def _time_is_plausible(self) -> None:
        facts, literal = self._facts, self._value("ts")
        whole = facts.numbers.ts.written_whole
        latest = F.call_function("div", facts.received_at, F.lit(1000)) + MAX_AHEAD_MS
        self._is_there("ts")
        self._is_of_kind("ts", "DECIMAL|BIGINT|DOUBLE", "epoch milliseconds", also=whole)
        self._reject(literal < EARLIEST_TS_MS, Rejection.BEFORE_2000, self._told("ts"))
        self._reject(literal.isNull() & facts.shown.ts.startswith("-"), Rejection.BEFORE_2000, self._told("ts"))
        self._reject(literal.isNull() | (literal > latest), Rejection.IN_THE_FUTURE, self._told("ts"))

    def _value(self, name: str) -> Column:
        return self._facts.numbers[name].value

    def _is_there(self, name: str) -> None:
        self._reject(self._facts.kinds[name] == "VOID", Rejection.MISSING_FIELD, F.lit(f"no {name}"))

    def _is_of_kind(self, name: str, kinds: str, wanted: str, *, also: Column | None = None) -> None:
        wrong = ~self._facts.kinds[name].rlike(f"^(?:{kinds})")
        self._reject(wrong if also is None else wrong | ~also, Rejection.WRONG_TYPE, self._told(name, wanted))

    def _told(self, name: str, wanted: str | None = None) -> Column:
        return F.concat(F.lit(f"{name} is "), self._facts.shown[name], F.lit(f", not {wanted}" if wanted else ""))

    def _reject(self, condition: Column, reason: Rejection, detail: Column) -> None:
        failure = F.struct(F.lit(reason.value).alias("reason"), detail.alias("detail"))
        self._chain = F.when(condition, failure) if self._chain is None else self._chain.when(condition, failure)
