"""What a vendor, a server or a file says does nothing to the terminal that shows it, whichever command does."""

import io
import json
import os
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.alerts.silence import Silence
from market_pipeline.alerts.silences import Silences
from market_pipeline.broker.records import Record
from market_pipeline.cli import PipelineError, broker, doctor, main, smoke_test
from market_pipeline.cli.echo import Styled, echo
from market_pipeline.cli.foreground import news
from market_pipeline.cli.query import run_statement
from market_pipeline.cli.reconcile import _as_json, _print
from market_pipeline.cli.start_display import trades_table
from market_pipeline.cli.status import screen
from market_pipeline.cli.terminal import SafeConsole, cell
from market_pipeline.escaping import UNSEEN
from market_pipeline.local.checkup import Check
from market_pipeline.local.first_trades import Seen
from market_pipeline.local.processes import ProcessStatus
from market_pipeline.local.snapshot import FeedStatus, Snapshot, StreamStatus
from market_pipeline.local.supervisor_log import History
from market_pipeline.quality.bar_sums import BarMismatch, BarSum
from market_pipeline.quality.digest import Difference
from market_pipeline.quality.latest import LatestPrice, PriceMismatch
from market_pipeline.reconcile import Report
from market_pipeline.routine.smoke_test import Hop
from market_pipeline.settings import Settings
from market_pipeline.supervision.servers import CassandraStatus, KafkaStatus

HOSTILE = "A\x1b[2J\x1b]0;t\x07\x9b31m\u202eB\u200b\u2028C\x85D\ud800[red]E[/red][/x]:dog:\U000e0041\x7f\r"
SHOWN = r"A\u001b[2J\u001b]0;t\u0007\u009b31m\u202eB\u200b\u2028C\u0085D\ud800[red]E[/red][/x]:dog:\udb40\udc41\u007f\r"


def is_inert(shown: str) -> bool:
    """Nothing in it acts, and the hostile text is there in full, for whoever has to find out what it was."""
    acting = [each for each in shown if unicodedata.category(each) in UNSEEN and each not in "\n\t"]
    return not acting and SHOWN in shown


@pytest.fixture
def printed() -> Callable[[object], str]:
    def print_on_wide_console(renderable: object) -> str:
        console = SafeConsole(width=2_000, file=io.StringIO(), color_system=None)
        console.print(renderable)
        return str(console.file.getvalue())  # type: ignore[attr-defined]

    return print_on_wide_console


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr("market_pipeline.cli.terminal.PIPED_WIDTH", 2_000)
    return lambda *arguments: CliRunner().invoke(main, arguments)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(data_dir=tmp_path / "data")


