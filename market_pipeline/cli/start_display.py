"""How a start looks on the terminal: a bar for the download, a line for each service, the first trades, what next."""

import threading

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.status import Status
from rich.table import Table
from rich.text import Text

from market_pipeline.cli.terminal import SafeConsole
from market_pipeline.local.first_trades import Seen
from market_pipeline.local.webserver import url_with_token
from market_pipeline.settings import Settings
from market_pipeline.which import where_flags

ROWS = 6


class StartDisplay:
    """Told by ``market_pipeline.local.up.Start`` how far it is; shows it. Use it as a context."""

    def __init__(self, console: SafeConsole) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._status: Status | None = None
        self._pending: list[str] = []
        self._lock = threading.Lock()

    def __enter__(self) -> "StartDisplay":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._clear()

    def downloading(self, done: int, total: int) -> None:
        if self._bar is None:
            columns = (TextColumn("downloading the servers"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._bar = Progress(*columns, console=self._console)
            self._bar.add_task("jars", total=total)
            self._bar.start()
            if not self._console.is_terminal:
                self._console.print(f"downloading the servers, {total / 1e6:,.0f} MB")
        self._bar.update(self._bar.task_ids[0], completed=done)
        if done >= total:
            self._bar.stop()

    def starting(self, names: list[str]) -> None:
        with self._lock:
            self._pending += names
            self._show()

    def ready(self, name: str, seconds: float) -> None:
        with self._lock:
            self._pending = [each for each in self._pending if each != name]
            self._console.print(_marked("✓", "green", f"{name:<20} ready after {seconds:5.1f} s"))
            self._show()

    def trades(self, seen: Seen, seconds: float) -> None:
        self._clear()
        self._pending = []  # whatever trades go through is there
        if seen.quiet:
            self._console.print(_marked("•", "yellow", "connected; no trade yet, the market may be closed"))
            return
        self._console.print(_marked("✓", "green", f"{'first trades':<20} queryable after {seconds:5.1f} s"))
        if seen.rows:
            self._console.print(trades_table(seen))

    def _show(self) -> None:
        if not self._console.is_terminal:
            return
        text = f"waiting for {', '.join(self._pending)}" if self._pending else "waiting for the first trades"
        if self._status is None:
            self._status = self._console.status(text)
            self._status.start()
        self._status.update(text)

    def _clear(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def _marked(mark: str, colour: str, text: str) -> Text:
    return Text.assemble("  ", (mark, colour), f" {text}")


def trades_table(seen: Seen) -> Table:
    """The latest prices as a small table."""
    table = Table(box=None, padding=(0, 2))
    for heading, side in (("symbol", "left"), ("price", "right"), ("volume", "right"), ("time (UTC)", "left")):
        table.add_column(heading, justify="right" if side == "right" else "left", style="cyan")
    for row in seen.rows[:ROWS]:
        table.add_row(row.symbol, f"{row.price:f}", f"{row.volume:f}", f"{row.ts:%Y-%m-%d %H:%M:%S.%f}"[:-3])
    return table


def what_next(settings: Settings, console: SafeConsole, *, detached: bool) -> None:
    """The addresses, Dagster's with the token that signs a browser in, and what to type next."""
    flags = where_flags(settings)
    keyspace = settings.keyspace
    starting = "   (starts, which takes a minute or two: `status` tells)" if detached else ""
    page = url_with_token(settings) or settings.page_url
    dagster = f"  Dagster    {page}{starting}\n" if settings.dagster else ""
    console.print(
        f"\n{dagster}"
        f"  Kafka      {settings.bootstrap_servers}\n"
        f"  Cassandra  {settings.contact_points[0]}:{settings.cql_port}\n"
        f"  data       {settings.data_dir}\n\n"
        f"  market-pipeline status --watch{flags}\n"
        f'  market-pipeline query "SELECT * FROM {keyspace}.latest_prices"{flags}\n'
        f"  market-pipeline logs -f{flags}" + (f"\n  market-pipeline down{flags}" if detached else ""),
        soft_wrap=True,
    )
