"""The table of programs that the supervisor keeps: what each is started with, in which order, and how long it may take
to end."""

import json
from dataclasses import dataclass

from market_pipeline.interpreter import PYTHON
from market_pipeline.local import unix_sockets
from market_pipeline.settings import Settings

EX_USAGE, EX_NOPERM = 2, 77

CODE_LOCATION = "market_pipeline"
DEFINITIONS = "market_pipeline.definitions"
EXECUTE_JOB = f"dagster job execute -m {DEFINITIONS} -j"
"""What a person types before the name of one of our jobs."""
MATERIALIZE = f"dagster asset materialize -m {DEFINITIONS} --select"
"""What a person types before the name of one of our assets."""


@dataclass(frozen=True)
class Program:
    """One supervised program.

    Attributes:
        name: what people call it, and its lock, heartbeat and log.
        command: what the supervisor starts; it ends up holding the lock of that name.
        stop_within_s: seconds between the polite signal and SIGKILL.
        stop_stage: programs of one stage are stopped together, lower stages first.
        up_after_s: seconds that it must live to count as started. One that ends sooner is tried again with a back-off
            and then given up; a later end is followed by a new start at once.
        always: start it again even after a clean exit that nobody asked for.
    """

    name: str
    command: tuple[str, ...]
    stop_within_s: int
    stop_stage: int
    up_after_s: int = 5
    always: bool = False


def programs(settings: Settings) -> list[Program]:
    """What runs for these settings, in the order in which it is started.

    What takes from others stands before them in stopping: the producer first, so that everything that was received is
    in Kafka and its feed ends because we said so, then the local feed, the stream and Dagster, and the servers last.
    Dagster's daemon is in the first stage, so that no sensor takes a stop for a failure.
    """
    return [program for program in every_program(settings) if _wanted(program.name, settings)]


def names(settings: Settings) -> list[str]:
    return [program.name for program in programs(settings)]


FINAL_EXITS = (0, EX_USAGE, EX_NOPERM)
"""Exit codes after which a program is not started again: done (a replay that plays once), told to do what cannot be
done, or refused by the vendor, whose patience a loop of new starts would only try."""

EVERY_NAME = (
    "kafka",
    "cassandra",
    "feed-server",
    "producer",
    "stream",
    "dagster-code-server",
    "dagster-webserver",
    "dagster-daemon",
    "slack",
)
"""All that may run, whatever the settings."""

BEATING = frozenset({"feed-server", "producer", "stream", "slack"})
"""Programs of ours, which write a heartbeat."""

DAGSTER = tuple(name for name in EVERY_NAME if name.startswith("dagster-"))


def _wanted(name: str, settings: Settings) -> bool:
    return {
        "kafka": settings.embedded_kafka,
        "cassandra": settings.embedded_cassandra,
        "feed-server": settings.active_feed != "finnhub",
        **dict.fromkeys(DAGSTER, settings.dagster),
        "slack": None not in (settings.slack_token, settings.slack_app_token, settings.slack_channel),
    }.get(name, True)


def every_program(settings: Settings) -> list[Program]:
    """All that may run, whatever feed and servers the settings name."""
    return [
        Program("kafka", _launch("kafka"), stop_within_s=30, stop_stage=4, always=True),
        Program("cassandra", _launch("cassandra"), stop_within_s=30, stop_stage=4, always=True),
        # these two have ends that a new start cannot mend, and reach them within seconds
        Program("feed-server", _module("market_pipeline.feed.server"), stop_within_s=5, stop_stage=2, up_after_s=1),
        Program("producer", _module("market_pipeline.feed.producer"), stop_within_s=30, stop_stage=1, up_after_s=1),
        Program("stream", _module("market_pipeline.stream.application"), stop_within_s=30, stop_stage=2),
        *(
            Program(
                name,
                _launch(name),
                stop_within_s=25,
                stop_stage=_DAGSTER_STOPS[name],
                always=True,
            )
            for name in DAGSTER
        ),
        Program("slack", _module("market_pipeline.alerts.slack_listener"), stop_within_s=10, stop_stage=2),
    ]


_DAGSTER_STOPS = {"dagster-daemon": 1, "dagster-webserver": 2, "dagster-code-server": 3}
"""The code server ends at once only when nobody is connected to it any more."""


def dagster_command(name: str, settings: Settings) -> list[str]:
    """What a program of Dagster is replaced by.

    One process holds our definitions for both others. Were each to load them itself, the daemon would start a new copy
    every minute.
    """
    workspace = str(settings.paths.config / "workspace.yaml")
    code = ["api", "grpc", "--socket", str(unix_sockets.code_server(settings))]
    return [
        *PYTHON,
        "-m",
        *{
            "dagster-code-server": ["dagster", *code, "--module-name", DEFINITIONS, "--location-name", CODE_LOCATION],
            "dagster-webserver": ["market_pipeline.webserver", "--workspace", workspace],
            "dagster-daemon": ["dagster._daemon", "run", "--workspace", workspace],
        }[name],
    ]


def workspace_yaml(settings: Settings) -> str:
    """Where the webserver and the daemon find our definitions."""
    return (
        "load_from:\n"
        "  - grpc_server:\n"
        f"      socket: {json.dumps(str(unix_sockets.code_server(settings)))}\n"
        f"      location_name: {CODE_LOCATION}\n"
    )


def _module(module: str) -> tuple[str, ...]:
    return (*PYTHON, "-m", module)


def _launch(name: str) -> tuple[str, ...]:
    return (*PYTHON, "-m", "market_pipeline.local.launch", name)
