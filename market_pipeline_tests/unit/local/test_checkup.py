"""What the doctor finds."""

import hashlib
import pwd
import socket
import threading
from pathlib import Path

import pytest

from market_pipeline.local import checkup, file_digests
from market_pipeline.local.checkup import (
    check_feed,
    check_memory,
    check_other_users,
    check_servers,
    check_vendor,
    check_versions,
    check_websocket,
)
from market_pipeline.local.jars import Jar
from market_pipeline.local.java import FLOOR, Candidate, find
from market_pipeline.local.other_users import people
from market_pipeline.local.reach import Reply, ask_vendor, clock_offset, knock
from market_pipeline.settings import LOOPBACK, Settings
from market_pipeline_tests.rest_server import rest_server

KEY = "secret-key-of-finnhub"
GIB = 1024**3


@pytest.fixture(autouse=True)
def _no_proxy_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", LOOPBACK)


def test_a_healthy_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "ask_vendor", lambda url: "no network")
    monkeypatch.setattr(checkup, "knock", lambda url: "no network")
    settings = Settings.load(data_dir=tmp_path / "data", feed="simulator")
    found = {check.name: check for check in checkup.examine(settings)}
    assert list(found) == [
        *("java", "versions", "jars", "data dir", "disk", "memory", "ports", "other users", "spark", "feed"),
        *("reachability", "time offset", "websocket"),
    ]
    assert found["time offset"].verdict == "not checked"
    assert found["java"].verdict == ("ok" if find(settings).current else "warning")
    for name in ("versions", "data dir", "feed", "reachability", "websocket"):
        assert found[name].verdict == "ok", found[name]


def test_what_other_users_can_reach_is_told_where_there_are_any(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path, port_base=20_000, feed="finnhub")
    assert check_other_users(settings, []).verdict == "ok"
    check = check_other_users(settings, ["ann", "bob", "cid", "dan"])
    assert check.verdict == "warning"
    assert check.found == (
        "ann, bob, cid and 1 more can read and write, without a login: "
        "Kafka (127.0.0.1:20092, 20093), Cassandra (127.0.0.1:20042, 20070)"
    )
    feed = check_other_users(Settings.load(data_dir=tmp_path, port_base=20_000, feed="simulator"), ["ann"])
    assert feed.found.endswith(", the simulator (127.0.0.1:20080)")
    elsewhere = {"kafka_bootstrap_servers": "k:9092", "cassandra_contact_points": ("c",), "feed": "finnhub"}
    assert check_other_users(Settings.load(**elsewhere), ["ann"]).verdict == "ok"
    cluster = check_other_users(Settings.load(**elsewhere, spark_master="spark://m:7077", port_base=20_000), ["ann"])
    assert "Spark's driver (127.0.0.1:20000)" in cluster.found
    (tmp_path / "secret").write_text("s")
    with_secret = Settings.load(**elsewhere, spark_master="spark://m:7077", spark_auth_secret_file=tmp_path / "secret")
    assert check_other_users(with_secret, ["ann"]).verdict == "ok"


def test_who_has_an_account_or_a_process_here() -> None:
    def account(name: str, uid: int, shell: str = "/bin/bash") -> pwd.struct_passwd:
        return pwd.struct_passwd((name, "x", uid, uid, "", "/", shell))

    accounts = [
        *(account("root", 0), account("daemon", 1, "/usr/sbin/nologin"), account("nobody", 65534, "/usr/sbin/nologin")),
        *(account("me", 1000), account("ann", 1001), account("ftp", 1002, "/bin/false")),
    ]
    assert people(accounts, [0, 1, 1000, 1000], own=1000) == ["ann"]
    assert people(accounts, [1002, 70_001], own=1000) == ["ann", "ftp", "uid 70001"]


def test_an_older_java_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, verdict in (("17.0.9", "warning"), (FLOOR, "ok")):
        monkeypatch.setattr(checkup, "find", lambda _, v=version: Candidate("JAVA_HOME", tmp_path, 17, version=v))
        check = checkup.check_java(Settings.load(data_dir=tmp_path))
        assert check.verdict == verdict
        assert version in check.found


def test_jars_that_are_not_those_of_the_lock_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M2_REPO", str(tmp_path / "repository"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    good = b"a jar"
    jars = [Jar("kafka", f"g:{name}:1", hashlib.sha256(good).hexdigest(), len(good)) for name in ("one", "two")]
    monkeypatch.setattr(checkup, "locked", lambda *names: jars)
    assert checkup.check_jars().found.startswith("2 of 2 are not here")
    files = [tmp_path / "repository" / jar.relative_path for jar in jars]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_bytes(good)
    assert checkup.check_jars().verdict == checkup.check_jars(verify=True).verdict == "ok"
    digest = file_digests._digest
    monkeypatch.setattr(file_digests, "_digest", lambda file: "0" * 64)  # a disk that no longer gives what it was given
    assert checkup.check_jars().verdict == "ok"
    assert checkup.check_jars(verify=True).verdict == "warning"
    monkeypatch.setattr(file_digests, "_digest", digest)
    for file in files:
        file.write_bytes(bytes(len(good)))
    check = checkup.check_jars()
    assert check.verdict == "warning"
    assert check.found == f"{files[0]} and 1 others are not the files that we locked"


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
        ("finnhub", "refused", ["failed", "not checked"]),
        ("simulator", "refused", ["ok", "not checked"]),
        ("finnhub", Reply(0.1, 0.4), ["ok", "ok"]),
        ("finnhub", Reply(0.1, None), ["ok", "not checked"]),
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


def test_the_websockets_host_is_knocked_at(refusing_port: int) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        there = Settings.load(feed="finnhub", finnhub_ws_url=f"ws://{LOOPBACK}:{listener.getsockname()[1]}")
        assert check_websocket(there, knock).verdict == "ok"
    away = f"ws://{LOOPBACK}:{refusing_port}"
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
        (429, "finnhub", "not checked", "too many requests"),
        (500, "finnhub", "not checked", "status 500"),
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
    assert check.verdict == "not checked"
    assert (len(asked), asked_there) == (1, [])


def test_without_a_key_none_is_tried() -> None:
    assert list(checkup.check_key(Settings.load(), ask_vendor)) == []
