"""SIGTERM and SIGINT of a long-running program, handed to a thread.

A handler of signals runs between two steps of the main thread, whatever locks that holds: ``Event.set`` in it waits for
ever when it interrupts ``Event.wait`` at the wrong step. ``SimpleQueue.put`` is made for it (docs of ``queue``).
"""

import signal
import threading
from collections.abc import Callable
from queue import SimpleQueue


def on_termination(end: Callable[[], object]) -> None:
    """Call ``end`` on the first SIGTERM or SIGINT, in a thread of its own. From the main thread only."""
    received: SimpleQueue[int] = SimpleQueue()

    def wait() -> None:
        received.get()
        end()

    threading.Thread(target=wait, name="termination", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: received.put(number))
