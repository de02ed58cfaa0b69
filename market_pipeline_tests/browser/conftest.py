"""Dagster's page as the pipeline serves it, and a Chromium to open it in."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from market_pipeline.settings import Settings
from market_pipeline_tests.dagster_page import ROOT, webserver

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP attacker.test 127.0.0.1",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "this test drives Chromium: apt-get install -y --no-install-recommends chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def dagster_page(tmp_path_factory: pytest.TempPathFactory, free_port_base: Callable[[], int]) -> Iterator[Settings]:
    """Dagster's page over our own definitions."""
    with webserver(tmp_path_factory.mktemp("page"), free_port_base(), ROOT / "workspace.yaml") as settings:
        yield settings
