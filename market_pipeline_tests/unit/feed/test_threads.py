"""No thread dies unseen."""

import threading

from market_pipeline.feed.program import Threads


def test_a_dead_thread_stops_the_program_and_is_named() -> None:
    stopped = threading.Event()
    threads = Threads(stopped)
    threads.start("fine", lambda: None)
    threads.join("fine", 5)
    assert not stopped.is_set()

    def die() -> None:
        raise KeyError("gone")

    threads.start("forwarder", die)
    assert stopped.wait(5)
    threads.join("forwarder", 5)
    assert isinstance(threads.failures["forwarder"], KeyError)
