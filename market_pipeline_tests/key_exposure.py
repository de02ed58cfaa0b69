"""Where Finnhub's API key could be seen: a pipeline on that feed, with a server of ours in the vendor's place."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from websockets.sync.server import serve

from market_pipeline.feed.players import SimulatorPlayer
from market_pipeline.feed.server import FeedServer
from market_pipeline.settings import LOOPBACK
from market_pipeline_tests.running import RunningPipeline
from market_pipeline_tests.waiting import wait_for

KEY = "canary0key0of0finnhub0that0nobody0may0see"


@contextmanager
def vendor(port: int = 0) -> Iterator[str]:
    """A feed that takes any key, and as the vendor's does, a connection with an Origin header; its address."""
    with serve(FeedServer(SimulatorPlayer(40, 17)).handle, LOOPBACK, port) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"ws://{LOOPBACK}:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join(10)


def assert_only_in(allowed: set[Path], folder: Path, pipeline: RunningPipeline) -> str:
    """Start the pipeline on Finnhub's feed, lose the feed, and look for the key wherever others could see it.

    Args:
        allowed: the files that have it while the pipeline runs.
        folder: with all files of the pipeline and of the user that starts it.
        pipeline: one that is down, with the key where it finds it.

    Returns:
        the address at which the pipeline looks for the feed.
    """
    with vendor() as url:
        pipeline.up("--feed", "finnhub", FINNHUB_WS_URL=url)
        assert pipeline.status()["feed"]["name"] == "finnhub"
        wait_for(lambda: set(pipeline.states().values()) == {"RUNNING"}, "every program to run", within_s=240)
        assert processes_that_show(KEY) == []
        pipeline.run("restart", "producer")
        wait_for(lambda: pipeline.status()["feed"]["connected"], "the producer to find the key again")
    # what is logged of a lost connection and of one that can't be made: libraries like to show the address
    wait_for(lambda: pipeline.status()["feed"]["last_disconnect"], "the lost connection to be reported")
    wait_for(lambda: not pipeline.status()["feed"]["connected"], "the connection to be lost")
    assert processes_that_show(KEY) == []
    assert files_with(KEY, folder) == allowed
    assert KEY not in pipeline.run("logs", "-n", "5000").stdout
    assert KEY not in pipeline.run("status", "--json").stdout
    return url


def processes_that_show(key: str) -> list[str]:
    """Every process of this user that has the key among its variables or in its command."""
    found = []
    for process in psutil.process_iter():
        try:
            shown = " ".join([*process.cmdline(), *process.environ().values()])
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or another user's
        if key in shown:
            found.append(f"{process.pid} {process.name()}")
    return found


def files_with(key: str, folder: Path) -> set[Path]:
    return {file for file in folder.rglob("*") if file.is_file() and key.encode() in _read(file)}


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:  # compaction removes files at any moment
        return b""
