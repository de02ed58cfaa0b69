"""When the stream says that it works, which whoever restarts it waits for."""

from types import SimpleNamespace

import pytest

from market_pipeline.settings import Settings
from market_pipeline.stream.application import Application
from market_pipeline.stream.progress import Epoch
from market_pipeline.stream.queryable import View


@pytest.mark.parametrize(
    ("phase", "view", "epoch", "works"),
    [
        ("starting", View(lag=0), None, False),
        ("running", None, None, False),
        ("running", View(), None, False),
        ("running", View(lag=7), None, False),  # what came while it started waits
        ("running", View(lag=0), None, True),
        ("running", View(lag=7, newest_received_at=5), None, True),  # some of it is queryable
        ("running", View(lag=7), Epoch(1, 0, 7.0), False),
        ("running", View(lag=7), Epoch(1, 3, 7.0), True),
    ],
)
def test_it_works_when_it_writes_and_not_when_its_process_runs(
    phase: str, view: View | None, epoch: Epoch | None, works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = Application(Settings.load())
    monkeypatch.setattr(application, "_phase", phase)
    monkeypatch.setattr(application, "_visibility", view and SimpleNamespace(view=view))
    monkeypatch.setattr(application._progress, "epoch", epoch)
    assert application.detail()["works"] is works
