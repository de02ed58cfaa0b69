"""The whole pipeline as `make run` starts it, Dagster and all: its cost, and how long starts and recoveries take."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from market_pipeline.store.cluster import connect
from market_pipeline.supervision.heartbeat import read_heartbeat
from market_pipeline_tests.bench.figures import summary
from market_pipeline_tests.bench.prober import Prober, latencies_ms
from market_pipeline_tests.bench.programs import Weight, weighed
from market_pipeline_tests.bench.servers import free_base, say, wait_until
from market_pipeline_tests.running import RunningPipeline

STEADY_RATE, HIGH_RATE = 1_000, 5_000
STEADY_AFTER_S = 300.0
"""By then the JVMs have compiled what they run often."""

WEIGHED_S = 60.0
HIGH_FOR_S = 600.0
HIGH_SETTLES_S = 60.0
WARM_STARTS = 3
RECOVERIES = 3
IDLE_RATE = 0.01
QUERYABLE = re.compile(r"queryable after +([0-9.]+) s")


def cost(folder: Path, *, steady_after_s: float = STEADY_AFTER_S, weighed_s: float = WEIGHED_S) -> dict[str, Any]:
    """Cores and MiB of each process in the first minute, the sixth, and idle; latency and freshness in the seventh."""
    with _started(folder / "steady", STEADY_RATE) as pipeline:
        began = time.monotonic()
        say(f"{STEADY_RATE:,} trades/s: the first minute")
        first = _weights(pipeline, weighed_s)
        say(f"{STEADY_RATE:,} trades/s: waiting for the sixth minute")
        time.sleep(max(0.0, began + steady_after_s - time.monotonic()))
        sixth = _weights(pipeline, weighed_s)
        with connect(pipeline.settings, timeout_s=60) as session:
            prober = Prober(session, pipeline.settings.keyspace)
            latency = summary(latencies_ms(pipeline.settings, prober, weighed_s))
            bars = summary(latencies_ms(pipeline.settings, prober, weighed_s / 2, of_bars=True))
    with _started(folder / "idle", IDLE_RATE) as pipeline:
        say("idle: waiting for the fourth minute")
        time.sleep(steady_after_s * 0.6)
        idle = _weights(pipeline, weighed_s)
    return {
        "rate": STEADY_RATE,
        "first_minute": first,
        "steady": sixth,
        "idle": idle,
        "queryable_ms": latency,
        "bar_ms": bars,
    }


def high(folder: Path, *, for_s: float = HIGH_FOR_S, settles_s: float = HIGH_SETTLES_S) -> dict[str, Any]:
    """How old the oldest waiting trade is, each second, at ``HIGH_RATE``; and what that costs."""
    with _started(folder / "high", HIGH_RATE) as pipeline:
        heartbeat = pipeline.settings.paths.heartbeat("stream")
        say(f"{HIGH_RATE:,} trades/s for {for_s:.0f} s, after {settles_s:.0f} s")
        time.sleep(settles_s)
        ages: list[float] = []
        with weighed(_pids(pipeline)) as weights:
            deadline = time.monotonic() + for_s
            while time.monotonic() < deadline:
                beat = read_heartbeat(heartbeat)
                ages.append(float((beat.detail.get("oldest_waiting_age_s") if beat else None) or 0.0))
                time.sleep(1)
    return {
        "rate": HIGH_RATE,
        "seconds": for_s,
        "weights": _plain(weights),
        "waiting_s": summary(ages),
        "above_one_second": sum(age > 1 for age in ages) / max(1, len(ages)),
    }


def starts(folder: Path) -> dict[str, Any]:
    """Seconds from `up` to the first queryable trade, in a new data dir and again; then after SIGKILL of the stream."""
    pipeline = RunningPipeline(folder / "starts", free_base())
    pipeline.environment |= {"MARKET_PIPELINE_RATE": str(STEADY_RATE)}
    pipeline.settings.data_dir.mkdir(parents=True)
    try:
        say("a first start in a new data dir")
        first = _up(pipeline)
        warm = []
        for number in range(1, WARM_STARTS + 1):
            pipeline.run("down")
            say(f"warm start {number} of {WARM_STARTS}")
            warm.append(_up(pipeline))
        recovered = []
        for number in range(1, RECOVERIES + 1):
            time.sleep(20)
            say(f"SIGKILL of the stream, {number} of {RECOVERIES}")
            recovered.append(_recovery(pipeline))
    finally:
        pipeline.stop()
    return {"rate": STEADY_RATE, "first_s": first, "warm_s": warm, "recovered": recovered}


def _up(pipeline: RunningPipeline) -> float:
    found = QUERYABLE.search(pipeline.run("up", "--detach").stdout)
    if found is None:
        raise SystemExit("`up` does not say when trades were queryable")
    return float(found[1])


def _recovery(pipeline: RunningPipeline) -> dict[str, float]:
    """Seconds from SIGKILL until a trade that was received later is queryable, and from then until none waits."""
    settings = pipeline.settings
    before = _beat(pipeline)
    pipeline.kill("stream")
    began, killed_us = time.monotonic(), time.time_ns() // 1000
    with connect(settings, timeout_s=60) as session:
        newest = session.prepare(f"SELECT trade_id FROM {settings.keyspace}.latest_prices")
        _until(
            lambda: any(int(row.trade_id[:16]) > killed_us for row in session.execute(newest)), "a trade after the kill"
        )
    queryable = time.monotonic() - began
    _until(
        lambda: (beat := _beat(pipeline))["pid"] != before["pid"] and 0 <= (beat["lag"] or 0) < STEADY_RATE, "no lag"
    )
    return {"queryable_s": queryable, "no_lag_s": time.monotonic() - began - queryable}


def _beat(pipeline: RunningPipeline) -> dict[str, Any]:
    beat = read_heartbeat(pipeline.settings.paths.heartbeat("stream"))
    return {"pid": beat.pid if beat else None, "lag": beat.detail.get("lag") if beat else None}


def _until(condition: Callable[[], bool], what: str) -> None:
    wait_until(condition, what, within_s=120, poll_s=0.05)


@contextmanager
def _started(data_dir: Path, rate: float) -> Iterator[RunningPipeline]:
    data_dir.mkdir(parents=True)
    pipeline = RunningPipeline(data_dir, free_base())
    try:
        say(f"starting a pipeline at {rate:,} trades/s")
        pipeline.up(MARKET_PIPELINE_RATE=str(rate))
        yield pipeline
    finally:
        pipeline.stop()


def _pids(pipeline: RunningPipeline) -> dict[str, int]:
    """Every program's."""
    processes = pipeline.status()["processes"]
    return {name: int(each["pid"]) for name, each in processes.items() if each.get("pid")}


def _weights(pipeline: RunningPipeline, seconds: float) -> dict[str, dict[str, float]]:
    with contextlib.ExitStack() as stack:
        weights = stack.enter_context(weighed(_pids(pipeline)))
        time.sleep(seconds)
    return _plain(weights)


def _plain(weights: dict[str, Weight]) -> dict[str, dict[str, float]]:
    return {name: asdict(weight) for name, weight in weights.items()}
