"""A browser that is signed in to Dagster opens a page of somebody else, which tries whatever a page can try.

The same page is let loose on Dagster without the guard first: what works there must fail here.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance
from playwright.sync_api import Browser, Page, expect

from market_pipeline.local.webserver import url_with_token
from market_pipeline.settings import Settings
from market_pipeline_tests.dagster_page import webserver
from market_pipeline_tests.waiting import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

WITHIN_MS = 90_000
CODE = """
import dagster as dg

@dg.op
def nothing() -> None: ...

@dg.job
def victim() -> None:
    nothing()

defs = dg.Definitions(jobs=[victim])
"""
EVERYTHING_A_PAGE_CAN_TRY = """async ([name, target]) => {
  const mutation = attack => `mutation { launchRun(executionParams: {
    selector: {repositoryLocationName: "attacked", repositoryName: "__repository__", jobName: "victim"},
    runConfigData: {}, executionMetadata: {tags: [{key: "attack", value: "${attack} ${name}"}]}}) { __typename } }`;
  const url = attack => `${target}/graphql?query=${encodeURIComponent(mutation(attack))}`;
  const post = (attack, more) => fetch(`${target}/graphql`, {
    method: "POST", credentials: "include", body: JSON.stringify({query: mutation(attack)}), ...more});
  const loaded = (element, address) => new Promise(done => {
    element.onload = element.onerror = done;
    element.src = address;
    document.body.append(element);
  });
  const form = attack => new Promise(done => {
    const frame = document.createElement("iframe");
    frame.name = `frame of ${attack}`;
    document.body.append(frame);
    const sending = document.createElement("form");
    Object.assign(sending, {method: "post", action: url(attack), target: frame.name, enctype: "text/plain"});
    document.body.append(sending);
    frame.onload = done;
    sending.submit();
  });
  const socket = () => new Promise(done => {
    const opened = new WebSocket(`${target.replace("http", "ws")}/graphql`, "graphql-ws");
    opened.onopen = () => done(true);
    opened.onerror = () => done(false);
  });
  const tried = {
    image: loaded(new Image(), url("image")),
    script: loaded(document.createElement("script"), url("script")),
    form: form("form"),
    plain: post("plain", {mode: "no-cors", headers: {"Content-Type": "text/plain;application/json"}}),
    json: post("json", {headers: {"Content-Type": "application/json"}}),
    report: fetch(`${target}/report_asset_materialization/${name}`, {
      method: "POST", mode: "no-cors", credentials: "include"}),
    read: fetch(`${target}/server_info`, {credentials: "include"}).then(answer => answer.ok),
    frame: loaded(document.createElement("iframe"), `${target}/`),
    socket: socket(),
  };
  navigator.sendBeacon(url("beacon"), "x");
  const ended = await Promise.allSettled(Object.values(tried));
  await fetch(`${target}/`, {mode: "no-cors"}).catch(() => null);  // what the beacon asks for is answered by now
  return Object.fromEntries(Object.keys(tried).map((key, at) => [key, ended[at].value === true]));
}"""


@dataclass(frozen=True)
class Attacked:
    """A page of Dagster's under attack.

    Attributes:
        settings: where it is.
        instance: of Dagster, read beside the webserver.
    """

    settings: Settings
    instance: DagsterInstance

    @property
    def port(self) -> int:
        return self.settings.ports.webserver

    def launched(self) -> set[str]:
        """The attacks that launched a run."""
        return {run.tags["attack"] for run in self.instance.get_runs() if "attack" in run.tags}

    def reported(self, asset: str) -> bool:
        return self.instance.get_latest_materialization_event(AssetKey(asset)) is not None


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("code")
    (folder / "attacked.py").write_text(CODE, encoding="utf-8")
    located = {"python_file": {"relative_path": str(folder / "attacked.py"), "location_name": "attacked"}}
    (folder / "workspace.yaml").write_text(json.dumps({"load_from": [located]}), encoding="utf-8")
    return folder / "workspace.yaml"


@pytest.fixture(scope="module")
def attacked(
    tmp_path_factory: pytest.TempPathFactory, free_port_base: Callable[[], int], workspace: Path
) -> Iterator[Callable[[bool], Attacked]]:
    """Starts the page: bare or guarded."""
    with ExitStack() as stack:

        def start(bare: bool) -> Attacked:
            folder = tmp_path_factory.mktemp("bare" if bare else "guarded")
            settings = stack.enter_context(webserver(folder, free_port_base(), workspace, bare=bare))
            instance = stack.enter_context(DagsterInstance.from_config(str(settings.paths.dagster)))
            return Attacked(settings, instance)

        yield start


@pytest.fixture(scope="module")
def foreign_port() -> Iterator[int]:
    """Where somebody else's web server listens on this machine; each of its pages is empty."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>foreign</title><body></body>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


def attack(page: Page, name: str, address: str, target: str) -> dict[str, Any]:
    """Open a foreign page and let it try everything; what of it was seen to work by the page itself."""
    page.goto(address)
    seen: dict[str, Any] = page.evaluate(EVERYTHING_A_PAGE_CAN_TRY, [name, target])
    return seen


