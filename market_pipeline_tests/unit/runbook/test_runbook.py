"""Every line of the seed that somebody had to do is done by something that exists, and RUNBOOK.md says which."""

import errno
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import dagster as dg
import pytest
from click.testing import CliRunner, Result

from market_pipeline.alerts.ledger import Ledger
from market_pipeline.alerts.rulebook import RULES
from market_pipeline.alerts.signal import Signal, Verdict
from market_pipeline.cli import main
from market_pipeline.cli.runbook import NEVER, Outcome
from market_pipeline.cli.status import shows_fault
from market_pipeline.definitions import defs
from market_pipeline.defs.partitions import PARTITION
from market_pipeline.layout import LAYOUT
from market_pipeline.local.processes import ProcessStatus
from market_pipeline.local.programs import EXECUTE_JOB
from market_pipeline.local.snapshot import FeedStatus, Snapshot, StreamStatus
from market_pipeline.runbook import worked
from market_pipeline.runbook.line import Line
from market_pipeline.runbook.lines import SECTIONS
from market_pipeline.runbook.page import page
from market_pipeline.supervision.servers import CassandraStatus, KafkaStatus

SEED = Path(__file__).with_name("seed.md").read_text(encoding="utf-8")
RUNBOOK = Path(__file__).parents[3] / "RUNBOOK.md"
LINES = [line for section in SECTIONS for line in section.lines]
HEADINGS = ("| Severity |", "| Parameter |", "|---", "|----")


def things_to_do(text: str) -> Iterator[str]:
    """Each command (continued lines joined, remarks left out), box, alert, symptom and row of a table."""
    code, command = False, ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("```"):
            code = not code
        elif code:
            command += line.removesuffix("\\").strip() + " "
            if not line.endswith("\\"):
                if command.strip() and not command.startswith("#"):
                    yield command.strip()
                command = ""
        elif line.startswith(("- ", "**Alert**")) or (line.startswith("| ") and not line.startswith(HEADINGS)):
            yield line


def test_every_line_of_the_seed_is_done_by_something() -> None:
    wanted = Counter(things_to_do(SEED))
    assert sum(wanted.values()) > 45
    mapped = Counter(seed for line in LINES for seed in line.seed)
    assert mapped == wanted


def test_ids_are_of_one_line_each() -> None:
    assert max(Counter(line.id for line in LINES).values()) == 1


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    """Loaded once: it takes a quarter of a second."""
    return defs().get_repository_def()


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.id)
def test_what_a_line_names_exists(line: Line, repository: dg.RepositoryDefinition) -> None:
    assert line.command or line.job or line.rule
    if line.rule is not None:
        assert line.rule in RULES
    if line.job is not None:
        assert isinstance(repository.get_job(line.job), dg.JobDefinition)
    if line.command is None or line.command.startswith("docker-compose"):
        return
    if line.command.startswith(EXECUTE_JOB):
        assert line.command.startswith(f"{EXECUTE_JOB} {line.job}")
        of_a_day = line.job is not None and repository.get_job(line.job).partitions_def is not None
        assert (PARTITION in line.command) == of_a_day
        return
    words = shlex.split(line.command)
    assert words[0] == "market-pipeline"
    parses(main, words[1:])


def parses(command: click.Command, words: list[str]) -> None:
    """What is typed is what the command takes; nothing is run."""
    with command.make_context(command.name or "x", list(words), resilient_parsing=False) as context:
        if isinstance(command, click.Group):
            _, child, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert child is not None
            parses(child, rest)


def test_the_page_is_the_one_that_the_code_makes() -> None:
    assert RUNBOOK.read_text(encoding="utf-8") == page(), "python -m market_pipeline.runbook.page > RUNBOOK.md"


def test_the_page_names_every_rule_and_line() -> None:
    text = page()
    for name in (*RULES, *(line.id for line in LINES)):
        assert re.search(rf"[`*]{re.escape(name)}[`*]", text), name


DRILL = next(line for line in LINES if line.id == "drill")


