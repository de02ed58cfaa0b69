"""``record`` and ``replay``: what was received, as a file that can be played again."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from market_pipeline.cli import PipelineError, chosen_settings, load_settings
from market_pipeline.cli.echo import echo
from market_pipeline.feed.journal import Frame, read_frames
from market_pipeline.feed.recording import recorded_line
from market_pipeline.feed.server import NAME as FEED_SERVER
from market_pipeline.feed.server import cannot_serve, serve_in_foreground
from market_pipeline.settings import Settings
from market_pipeline.supervision.lock import AlreadyRunning, holder
from market_pipeline.utc_day import moment
from market_pipeline.which import where_flags

_BESIDE = " --data-dir /tmp/replay --port-base 31000"
"""Where a replay runs beside a pipeline that has a feed of its own."""
TIMES = "ISO 8601, such as 2026-11-24T14:30:00Z; UTC unless it tells a zone."


class Moment(click.ParamType[int]):
    """A time as epoch microseconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return round(moment(str(value)).timestamp() * 1_000_000)
        except ValueError:
            self.fail(f"{value!r} is not a time: {TIMES}", param, ctx)


@click.command()
@click.option(
    "--out", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Where to; standard output if unset."
)
@click.option("--since", type=Moment(), default=0, help=f"Received at or after: {TIMES}")
@click.option("--until", type=Moment(), help="Received before.")
def record(out: Path | None, since: int, until: int | None) -> None:
    """Write what the feed sent to a file: its messages, one a line, each with its receive time.

    It reads the journal, running pipeline or not, and needs no server.

    \b
    Examples:
      market-pipeline record --out today.jsonl
      market-pipeline record --since 2026-11-24T14:30:00Z --until 2026-11-24T21:00:00Z --out session.jsonl
      market-pipeline record | head -1
    """
    settings = load_settings()
    found = read_frames(settings.paths.journal, since, _tell_damage)
    frames = _not_empty(settings, _between(found, until), part=bool(since or until))
    if out is None:
        if sys.stdout.isatty():
            for frame in frames:
                echo(recorded_line(frame.payload, frame.source, frame.received_at).decode("utf-8", "backslashreplace"))
        else:
            _write(frames, sys.stdout.buffer)
        return
    try:
        with out.open("wb") as file:
            count = _write(frames, file)
    except OSError as error:
        raise PipelineError(f"{out} can't be written: {error.strerror}") from None
    flags = _BESIDE if holder(settings.paths.lock(FEED_SERVER)) is not None else where_flags(settings)
    echo(f"{count:,} messages written to {out}; play them with `market-pipeline replay {out}{flags}`", err=True)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--speed", default="1", help="Times real time, or 'max': as fast as it is taken.  [default: 1]")
@click.option("--once", is_flag=True, help="Stop after the last message instead of starting over.")
def replay(file: Path, speed: str, once: bool) -> None:
    """Serve FILE as a feed, in the foreground, in Finnhub's protocol over a websocket.

    FILE holds messages, one a line (see `record`), or is a segment or directory of a journal. Its trades keep their
    identity: played twice, they are the same trades. `up --feed replay --replay-file FILE` does the same as part of
    the pipeline.

    \b
    Examples:
      market-pipeline replay today.jsonl --speed 10
      market-pipeline replay today.jsonl --speed max --once --port-base 31000
    """
    settings = chosen_settings(feed="replay", replay_file=file, replay_speed=speed, replay_once=once or None)
    try:
        serve_in_foreground(settings, echo)
    except AlreadyRunning as error:
        raise PipelineError(f"{error}: another feed beside it needs its own place, such as{_BESIDE}") from None
    except OSError as error:
        raise PipelineError(cannot_serve(settings, error)) from None


def _tell_damage(segment: Path, stretches: int) -> None:
    text = f"warning: {segment} has {stretches} damaged or incomplete stretches: what was in them is left out"
    echo(text, fg="yellow", err=True)


def _between(frames: Iterator[Frame], until: int | None) -> Iterator[Frame]:
    for frame in frames:
        if until is not None and frame.received_at >= until:
            return
        yield frame


def _not_empty(settings: Settings, frames: Iterator[Frame], *, part: bool) -> Iterator[Frame]:
    """The same frames; told before anything is written when there is none, or when they can't be read."""
    try:
        first = next(frames, None)
    except OSError as error:
        raise PipelineError(f"the journal {settings.paths.journal} can't be read: {error.strerror}") from None
    if first is None:
        cure = "check --since and --until" if part else f"run `market-pipeline up{where_flags(settings)}` first"
        of = " of that time" if part else ""
        raise PipelineError(f"nothing was recorded: there is no message{of} in {settings.paths.journal}: {cure}")
    return itertools.chain([first], frames)


def _write(frames: Iterator[Frame], file: BinaryIO) -> int:
    count = 0
    for frame in frames:
        file.write(recorded_line(frame.payload, frame.source, frame.received_at) + b"\n")
        count += 1
    return count
