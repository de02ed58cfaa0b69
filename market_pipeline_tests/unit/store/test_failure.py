"""A Cassandra that fails, told in one line."""

from cassandra import OperationTimedOut
from cassandra.cluster import NoHostAvailable

from market_pipeline.settings import Settings
from market_pipeline.store.cluster import StoreUnreachableError
from market_pipeline.store.failure import one_line

CURE = ": see `market-pipeline status` and `market-pipeline logs cassandra`"


def test_what_the_driver_says_is_one_line_without_its_list_of_hosts() -> None:
    away = NoHostAvailable("Unable to\n complete", {"127.0.0.1": OperationTimedOut()})
    assert one_line(away) == f"Cassandra failed (NoHostAvailable: Unable to complete){CURE}"


def test_one_that_does_not_answer_keeps_its_own_sentence() -> None:
    away = StoreUnreachableError(Settings.load(), "refused")
    assert one_line(away) == str(away)
