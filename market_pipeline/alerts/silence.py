"""Silences: who does not want to be told of what, why, and until when. A maintenance window begins later."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from market_pipeline.mendable import Mendable

LONGEST_S = 366 * 86_400.0


class NoSilence(Mendable, ValueError):
    """What was asked for is no silence; one line that says why."""


@dataclass(frozen=True)
class Silence:
    """Nobody is told of what matches, in [starts_at, ends_at), epoch seconds. The incidents are kept all the same.

    Attributes:
        rule: an id, or a pattern such as ``kafka-*``.
        subject: likewise.
        author: whom to ask.
        reason: why.

    Raises:
        NoSilence: there is no author or no reason, or the end is not after the start, or more than a year: a silence
            for ever is a rule that should not be.
    """

    rule: str
    subject: str
    author: str
    reason: str
    starts_at: float
    ends_at: float

    def __post_init__(self) -> None:
        if not self.author.strip() or not self.reason.strip():
            raise NoSilence("a silence needs an author and a reason")
        if not self.starts_at < self.ends_at:
            raise NoSilence("a silence needs an end that is after its start")
        if self.ends_at - self.starts_at > LONGEST_S:
            raise NoSilence("a silence lasts a year at most: a rule that nobody wants to hear of should be another one")

    def covers(self, rule: str, subject: str, now: float) -> bool:
        in_time = self.starts_at <= now < self.ends_at
        return in_time and fnmatchcase(rule, self.rule) and fnmatchcase(subject, self.subject)


def silence_over(silences: Iterable[Silence], rule: str, subject: str, now: float) -> Silence | None:
    """The one that ends last of those that cover the rule and subject now."""
    covering = [silence for silence in silences if silence.covers(rule, subject, now)]
    return max(covering, key=lambda silence: silence.ends_at, default=None)