@pytest.mark.parametrize(
    ("command", "arguments", "lines"),
    [
        ("restart", ["stream"], {"restart-stream", "restart"}),
        ("restart", ["kafka"], {"restart"}),
        ("incidents show", ["kafka-down"], {"kafka-down"}),
        ("incidents show", ["kafka-down/kafka/1800000000000"], {"kafka-down"}),
        ("incidents show", ["failed-run"], set()),
        ("nodetool", ["tpstats"], {"write-latency"}),
        ("nodetool", ["tablestats", "market_data"], {"table-sizes"}),
        ("nodetool", [], set()),
        ("status", [], {"zero-trades-symptoms", "producer-process", "spark-status"}),
        ("topics create", ["mine"], {"topics-create"}),
        ("logs", [], {"logs"}),
        ("logs", ["kafka"], {"kafka-logs"}),
    ],
)
def test_a_line_worked_when_somebody_did_what_it_tells(command: str, arguments: list[str], lines: set[str]) -> None:
    assert {line.id for line in LINES if line.is_done_by(command.split(), arguments)} == lines


def test_nodetool_is_noted_although_it_ends_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "VERSION").write_text(f"{LAYOUT}")
    monkeypatch.setattr("market_pipeline.cli.nodetool.nodetool_command", lambda *_: ["sh", "-c", f"exit {code}"])
    monkeypatch.setattr("market_pipeline.cli.nodetool.listens", lambda _: True)
    told = next(line for line in LINES if line.id == "write-latency")
    for code in (1, 0):
        assert invoke(tmp_path, "nodetool", "tpstats").exit_code == code
        assert (worked.last(tmp_path / "reports" / "worked", told) is None) == (code == 1)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("restart", "streem"), "restart"),
        (("incidents", "ack", "kafka-dwn"), "take-it-on"),
        (("topics", "delete", "trades_raw"), "topics-delete"),
        (("drill", "--only", "producer-kiled"), "drill"),
    ],
)
def test_a_typo_is_no_fault_of_what_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], line: str
) -> None:
    (tmp_path / "VERSION").write_text(f"{LAYOUT}")
    monkeypatch.setattr("market_pipeline.local.supervisor_client.SupervisorClient.processes", lambda _: {"stream": 1})
    Ledger(tmp_path / "incidents" / "ledger.sqlite")
    answer = invoke(tmp_path, *words)
    assert (answer.exit_code, answer.stderr.count("\n")) == (1, 1)
    assert outcome(tmp_path, line) == "not checked"


@pytest.mark.parametrize("words", [("incidents", "list", "--all"), ("runbook",)])  # one by rich, one by click
def test_a_reader_that_has_enough_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    (tmp_path / "VERSION").write_text(f"{LAYOUT}")
    Ledger(tmp_path / "incidents" / "ledger.sqlite").judge(
        [Signal("kafka-down", "kafka", Verdict.FAULT)], RULES, time.time()
    )

    def closed(*_: object) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    output = io.TextIOWrapper(io.BytesIO(), write_through=True)
    monkeypatch.setattr(output, "write", closed)
    monkeypatch.setattr(sys, "stdout", output)
    with pytest.raises(SystemExit) as ended:
        main([*words, "--data-dir", str(tmp_path)])
    monkeypatch.undo()
    assert ended.value.code == 1
    assert outcome(tmp_path, "escalation" if "incidents" in words else "last-worked") == "not checked"


@pytest.mark.parametrize("code", [-signal.SIGPIPE, 128 + signal.SIGPIPE])
def test_a_reader_of_a_program_of_others_that_has_enough_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    (tmp_path / "VERSION").write_text(f"{LAYOUT}")
    monkeypatch.setattr("market_pipeline.cli.nodetool.listens", lambda _: True)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: subprocess.CompletedProcess((), code))
    monkeypatch.setattr("market_pipeline.cli.nodetool.nodetool_command", lambda *_: [])
    assert invoke(tmp_path, "nodetool", "tpstats").exit_code == code
    assert outcome(tmp_path, "write-latency") == "not checked"


def outcome(data_dir: Path, line: str) -> str:
    folder = data_dir / "reports" / "worked"
    found = next(each for each in LINES if each.id == line)
    return str(Outcome(worked.last(folder, found), worked.last(folder, found, fault=True)).state)


def test_the_commands_name_the_pipeline(tmp_path: Path) -> None:
    told = json.loads(invoke(tmp_path, "runbook", "--json").stdout)
    ours = [line["command"] for line in told if line["command"].startswith("market-pipeline ")]
    assert ours
    assert all(command.endswith(f" --data-dir {tmp_path}") for command in ours)


