"""Dagster's own pages in headless Chromium: the assets, their lineage, and what each says of itself."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from market_pipeline.local.webserver import url_with_token
from market_pipeline.settings import Settings

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

ASSETS = ("trades_raw", "trades_silver", "latest_prices", "ohlcv_1m", "ohlcv_1d", "symbol_daily_stats")
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
def page(browser: Browser, dagster_page: Settings) -> Iterator[Page]:
    """A tab in a browser that is signed in."""
    context = browser.new_context(viewport={"width": 1500, "height": 900})
    opened = context.new_page()
    opened.goto(url_with_token(dagster_page) or "", wait_until="commit")
    yield opened
    context.close()


def show(page: Page, address: str) -> None:
    page.goto(address, wait_until="commit", timeout=WITHIN_MS)


def test_every_asset_is_listed_in_its_layer(page: Page, dagster_page: Settings) -> None:
    show(page, f"{dagster_page.page_url}/assets")
    for asset in ASSETS:
        expect(page.get_by_text(asset, exact=True).first).to_be_visible(timeout=WITHIN_MS)
    for group in ("bronze", "silver", "gold"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible()


def test_the_lineage_shows_every_asset_and_the_edges_between_them(page: Page, dagster_page: Settings) -> None:
    show(page, f"{dagster_page.page_url}/asset-groups?expanded={EXPANDED}")
    for asset in ASSETS:
        expect(page.locator("svg").get_by_text(asset, exact=True).first).to_be_visible(timeout=WITHIN_MS)
    expect(page.locator(EDGE).first).to_be_attached(timeout=WITHIN_MS)
    drawn = {(start, end) for start, end in page.evaluate(ENDS_OF_EDGES, [EDGE, list(ASSETS)])}
    assert {("trades_raw", "trades_silver"), ("trades_raw", "latest_prices"), ("ohlcv_1m", "ohlcv_1d")} <= drawn
    assert ("trades_silver", "trades_raw") not in drawn


def test_an_asset_tells_its_columns_its_owner_and_its_storage(page: Page, dagster_page: Settings) -> None:
    show(page, f"{dagster_page.page_url}/assets/trades_silver?view=overview")
    expect(page.get_by_text("market_data.trades_silver", exact=True).first).to_be_visible(timeout=WITHIN_MS)
    for text in ("ingested_at", "When the stream wrote the row last (UTC)", "market-data", "Materialising a day"):
        expect(page.get_by_text(text).first).to_be_visible(timeout=WITHIN_MS)


def test_the_sensors_and_schedules_are_on(page: Page, dagster_page: Settings) -> None:
    show(page, f"{dagster_page.page_url}/automation")
    for name in ("producer_progress", "stream_progress", "archive_every_10_minutes", "daily_gold_after_midnight"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=WITHIN_MS)


def test_the_page_works_without_an_error_in_its_console(browser: Browser, dagster_page: Settings) -> None:
    context = browser.new_context(viewport={"width": 1500, "height": 900})
    opened = context.new_page()
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(f"{message.text} ({message.location.get('url')})")

    opened.on("console", note)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    show(opened, url_with_token(dagster_page) or "")
    for path in ("overview", "runs", "assets", "automation", "deployment"):
        show(opened, f"{dagster_page.page_url}/{path}")
        expect(opened.get_by_text("Runs").first).to_be_visible(timeout=WITHIN_MS)
        opened.wait_for_load_state("networkidle", timeout=WITHIN_MS)
    context.close()
    assert errors == []
