"""What the supervisor's log tells and its interface doesn't: how often it started each program again, and why."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from os import EX_NOPERM, EX_SOFTWARE, EX_USAGE
from pathlib import Path

from market_pipeline.local.supervisord import NAME
from market_pipeline.settings import Settings

_LINE = re.compile(r"^(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ \w+ (?P<what>.*)$")
_STARTED = re.compile(r"supervisord started with pid \d+$")
_SPAWNED = re.compile(r"spawned: '(?P<name>[^']+)' with pid \d+$")
_EXITED = re.compile(r"exited: (?P<name>\S+) \((?P<how>.*)\)$")
_STOPPED = re.compile(r"stopped: (?P<name>\S+) \(.*\)$")
_GAVE_UP = re.compile(r"gave up: (?P<name>\S+) ")


_STATUSES = {
    ("stream", 70): "it stalled and ended itself, to be started again",
    (None, 2): "a setting is wrong",
    (None, EX_USAGE): "told to do what can't be done",
    (None, EX_SOFTWARE): "an error that nobody caught",
    (None, 75): "another one runs already",
    (None, EX_NOPERM): "refused by the vendor",
    (None, 137): "killed, as the kernel does when memory runs out",
}
"""What the exit statuses of our programs mean, of one program or of any."""


def _named(program: str, how: str) -> str:
    """How it ended, with the meaning of its exit status, where it has one."""
    status = how.removeprefix("exit status ")
    if not status.isdecimal():
        return how
    meaning = _STATUSES.get((program, int(status))) or _STATUSES.get((None, int(status)))
    return f"{how} ({meaning})" if meaning else how


@dataclass(frozen=True)
class End:
    """An end of a program that nobody had asked for: when (epoch seconds), and how, with the meaning of its status."""

    program: str
    at: float
    how: str


def ends(lines: Iterable[str]) -> Iterator[End]:
    """Those in the lines of a supervisor's log, all of its starts; a program that was done (status 0) is none."""
    for line in lines:
        matched = _LINE.match(line.rstrip())
        event = _EXITED.search(matched["what"]) if matched is not None else None
        if matched is None or event is None:
            continue
        how = event["how"].partition(";")[0]
        if how != "exit status 0":
            at = datetime.strptime(matched["at"], "%Y-%m-%d %H:%M:%S").timestamp()  # noqa: DTZ007 - the log's is local
            yield End(event["name"], at, _named(event["name"], how))


@dataclass
class History:
    """One program since the supervisor's start.

    Attributes:
        restarts: how often it was started again after an end that nobody had asked for.
        last_exit: how it ended the last time by itself, with the local time; None if it never did.
    """

    restarts: int = 0
    last_exit: str | None = None
    ended: bool = field(default=False, repr=False)


def histories(lines: Iterable[str]) -> dict[str, History]:
    """The history of each program in the lines of a supervisor's log, since the supervisor's last start."""
    found: dict[str, History] = {}
    for line in lines:
        matched = _LINE.match(line.rstrip())
        if matched is None:
            continue
        what = matched["what"]
        if _STARTED.search(what):
            found = {}
        elif event := _SPAWNED.search(what):
            history = found.setdefault(event["name"], History())
            history.restarts += history.ended
            history.ended = False
        elif event := _EXITED.search(what):
            history = found.setdefault(event["name"], History())
            history.ended = True
            history.last_exit = f"{_named(event['name'], event['how'].partition(';')[0])} at {matched['at']}"
        elif event := _STOPPED.search(what):
            found.setdefault(event["name"], History()).ended = False
        elif event := _GAVE_UP.search(what):
            history = found.setdefault(event["name"], History())
            history.last_exit = f"gave up: {history.last_exit or 'it does not start'}"
    return found


def read_histories(settings: Settings) -> dict[str, History]:
    """The same from the log of this pipeline's supervisor and the rotated one before it."""
    return histories(_lines(settings))


def read_ends(settings: Settings) -> list[End]:
    """The ends in those logs."""
    return list(ends(_lines(settings)))


def _lines(settings: Settings) -> list[str]:
    log = settings.paths.log(NAME)
    lines: list[str] = []
    for file in (Path(f"{log}.1"), log):
        try:
            lines += file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
    return lines
