"""Beside the runbook's four: a program that does not run, ends again and again, or hangs.

The supervisor starts again at once what died. These rules see what it can't: what it gave up, what never stays up for
long, and what runs and says nothing.
"""

from collections.abc import Iterator

from market_pipeline.alerts.cures import RESTART_PROGRAM
from market_pipeline.alerts.look import Look
from market_pipeline.alerts.rule import Rule
from market_pipeline.alerts.severity import Severity
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.local.processes import GONE, NOT_SEEN, STOPPED, ProcessStatus
from market_pipeline.local.snapshot import StreamStatus

YOUNG_S = 60.0
"""Whoever ended three times and lives for less than this ends again and again."""
OFTEN = 3
GIVEN_UP = "FATAL"
"""The supervisor's word for it."""
SILENT_S = 15.0
"""A program beats each second from a thread of its own. A machine that was suspended, or whose clock was put forward,
makes every beat old for a moment: the remedy looks again before it restarts anything."""

DOWN = Rule(
    "program-down",
    "A program does not run, or does not stay up",
    Severity.P1,
    runbook="beside Common Alerts: given up, crash loop",
    hold_s=55,
    clear_s=90,
    remedy=RESTART_PROGRAM,
    heals=True,
)
HUNG = Rule(
    "program-hung",
    "A program runs and does not respond",
    Severity.P1,
    runbook="beside Common Alerts: alive but useless",
    clear_s=30,
    remedy=RESTART_PROGRAM,
    heals=True,
)
READ_ITS_LOG_S = 300.0
"""A server that was killed answers when it has read its log again: one that is stopped meanwhile begins anew."""
ENDS_ITSELF_S = 30.0
"""A stream whose JVM does not respond has ended itself by then: a remedy that comes between would restart it twice."""
SUPERVISOR = "supervisord"
PATH_OF_TRADES = ("producer", "stream")
_BESIDE_THE_PATH = ("dagster-", "slack")


def judge_down(look: Look) -> Iterator[Signal]:
    """The supervisor, and each program that it has: P1 on the path of the trades, P3 beside it."""
    if look.snapshot.supervisor is None:
        if look.supervised:
            text = "nobody keeps the programs: what ends stays down"
            yield Signal(DOWN.id, SUPERVISOR, Verdict.FAULT, text, mendable=False)
        elif look.snapshot.elsewhere:
            yield from _down_elsewhere(look)
        return
    yield Signal(DOWN.id, SUPERVISOR, Verdict.FINE, f"{SUPERVISOR} runs")
    for name, process in look.snapshot.processes.items():
        verdict, text = standing(name, process)
        # what still ends again and again the supervisor starts anew; what is done or refused no new start can mend
        given_up = process.state == GIVEN_UP
        yield Signal(DOWN.id, name, verdict, text, severity=_severity(name), mendable=given_up)


def _down_elsewhere(look: Look) -> Iterator[Signal]:
    """What another platform keeps on the path of the trades and shares its data dir with us."""
    for name in PATH_OF_TRADES:
        process = look.snapshot.processes.get(name)
        if process is None or process.state == NOT_SEEN:
            continue
        gone = process.state == GONE  # also of a replay: one that is over has its programs wait for more
        if process.state == STOPPED:
            yield Signal(DOWN.id, name, Verdict.FINE, f"{name} was stopped on purpose", mendable=False)
            continue
        text = f"{name} does not run, and its last heartbeat is {process.beat_age_s or 0.0:.0f} s old"
        yield Signal(
            DOWN.id, name, Verdict.FAULT if gone else Verdict.FINE, text if gone else f"{name} runs", mendable=False
        )


def _severity(program: str) -> Severity | None:
    """Less than the rule's beside the path of the trades."""
    return Severity.P3 if program.startswith(_BESIDE_THE_PATH) else None


def standing(name: str, process: ProcessStatus) -> tuple[Verdict, str]:
    """What the supervisor's word for a program means."""
    last = f" ({process.last_error})" if process.last_error else ""
    match process.state:
        case "STOPPED":
            return Verdict.FINE, f"{name} was stopped on purpose"
        case "EXITED" if "exit status 0" in last:
            return Verdict.FINE, f"{name} is done"
        case "RUNNING" if process.restarts < OFTEN or (process.uptime_s or 0.0) >= YOUNG_S:
            return Verdict.FINE, f"{name} runs"
        case "RUNNING" | "STARTING" | "BACKOFF" if process.restarts >= OFTEN:
            return Verdict.FAULT, f"{name} ended {process.restarts} times and does not stay up{last}"
        case "STARTING" | "STOPPING":
            return Verdict.UNKNOWN, f"{name} is about to start or to stop"
        case _:
            return Verdict.FAULT, f"{name} is {process.state.lower()}{last}"


def hangs(look: Look, program: str) -> bool:
    """Whether a server that does not answer should have a new process: the supervisor has it running, and it was put to
    sleep (SIGSTOP), or has had the time to read its log."""
    process = look.snapshot.processes.get(program)
    if look.snapshot.supervisor is None or process is None or process.state != "RUNNING":
        return False
    return process.asleep or (process.uptime_s or 0.0) > READ_ITS_LOG_S


def process_of(look: Look, program: str) -> dict[str, str]:
    """What its supervisor says of it, as evidence: whether it hangs or is gone is told apart by that."""
    process = look.snapshot.processes.get(program)
    if process is None:
        return {}
    told = {"process": f"{process.state.lower()}, pid {process.pid}, started again {process.restarts} times"}
    return told | ({"last end": process.last_error} if process.last_error else {})


def judge_hung(look: Look) -> Iterator[Signal]:
    """Each program that runs: one of ours by its heartbeat, which the stream's JVM is part of, a server by whether the
    system has put it to sleep. (One that is awake and does not answer has a rule of its own.)"""
    ours, stream = look.snapshot.supervisor is not None, look.snapshot.stream
    for name, process in look.snapshot.processes.items():
        if process.pid is None:
            continue
        if name == "stream" and stream.jvm_silent_s is not None:
            remedy = ours and stream.jvm_silent_s > ENDS_ITSELF_S
            yield Signal(HUNG.id, name, Verdict.FAULT, hung_jvm(stream), stream.jvm_silent_s, mendable=remedy)
            continue
        who, silent_s = f"{name} (pid {process.pid})", process.beat_age_s or 0.0
        old_enough = (process.uptime_s or 0.0) > SILENT_S  # before, the beat may be of the process before
        if process.asleep:
            hangs, text = True, f"{who} was put to sleep (SIGSTOP)"
        else:
            hangs, text = old_enough and silent_s > SILENT_S, f"{who} last said something {silent_s:.0f} s ago"
        verdict = Verdict.FAULT if hangs else Verdict.FINE
        yield Signal(HUNG.id, name, verdict, text, process.beat_age_s, _severity(name), mendable=ours)


def hung_jvm(stream: StreamStatus) -> str:
    """The cause and the impact of a JVM that does not respond."""
    text = f"the stream's JVM (pid {stream.jvm_pid}) has not responded for {stream.jvm_silent_s or 0.0:.0f} s: "
    text += stream.jvm_doing or "what it does is not known"
    return text if stream.lag is None else f"{text}; {stream.lag:,} trades wait"
