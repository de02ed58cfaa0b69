"""Whether Spark's JVM responds: a small call into it twice a second, and what it does while it does not.

The heartbeat of the stream is Python's, and Python goes on when its JVM is stopped, deadlocked or does nothing but
collect garbage. The calls have a thread of their own, so that nothing else waits for an answer that never comes.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from market_pipeline.local.processes import lives

PING_EVERY_S = 0.5
PROMPT_S = 2.0
"""An answer that takes longer counts as none: a full garbage collection of the default heap takes less."""
UNRESPONSIVE_AFTER_S = 4.0
"""Without a prompt answer for so long, the JVM counts as unresponsive, and the heartbeat says so."""
ENDED_AFTER_S, ENDED_AFTER_S_PER_GIB = 10.0, 3.0
"""Without any answer for so long, the stream ends itself: a larger heap takes longer to collect."""
NEVER_PROMPT_S = 45.0
"""Answers that come late for so long are a garbage collection that never gets done."""
MISSED_S = 2.0
"""A watch that was itself not run for longer (SIGSTOP, a suspended machine) starts to count anew."""
BUSY = 0.2
"""Of a processor: less is idle. A machine that others keep busy gives no more."""
VM_THREAD = "VM Thread"
"""HotSpot's name of the thread that collects garbage with the serial collector."""

logger = logging.getLogger("stream")


@dataclass(frozen=True)
class Unresponsive:
    """A JVM that does not respond.

    Attributes:
        pid: its process.
        for_s: since its last prompt answer, seconds.
        doing: what the operating system shows of it.
    """

    pid: int
    for_s: float
    doing: str

    def __str__(self) -> str:
        return f"Spark's JVM (pid {self.pid}) does not respond for {self.for_s:.0f} s: {self.doing}"


class Answers:
    """Counts the time without an answer, from the calls and their answers. Times are monotonic seconds. Pure."""

    def __init__(self, now: float) -> None:
        self._prompt_at = self._watched_at = now
        self._asked_at: float | None = None

    def asked(self, now: float) -> None:
        """A call begins."""
        self._asked_at = now

    def answered(self, now: float) -> None:
        """The call has its answer."""
        if self._asked_at is not None and now - self._asked_at <= PROMPT_S:
            self._prompt_at = now
        self._asked_at = None

    def watch(self, now: float) -> None:
        """Called several times a second by whoever counts."""
        if now - self._watched_at > MISSED_S:
            self._prompt_at = now
            self._asked_at = None if self._asked_at is None else now
        self._watched_at = now

    def unprompt_s(self, now: float) -> float:
        """Since the last prompt answer."""
        return max(0.0, now - self._prompt_at)

    def silent_s(self, now: float) -> float:
        """How long the present call has been waiting for its answer."""
        return 0.0 if self._asked_at is None else max(0.0, now - self._asked_at)

    def hopeless(self, now: float, heap_gib: float) -> bool:
        """Whether only a new JVM can help."""
        silent = self.silent_s(now) > ENDED_AFTER_S + ENDED_AFTER_S_PER_GIB * heap_gib
        return silent or self.unprompt_s(now) > NEVER_PROMPT_S


class Responsiveness:
    """The two threads: one calls, the other counts and calls ``give_up`` when only a new JVM can help.

    Args:
        pid: the JVM's.
        ping: a call into the JVM; it may block for ever, and raises when the JVM is gone.
        heap_gib: the JVM's heap.
        give_up: gets why; called once.
    """

    def __init__(
        self, pid: int, ping: Callable[[], object], heap_gib: float, give_up: Callable[[Unresponsive], object]
    ) -> None:
        self._pid = pid
        self._ping = ping
        self._heap_gib = heap_gib
        self._give_up = give_up
        self._lock = threading.Lock()
        self._answers = Answers(time.monotonic())
        self._activity = Activity(pid)
        self._ended = threading.Event()
        self.unresponsive: Unresponsive | None = None
        """None while it responds."""

    def start(self) -> "Responsiveness":
        threading.Thread(target=self._call, name="jvm-ping", daemon=True).start()
        threading.Thread(target=self._watch, name="jvm-watch", daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop to call and to count."""
        self._ended.set()

    def _call(self) -> None:
        while not self._ended.wait(PING_EVERY_S):
            with self._lock:
                self._answers.asked(time.monotonic())
            try:
                self._ping()
            except Exception as error:
                logger.debug("a call into the JVM failed: %s", error)
                if not lives(self._pid):  # others report that
                    self._ended.set()
                    return
                continue  # a broken connection is no answer of a JVM that lives
            with self._lock:
                self._answers.answered(time.monotonic())

    def _watch(self) -> None:
        while not self._ended.wait(PING_EVERY_S / 2):
            now = time.monotonic()
            with self._lock:
                self._answers.watch(now)
                for_s, hopeless = self._answers.unprompt_s(now), self._answers.hopeless(now, self._heap_gib)
            self._activity.sample(now)
            if for_s < UNRESPONSIVE_AFTER_S:
                self.unresponsive = None
                continue
            new = self.unresponsive is None
            self.unresponsive = Unresponsive(self._pid, for_s, self._activity.description())
            if new:
                logger.warning("%s", self.unresponsive)
            if hopeless:
                self._ended.set()
                self._give_up(self.unresponsive)
                return
        # one that died is not unresponsive: its death has a reason of its own
        self.unresponsive = None


class Activity:
    """What a JVM does, by the operating system's word: it needs no answer of the JVM itself."""

    OVER_S = 2.0

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._samples: list[tuple[float, float, float]] = []
        self._vm_thread = next((task for task in Path(f"/proc/{pid}/task").glob("*") if _named(task)), None)

    def sample(self, now: float) -> None:
        """Read the processor's time of the JVM and of its VM thread."""
        if self._samples and now - self._samples[-1][0] < self.OVER_S / 4:
            return
        try:
            times = psutil.Process(self._pid).cpu_times()
            self._samples.append((now, times.user + times.system, self._collecting_s()))
        except psutil.Error:
            return
        while len(self._samples) > 2 and now - self._samples[1][0] >= self.OVER_S:
            self._samples.pop(0)

    def description(self) -> str:
        """In words, such as ``stopped by a signal (SIGSTOP)``."""
        with suppress(psutil.Error):
            if psutil.Process(self._pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP):
                return "stopped by a signal (SIGSTOP) or a debugger"
        if len(self._samples) < 2:
            return "what it does is not known"
        (began, used_before, collected_before), (at, used, collected) = self._samples[0], self._samples[-1]
        share, collecting = (used - used_before) / (at - began), (collected - collected_before) / (at - began)
        if share > BUSY and collecting > share / 2:
            return f"garbage collection ({collecting:.1f} of the {share:.1f} processors that it uses)"
        if share > BUSY:
            return f"busy ({share:.1f} processors)"
        return f"idle ({share:.1f} processors): a deadlock, a stopped disk, or a machine that swaps"

    def _collecting_s(self) -> float:
        """The processor's time of the VM thread, seconds; 0 where the system does not name threads."""
        return _thread_s(self._vm_thread) if self._vm_thread is not None else 0.0


def _named(task: Path) -> bool:
    with suppress(OSError):
        return (task / "comm").read_text().strip() == VM_THREAD
    return False


def _thread_s(task: Path) -> float:
    """User's and system's time of a thread in Linux's /proc, seconds."""
    with suppress(OSError, ValueError, IndexError):
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0
