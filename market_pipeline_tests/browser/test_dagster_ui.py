"""Dagster's own pages in headless Chromium: the assets, their lineage, and what each says of itself."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ("trades_raw", "trades_silver", "latest_prices", "ohlcv_1m", "ohlcv_1d", "symbol_daily_stats")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
EXPANDED = ",".join(f"global@global:{group}" for group in ("bronze", "silver", "gold"))
WITHIN_MS = 90_000
EDGE = 'path[marker-end^="url(#arrow"]'
ENDS_OF_EDGES = """([edge, assets]) => {
  const boxes = assets.flatMap(name => [...document.querySelectorAll("svg foreignObject")]
    .filter(box => [...box.querySelectorAll("*")].some(each => !each.children.length && each.textContent === name))
    .map(box => [name, box.getBoundingClientRect()]));
  const away = ([, box], x, y) => Math.hypot(
    Math.max(box.left - x, 0, x - box.right), Math.max(box.top - y, 0, y - box.bottom));
  const nearest = (path, length) => {
    const point = path.getPointAtLength(length).matrixTransform(path.getScreenCTM());
    return boxes.reduce((best, box) => away(box, point.x, point.y) < away(best, point.x, point.y) ? box : best)[0];
  };
  return [...document.querySelectorAll(edge)].map(path => [nearest(path, 0), nearest(path, path.getTotalLength())]);
}"""
"""Of each arrow the assets whose boxes are nearest to where it begins and ends: Dagster gives arrows no names."""


@pytest.fixture(scope="module")
def webserver(tmp_path_factory: pytest.TempPathFactory, unused_port: int) -> Iterator[str]:
    """The address of a webserver with an empty DAGSTER_HOME."""
    home = tmp_path_factory.mktemp("dagster-home")
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\ncode_servers: {local_startup_timeout: 180}\n")
    log = home / "webserver.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "dagster_webserver",
                "-w",
                "workspace.yaml",
                "-h",
                "127.0.0.1",
                "-p",
                str(unused_port),
            ],
            cwd=ROOT,
            env=os.environ | {"DAGSTER_HOME": str(home), "MARKET_PIPELINE_DATA_DIR": str(home / "data")},
            stdout=output,
            stderr=output,
        )
        try:
            _wait_for(f"http://127.0.0.1:{unused_port}/server_info", process, log)
            yield f"http://127.0.0.1:{unused_port}"
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        else:
            return


@pytest.fixture(scope="module")
def page(webserver: str) -> Iterator[Page]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "this test drives Chromium: apt-get install -y --no-install-recommends chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        opened = browser.new_page(viewport={"width": 1500, "height": 900})
        # a new home is greeted with an invitation, which covers the page
        invitation = opened.get_by_role("button", name="Skip")
        opened.add_locator_handler(invitation, lambda button: button.click())
        yield opened
        browser.close()


def show(page: Page, address: str) -> None:
    page.goto(address, wait_until="commit", timeout=WITHIN_MS)


def test_every_asset_is_listed_in_its_layer(page: Page, webserver: str) -> None:
    show(page, f"{webserver}/assets")
    for asset in ASSETS:
        expect(page.get_by_text(asset, exact=True).first).to_be_visible(timeout=WITHIN_MS)
    for group in ("bronze", "silver", "gold"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible()


def test_the_lineage_shows_every_asset_and_the_edges_between_them(page: Page, webserver: str) -> None:
    show(page, f"{webserver}/asset-groups?expanded={EXPANDED}")
    for asset in ASSETS:
        expect(page.locator("svg").get_by_text(asset, exact=True).first).to_be_visible(timeout=WITHIN_MS)
    expect(page.locator(EDGE).first).to_be_attached(timeout=WITHIN_MS)
    drawn = {(start, end) for start, end in page.evaluate(ENDS_OF_EDGES, [EDGE, list(ASSETS)])}
    assert {("trades_raw", "trades_silver"), ("trades_raw", "latest_prices"), ("ohlcv_1m", "ohlcv_1d")} <= drawn
    assert ("trades_silver", "trades_raw") not in drawn


def test_an_asset_tells_its_columns_its_owner_and_its_storage(page: Page, webserver: str) -> None:
    show(page, f"{webserver}/assets/trades_silver?view=overview")
    expect(page.get_by_text("market_data.trades_silver", exact=True).first).to_be_visible(timeout=WITHIN_MS)
    for text in ("ingested_at", "When the stream wrote the row last (UTC)", "market-data", "Materialising a day"):
        expect(page.get_by_text(text).first).to_be_visible(timeout=WITHIN_MS)


def test_the_sensors_and_schedules_are_on(page: Page, webserver: str) -> None:
    show(page, f"{webserver}/automation")
    for name in ("producer_progress", "stream_progress", "archive_every_10_minutes", "daily_gold_after_midnight"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=WITHIN_MS)
