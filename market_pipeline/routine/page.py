"""Keeps a report's page under the data dir, where it outlives Dagster's own storage."""

from pathlib import Path

from market_pipeline.routine.report import Report
from market_pipeline.settings import Settings


def keep(settings: Settings, name: str, report: Report) -> Path:
    """Write the page, whole or not at all; returns where it is.

    Raises:
        OSError: it can't be written.
    """
    path = settings.paths.reports / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    scratch.write_text(report.markdown(), encoding="utf-8")
    scratch.replace(path)
    return path
