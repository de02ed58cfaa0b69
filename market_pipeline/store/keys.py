"""What a query of each table has to name: the partition key, with an example, for errors and the documentation."""

import re
from collections.abc import Iterable, Mapping

EXAMPLES: Mapping[str, str] = {
    "trades_silver": "symbol = 'AAPL' AND bucket = '2026-11-24 14:00:00+0000'",
    "latest_prices": "symbol = 'AAPL'",
    "ohlcv_1m": "symbol = 'AAPL' AND day = '2026-11-24'",
    "ohlcv_1d": "symbol = 'AAPL'",
    "symbol_daily_stats": "symbol = 'AAPL'",
    "feed_gaps": "symbol = 'AAPL' AND day = '2026-11-24'",
}
"""By table, a condition that names its partition key."""

_TABLE = re.compile(r'\b(?:FROM|UPDATE|INTO)\s+(?:"?(\w+)"?\s*\.\s*)?"?(\w+)"?', re.IGNORECASE)
_KEY_IS_MISSING = ("ALLOW FILTERING", "partition key parts are missing", "cannot be restricted as preceding column")


def table_of(cql: str) -> tuple[str | None, str] | None:
    """The keyspace (None for the default one) and the table that a statement names; None when it names none."""
    found = _TABLE.search(cql)
    return (found[1] and found[1].lower(), found[2].lower()) if found else None


def needs_key(message: str) -> bool:
    """Whether Cassandra refused a statement because it lacks a part of the table's key."""
    return any(sign in message for sign in _KEY_IS_MISSING)


def key_hint(table: str, partition_key: Iterable[str], message: str) -> str:
    """What to write instead, in one line, when Cassandra refused a query of ``table`` with ``message``."""
    key = " and ".join(partition_key)
    example = f": SELECT * FROM {table} WHERE {EXAMPLES[table]}" if table in EXAMPLES else ""
    hour = "; bucket is the start of the UTC hour" if table == "trades_silver" else ""
    return (
        f"a query of {table} names its partition key ({key}) before any other column{example}{hour}. "
        f"docs/tables.md lists every table's key. Cassandra: {message}"
    )
