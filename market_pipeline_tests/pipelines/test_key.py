"""Who gets to see the key: a whole pipeline on the feed finnhub, with a feed of ours in the vendor's place."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from websockets.sync.server import serve

from market_pipeline.feed.players import SimulatorPlayer
from market_pipeline.feed.server import FeedServer
from market_pipeline.settings import LOOPBACK
from market_pipeline_tests.running import RunningPipeline
from market_pipeline_tests.waiting import wait_for

pytestmark = [pytest.mark.real_servers, pytest.mark.timeout(600)]

KEY = "canary0key0of0finnhub0that0nobody0may0see"
EXPORTED, IN_FILE = "exported", "in .env"


@contextmanager
def vendor() -> Iterator[str]:
    """A feed that takes any key, and as the vendor's does, a connection with an Origin header; its address."""
    with serve(FeedServer(SimulatorPlayer(40, 17)).handle, LOOPBACK, 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"ws://{LOOPBACK}:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join(10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The second start in it is a warm one."""
    return tmp_path_factory.mktemp("key")


@pytest.mark.parametrize("where", [EXPORTED, pytest.param(IN_FILE, marks=pytest.mark.nightly)])
def test_the_key_is_seen_by_no_process_and_in_no_file(
    where: str, folder: Path, free_port_base: Callable[[], int]
) -> None:
    pipeline = RunningPipeline(folder / "data", free_port_base())
    variables = {"XDG_STATE_HOME": str(folder / "state")}
    if where == EXPORTED:
        variables["FINNHUB_API_KEY"] = KEY
    else:
        (folder / ".env").write_text(f"FINNHUB_API_KEY={KEY}\n")
    copy = pipeline.settings.paths.run / "producer" / ".env"
    allowed = {copy} if where == EXPORTED else {folder / ".env"}
    try:
        with vendor() as url:
            pipeline.up("--feed", "finnhub", FINNHUB_WS_URL=url, **variables)
            assert pipeline.status()["feed"]["name"] == "finnhub"
            wait_for(lambda: set(pipeline.states().values()) == {"RUNNING"}, "every program to run", within_s=240)
            assert processes_that_show(KEY) == []
            pipeline.run("restart", "producer")
            wait_for(lambda: pipeline.status()["feed"]["connected"], "the producer to find the key again")
        # what is told of a lost connection and of one that can't be made: libraries like to show the address
        wait_for(lambda: pipeline.status()["feed"]["last_disconnect"], "the lost connection to be told")
        wait_for(lambda: not pipeline.status()["feed"]["connected"], "the connection to be lost")
        assert processes_that_show(KEY) == []
        assert files_with(KEY, folder) == allowed
        assert all(file.stat().st_mode & 0o077 == 0 for file in allowed - {folder / ".env"})
        assert KEY not in pipeline.run("logs", "-n", "5000").stdout
        assert KEY not in pipeline.run("status", "--json").stdout
    finally:
        pipeline.stop()
        (folder / ".env").unlink(missing_ok=True)
    assert files_with(KEY, folder) == set()


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
    return {file for file in folder.rglob("*") if file.is_file() and key.encode() in read(file)}


def read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:  # compaction removes files at any moment
        return b""
