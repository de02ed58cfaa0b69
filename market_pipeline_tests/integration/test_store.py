"""The schema, reads of a day and the CQL commands on a real Cassandra."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from market_pipeline.cli import main
from market_pipeline.quality.bar_sums import BarSum
from market_pipeline.settings import Settings
from market_pipeline.store.cluster import StoreUnreachableError, connect, wait_for_cql
from market_pipeline.store.migrate import all_migrations, migrate
from market_pipeline.store.trades import bars_day, epoch_ms, silver_batches

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
        (trade,) = [row for batch in silver_batches(session, servers, DAY, [symbol]) for row in batch.to_pylist()]
        bars = {key: bar for key, bar in bars_day(session, servers, DAY).items() if key[0] == symbol}
    assert trade["ts"] == epoch_ms(TRADE_AT.replace(tzinfo=None))
    assert (trade["price"], trade["volume"]) == (Decimal("39432.48"), Decimal("1E-7"))
    assert bars == {(symbol, trade["ts"] - trade["ts"] % 60_000): BarSum(1, Decimal("1E-7"))}


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
    answer = run(servers, "query", "SELECT symbol FROM latest_prices", "--limit", "1")
    assert answer.exit_code == 0
    assert "symbol" in answer.stdout


def test_every_query_of_the_tables_page_runs_as_it_stands(servers: Settings) -> None:
    page = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")
    queries = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    assert len(queries) >= 10
    for cql in queries:
        answer = run(servers, "query", cql)
        assert answer.exit_code == 0, f"{cql}\n{answer.output}"


CQLSH = f"""\
CONSISTENCY LOCAL_ONE;
TRACING ON;
SELECT day, trades FROM ohlcv_1m WHERE symbol = '{{symbol}}' AND day = '{DAY}';
TRACING OFF;
EXPAND ON;
SELECT ts, volume FROM ohlcv_1m WHERE symbol = '{{symbol}}' AND day = '{DAY}';
SOURCE '{{more}}';
"""


def test_cqlsh_is_the_real_one(
    servers: Settings, symbol: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script, more, rows = tmp_path / "script.cql", tmp_path / "more.cql", tmp_path / "rows.csv"
    more.write_text(f"COPY latest_prices (symbol, price) TO '{rows}' WITH HEADER = TRUE;\nDESCRIBE TABLE ohlcv_1m;\n")
    script.write_text(CQLSH.format(symbol=symbol, more=more))
    answer = run(servers, "cqlsh", "-f", str(script))
    shown = capfd.readouterr()
    assert answer.exit_code == 0, shown
    for expected in (
        "Consistency level set to LOCAL_ONE.",
        "Tracing session:",
        str(DAY),
        "@ Row 1",
        "CREATE TABLE market_data.ohlcv_1m",
    ):
        assert expected in shown.out
    assert f"{symbol},1.0" in rows.read_text().splitlines()


def test_cqlsh_starts_in_the_keyspace_and_hands_on_its_exit_code(
    servers: Settings, symbol: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(servers, "cqlsh", "-e", f"SELECT price FROM latest_prices WHERE symbol = '{symbol}'").exit_code == 0
    assert "(1 rows)" in capfd.readouterr().out
    assert run(servers, "cqlsh", "-e", "SELECT * FROM nothing_here").exit_code == 2


def test_cqlsh_has_a_prompt_with_completion(servers: Settings) -> None:
    leader, follower = pty.openpty()
    variables = os.environ | dict(servers.environment()) | {"TERM": "xterm"}
    command = [sys.executable, "-m", "market_pipeline.cli", "cqlsh"]
    shell = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=variables)
    os.close(follower)
    try:
        read_until(leader, b"cqlsh:market_data>")
        os.write(leader, b"SELECT * FROM latest_p\t")
        read_until(leader, b"latest_prices")
        os.write(leader, b" LIMIT 1;\n")
        read_until(leader, b"rows)")
        os.write(leader, b"exit\n")
        assert shell.wait(30) == 0
    finally:
        shell.kill()
        os.close(leader)


def read_until(descriptor: int, text: bytes, *, within_s: float = 60) -> bytes:
    """What a program writes up to ``text``."""
    found, deadline = b"", time.monotonic() + within_s
    while text not in found:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"{text!r} did not come; what came is {found!r}"
        found += os.read(descriptor, 65536)
    return found


@pytest.mark.parametrize(
    ("cql", "said"),
    [
        ("SELECT * FROM market_data.nothing_here", "table nothing_here does not exist"),
        ("SELEC 1", "no viable alternative"),
        ("SELECT * FROM market_data.trades_silver WHERE price = 1", "partition key (symbol and bucket) before"),
        ("SELECT * FROM trades_silver WHERE symbol = 'AAPL'", "WHERE symbol = 'AAPL' AND bucket = '"),
        ("SELECT * FROM ohlcv_1m WHERE day = '2026-11-24'", "partition key (symbol and day)"),
    ],
)
def test_a_wrong_statement_is_one_line(servers: Settings, cql: str, said: str) -> None:
    answer = run(servers, "query", cql)
    assert answer.exit_code == 1
    assert said in answer.stderr
    assert answer.stderr.startswith("error: ")
    assert answer.stderr.count("\n") == 1


def test_no_cassandra_is_one_line_with_the_cure(refusing_port: int) -> None:
    absent = Settings.load(cassandra_contact_points="127.0.0.1", cassandra_port=refusing_port)
    with pytest.raises(StoreUnreachableError, match="check CASSANDRA_CONTACT_POINTS"):
        wait_for_cql(absent, 0.1)
    answer = CliRunner().invoke(main, ["query", "SELECT 1"], env=dict(absent.environment()))
    assert answer.exit_code == 1
    assert answer.stderr.startswith("error: Cassandra does not answer at 127.0.0.1:")


def test_nodetool_reads_the_embedded_node(servers: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    answer = run(servers, "nodetool", "status")
    assert answer.exit_code == 0, answer.output
    assert "UN  127.0.0.1" in capfd.readouterr().out
