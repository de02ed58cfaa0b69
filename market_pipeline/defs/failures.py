"""A run that can't work because the pipeline is down fails with one line that says so and how to start it."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Turn what a person can mend into the end of the run, told in one line.

    Raises:
        DagsterUserCodeExecutionError: with a ``dg.Failure`` as its cause, which has the line as its description.
    """
    from market_pipeline.alerts.ledger import NoSuchIncident
    from market_pipeline.alerts.silence import NoSilence
    from market_pipeline.broker.client import BrokerUnreachableError
    from market_pipeline.broker.topics import TopicError
    from market_pipeline.bronze.manifest import ArchiveError
    from market_pipeline.drill.rig import DrillError
    from market_pipeline.feed.recording import RecordingError
    from market_pipeline.local.jars import JarError
    from market_pipeline.local.java import NoJava
    from market_pipeline.local.nodetool import NoNodetool
    from market_pipeline.local.preflight import StartError
    from market_pipeline.local.supervisor_client import SupervisorAway
    from market_pipeline.remedies.compaction import NodetoolFailed, NoRoom
    from market_pipeline.remedies.dead_letter_replay import NotAMoment
    from market_pipeline.remedies.gap_fill import CannotFill
    from market_pipeline.remedies.sending import NotConfirmed
    from market_pipeline.settings import SettingsError
    from market_pipeline.store.cluster import STORE_ERRORS
    from market_pipeline.store.failure import one_line

    known = (
        *(BrokerUnreachableError, TopicError, JarError, NoJava, SettingsError, ArchiveError, StartError),
        *(NoNodetool, NoRoom, NodetoolFailed, NotAMoment, NotConfirmed, NoSuchIncident, NoSilence, DrillError),
        *(CannotFill, RecordingError),
    )
    try:
        yield
    except known as error:
        failure = dg.Failure(description=str(error), allow_retries=False)
    except SupervisorAway as error:
        text = f"the supervisor does not answer ({error}): is the pipeline up? See `market-pipeline status`"
        failure = dg.Failure(description=text, allow_retries=False)
    except STORE_ERRORS as error:
        failure = dg.Failure(description=one_line(error), allow_retries=False)
    else:
        return
    # Of a Failure that is raised Dagster prints its own stack, a page, and that twice. Of the error that it wraps
    # around any other it prints the cause alone, and this cause was never raised: it has no stack.
    raise dg.DagsterUserCodeExecutionError(  # type: ignore[no-untyped-call]
        "the run can't go on", user_exception=failure, original_exc_info=(dg.Failure, failure, None)
    ) from failure
