"""What ``up`` shows while it runs: one line that renews itself, and a line for each program that was started again."""

import time
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from market_pipeline.cli.terminal import SafeConsole
from market_pipeline.local.programs import FINAL_EXITS
from market_pipeline.local.supervisor_client import ProcessState, SupervisorAway, SupervisorClient
from market_pipeline.local.supervisor_log import History, read_histories
from market_pipeline.local.supervisord import NAME as SUPERVISOR
from market_pipeline.settings import Settings
from market_pipeline.supervision.heartbeat import Beat, read_heartbeat
from market_pipeline.supervision.lock import holder

EVERY_S = 1.0


def watch(settings: Settings, console: SafeConsole) -> str | None:
    """Return when the supervisor is gone: None when it was stopped on purpose, else what to tell."""
    lock = settings.paths.lock(SUPERVISOR)
    told: Mapping[str, History] = read_histories(settings)
    with console.status("running; Ctrl-C stops everything") as status:
        while holder(lock) is not None:
            beats = {name: read_heartbeat(settings.paths.heartbeat(name)) for name in ("producer", "stream")}
            status.update(line(beats["producer"], beats["stream"], time.time()))
            histories = read_histories(settings)
            for sentence in news(told, histories, _states(settings)) if histories != told else ():
                console.print(Text.assemble("  ", ("!", "yellow"), f" {sentence}"))
            told = histories
            time.sleep(EVERY_S)
    left = [name for name in told if holder(settings.paths.lock(name)) is not None]
    return f"the supervisor ended by itself (see {settings.paths.log(SUPERVISOR)})" if left else None


def news(before: Mapping[str, History], after: Mapping[str, History], states: Mapping[str, ProcessState]) -> list[str]:
    """A sentence for each program that ended by itself meanwhile, and what becomes of it."""
    return [
        f"{name} ended ({history.last_exit}) and {_outcome(name, states.get(name))}"
        for name, history in after.items()
        if history.last_exit and history.last_exit != before.get(name, History()).last_exit
    ]


def _outcome(name: str, state: ProcessState | None) -> str:
    if state is not None and state.state == "FATAL":
        return f"is given up: see `market-pipeline logs {name}`, then `market-pipeline restart {name}`"
    if state is not None and state.state == "EXITED" and state.exit_status == 0:
        return "is done"
    if state is not None and state.state == "EXITED" and state.exit_status in FINAL_EXITS:
        return f"stays down, for a new start cannot mend that: see `market-pipeline logs {name}`"
    return "is started again"


def _states(settings: Settings) -> Mapping[str, ProcessState]:
    try:
        return SupervisorClient(settings).processes()
    except SupervisorAway:
        return {}


def line(producer: Beat | None, stream: Beat | None, now: float) -> str:
    """Rate, lag and freshness in one line."""
    feed: Mapping[str, Any] = producer.detail if producer else {}
    spark: Mapping[str, Any] = stream.detail if stream else {}
    parts = [f"{feed.get('received', 0):,} trades received"]
    if (rate := spark.get("input_rate")) is not None:
        parts.append(f"{rate:,.0f}/s")
    if (lag := spark.get("lag")) is not None:
        parts.append(f"lag {lag:,}")
    if stream is not None and lag and (age := spark.get("oldest_waiting_age_s")) is not None:
        parts.append(f"oldest waiting {max(0.0, now - stream.beat_at + age):.1f} s old")
    elif stream is not None and (age := spark.get("newest_event_age_s")) is not None:
        # the stream looks and tells once a second: a newer one may be there already
        parts.append(f"newest queryable at most {max(0.0, now - stream.beat_at + age):.1f} s old")
    if producer is not None and not feed.get("connected"):
        parts.append("feed NOT connected")
    return " · ".join([*parts, "Ctrl-C stops everything"])
