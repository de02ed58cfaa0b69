"""Measures the pipeline on this machine, beside what one would write instead: real Kafka, Cassandra and Spark."""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from market_pipeline_tests.bench import catch_up, daily, feed, growth, latency, machine, pipeline, reconciling
from market_pipeline_tests.bench.arms import ARMS, OTHER_PYTHON
from market_pipeline_tests.bench.servers import Servers, running_servers, say

ROOT = Path(__file__).resolve().parents[2]
Section = Callable[[], dict[str, Any]]


def sections(options: argparse.Namespace, folder: Path, servers: Callable[[], Servers]) -> dict[str, Section]:
    """What can be measured, in the order in which it is."""
    rounds, seconds = options.rounds, options.seconds
    steady_s, high_s = options.steady, options.high

    def reconcile() -> dict[str, Any]:
        on = servers()
        return vars(reconciling.measure(on.settings, on.session, options.reconcile, folder / "reconcile"))

    return {
        "cost": lambda: pipeline.cost(folder, steady_after_s=steady_s, weighed_s=min(60.0, steady_s)),
        "high": lambda: pipeline.high(folder, for_s=high_s, settles_s=min(60.0, high_s)),
        "starts": lambda: pipeline.starts(folder),
        "latency": lambda: latency.measure(
            servers(), ARMS, rounds=rounds, seconds=seconds, warm_up_s=options.warm_up
        ),
        "catch_up": lambda: catch_up.measure(servers(), ARMS, rounds=rounds, rows=options.rows),
        "feed": lambda: feed.measure(servers(), rounds=rounds, trades=options.rows),
        "reconcile": reconcile,
        "daily": lambda: daily.measure(folder / "daily", days=options.days, trades=options.rows),
        "growth": lambda: growth.measure(servers(), trades=options.rows // 4, rows=options.rows // 4),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", help="sections, with commas between them; figures of the others stay as they are")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement of latency")
    parser.add_argument(
        "--warm-up", type=float, default=60, help="seconds at 1,000 trades/s before latency is measured"
    )
    parser.add_argument("--steady", type=float, default=300, help="seconds at 1,000 trades/s before cost is measured")
    parser.add_argument("--high", type=float, default=600, help="seconds at 5,000 trades/s")
    parser.add_argument("--rows", type=int, default=1_000_000, help="to catch up on, of the feed, and of a day")
    parser.add_argument("--reconcile", type=int, default=500_000, help="trades to reconcile")
    parser.add_argument("--days", type=int, default=30, help="to make bars of")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench", help="folder of the report")
    options = parser.parse_args()
    file = options.out / "figures.json"
    figures: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="market-pipeline-bench-") as scratch:
        wanted = options.only.split(",") if options.only else None
        _measure_all(options, Path(scratch), wanted, figures, file)
    _report(file, options.out)


def _measure_all(
    options: argparse.Namespace, folder: Path, wanted: Sequence[str] | None, figures: dict[str, Any], file: Path
) -> None:
    with ExitStack() as stack:
        started: list[Servers] = []

        def servers() -> Servers:
            if not started:
                started.append(stack.enter_context(running_servers(folder / "servers")))
            return started[0]

        every = sections(options, folder, servers)
        if unknown := set(wanted or ()) - every.keys():
            raise SystemExit(f"no section is called {', '.join(sorted(unknown))}: there are {', '.join(every)}")
        for name, measure in every.items():
            if wanted is None or name in wanted:
                say(f"── {name}")
                before, began = machine.load(), time.time()
                figures[name] = measure() | {"at": began, "seconds_taken": time.time() - began, "load_before": before}
                figures["machine"] = machine.description()
                # what was measured before something broke is kept
                file.write_text(json.dumps(figures, indent=1) + "\n")


def _report(file: Path, out: Path) -> None:
    module = ["-m", "market_pipeline_tests.bench.report"]
    subprocess.run([OTHER_PYTHON, *module, file.resolve(), out.resolve()], cwd=ROOT, check=True)
    say(f"the report is {out / 'README.md'} and {out / 'index.html'}")


if __name__ == "__main__":
    main()
