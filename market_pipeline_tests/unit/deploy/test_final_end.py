"""What a container does when its program ends: started again by the engine, or idle because that would be of no use."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from market_pipeline.local.programs import FINAL_EXITS
from market_pipeline_tests.ending import ended

SCRIPT = Path(__file__).parents[3] / "market_pipeline" / "deploy" / "bin" / "stay-after-final-end"
LIMIT_S = 30


Contained = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def contained() -> Iterator[Contained]:
    """Starts a program as a container does; what is left of it ends with the test."""
    with contextlib.ExitStack() as started:

        def start(*program: str) -> "subprocess.Popen[str]":
            # a group of its own, as a container would be
            process = subprocess.Popen(
                [SCRIPT, *program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
            )
            started.callback(_end_group, process.pid)
            return started.enter_context(ended(process))

        yield start


def _end_group(leader: int) -> None:
    """What outlives the one that started it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


@pytest.mark.parametrize("status", [status for status in FINAL_EXITS if status != 0])
def test_after_a_final_end_it_idles_with_the_reason(contained: Contained, status: int) -> None:
    process = contained("sh", "-c", f"echo the key is refused >&2; exit {status}")
    assert process.stderr is not None
    assert process.stderr.readline() == "the key is refused\n"
    assert process.stderr.readline().startswith(f"ended with {status}, which a new start cannot mend: ")
    assert process.poll() is None
    process.terminate()
    assert process.wait(LIMIT_S) == -signal.SIGTERM
    with pytest.raises(ProcessLookupError):  # nothing of it is left
        os.killpg(process.pid, 0)


@pytest.mark.parametrize("status", [0, 1, 70, 75])
def test_any_other_end_is_the_containers(contained: Contained, status: int) -> None:
    process = contained("sh", "-c", f"exit {status}")
    assert process.wait(LIMIT_S) == status


def test_a_crash_is_the_containers(contained: Contained) -> None:
    assert contained("sh", "-c", "kill -KILL $$").wait(LIMIT_S) == 128 + signal.SIGKILL


@pytest.mark.parametrize("status", [0, 77])
def test_a_stop_reaches_the_program_and_waits_for_its_end(contained: Contained, status: int) -> None:
    program = (
        "import signal, sys, time\n"
        f"def end(*_): time.sleep(0.5); print('drained', flush=True); sys.exit({status})\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(0.1)\n"
    )
    process = contained(sys.executable, "-c", program)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.stdout.readline() == "drained\n"
    assert process.wait(LIMIT_S) == status
