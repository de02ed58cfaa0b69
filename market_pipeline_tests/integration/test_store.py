"""The schema, reads of a day and the CQL commands on a real Cassandra."""

import json
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from click.testing import CliRunner, Result

from market_pipeline.cli import main
from market_pipeline.quality.ledger import BarSum
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import StoreUnreachableError, connect, wait_for_cql
from market_pipeline.store.migrate import all_migrations, migrate
from market_pipeline.store.trades import bars_day, epoch_ms, silver_day

pytestmark = pytest.mark.real_servers

DAY = date(2020, 2, 29)
TRADE_AT = datetime(2020, 2, 29, 23, 59, 59, 999000, tzinfo=UTC)


def run(settings: Settings, *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=dict(settings.environment()))


@pytest.fixture
def symbol(servers: Settings) -> str:
    """A symbol with one trade and one bar in the last minute of a leap day."""
    name = f"TEST:{uuid.uuid4().hex[:8]}"
    hour, minute = TRADE_AT.replace(minute=0, second=0, microsecond=0), TRADE_AT.replace(second=0, microsecond=0)
    with connect(servers) as session:
        insert = session.prepare(  # the driver writes a decimal into the text of an unprepared statement as a float
            "INSERT INTO market_data.trades_silver (symbol, bucket, ts, trade_id, price, volume, conditions) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        session.execute(
            insert,
            (name, hour, TRADE_AT, "0000000000000001-00000", Decimal("39432.480"), Decimal("1E-7"), ["1", "12"]),
        )
        session.execute(
            "INSERT INTO market_data.latest_prices (symbol, ts, price) VALUES (%s, %s, %s)",
            (name, TRADE_AT, Decimal(1)),
        )
        session.execute(
            "INSERT INTO market_data.ohlcv_1m (symbol, day, ts, volume, trades) VALUES (%s, %s, %s, %s, %s)",
            (name, DAY, minute, Decimal("1E-7"), 1),
        )
    return name


def test_migrating_again_changes_nothing(servers: Settings) -> None:
    assert migrate(servers) == []
    with connect(servers) as session:
        done = {row.version for row in session.execute("SELECT version FROM market_data.schema_migrations")}
    assert done == {m.version for m in all_migrations()}


def test_a_day_is_read_up_to_its_last_millisecond_and_exactly(servers: Settings, symbol: str) -> None:
    with connect(servers) as session:
        (trade,) = [s for s in silver_day(session, servers, DAY) if s.symbol == symbol]
        bars = {key: bar for key, bar in bars_day(session, servers, DAY).items() if key[0] == symbol}
    assert trade.ts == epoch_ms(TRADE_AT.replace(tzinfo=None))
    assert str(trade.price) == "39432.480"
    assert trade.volume == Decimal("1E-7")
    assert bars == {(symbol, trade.minute): BarSum(1, Decimal("1E-7"))}


def test_query_prints_exact_json(servers: Settings, symbol: str) -> None:
    cql = (
        f"SELECT symbol, bucket, ts, price, volume, conditions FROM market_data.trades_silver WHERE symbol = '{symbol}'"
    )
    answer = run(servers, "query", f"{cql} ALLOW FILTERING;", "--json")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout, parse_float=Decimal) == [
        {
            "symbol": symbol,
            "bucket": "2020-02-29T23:00:00.000Z",
            "ts": "2020-02-29T23:59:59.999Z",
            "price": Decimal("39432.480"),
            "volume": Decimal("0.0000001"),
            "conditions": ["1", "12"],
        }
    ]
    assert '"price":39432.480,"volume":0.0000001' in answer.stdout


def test_query_prints_a_table_and_says_when_there_is_more(servers: Settings, symbol: str) -> None:
    answer = run(servers, "query", "SELECT symbol FROM market_data.latest_prices", "--limit", "1")
    assert answer.exit_code == 0
    assert "symbol" in answer.stdout
    one = run(
        servers,
        "cqlsh",
        "-e",
        f"SELECT day, trades FROM market_data.ohlcv_1m WHERE symbol = '{symbol}' AND day = '{DAY}';",
    )
    assert "2020-02-29" in one.stdout
    assert "(1 row)" in one.stdout


@pytest.mark.parametrize(
    ("cql", "said"),
    [
        ("SELECT * FROM market_data.nothing_here", "table nothing_here does not exist"),
        ("SELEC 1", "no viable alternative"),
        ("SELECT * FROM market_data.trades_silver WHERE price = 1", "ALLOW FILTERING"),
    ],
)
def test_a_wrong_statement_is_one_line(servers: Settings, cql: str, said: str) -> None:
    answer = run(servers, "query", cql)
    assert answer.exit_code == 1
    assert said in answer.stderr
    assert answer.stderr.startswith("error: ")
    assert answer.stderr.count("\n") == 1


def test_no_cassandra_is_one_line_with_the_cure(free_port: int) -> None:
    absent = Settings.load(cassandra_contact_points="127.0.0.1", cassandra_port=free_port)
    with pytest.raises(StoreUnreachableError, match="check CASSANDRA_CONTACT_POINTS"):
        wait_for_cql(absent, 0.1)
    answer = CliRunner().invoke(main, ["query", "SELECT 1"], env=dict(absent.environment()))
    assert answer.exit_code == 1
    assert answer.stderr.startswith("error: Cassandra does not answer at 127.0.0.1:")


def test_nodetool_reads_the_embedded_node(servers: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    answer = run(servers, "nodetool", "status")
    assert answer.exit_code == 0, answer.output
    assert "UN  127.0.0.1" in capfd.readouterr().out
