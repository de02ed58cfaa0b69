"""What the doctor finds."""

import socket
import threading
from pathlib import Path

import pytest

from market_pipeline.local import checkup
from market_pipeline.local.checkup import (
    check_feed,
    check_memory,
    check_servers,
    check_vendor,
    check_versions,
    check_websocket,
)
from market_pipeline.local.reach import Reply, ask_vendor, clock_offset, knock
from market_pipeline.settings import LOOPBACK, Settings
from market_pipeline_tests.rest_server import rest_server

KEY = "secret-key-of-finnhub"
GIB = 1024**3


@pytest.fixture(autouse=True)
def _no_proxy_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", LOOPBACK)


def test_a_healthy_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    monkeypatch.setattr(checkup, "ask_vendor", lambda url: "no network")
    monkeypatch.setattr(checkup, "knock", lambda url: "no network")
    settings = Settings.load(data_dir=tmp_path / "data", feed="simulator")
    found = {check.name: check for check in checkup.examine(settings)}
    assert list(found) == [
        *("java", "versions", "jars", "data dir", "disk", "memory", "ports", "feed", "reachability", "time offset"),
        "websocket",
    ]
    for name in ("java", "versions", "data dir", "feed", "reachability", "websocket"):
        assert found[name].verdict == "ok", found[name]


def test_the_key_is_told_to_be_there_and_never_shown() -> None:
    check = check_feed(Settings.load(finnhub_api_key=KEY))
    assert check.verdict == "ok"
    assert "a key is set" in check.found
    assert KEY not in check.found + check.cure


def test_a_missing_key_fails_with_its_cure() -> None:
    check = check_feed(Settings.load(feed="finnhub"))
    assert (check.verdict, check.found) == ("failed", "the feed finnhub needs a key")
    assert "FINNHUB_API_KEY" in check.cure


def test_little_memory_is_a_warning_unless_the_pipeline_has_it() -> None:
    settings = Settings.load()
    assert check_memory(settings, 3 * GIB, 8 * GIB, running=False).verdict == "warning"
    assert check_memory(settings, 3 * GIB, 8 * GIB, running=True).verdict == "ok"
    assert check_memory(settings, 8 * GIB, 8 * GIB, running=False).verdict == "ok"


def test_a_heap_that_the_machine_does_not_have_fails() -> None:
    check = check_memory(Settings.load(cassandra_heap_mb=90_000), 8 * GIB, 16 * GIB, running=False)
    assert (check.verdict, check.cure) == ("failed", "lower MARKET_PIPELINE_CASSANDRA_HEAP_MB")
    assert "this machine has 16.0 GiB" in check.found
    elsewhere = Settings.load(cassandra_heap_mb=90_000, cassandra_contact_points=("db",))
    assert check_memory(elsewhere, 8 * GIB, 16 * GIB, running=False).verdict == "ok"


@pytest.mark.parametrize(("python", "verdict"), [((3, 10, 1), "failed"), ((3, 11, 0), "ok"), ((3, 14, 0), "failed")])
def test_pythons(python: tuple[int, int, int], verdict: str) -> None:
    assert check_versions(python).verdict == verdict


@pytest.mark.parametrize(
    ("feed", "reply", "verdicts"),
    [
        ("finnhub", "refused", ["failed", "ok"]),
        ("simulator", "refused", ["ok", "ok"]),
        ("finnhub", Reply(0.1, 0.4), ["ok", "ok"]),
        ("finnhub", Reply(0.1, None), ["ok", "ok"]),
        ("finnhub", Reply(0.1, -30.0), ["ok", "failed"]),
        ("finnhub", Reply(0.1, 0.4, 401), ["ok", "ok"]),
        ("finnhub", Reply(0.1, 0.4, 503), ["warning", "ok"]),
    ],
)
def test_the_vendor_and_its_clock(feed: str, reply: Reply | str, verdicts: list[str]) -> None:
    settings = Settings.load(feed=feed, finnhub_api_key=KEY)
    found = list(check_vendor(settings, lambda url: reply))
    assert [check.verdict for check in found] == verdicts
    assert all(check.cure for check in found if check.verdict == "failed")


