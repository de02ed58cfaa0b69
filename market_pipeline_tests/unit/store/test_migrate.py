"""The migrations say what the model says, and refuse what they can't bring up to date."""

import re
from datetime import timedelta

import pytest

from market_pipeline import model
from market_pipeline.settings import Settings
from market_pipeline.store.migrate import Migration, MigrationError, all_migrations, pending
from market_pipeline.store.trades import SILVER_KEPT
from market_pipeline.writer.compiled import sources

STATEMENTS = [s for m in all_migrations() for s in m.statements(Settings.load())]


def columns_of(table: str) -> dict[str, str]:
    (create,) = (s for s in STATEMENTS if s.startswith(f"CREATE TABLE IF NOT EXISTS market_data.{table} "))
    body = create[create.index("(") + 1 : create.index("PRIMARY KEY")]
    columns = dict(re.findall(r"^\s*(\w+)\s+([\w<>]+),", body, flags=re.MULTILINE))
    added = re.compile(rf"ALTER TABLE market_data\.{table} ADD IF NOT EXISTS (\w+) ([\w<>]+)")
    return columns | dict(match.groups() for s in STATEMENTS if (match := added.fullmatch(s)))


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("trades_silver", model.TRADES_SILVER),
        ("latest_prices", model.LATEST_PRICES),
        ("ohlcv_1m", model.OHLCV_1M),
        ("ohlcv_1d", model.OHLCV_1D),
        ("symbol_daily_stats", model.SYMBOL_DAILY_STATS),
        ("feed_gaps", model.FEED_GAPS),
    ],
)
def test_tables_have_the_columns_of_the_model(table: str, columns: tuple[model.Column, ...]) -> None:
    assert columns_of(table) == {column.name: column.kind.cql for column in columns}


def test_rows_of_silver_are_kept_for_as_long_as_is_reckoned_with() -> None:
    (create,) = (s for s in STATEMENTS if s.startswith("CREATE TABLE IF NOT EXISTS market_data.trades_silver "))
    assert f"default_time_to_live = {SILVER_KEPT.total_seconds():.0f}\n" in create
    assert not any("default_time_to_live" in s for s in STATEMENTS if s.startswith("ALTER TABLE market_data.trades_s"))


def test_the_writer_reads_a_minute_of_silver_only_before_its_trades_expire() -> None:
    text = sources()["marketpipeline/CassandraTables.java"].decode()
    days = re.search(r"SILVER_KEPT = Duration\.ofDays\((\d+)\)", text)
    assert days is not None
    assert timedelta() < SILVER_KEPT - timedelta(days=int(days[1])) <= timedelta(days=1)


def test_versions_are_consecutive_and_statements_may_run_twice() -> None:
    assert [m.version for m in all_migrations()] == list(range(1, len(all_migrations()) + 1))
    assert all("IF NOT EXISTS" in s for s in STATEMENTS)


OLD, NEW = Migration(1, "one", "CREATE …;"), Migration(2, "two", "ALTER …;")


def test_only_what_is_missing_is_applied() -> None:
    assert pending([OLD, NEW], {}) == [OLD, NEW]
    assert pending([OLD, NEW], {1: OLD.checksum}) == [NEW]
    assert pending([OLD, NEW], {1: OLD.checksum, 2: NEW.checksum}) == []


def test_a_newer_schema_is_refused_with_the_cure() -> None:
    with pytest.raises(MigrationError, match="use a newer market-pipeline"):
        pending([OLD], {1: OLD.checksum, 2: NEW.checksum})


def test_a_changed_old_migration_is_refused() -> None:
    with pytest.raises(MigrationError, match="001_one differs"):
        pending([OLD, NEW], {1: "something else"})
