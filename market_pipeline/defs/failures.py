"""A run that can't work because the pipeline is down fails with one line that says so and how to start it."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Turn what a person can mend into a ``dg.Failure`` with that line as its description."""
    from market_pipeline.broker.client import BrokerUnreachableError
    from market_pipeline.broker.topics import TopicError
    from market_pipeline.bronze.manifest import ArchiveError
    from market_pipeline.local.jars import JarError
    from market_pipeline.local.java import NoJava
    from market_pipeline.settings import SettingsError
    from market_pipeline.store.cluster import STORE_ERRORS
    from market_pipeline.store.failure import one_line

    known = (BrokerUnreachableError, TopicError, JarError, NoJava, SettingsError, ArchiveError)
    try:
        yield
    except known as error:
        raise dg.Failure(description=str(error)) from None
    except STORE_ERRORS as error:
        raise dg.Failure(description=one_line(error)) from None
