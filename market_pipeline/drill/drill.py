"""A whole drill: a pipeline of its own is started, broken, measured and stopped, and the page of it is kept."""

import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psutil

from market_pipeline.drill.course import hold
from market_pipeline.drill.faults import chosen
from market_pipeline.drill.outcome import Outcome, page
from market_pipeline.drill.rig import Rig
from market_pipeline.local.interrupts import deaf
from market_pipeline.settings import Settings

RATE = 50.0


class Drilled(NamedTuple):
    """What it showed, and where the page is."""

    outcomes: list[Outcome]
    page: Path


def drill(
    settings: Settings, names: tuple[str, ...], tell: Callable[[str], None], *, rate: float = RATE, keep: bool = False
) -> Drilled:
    """Hold a drill of these faults, or of all.

    Args:
        settings: of the pipeline beside which it is held; nothing of it is touched, and its reports get the page.
        names: of faults.
        tell: hears what happens.
        rate: trades a second.
        keep: leave the drill's folder, with its logs.

    Raises:
        DrillError: it can't be held, or not to its end; the page has what was done until then.
    """
    faults = chosen(names)
    now = datetime.now(UTC)
    path = settings.paths.reports / "drill" / f"{now:%Y-%m-%dT%H%M}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    rig = Rig(rate, tell)
    try:
        rig.up()
        for outcome in hold(rig, faults, tell):
            outcomes.append(outcome)
            path.write_text(page(outcomes, now, machine()), encoding="utf-8")
    finally:
        with deaf():
            rig.down(keep=keep)
    return Drilled(outcomes, path)


def machine() -> str:
    """This machine, in words."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} processors and {memory:.0f} GiB ({platform.machine()})"