def assault(browser: Browser, at: Attacked, foreign_port: int, *, sign_in: str | None) -> dict[str, dict[str, Any]]:
    """Every attack, from each place where a foreign page may stand, in a browser that is signed in."""
    context = browser.new_context(bypass_csp=True)  # what is tried here must not fail for a refusal's own policy
    page = context.new_page()
    if sign_in:
        page.goto(sign_in)
        assert [cookie for cookie in context.cookies() if cookie["name"] == f"market-pipeline-dagster-{at.port}"]
    target = f"http://127.0.0.1:{at.port}"
    rebound = f"http://attacker.test:{at.port}"
    # the attacker's name led to his server when he made his page, and leads here since then: the same origin
    seen = {
        "another-port": attack(page, "another-port", f"http://127.0.0.1:{foreign_port}/", target),
        "localhost": attack(page, "localhost", f"http://localhost:{foreign_port}/", target),
        "another-site": attack(page, "another-site", f"http://attacker.test:{foreign_port}/", target),
        "rebound": attack(page, "rebound", f"{rebound}/robots.txt", rebound),
    }
    context.close()
    return seen


def test_no_page_of_another_origin_reaches_dagster(
    browser: Browser, attacked: Callable[[bool], Attacked], foreign_port: int
) -> None:
    bare = attacked(True)
    seen = assault(browser, bare, foreign_port, sign_in=None)
    for place in ("another-port", "localhost", "another-site"):
        assert {f"{each} {place}" for each in ("image", "form", "plain", "beacon")} <= bare.launched()
        assert bare.reported(place)
        assert seen[place]["socket"]
    assert {f"{each} rebound" for each in ("image", "form", "plain", "beacon", "json")} <= bare.launched()
    assert seen["rebound"]["read"]

    guarded = attacked(False)
    seen = assault(browser, guarded, foreign_port, sign_in=url_with_token(guarded.settings))
    assert guarded.launched() == set()
    assert guarded.instance.get_runs_count() == 0
    assert not any(map(guarded.reported, seen))
    assert not any(each["socket"] or each["read"] for each in seen.values())

    context = browser.new_context()
    page = context.new_page()
    page.goto(url_with_token(guarded.settings) or "")
    seen_by_itself = page.evaluate(EVERYTHING_A_PAGE_CAN_TRY, ["itself", f"http://127.0.0.1:{guarded.port}"])
    context.close()
    assert guarded.launched() == {"json itself"}
    assert seen_by_itself["socket"]
    assert seen_by_itself["read"]


def test_a_foreign_page_cannot_frame_dagster(browser: Browser, dagster_page: Settings, foreign_port: int) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(url_with_token(dagster_page) or "")
    for host in ("127.0.0.1", "localhost", "attacker.test"):
        page.goto(f"http://{host}:{foreign_port}/")
        page.evaluate(
            """address => new Promise(done => {
                 const frame = document.createElement("iframe");
                 frame.onload = frame.onerror = done;
                 frame.src = address;
                 document.body.append(frame);
               })""",
            dagster_page.page_url,
        )
        wait_for(partial(_url_of_frame, page), "Playwright to hear of the frame's page")
        assert _url_of_frame(page).startswith("chrome-error://")
    context.close()


def _url_of_frame(page: Page) -> str:
    page.evaluate("0")  # with its answer come the events that were sent before it
    (frame,) = (each for each in page.frames if each != page.main_frame)
    return frame.url


def test_a_link_on_another_site_leads_to_the_page_of_who_is_signed_in(
    browser: Browser, dagster_page: Settings, foreign_port: int
) -> None:
    context = browser.new_context()
    page = context.new_page()
    for signed_in in (False, True):
        if signed_in:
            page.goto(url_with_token(dagster_page) or "")
        page.goto(f"http://attacker.test:{foreign_port}/")
        page.evaluate(
            """address => {
                 const link = document.createElement("a");
                 Object.assign(link, {href: address, textContent: "Open in Dagster"});
                 document.body.append(link);
               }""",
            f"{dagster_page.page_url}/runs",
        )
        page.get_by_text("Open in Dagster").click()
        if signed_in:
            expect(page.get_by_text("Runs").first).to_be_visible(timeout=WITHIN_MS)
        else:
            expect(page.get_by_role("heading", name="Sign in to Dagster")).to_be_visible(timeout=WITHIN_MS)
            expect(page.get_by_text("market-pipeline dagster-url").first).to_be_visible()
    assert page.url == f"{dagster_page.page_url}/runs"
    context.close()


def test_a_token_that_is_pasted_signs_in(browser: Browser, dagster_page: Settings) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{dagster_page.page_url}/runs")
    page.get_by_label("Token").fill((url_with_token(dagster_page) or "").partition("token=")[2])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Runs").first).to_be_visible(timeout=WITHIN_MS)
    assert page.url == f"{dagster_page.page_url}/runs"
    context.close()
