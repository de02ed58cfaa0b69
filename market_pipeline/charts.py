"""Small charts as SVG text, for Dagster's pages and for messages: no library, a few kilobytes each."""

import base64
from collections.abc import Sequence

from market_pipeline.escaping import for_markdown, for_xml

WIDTH, HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 30, 24
INK, FAINT, PAPER, ACCENT = "#1f2937", "#e5e7eb", "#ffffff", "#4f43dd"
MAX_POINTS = 320
MAX_LABELS = 7
_BLOCKS = "▁▂▃▄▅▆▇█"
WIDEST_BAR = 48.0


def bar_chart(title: str, labels: Sequence[str], values: Sequence[float], *, slots: bool = False) -> str:
    """One bar a value, from zero. Labels are spread over the width, or one stands under each bar (``slots``)."""
    top = max([*values, 0.0])
    summary = f"{len(values)} values, highest {_short(top)}"
    return _framed(title, _slot_labels(labels) if slots else _spread(labels), 0.0, top, _bars(values, top), summary)


def line_chart(title: str, labels: Sequence[str], values: Sequence[float | None]) -> str:
    """One line over equally spaced points; None is a hole in it. Long series are thinned to their last of each step."""
    step = -(-len(values) // MAX_POINTS) or 1
    kept = [
        next((v for v in reversed(values[i : i + step]) if v is not None), None) for i in range(0, len(values), step)
    ]
    known = [value for value in kept if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    summary = f"from {_short(low)} to {_short(high)}"
    return _framed(title, _spread(labels), low, high, _line(kept, low, high), summary)


def sparkline(values: Sequence[float], points: int = 30) -> str:
    """A line of blocks, the lowest value the lowest block: a chart where only text can be sent. Thinned to the highest
    of each step."""
    if not values:
        return ""
    step = -(-len(values) // points)
    kept = [max(values[i : i + step]) for i in range(0, len(values), step)]
    low, high = min(kept), max(kept)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[round((value - low) * scale)] for value in kept)


def as_markdown(svg: str, text: str) -> str:
    """The chart as a markdown image that needs no server; ``text`` is what a reader without images gets."""
    encoded = base64.b64encode(svg.encode()).decode()
    return f"![{for_markdown(text)}](data:image/svg+xml;base64,{encoded})"


def _bars(values: Sequence[float], top: float) -> str:
    slot = (WIDTH - _LEFT - _RIGHT) / max(1, len(values))
    parts = []
    for place, value in enumerate(values):
        if value <= 0 or top <= 0:
            continue
        height = max(1.0, (HEIGHT - _TOP - _BOTTOM) * value / top)
        width = min(slot * 0.8, WIDEST_BAR)
        x, y = _LEFT + (place + 0.5) * slot - width / 2, HEIGHT - _BOTTOM - height
        parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{ACCENT}"/>')
    return "".join(parts)


def _line(values: Sequence[float | None], low: float, high: float) -> str:
    across = (WIDTH - _LEFT - _RIGHT) / max(1, len(values) - 1)
    tall = HEIGHT - _TOP - _BOTTOM
    path, pen_down = [], False
    for place, value in enumerate(values):
        if value is None:
            pen_down = False
            continue
        y = HEIGHT - _BOTTOM - tall * ((value - low) / (high - low) if high > low else 0.5)
        path.append(f"{'L' if pen_down else 'M'}{_LEFT + place * across:.1f} {y:.1f}")
        if not pen_down:
            path.append("h0.5")  # a lone point would not be drawn
        pen_down = True
    return f'<path d="{"".join(path)}" fill="none" stroke="{ACCENT}" stroke-width="1.5" stroke-linecap="round"/>'


def _spread(labels: Sequence[str]) -> str:
    """Some of them, evenly: all of a long series would stand on top of each other."""
    parts = []
    step = -(-(len(labels) - 1) // (MAX_LABELS - 1)) or 1
    for place, label in enumerate(labels):
        if place % step and place != len(labels) - 1:
            continue
        if len(labels) - 1 - step < place < len(labels) - 1:
            continue  # it would touch the last one
        anchor = "start" if place == 0 else "end" if place == len(labels) - 1 else "middle"
        x = _LEFT + (WIDTH - _LEFT - _RIGHT) * place / max(1, len(labels) - 1)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{for_xml(label)}</text>')
    return "".join(parts)


def _slot_labels(labels: Sequence[str]) -> str:
    slot = (WIDTH - _LEFT - _RIGHT) / max(1, len(labels))
    room = max(3, int(slot / 6))
    parts = []
    for place, label in enumerate(labels):
        text = label.rpartition(":")[2]  # the venue is the same for most and would not fit
        text = text if len(text) <= room else text[: room - 1] + "…"
        x = _LEFT + (place + 0.5) * slot
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{for_xml(text)}</text>')
    return "".join(parts)


def _framed(title: str, labels: str, low: float, high: float, drawing: str, summary: str) -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" font-family="sans-serif" font-size="11" fill="{INK}">',
        f"<title>{for_xml(title)}: {for_xml(summary)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{PAPER}"/>',
        f'<text x="{_LEFT}" y="18" font-size="12" font-weight="600">{for_xml(title)}</text>',
    ]
    for share in (0.0, 0.5, 1.0):
        y = HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}" stroke="{FAINT}"/>')
        if high > low or share == 0.5:
            label = _short(low + (high - low) * share)
            parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    return "".join([*parts, labels, drawing, "</svg>"])


def _short(value: float) -> str:
    """A number that fits an axis: 1,234, 12.3k, 4.56M, 0.001234."""
    size = abs(value)
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= limit:
            scaled = value / (1e3 if unit == "k" else limit)
            return f"{scaled:,.{0 if abs(scaled) >= 1000 else 2 if abs(scaled) < 100 else 1}f}{unit}"
    return f"{value:,.4g}" if size < 1000 else f"{value:,.0f}"
