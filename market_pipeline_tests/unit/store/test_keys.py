"""The keys that errors and docs/tables.md name are those of the tables."""

import re
from pathlib import Path

import pytest

from market_pipeline.store.keys import EXAMPLES, key_hint, needs_key, table_of
from market_pipeline.store.migrate import all_migrations

PAGE = (Path(__file__).parents[3] / "docs" / "tables.md").read_text(encoding="utf-8")
TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS \$\{keyspace\}\.(\w+) \((.*?)\n\) WITH", re.DOTALL)
PRIMARY_KEY = re.compile(r"PRIMARY KEY \((?:\(([^)]*)\)|(\w+))((?:, \w+)*)\)")


def keys() -> dict[str, tuple[list[str], list[str]]]:
    """By table, the partition key and the clustering columns."""
    text = "\n".join(migration.text for migration in all_migrations())
    found = {}
    for name, columns in TABLE.findall(text):
        (several, one, clustering) = PRIMARY_KEY.search(columns).groups()
        found[name] = ((several or one).split(", "), [part for part in clustering.split(", ") if part])
    return found


def test_the_page_lists_every_table_with_its_key() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) ?\|", PAGE, re.MULTILINE)
    listed = {name: (re.findall(r"`(\w+)`", key), re.findall(r"`(\w+)`", rest)) for name, key, rest in rows}
    assert listed == {name: key for name, key in keys().items() if name != "schema_migrations"}


def test_each_example_names_the_whole_partition_key() -> None:
    assert {name: re.findall(r"(\w+) =", text) for name, text in EXAMPLES.items()} == {
        name: key for name, (key, _) in keys().items() if name in EXAMPLES
    }
    assert EXAMPLES.keys() == {name for name in keys() if name != "schema_migrations"}


@pytest.mark.parametrize(
    ("cql", "named"),
    [
        ("SELECT * FROM market_data.trades_silver WHERE price = 1", ("market_data", "trades_silver")),
        ("select count(*)\nfrom ohlcv_1m", (None, "ohlcv_1m")),
        ('SELECT * FROM "market_data"."ohlcv_1d"', ("market_data", "ohlcv_1d")),
        ("UPDATE latest_prices SET price = 1", (None, "latest_prices")),
        ("DESCRIBE TABLES", None),
    ],
)
def test_the_table_of_a_statement(cql: str, named: tuple[str | None, str] | None) -> None:
    assert table_of(cql) == named


def test_what_lacks_the_key_is_answered_with_the_key_and_an_example() -> None:
    message = "Some partition key parts are missing: bucket"
    assert needs_key(message)
    assert not needs_key("table nothing_here does not exist")
    hint = key_hint("trades_silver", ["symbol", "bucket"], message)
    assert "(symbol and bucket)" in hint
    assert "WHERE symbol = 'AAPL' AND bucket = '" in hint
    assert "start of the UTC hour" in hint
    assert key_hint("mine", ["id"], message).startswith("a query of mine names its partition key (id)")
