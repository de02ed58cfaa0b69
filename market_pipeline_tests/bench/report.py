"""Figures into a report: Markdown, HTML and charts.

    python -m market_pipeline_tests.bench.report FIGURES FOLDER

It runs in the bench's own environment, which has Matplotlib.
"""

import html
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from market_pipeline_tests.bench.figures import SHARES, median, spread

STREAM, REFERENCE = ("real-time", "micro-batch"), "real-time"
OURS_COLOUR, OTHER_COLOUR = "#4f43dd", "#9ca3af"
Figures = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A heading, what was done, a table of it, and a chart's file."""

    title: str
    about: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    chart: str = ""


def ms(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def ratio(value: float, base: float) -> str:
    return f"{value / base:,.2f}×" if base else ""


def latency(figures: Figures) -> list[Part]:
    """Received → queryable, and the freshness of bars."""
    parts = []
    for table, title in (("trades_silver", "Received → queryable"), ("ohlcv_1m", "Received → in its bar")):
        chosen = [row for row in figures["rows"] if row["table"] == table]
        base = {row["rate"]: _percentile(row, "p50") for row in chosen if row["arm"] == REFERENCE}
        rows = [
            [
                row["arm"],
                f"{row['rate']:,}",
                *(ms(_percentile(row, share)) for share in SHARES),
                f"{sum(each['count'] for each in row['rounds']):,.0f}",
                ratio(_percentile(row, "p50"), base.get(row["rate"], 0)),
                f"±{spread([each['p50'] for each in row['rounds']]):.0%}",
            ]
            for row in sorted(chosen, key=lambda row: row["rate"])
        ]
        rounds = max((len(row["rounds"]) for row in chosen), default=0)
        about = (
            "Milliseconds, as a reader sees them: a trade is taken off Kafka and looked for until it is there. Medians "
            f"of {rounds} rounds of {figures['seconds']:.0f} s, for max the largest of all; each way had "
            f"{figures['warm_up_s']:.0f} s at 1,000 trades/s before. Ratio and spread are of p50."
        )
        head = ["", "trades/s", *SHARES, "probes", "ratio", "spread"]
        parts.append(Part(title, about, head, rows, f"{table}.svg"))
    return parts


def _percentile(row: Figures, share: str) -> float:
    values = [each[share] for each in row["rounds"] if each["count"]]
    return max(values, default=0.0) if share == "max" else median(values)


def catch_up(figures: Figures) -> list[Part]:
    base = median(figures["rates"].get(REFERENCE, []))
    rows = [
        [name, f"{median(rates):,.0f}", ratio(median(rates), base), f"±{spread(rates):.0%}"]
        for name, rates in figures["rates"].items()
    ]
    about = (
        f"Rows a second that became queryable, of {figures['rows']:,} of {figures['symbols']} symbols, from the first "
        "on: the start is left out. The stream writes three tables, the others two. Medians of "
        f"{max(len(rates) for rates in figures['rates'].values())} rounds."
    )
    return [Part("Catch-up", about, ["", "rows/s", "ratio", "spread"], rows, "catch_up.svg")]


def cost(figures: Figures) -> list[Part]:
    columns = {"first minute": "first_minute", "sixth minute": "steady", "idle": "idle"}
    names = list(dict.fromkeys(name for key in columns.values() for name in figures[key]))
    rows = []
    for name in names:
        cells = [_weight(figures[key].get(name)) for key in columns.values()]
        steady = figures["steady"].get(name)
        per_million = f"{steady['cores'] / figures['rate'] * 1e6:,.0f}" if steady else ""
        rows.append([name, *(cell for pair in cells for cell in pair), per_million])
    sums = [
        {each: sum(one[each] for one in figures[key].values()) for each in ("cores", "mib")} for key in columns.values()
    ]
    total = f"{sums[1]['cores'] / figures['rate'] * 1e6:,.0f}"
    rows.append(["**together**", *(cell for pair in map(_weight, sums) for cell in pair), total])
    head = ["", *(f"{name}: {what}" for name in columns for what in ("cores", "MiB")), "CPU s per million trades"]
    queryable, bar = figures["queryable_ms"], figures["bar_ms"]
    about = (
        f"The whole pipeline as `make run` starts it, at {figures['rate']:,} trades/s. In the seventh minute a trade "
        f"was queryable after p50 {ms(queryable['p50'])} ms, p99 {ms(queryable['p99'])} ms, and in its bar after p50 "
        f"{ms(bar['p50'])} ms, p99 {ms(bar['p99'])} ms."
    )
    return [Part("Cost", about, head, rows, "cost.svg")]


def _weight(weight: Figures | None) -> tuple[str, str]:
    return (f"{weight['cores']:.2f}", f"{weight['mib']:,.0f}") if weight else ("", "")


def high(figures: Figures) -> list[Part]:
    cores = sum(weight["cores"] for weight in figures["weights"].values())
    waiting = figures["waiting_s"]
    ages = [f"{waiting[share]:.2f}" for share in ("p50", "p99", "max")]
    above = f"{figures['above_one_second']:.1%}"
    rows = [[f"{figures['rate']:,}", f"{figures['seconds']:.0f}", *ages, above, f"{cores:.2f}"]]
    about = "How old the oldest trade is that is not queryable yet, asked each second, on the whole pipeline."
    head = ["trades/s", "seconds", "p50 s", "p99 s", "max s", "above 1 s", "cores"]
    return [Part("A high rate", about, head, rows)]


def starts(figures: Figures) -> list[Part]:
    recovered = figures["recovered"]
    again = [median([each[name] for each in recovered]) for name in ("queryable_s", "no_lag_s")]
    rows = [
        ["`make run`, a new data dir → first trade", f"{figures['first_s']:.1f}", "1"],
        ["`make run` again → first trade", f"{median(figures['warm_s']):.1f}", str(len(figures["warm_s"]))],
        ["SIGKILL of the stream → a later trade", f"{again[0]:.1f}", str(len(recovered))],
        ["from then until less than a second of trades waits", f"{again[1]:.1f}", str(len(recovered))],
    ]
    about = f"Seconds, medians, at {figures['rate']:,} trades/s; the jars and the class archives are there."
    return [Part("Starts and recovery", about, ["", "seconds", "times"], rows)]


def feed(figures: Figures) -> list[Part]:
    names = list(figures["rates"])
    base = median(figures["rates"][names[0]])
    rows = [
        [name, f"{median(r):,.0f}", ratio(median(r), base), f"±{spread(r):.0%}"] for name, r in figures["rates"].items()
    ]
    about = f"{figures['trades']:,} trades as fast as the feed sends them, from the first that Kafka has to the last."
    return [Part("Socket → Kafka", about, ["", "trades/s", "ratio", "spread"], rows)]


def reconcile(figures: Figures) -> list[Part]:
    rows = [[f"{figures['trades']:,}", f"{figures['seconds']:.1f}", f"{figures['trades'] / figures['seconds']:,.0f}",
             f"{figures['cpu_s'] / figures['trades'] * 1e6:.0f}"]]  # fmt: skip
    about = (
        "`market-pipeline reconcile` of a day that is equal on every hop: journal, Kafka, bronze, silver, bars, prices."
    )
    return [Part("Reconcile", about, ["trades", "seconds", "trades/s", "µs of CPU a trade"], rows)]


def daily(figures: Figures) -> list[Part]:
    base = median(next(iter(figures["seconds"].values()))[1:])
    rows = [
        [
            name,
            f"{seconds[0]:.1f}",
            f"{median(seconds[1:]):.2f}",
            ratio(median(seconds[1:]), base),
            f"{sum(seconds):.0f}",
        ]
        for name, seconds in figures["seconds"].items()
    ]
    about = (
        f"Daily bars of {figures['symbols']} symbols from bronze, {figures['days']} days of {figures['trades']:,} "
        "trades; all ways parse the same JSON in Parquet and drop trades that came twice."
    )
    head = ["", "first day s", "other days s", "ratio", "all days s"]
    return [Part("Daily bars", about, head, rows)]


def growth(figures: Figures) -> list[Part]:
    rows = []
    for name, by_times in figures["figures"].items():
        values = {int(times): value for times, value in by_times.items()}
        rows.append(
            [
                name,
                *(f"{value:,.1f}" for value in values.values()),
                *(ratio(v, values[1]) for v in list(values.values())[1:]),
            ]
        )
    about = f"At 1× {figures['trades']:,} trades a day, {figures['rows']:,} rows to catch up on of 20 symbols, one day."
    return [Part("Growth", about, ["", "1×", "4×", "16×", "4× : 1×", "16× : 1×"], rows)]


SECTIONS = {
    "cost": cost, "high": high, "latency": latency, "catch_up": catch_up, "starts": starts, "feed": feed,
    "reconcile": reconcile, "daily": daily, "growth": growth,
}  # fmt: skip


def markdown(parts: Sequence[Part], heading: str, machine: str) -> str:
    lines = [f"# {heading}", "", machine]
    for part in parts:
        lines += ["", f"## {part.title}", "", part.about, ""]
        if part.chart:
            lines += [f"![{part.title}]({part.chart})", ""]
        lines += [_row(part.head), "|---|" + "--:|" * (len(part.head) - 1), *map(_row, part.rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2937; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .25rem .75rem; border-bottom: 1px solid #e5e7eb }
th, td:not(:first-child) { text-align: right; font-variant-numeric: tabular-nums } th:first-child { text-align: left }
img { max-width: 100% } h2 { margin-top: 2.5rem }
"""


def page(parts: Sequence[Part], heading: str, machine: str) -> str:
    title = html.escape(heading)
    out = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>',
        f"<h1>{title}</h1><p>{html.escape(machine)}</p>",
    ]
    for part in parts:
        out.append(f"<h2>{html.escape(part.title)}</h2><p>{_text(part.about)}</p>")
        if part.chart:
            out.append(f'<img src="{part.chart}" alt="{html.escape(part.title)}">')
        head = "".join(f"<th>{_text(cell)}</th>" for cell in part.head)
        rows = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in part.rows)
        out.append(f"<table><tr>{head}</tr>{rows}</table>")
    return "\n".join([*out, "</html>"]) + "\n"


def _text(markdown_text: str) -> str:
    return html.escape(markdown_text.replace("`", "").replace("**", ""))


def draw(figures: Figures, folder: Path) -> None:
    """The charts that ``Part.chart`` names."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {
        "svg.hashsalt": "bench",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    if "latency" in figures:
        for table in ("trades_silver", "ohlcv_1m"):
            _latency_chart(
                [row for row in figures["latency"]["rows"] if row["table"] == table], folder / f"{table}.svg"
            )
    if "catch_up" in figures:
        rates = {name: median(values) for name, values in figures["catch_up"]["rates"].items()}
        _bars(rates, "rows/s", folder / "catch_up.svg")
    if "cost" in figures:
        _bars(
            {name: weight["cores"] for name, weight in figures["cost"]["steady"].items()}, "cores", folder / "cost.svg"
        )


def _latency_chart(rows: Sequence[Figures], file: Path) -> None:
    import matplotlib.pyplot as plt

    chart, axes = plt.subplots(figsize=(7.5, 3.6))
    for arm in dict.fromkeys(row["arm"] for row in rows):
        mine = sorted((row for row in rows if row["arm"] == arm), key=lambda row: row["rate"])
        rates = [row["rate"] for row in mine]
        middle = [_percentile(row, "p50") for row in mine]
        (line,) = axes.plot(rates, middle, marker="o", linewidth=2.5 if arm in STREAM else 1.2, label=arm)
        axes.fill_between(rates, middle, [_percentile(row, "p99") for row in mine], alpha=0.08, color=line.get_color())
    axes.set(xscale="log", yscale="log", xlabel="trades/s", ylabel="ms, p50 to p99")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    _save(chart, file)


def _bars(values: dict[str, float], label: str, file: Path) -> None:
    import matplotlib.pyplot as plt

    chart, axes = plt.subplots(figsize=(7.5, 0.4 + 0.36 * len(values)))
    names = list(values)[::-1]
    colours = [OURS_COLOUR if name in (*STREAM, "stream") else OTHER_COLOUR for name in names]
    drawn = axes.barh(names, [values[name] for name in names], color=colours)
    axes.bar_label(
        drawn, [f"{values[name]:,.2f}" if values[name] < 10 else f"{values[name]:,.0f}" for name in names], padding=3
    )
    axes.set(xlabel=label)
    _save(chart, file)


def _save(chart: Any, file: Path) -> None:
    import matplotlib.pyplot as plt

    chart.savefig(file, bbox_inches="tight", metadata={"Date": None})
    plt.close(chart)


def main(file: str, out: str) -> int:
    figures, folder = json.loads(Path(file).read_text()), Path(out)
    parts = [part for name, of in SECTIONS.items() if name in figures for part in of(figures[name])]
    measured = [figures[name] for name in SECTIONS if name in figures]
    when = datetime.fromtimestamp(max(each["at"] for each in measured), UTC)
    load = max(each["load_before"] for each in measured)
    known = "; ".join(f"{name} {value}" for name, value in figures["machine"].items())
    machine = f"Measured on {when:%Y-%m-%d} by `make bench`: {known}. Load before each section at most {load:.1f}."
    heading = "What the pipeline does on this machine"
    draw(figures, folder)
    (folder / "README.md").write_text(markdown(parts, heading, machine), encoding="utf-8")
    (folder / "index.html").write_text(page(parts, heading, machine.replace("`", "")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
