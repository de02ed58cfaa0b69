"""What is planned for each parameter: live, by a restart, or not here."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from market_pipeline.cli import main
from market_pipeline.settings import Settings
from market_pipeline.supervision.heartbeat import Heartbeat
from market_pipeline.tuning import apply
from market_pipeline.tuning.apply import NotTaken, taken, wait_for_stream
from market_pipeline.tuning.plan import KEPT_BY, ORDER, Change, Here, Kind, of_kinds, plan
from market_pipeline.tuning.profiles import PARAMETERS

OURS = {each.name: each.values["two-cores"] for each in PARAMETERS}
TUNED = {each.name: each.values["tuned"] for each in PARAMETERS}
ROOMY = Here(free_mb=16_000, held_mb={"cassandra": 700, "stream": 900, "producer": 200})


def settings_with(**given: object) -> Settings:
    return Settings.model_construct(**given)  # no .env and no variable of this machine


def planned(name: str, before: int, after: int, here: Here = ROOMY, **given: object) -> Change:
    """The only change, asked for by name."""
    (change,) = plan({name: after}, {name: before}, settings_with(**given), here, [name])
    return change


def test_every_parameter_has_a_place_in_the_order() -> None:
    assert sorted(ORDER) == sorted(each.name for each in PARAMETERS)


@pytest.mark.parametrize(
    ("name", "before", "after", "kind", "told"),
    [
        ("log.retention.hours", 72, 168, "live", "what it deleted stays deleted"),
        ("log.retention.hours", 168, 72, "live", "older than 72 h, archived or not"),
        ("gc_grace_seconds", 864_000, 86_400, "live", "has to be replaced"),
        ("gc_grace_seconds", 86_400, 864_000, "live", "may be away for as long"),
        ("MAX_HEAP_SIZE", 768, 2048, "restart", "the stream starts anew by itself"),
        ("MAX_HEAP_SIZE", 2048, 768, "restart", "the stream starts anew by itself"),
        ("spark.executor.memory", 768, 2048, "restart", "goes on from its checkpoints"),
        ("num.partitions", 2, 12, "restart", "no way back"),
        ("num.partitions", 12, 2, "refused", "starts with as few, by MARKET_PIPELINE_KAFKA_PARTITIONS=2"),
        ("spark.sql.shuffle.partitions", 1, 12, "refused", "the job reset_stream"),
    ],
)
def test_what_is_done_and_what_it_means(name: str, before: int, after: int, kind: Kind, told: str) -> None:
    change = planned(name, before, after)
    assert change.kind == kind
    assert told in change.text
    assert "\n" not in change.text


@pytest.mark.parametrize(
    ("name", "after", "kept"),
    [
        (
            "log.retention.hours",
            168,
            "until the next `up` or `init`: MARKET_PIPELINE_KAFKA_RETENTION_HOURS=168 in .env",
        ),
        ("MAX_HEAP_SIZE", 2048, "until the next `up`: MARKET_PIPELINE_CASSANDRA_HEAP_MB=2048 in .env"),
        ("spark.executor.memory", 2048, "until the next `up`: MARKET_PIPELINE_SPARK_DRIVER_MEMORY_MB=2048 in .env"),
        ("num.partitions", 12, "put MARKET_PIPELINE_KAFKA_PARTITIONS=12 into .env now"),
    ],
)
def test_what_keeps_a_value_is_told_unless_the_settings_have_it(name: str, after: int, kept: str) -> None:
    assert kept in planned(name, OURS[name], after).keep
    assert planned(name, OURS[name], after, **{KEPT_BY[name]: after}).keep == ""


def test_what_nothing_takes_back_needs_no_keeping() -> None:
    assert planned("gc_grace_seconds", 86_400, 864_000).keep == ""


def test_more_partitions_are_made_only_by_name() -> None:
    (change,) = plan({"num.partitions": 12}, {"num.partitions": 2}, settings_with(), ROOMY)
    assert change.kind == "refused"
    assert "add --only num.partitions" in change.text


def test_partitions_for_which_a_chosen_master_has_no_slots_are_refused() -> None:
    change = planned("num.partitions", 2, 12, spark_master="local[8,4]")
    assert change.kind == "refused"
    assert "needs 12 task slots then, and SPARK_MASTER=local[8,4] has 8: set SPARK_MASTER=local[13,4]" in change.text
    assert planned("num.partitions", 2, 12, spark_master="local[13,4]").kind == "restart"
    assert planned("num.partitions", 2, 12, spark_master="spark://cluster:7077").kind == "restart"
    assert planned("num.partitions", 2, 12, spark_master="local[8,4]", stream_mode="micro-batch").kind == "restart"


@pytest.mark.parametrize(
    ("here", "kind"),
    [
        (Here(1_400, {"cassandra": 700}), "restart"),  # 2,048 - 700 held
        (Here(1_300, {"cassandra": 700}), "refused"),
        (Here(1_280, {"cassandra": 1_000}), "restart"),  # the old heap is full: 2,048 - 768
        (Here(1_279, {"cassandra": 1_000}), "refused"),
    ],
)
def test_more_memory_than_there_is_is_refused_with_the_figures(here: Here, kind: Kind) -> None:
    change = planned("MAX_HEAP_SIZE", 768, 2048, here)
    assert change.kind == kind
    if kind == "refused":
        assert f"the machine has {here.free_mb:,} MB free" in change.text
        assert "MARKET_PIPELINE_CASSANDRA_HEAP_MB" in change.text


def test_the_second_heap_gets_what_the_first_leaves() -> None:
    two = {"MAX_HEAP_SIZE": 2048, "spark.executor.memory": 2048}
    have = {"MAX_HEAP_SIZE": 768, "spark.executor.memory": 768}
    changes = plan(two, have, settings_with(), Here(2_000, {"cassandra": 768, "stream": 900}))
    assert [(change.name, change.kind) for change in changes] == [
        ("MAX_HEAP_SIZE", "restart"),
        ("spark.executor.memory", "refused"),
    ]
    assert "it may take 1,280 MB more than now, and the machine has 720 MB free" in changes[1].text


def test_a_smaller_heap_needs_no_room() -> None:
    assert planned("MAX_HEAP_SIZE", 2048, 768, Here(0, {"cassandra": 700})).kind == "restart"


def test_what_nobody_here_can_restart_is_refused() -> None:
    change = planned("num.partitions", 2, 12, Here(16_000, {"producer": 200}))
    assert change.kind == "refused"
    assert "a restart of stream, which no supervisor keeps here" in change.text
    assert planned("log.retention.hours", 72, 168, Here(0)).kind == "live"


def test_live_changes_come_first_and_what_is_equal_or_unknown_not_at_all() -> None:
    have: dict[str, int | str] = {**OURS, "gc_grace_seconds": 864_000, "log.retention.hours": "Kafka does not answer"}
    changes = plan(TUNED, have, settings_with(), ROOMY)
    assert [change.name for change in of_kinds(changes, "live", "restart")] == [
        "gc_grace_seconds",
        "MAX_HEAP_SIZE",
        "spark.executor.memory",
    ]
    assert {change.name for change in of_kinds(changes, "refused")} == {
        "num.partitions",
        "spark.sql.shuffle.partitions",
    }


def answering(*values: int) -> Callable[[Settings], dict[str, Callable[[], int]]]:
    left = list(values)
    return lambda _: {"MAX_HEAP_SIZE": lambda: left.pop(0) if len(left) > 1 else left[0]}


def test_a_value_that_comes_late_is_waited_for_and_another_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    change = planned("MAX_HEAP_SIZE", 768, 2048)
    monkeypatch.setattr(apply, "read_back", answering(768, 2048))
    assert taken(settings_with(), change) == 2048
    monkeypatch.setattr(apply, "read_back", answering(768))
    monkeypatch.setattr(apply, "READ_WITHIN_S", 0.0)
    with pytest.raises(NotTaken, match="is 768 and should be 2,048: `market-pipeline logs cassandra`"):
        taken(settings_with(), change)


def test_a_stream_that_beats_and_does_not_work_is_told(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    phase = {"phase": "starting"}
    beat = Heartbeat(settings.paths.heartbeat("stream"), "stream", lambda: phase).start()
    try:
        with pytest.raises(apply.StartError, match="does not work within 0 s"):
            wait_for_stream(settings, 0.0)
        phase["phase"] = "running"
        wait_for_stream(settings, 10.0)
    finally:
        beat.stop()


def test_with_nothing_running_a_dry_run_says_so_and_really_is_an_error(
    tmp_path: Path, refusing_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKET_PIPELINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CASSANDRA_CONTACT_POINTS", "127.0.0.1")
    monkeypatch.setenv("CASSANDRA_PORT", str(refusing_port))
    typed = ["tune", "apply", "--only", "MAX_HEAP_SIZE"]
    told = CliRunner().invoke(main, typed)
    assert told.exit_code == 0
    assert told.output == "MAX_HEAP_SIZE: not known, and left alone: cassandra does not run here\n"
    asked = CliRunner().invoke(main, [*typed, "--really"])
    assert asked.exit_code == 1
    assert asked.stderr == "error: cassandra does not run here\n"