def test_who_mistypes_a_command_is_told_which_was_meant() -> None:
    answer = CliRunner().invoke(main, ["incidnts"])
    assert answer.exit_code == 2
    assert answer.output == "error: no such command 'incidnts', perhaps incidents: see `main --help`\n"


def invoke(data_dir: Path, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--data-dir", str(data_dir)])


def test_what_worked_is_told_beside_what_to_type(tmp_path: Path) -> None:
    """Where a pipeline is: a command that only looked at an empty folder makes none of it."""
    assert invoke(tmp_path / "none", "logs", "kafka").exit_code == 1
    assert not (tmp_path / "none").exists()
    (tmp_path / "VERSION").write_text(f"{LAYOUT}")
    assert invoke(tmp_path, "logs", "kafka").exit_code == 1  # there is none yet: it did not work
    before = json.loads(invoke(tmp_path, "runbook", "--json").stdout)
    assert {line["worked"] for line in before} == {None}
    assert {line["id"] for line in before if line["state"] == "reported a fault"} == {"kafka-logs"}
    assert invoke(tmp_path, "drill", "--list").exit_code == 0  # looked, and broke nothing
    assert {line["worked"] for line in json.loads(invoke(tmp_path, "runbook", "--json").stdout)} != {None}
    assert worked.last(tmp_path / "reports" / "worked", DRILL) is None
    worked.note(tmp_path / "reports" / "worked", ["drill"], [])
    after = {line["id"]: line["worked"] for line in json.loads(invoke(tmp_path, "runbook", "--json").stdout)}
    assert {name for name, at in after.items() if at is not None} == {"drill", "last-worked"}
    assert abs((datetime.now(UTC) - datetime.fromisoformat(after["drill"])).total_seconds()) < 600
    shown = invoke(tmp_path, "runbook").stdout
    assert shown.count("**last worked 20") == 2
    assert len(re.findall(r"\*\*reported a fault 20\S+ \S+ UTC, never worked here\*\*", shown)) == 1
    assert shown.count(NEVER) == len(LINES) - 3


@pytest.mark.parametrize(
    ("worked_at", "fault_at", "state"),
    [
        (None, None, "not checked"),
        (1, None, "worked"),
        (None, 1, "reported a fault"),
        (2, 1, "worked"),
        (1, 2, "reported a fault"),
    ],
)
def test_the_newer_of_two_outcomes_counts(
    tmp_path: Path, worked_at: int | None, fault_at: int | None, state: str
) -> None:
    (tmp_path / "VERSION").write_text(f"{LAYOUT}")
    folder = tmp_path / "reports" / "worked"
    for at, fault in ((worked_at, False), (fault_at, True)):
        if at is not None:
            worked.note(folder, ["drill"], [], fault=fault)
            os.utime(folder / ("drill.fault" if fault else "drill"), (at, at))
    told = {line["id"]: line for line in json.loads(invoke(tmp_path, "runbook", "--json").stdout)}
    assert told["drill"]["state"] == state


def test_a_screen_that_shows_a_fault_is_not_counted_as_worked() -> None:
    running = ProcessStatus(7, "running", 9.0, 0, None, 1.0, 0.1)
    well = Snapshot(0.0, "/d", 1, {"stream": running}, FeedStatus(), KafkaStatus(), StreamStatus(), CassandraStatus())
    assert not shows_fault(well)
    down = replace(running, pid=None, state="given up", last_error="exit status 70")
    assert shows_fault(replace(well, processes={"stream": down}))
    assert shows_fault(replace(well, processes={"stream": replace(running, asleep=True)}))
    assert shows_fault(replace(well, stream=StreamStatus(silent_s=20.0)))
    assert shows_fault(replace(well, feed=FeedStatus(journal_error="No space left on device")))
    assert shows_fault(replace(well, stream=StreamStatus(phase="unresponsive", jvm_silent_s=5.0)))


def test_what_a_job_did_counts_too(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text(f"{LAYOUT}")
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")

    @dg.op
    def nothing() -> None: ...

    @dg.job(name="daily_routine")
    def routine() -> None:
        nothing()

    with dg.DagsterInstance.from_config(str(home)) as instance:
        routine.execute_in_process(instance=instance)
    told = {line["id"]: line["worked"] for line in json.loads(invoke(tmp_path, "runbook", "--json").stdout)}
    assert [name for name, at in told.items() if at is not None] == ["daily"]