def test_an_offset_is_told_with_its_direction() -> None:
    settings = Settings.load(feed="finnhub", finnhub_api_key=KEY)
    assert list(check_vendor(settings, lambda url: Reply(0.1, 30.0)))[1].found == "this clock is 30 s behind"


def test_the_clock_is_compared_with_the_date_of_an_answer() -> None:
    headers = {"date": "Mon, 05 Jan 2026 10:00:00 GMT"}
    assert clock_offset(headers, 1767607190.5) == pytest.approx(10.0)
    assert clock_offset({}, 0.0) is clock_offset({"date": "yesterday"}, 0.0) is None


@pytest.mark.parametrize(
    ("host", "port", "verdict"), [(LOOPBACK, 0, "ok"), (LOOPBACK, 1, "failed"), ("no-such-host.invalid", 9, "failed")]
)
def test_servers_that_are_not_ours_to_start_are_looked_for(host: str, port: int, verdict: str) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = port or listener.getsockname()[1]
        settings = Settings.load(
            kafka_bootstrap_servers=f"{host}:{port}", cassandra_contact_points=(host,), cassandra_port=port
        )
        found = list(check_servers(settings))
    assert [(check.name, check.verdict) for check in found] == [("kafka", verdict), ("cassandra", verdict)]
    assert list(check_servers(Settings.load())) == []


def test_the_websockets_host_is_knocked_at(free_port: int) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        there = Settings.load(feed="finnhub", finnhub_ws_url=f"ws://{LOOPBACK}:{listener.getsockname()[1]}")
        assert check_websocket(there, knock).verdict == "ok"
    away = f"ws://{LOOPBACK}:{free_port}"
    assert check_websocket(Settings.load(feed="finnhub", finnhub_ws_url=away), knock).verdict == "failed"
    assert check_websocket(Settings.load(feed="simulator", finnhub_ws_url=away), knock).verdict == "ok"


def test_a_websocket_with_tls_that_is_none_is_seen() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
        assert knock(f"wss://{LOOPBACK}:{listener.getsockname()[1]}") is not None


@pytest.mark.parametrize(
    ("status", "feed", "verdict", "says"),
    [
        (200, "finnhub", "ok", "takes it"),
        (401, "finnhub", "failed", "the key is refused"),
        (403, "finnhub", "failed", "the key is refused"),
        (401, "simulator", "warning", "the key is refused"),
        (429, "finnhub", "warning", "too many requests"),
        (500, "finnhub", "warning", "status 500"),
    ],
)
def test_the_key_is_tried_and_never_shown(status: int, feed: str, verdict: str, says: str) -> None:
    with rest_server(status) as (address, asked):
        settings = Settings.load(feed=feed, finnhub_api_key=KEY, finnhub_rest_url=address)
        (check,) = checkup.check_key(settings, ask_vendor)
    assert check.verdict == verdict
    assert says in check.found
    assert (check.cure == "") == (verdict == "ok")
    assert KEY not in str(check)
    assert asked == [("/quote?symbol=AAPL", KEY)]


def test_a_redirect_does_not_get_the_key() -> None:
    with rest_server(200) as (elsewhere, asked_there), rest_server(302, elsewhere) as (address, asked):
        settings = Settings.load(feed="finnhub", finnhub_api_key=KEY, finnhub_rest_url=address)
        (check,) = checkup.check_key(settings, ask_vendor)
    assert check.verdict == "warning"
    assert (len(asked), asked_there) == (1, [])


@pytest.mark.parametrize("key", ["line\nbreak", "schlüssel-ß-€"])
def test_an_odd_key_is_no_crash_and_not_shown(key: str) -> None:
    with rest_server(200) as (address, _):
        settings = Settings.load(feed="finnhub", finnhub_api_key=key, finnhub_rest_url=address)
        (check,) = checkup.check_key(settings, ask_vendor)
    assert (check.verdict, check.found) == ("failed", "the key has characters that no key has")
    assert key not in str(check)


def test_without_a_key_none_is_tried() -> None:
    assert list(checkup.check_key(Settings.load(), ask_vendor)) == []
