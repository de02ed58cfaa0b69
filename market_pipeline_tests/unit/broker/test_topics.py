"""A topic that is there is configured as the settings say now."""

from market_pipeline.broker.topics import outdated


def test_only_our_options_that_differ_are_changed() -> None:
    wanted = {"retention.ms": "86400000", "segment.ms": "3600000", "min.insync.replicas": "2"}
    have = {"retention.ms": "3600000", "segment.ms": "3600000", "cleanup.policy": "delete"}
    assert outdated(wanted, have) == {"retention.ms": "86400000", "min.insync.replicas": "2"}
    assert outdated(wanted, {**have, **wanted}) == {}
