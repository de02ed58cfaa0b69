"""Which of Dagster's old runs are deleted, and that what they told of assets stays known."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from market_pipeline.defs.pruning import KEPT, obsolete, prune

NOW = datetime.now(UTC)
LATER = NOW + KEPT + timedelta(days=1)


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["mon", "tue"]))
def table() -> None: ...


@dg.op
def fail() -> None:
    raise dg.Failure("no")


@dg.job
def failing() -> None:
    fail()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def run(instance: dg.DagsterInstance, partition: str) -> str:
    return dg.materialize([table], instance=instance, partition_key=partition).run_id


def test_of_each_day_the_newest_good_run_stays_and_a_young_one_always(instance: dg.DagsterInstance) -> None:
    old_mon, tue, new_mon = run(instance, "mon"), run(instance, "tue"), run(instance, "mon")
    failed = failing.execute_in_process(instance=instance, raise_on_error=False).run_id
    assert prune(instance, NOW) == 0
    assert prune(instance, LATER) == 1
    left = {record.dagster_run.run_id for record in instance.get_run_records()}
    assert left == {tue, new_mon, failed}
    assert old_mon not in left
    assert instance.get_materialized_partitions(table.key) == {"mon", "tue"}
    assert prune(instance, LATER) == 0


def test_what_failed_and_was_done_since_is_obsolete_and_what_failed_last_is_not(instance: dg.DagsterInstance) -> None:
    records = []
    for _ in range(2):
        failing.execute_in_process(instance=instance, raise_on_error=False)
        records = list(instance.get_run_records())
    assert obsolete(records, LATER) == []  # no good one came since
