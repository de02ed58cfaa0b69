"""The course of a drill: for each fault, well before it, the fault, who notices, well again, and what was lost."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import psutil

from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.rules import runs
from market_pipeline.drill.faults import Fault
from market_pipeline.drill.letterbox import Letter
from market_pipeline.drill.outcome import Outcome, left_out
from market_pipeline.drill.rig import Rig
from market_pipeline.drill.surroundings import DrillError
from market_pipeline.store.cluster import STORE_ERRORS
from market_pipeline.supervision.heartbeat import read_heartbeat

POLL_S = 0.1
FRESH_S = 2.0
"""Trades flow while the newest queryable one was received no longer ago."""
FLOWS_FOR_S = 5.0
LAST_GASP_S = 0.5
"""What was received so shortly after the fault may have been on its way already."""
NOTICED_WITHIN_S, WELL_WITHIN_S, TOLD_WITHIN_S = 300.0, 420.0, 180.0
PATH = frozenset(RULES) - {runs.FAILED_RUN.id, runs.FAILED_CHECK.id, runs.MISSED_SCHEDULE.id}
"""The rules of the path of trades: a run that a fault made fail is in order again with the next one, minutes later."""
Tell = Callable[[str], None]


def hold(rig: Rig, faults: Iterable[Fault], tell: Tell) -> Iterator[Outcome]:
    """One fault after the other.

    Raises:
        DrillError: the pipeline is not well before a fault, or can't be broken.
    """
    for fault in faults:
        if not fault.needs(rig):
            outcome = left_out(fault, "a small disk can't be mounted here (it needs root)")
            tell(f"{fault.name}: not tried, {outcome.left_out}")
            yield outcome
            continue
        try:
            outcome = _one(rig, fault, tell)
        except (psutil.Error, OSError, *STORE_ERRORS) as error:
            raise DrillError(f"{fault.name}: {' '.join(str(error).split()) or type(error).__name__}") from None
        yield outcome


@dataclass
class _Course:
    """What was seen of one fault so far; ``began`` is epoch seconds."""

    rig: Rig
    fault: Fault
    began: float
    pid: int | None
    connections: int
    noticed_at: float | None = None
    noticed_by: str = ""
    told_at: float | None = None
    message: str = ""

    def look(self) -> None:
        """Has somebody noticed, and was somebody told?"""
        if self.noticed_at is None:
            self.noticed_at, self.noticed_by = self._sign() or (None, "")
        if self.told_at is None:
            titles = [RULES[rule].title for rule in self.fault.rules]
            letter = next((each for each in self._roots() if any(title in each.text for title in titles)), None)
            if letter is not None:
                self.told_at, self.message = letter.at, letter.text

    def _roots(self) -> list[Letter]:
        """The messages since the fault that tell of something new."""
        return [each for each in self.rig.letterbox.letters if each.at >= self.began and each.thread_ts is None]

    def _sign(self) -> tuple[float, str] | None:
        opened = next((each for each in self.rig.opened_since(self.began) if each.rule in self.fault.rules), None)
        if opened is not None and opened.opened_at is not None:
            return opened.opened_at, f"rule {opened.rule}"
        if self.fault.program is not None and (state := self.rig.process(self.fault.program)) is not None:
            return (time.time(), "the supervisor") if state.pid not in (None, self.pid) else None
        return (time.time(), "the producer") if self.rig.connections() > self.connections else None


def _one(rig: Rig, fault: Fault, tell: Tell) -> Outcome:
    with rig.store() as newest:
        _wait_until_it_flows(rig, newest)
        state = rig.process(fault.program) if fault.program is not None else None
        course = _Course(rig, fault, time.time(), state.pid if state is not None else None, rig.connections())
        tell(f"{fault.name}: {fault.title}")
        fault.breaks(rig)
        broken_at = time.time()
        mended_at = _mended(course, tell) if fault.mends is not None else None
        healed_at = _healed(course, newest, mended_at or broken_at + LAST_GASP_S)
        if course.noticed_at is not None:
            tell(f"  noticed after {course.noticed_at - course.began:.1f} s by {course.noticed_by}")
        _wait(course, lambda: course.told_at is not None or not fault.told, TOLD_WITHIN_S)
    since = mended_at or course.began
    tell(f"  well again after {healed_at - since:.1f} s" if healed_at is not None else "  not well again in time")
    _settle(rig)
    lost, doubled, bars_wrong = rig.reconciled(course.began)
    tell(f"  {lost:,} lost, {doubled:,} doubled, {bars_wrong:,} bars wrong")
    return Outcome(
        fault=fault.name,
        title=fault.title,
        within_s=fault.within_s,
        noticed_s=_after(course.noticed_at, course.began),
        noticed_by=course.noticed_by,
        told_s=_after(course.told_at, course.began),
        message=course.message,
        healed_s=_after(healed_at, since),
        mended=mended_at is not None,
        unheard_s=rig.unheard_s(course.began),
        lost=lost,
        doubled=doubled,
        bars_wrong=bars_wrong,
        should_be_told=fault.told,
    )


def _mended(course: _Course, tell: Tell) -> float:
    """Wait until somebody has noticed and was told, and take the cause away; returns when it was."""
    _wait(course, lambda: course.noticed_at is not None, NOTICED_WITHIN_S)
    _wait(course, lambda: course.told_at is not None or not course.fault.told, TOLD_WITHIN_S)
    tell("  the cause is taken away")
    if course.fault.mends is not None:
        course.fault.mends(course.rig)
    return time.time()


def _wait(course: _Course, until: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        course.look()
        if until():
            return
        time.sleep(POLL_S)


def _healed(course: _Course, newest: Callable[[], float | None], since: float) -> float | None:
    """When trades received after ``since`` became queryable as they came, and went on doing so for a while."""
    deadline, flows_since = time.monotonic() + WELL_WITHIN_S, None
    while time.monotonic() < deadline:
        course.look()
        received_at, now = newest(), time.time()
        if received_at is None or received_at <= since or now - received_at > FRESH_S:
            flows_since = None
        elif flows_since is None:
            flows_since = now
        elif now - flows_since >= FLOWS_FOR_S and course.noticed_at is not None:
            return flows_since
        elif now - flows_since >= NOTICED_WITHIN_S:
            return None  # nothing broke that anybody could see
        time.sleep(POLL_S)
    return None


def _wait_until_it_flows(rig: Rig, newest: Callable[[], float | None]) -> None:
    deadline = time.monotonic() + WELL_WITHIN_S
    while time.monotonic() < deadline:
        received_at = newest()
        quiet = not any(each.rule in PATH for each in rig.ledger.not_over())
        if received_at is not None and time.time() - received_at < FRESH_S and quiet:
            return
        time.sleep(POLL_S * 5)
    wrong = [each.id for each in rig.ledger.not_over() if each.rule in PATH] or ["no trade is queryable as it comes"]
    raise DrillError(f"the pipeline is not well, so that the next fault would teach nothing ({', '.join(wrong)})")


def _settle(rig: Rig) -> None:
    """Wait until nothing that was received is on its way any more, as far as can be told."""
    deadline = time.monotonic() + WELL_WITHIN_S
    while time.monotonic() < deadline:
        beat = read_heartbeat(rig.settings.paths.heartbeat("stream"))
        lag = beat.detail.get("lag") if beat is not None else None
        if lag is not None and lag < 100:
            return
        time.sleep(POLL_S * 5)


def _after(at: float | None, began: float) -> float | None:
    return None if at is None else max(0.0, at - began)
