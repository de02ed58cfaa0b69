"""What the archive plans to read, given its place and what Kafka has: nothing is skipped in silence."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from market_pipeline.bronze.manifest import Manifest
from market_pipeline.bronze.source import AGED_OUT, BEFORE_FIRST_RUN, TOPIC_REPLACED, plan

NOW = datetime(2025, 1, 1, tzinfo=UTC)
PLACE = Manifest("trades_raw", "id-1", commits=3, next_offsets={0: 10, 1: 20})


def test_it_goes_on_where_it_was() -> None:
    reach = plan(PLACE, "id-1", {0: 0, 1: 5}, {0: 15, 1: 20}, NOW)
    assert (reach.start, reach.end, reach.gaps) == ({0: 10, 1: 20}, {0: 15, 1: 20}, ())


def test_a_new_partition_is_read_from_its_beginning() -> None:
    reach = plan(PLACE, "id-1", {0: 0, 1: 0, 2: 0}, {0: 10, 1: 20, 2: 4}, NOW)
    assert reach.start[2] == 0
    assert reach.gaps == ()


def test_offsets_that_kafka_deleted_are_named() -> None:
    reach = plan(PLACE, "id-1", {0: 14, 1: 20}, {0: 15, 1: 20}, NOW)
    assert reach.start == {0: 14, 1: 20}
    assert [(g.partition, g.start, g.end, g.reason) for g in reach.gaps] == [(0, 10, 14, AGED_OUT)]
    assert "partition 0 offsets 10 to 13" in str(reach.gaps[0])


def test_so_are_those_of_before_the_first_run() -> None:
    reach = plan(Manifest("trades_raw", "id-1"), "id-1", {0: 7}, {0: 9}, NOW)
    assert [(g.start, g.end, g.reason) for g in reach.gaps] == [(0, 7, BEFORE_FIRST_RUN)]


def test_a_topic_that_was_created_again_is_noticed_although_its_offsets_fit() -> None:
    reach = plan(PLACE, "id-2", {0: 0, 1: 0}, {0: 100, 1: 100}, NOW)
    assert reach.start == {0: 0, 1: 0}
    assert [(g.partition, g.start, g.end, g.reason) for g in reach.gaps] == [
        (0, 10, None, TOPIC_REPLACED),
        (1, 20, None, TOPIC_REPLACED),
    ]


@given(
    place=st.integers(0, 50), begin=st.integers(0, 50), more=st.integers(0, 50), commits=st.integers(1, 5)
)  # fmt: skip
def test_every_offset_is_read_or_named(place: int, begin: int, more: int, commits: int) -> None:
    end = begin + more
    reach = plan(Manifest("t", "id", commits, {0: place}), "id", {0: begin}, {0: end}, NOW)
    read = set(range(reach.start[0], reach.end[0]))
    named = {offset for gap in reach.gaps for offset in range(gap.start, gap.end or 0)}
    assert read | named >= set(range(place, end))
    assert not read & named
    assert all(offset >= begin for offset in read)