@pytest.mark.parametrize(
    "bypass",
    [
        "import click\nclick.echo('x')",
        "import click\nclick.secho('x')",
        "import click\nclick.style('x')",
        "import click\nclick.confirm('x')",
        "import click\nclick.prompt('x')",
        "import click\nclick.echo_via_pager('x')",
        "from click import echo\necho('x')",
        "print('x')",
        "import sys\nsys.stdout.write('x')",
        "import sys\nsys.stderr.write('x')",
        "from rich.console import Console\nConsole()",
        "import rich\nrich.print('x')",
        "from rich.text import Text\nText.from_markup('x')",
    ],
)
def test_a_new_command_that_prints_past_the_escaping_layer_is_refused(bypass: str) -> None:
    command = (
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--stdin-filename",
        "market_pipeline/cli/brand_new.py",
        "-",
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(command, input=bypass + "\n", capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 1
    assert "TID251" in done.stdout or "T201" in done.stdout


@pytest.mark.parametrize("parts", [(HOSTILE,), (Styled(HOSTILE, "red"), "and"), ("and", Styled(HOSTILE, None))])
@pytest.mark.parametrize("err", [False, True])
def test_a_line_is_inert(parts: tuple[str | Styled, ...], err: bool, capsys: pytest.CaptureFixture[str]) -> None:
    echo(*parts, err=err)
    captured = capsys.readouterr()
    assert is_inert(captured.err if err else captured.out)


def test_our_own_colours_are_kept() -> None:
    @click.command()
    def command() -> None:
        echo(Styled(HOSTILE, "red"))

    shown = CliRunner().invoke(command, color=True).output
    assert shown.startswith("\x1b[31mA\\u001b")
    assert shown.endswith("\x1b[0m\n")


def a_table(text: str) -> Table:
    table = Table("ours", text, title=text, caption=text)
    table.add_row(text, cell(text, "red"))
    table.add_row(Text(text), Panel(text, title=cell(text)))
    return table


@pytest.mark.parametrize("thing", [HOSTILE, a_table(HOSTILE), Tree(HOSTILE), cell(HOSTILE, whole=True)])
def test_whatever_is_drawn_is_inert(thing: object, printed: Callable[[object], str]) -> None:
    assert is_inert(printed(thing))


def test_a_text_that_was_made_without_our_functions_is_inert_too(printed: Callable[[object], str]) -> None:
    shown = printed(Text(HOSTILE))
    assert "[2J" in shown
    assert not [each for each in shown if unicodedata.category(each) in UNSEEN and each != "\n"]


def test_cells_are_as_wide_as_what_is_shown(printed: Callable[[object], str]) -> None:
    table = Table("symbol", "price")
    table.add_row(HOSTILE, "1.5")
    table.add_row("AAPL", "2.5")
    shown = printed(table)
    assert len({len(line) for line in shown.splitlines()}) == 1


def test_a_line_that_renews_itself_is_no_markup() -> None:
    console = SafeConsole(width=2_000, file=io.StringIO(), force_terminal=True, color_system=None)
    with console.status(HOSTILE) as status:
        status.update(HOSTILE)
        with_spinner = "".join(each.text for each in console.render(status.renderable) if not each.control)
    assert SHOWN in with_spinner
    assert "\u202e" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_screen_that_renews_itself_is_inert() -> None:
    console = SafeConsole(width=2_000, file=io.StringIO(), force_terminal=True, color_system=None)
    with Live(a_table(HOSTILE), console=console, auto_refresh=False) as live:
        live.update(a_table(HOSTILE), refresh=True)
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert SHOWN in drawn
    assert not {"\u202e", "\x9b", "\x07", "\u2028"} & set(drawn)
    assert "\x1b[2J" not in drawn
    assert "\x1b]" not in drawn


def test_logs(run: Callable[..., Result], settings: Settings) -> None:
    log = settings.paths.log("producer")
    log.parent.mkdir(parents=True)
    log.write_bytes(f"2026-11-29T10:00:00.000Z INFO x: {HOSTILE}\n".encode("utf-8", "surrogatepass"))
    shown = run("logs").output
    (line,) = shown.splitlines()
    assert line.startswith("producer")
    assert "A\\u001b[2J" in line
    assert "\\u2028C\\u0085D" in line


def test_incidents(run: Callable[..., Result], settings: Settings) -> None:
    signal = Signal("program-down", HOSTILE, Verdict.FAULT, HOSTILE, evidence={HOSTILE: HOSTILE, "n": [HOSTILE]})
    now = time.time()
    Ledger(settings.paths.incidents).judge([signal], RULES, now - 60)
    Ledger(settings.paths.incidents).judge([signal], RULES, now)
    unknown = Signal("kafka-down", "kafka", Verdict.UNKNOWN, HOSTILE)
    Ledger(settings.paths.incidents).judge([signal, unknown], RULES, now)
    Silences(settings.paths.incidents).keep(Silence("x", HOSTILE, HOSTILE, HOSTILE, now, now + 60))
    listed = run("incidents", "list")
    assert is_inert(listed.output)
    assert "kafka-down can't be told: A\\u001b" in listed.output
    for command in ("show", "report", "run", "ack", "ack", "resolve", "resolve"):
        shown = run("incidents", command, "program-down").output
        assert shown
        assert "Traceback" not in shown
        assert not set(shown) & set(HOSTILE) - set(SHOWN), command
    assert is_inert(run("incidents", "list", "--all").output)
    assert is_inert(run("incidents", "silences").output)
    told = json.loads(run("incidents", "show", "program-down", "--json").output)
    assert told["subject"] == HOSTILE


@pytest.mark.parametrize(
    "command", [("incidents", "show", HOSTILE), ("logs", HOSTILE), (HOSTILE,), ("up", f"--{HOSTILE}")]
)
def test_errors(run: Callable[..., Result], command: tuple[str, ...], settings: Settings) -> None:
    Ledger(settings.paths.incidents)
    done = run(*command)
    assert done.exit_code != 0
    assert done.output.count("\n") == 1
    assert not set(done.output) & set(HOSTILE) - set(SHOWN + "\n")
    PipelineError(HOSTILE).show()


def test_status(printed: Callable[[object], str]) -> None:
    now = datetime(2026, 11, 29, tzinfo=UTC)
    snapshot = Snapshot(
        at=now.timestamp(),
        data_dir=HOSTILE,
        supervisor=None,
        processes={HOSTILE: ProcessStatus(1, HOSTILE, None, 8, HOSTILE, None, None)},
        feed=FeedStatus(HOSTILE, False, last_disconnect={"reason": HOSTILE}, kafka_error=HOSTILE, left_out=(HOSTILE,)),
        kafka=KafkaStatus(live=False, fault=HOSTILE),
        stream=StreamStatus(phase=HOSTILE, mode=HOSTILE),
        cassandra=CassandraStatus(live=True, version=HOSTILE),
    )
    shown = printed(screen(snapshot, Settings.load()))
    assert is_inert(shown)
    assert shown.count(SHOWN.lower()) + shown.count(SHOWN) >= 9


def test_first_trades_and_news(printed: Callable[[object], str]) -> None:
    price: Any = SimpleNamespace(
        symbol=HOSTILE, price=Decimal(1), volume=Decimal(2), ts=datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert is_inert(printed(trades_table(Seen([price]))))
    assert is_inert(printed(news({}, {"stream": History(1, HOSTILE)}, {})[0]))


@pytest.mark.parametrize("as_json", [False, True])
def test_query(as_json: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("market_pipeline.cli.terminal.PIPED_WIDTH", 2_000)

    class Rows:
        column_names = (HOSTILE,)

        def __iter__(self) -> Any:
            return iter([(HOSTILE,), ([HOSTILE],)])

    session: Any = SimpleNamespace(execute=lambda cql: Rows())
    run_statement(session, "SELECT x FROM t", as_json=as_json, limit=5)
    shown = capsys.readouterr().out
    assert is_inert(shown)
    if as_json:
        assert json.loads(shown) == [{HOSTILE: HOSTILE}, {HOSTILE: [HOSTILE]}]


def test_topics_read(capsys: pytest.CaptureFixture[str]) -> None:
    text = HOSTILE.replace("\ud800", "")
    record = Record(0, 1, 1_800_000_000_000, text.encode(), text.encode(), ((text, text.encode()),))
    echo(broker._as_json(record))
    shown = capsys.readouterr().out
    assert not [each for each in shown if unicodedata.category(each) in UNSEEN and each != "\n"]
    assert json.loads(shown)["headers"] == {text: text}


def test_reconcile(capsys: pytest.CaptureFixture[str]) -> None:
    bar = BarSum(1, Decimal(1))
    report = Report(
        day=date(2026, 11, 29),
        counts={HOSTILE: 1},
        differences=[Difference(HOSTILE, (HOSTILE,), (HOSTILE,), (HOSTILE,))],
        bars=[BarMismatch(HOSTILE, 0, bar, None)],
        prices=[PriceMismatch(HOSTILE, None, LatestPrice(0, HOSTILE, Decimal(1), Decimal(1)))],
    )
    _print(report)
    assert is_inert(capsys.readouterr().out)
    echo(_as_json(report))
    assert json.loads(capsys.readouterr().out)["bars"][0]["symbol"] == HOSTILE


def test_doctor_and_smoke_test(capsys: pytest.CaptureFixture[str]) -> None:
    doctor._show(Check(HOSTILE, "failed", HOSTILE, HOSTILE))
    assert is_inert(capsys.readouterr().out)
    smoke_test._show(Hop(HOSTILE, False, None, HOSTILE))
    assert is_inert(capsys.readouterr().out)


def test_an_output_that_lacks_a_sign_gets_an_escape_and_no_stack() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "market_pipeline.cli", "--help"],
        env=os.environ | {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Finnhub \\u2192 Kafka" in done.stdout
