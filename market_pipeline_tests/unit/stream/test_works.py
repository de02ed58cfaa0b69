"""When the stream says that it works, which whoever restarts it waits for."""

from types import SimpleNamespace

import pytest

from market_pipeline.settings import Settings
from market_pipeline.stream.application import Application
from market_pipeline.stream.queryable import View


@pytest.mark.parametrize(
    ("phase", "view", "batches", "works"),
    [
        ("starting", View(lag=0), {}, False),
        ("running", None, {}, False),
        ("running", View(), {}, False),
        ("running", View(lag=7), {}, False),  # what came while it started waits
        ("running", View(lag=0), {}, True),
        ("running", View(lag=7, newest_received_at=5), {}, True),  # some of it is queryable
        ("running", View(lag=7), {"trades": {"batch_id": 1, "input_rows": 0, "at": 7.0}}, False),
        ("running", View(lag=7), {"trades": {"batch_id": 1, "input_rows": 3, "at": 7.0}}, True),
    ],
)
def test_it_works_when_it_writes_and_not_when_its_process_runs(
    phase: str, view: View | None, batches: dict[str, object], works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = Application(Settings.load())
    monkeypatch.setattr(application, "_phase", phase)
    monkeypatch.setattr(application, "_visibility", view and SimpleNamespace(view=view))
    monkeypatch.setattr(application._progress, "queries", lambda: batches)
    assert application.detail()["works"] is works
