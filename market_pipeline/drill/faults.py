"""The faults of a drill: how each is made, and who is to heal it."""

import signal
from collections.abc import Callable
from dataclasses import dataclass

from market_pipeline.drill.rig import Rig
from market_pipeline.mendable import InvalidInput

KILLED_S, HUNG_S, JVM_HUNG_S = 10.0, 60.0, 45.0
"""How soon it should be well again: what was killed, what hangs, and what notices by itself that its JVM hangs."""


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: short, in kebab case.
        title: what breaks.
        breaks: breaks it.
        program: whose new process shows that somebody has noticed; None where it is no program's fault.
        rules: whose incident shows the same.
        mends: takes the cause away, once it was noticed; None where the pipeline has to.
        told: whether somebody has to be told of it: what is well again at once is no news.
        within_s: how soon it should be well again, from the fault on, or from ``mends`` on where there is one.
        needs: what has to be there; the fault is left out where it is not.
    """

    name: str
    title: str
    breaks: Callable[[Rig], None]
    program: str | None = None
    rules: tuple[str, ...] = ()
    mends: Callable[[Rig], None] | None = None
    told: bool = False
    within_s: float = KILLED_S
    needs: Callable[[Rig], bool] = lambda rig: True


def _killed(program: str) -> Fault:
    def kill(rig: Rig) -> None:
        rig.signal(program, signal.SIGKILL)

    return Fault(f"{program}-killed", f"{program} is killed (SIGKILL)", kill, program, ("program-down",))


def _hung(program: str, *more: str) -> Fault:
    def stop(rig: Rig) -> None:
        rig.signal(program, signal.SIGSTOP)

    title = f"{program} hangs (SIGSTOP)"
    return Fault(f"{program}-hung", title, stop, program, ("program-hung", *more), told=True, within_s=HUNG_S)


def _hung_jvm(rig: Rig) -> None:
    rig.jvm("stream").send_signal(signal.SIGSTOP)


def _cut(rig: Rig) -> None:
    rig.vendor.cut()


def _mute(rig: Rig) -> None:
    rig.vendor.player.mute()


def _refuse(rig: Rig) -> None:
    rig.vendor.refuse(True)
    rig.vendor.hang_up()


def _accept(rig: Rig) -> None:
    """What a person does: put a key in that is good, and start the producer again."""
    rig.vendor.refuse(False)
    rig.command("restart", "producer")


def _fill(rig: Rig) -> None:
    rig.filler.start()


def _empty(rig: Rig) -> None:
    rig.filler.stop()


FAULTS = (
    _killed("producer"),
    _killed("stream"),
    _killed("kafka"),
    _killed("cassandra"),
    _hung("producer"),
    _hung("stream"),
    Fault(
        "stream-jvm-hung", "the stream's JVM hangs (SIGSTOP)", _hung_jvm, "stream", ("program-hung",), told=True,
        within_s=JVM_HUNG_S,
    ),
    _hung("kafka", "kafka-down"),
    _hung("cassandra", "cassandra-down"),
    Fault("feed-mute", "the vendor sends pings and no trades", _mute, rules=("zero-trades",), within_s=HUNG_S),
    Fault(
        "feed-cut", "the network to the vendor is cut", _cut, rules=("feed-gap",), told=True,
        mends=lambda rig: rig.vendor.listen(), within_s=HUNG_S,
    ),
    Fault(
        "key-refused", "the vendor refuses the key (401)", _refuse, rules=("key", "program-down"), told=True,
        mends=_accept, within_s=HUNG_S,
    ),
    Fault(
        "disk-full", "the disk of the journal is full", _fill, rules=("journal-filling",), told=True, mends=_empty,
        within_s=HUNG_S, needs=lambda rig: rig.has_journal_disk,
    ),
)  # fmt: skip


def chosen(names: tuple[str, ...]) -> list[Fault]:
    """Those of these names, in the drill's order; all without a name.

    Raises:
        InvalidInput: there is none of a name.
    """
    known = {fault.name: fault for fault in FAULTS}
    if unknown := [name for name in names if name not in known]:
        raise InvalidInput(f"there is no fault {unknown[0]!r}; there are {', '.join(known)}")
    return [fault for fault in FAULTS if not names or fault.name in names]
