"""A run that can't work because the pipeline is down fails with one line that says so and how to start it. One that its
own rules keep from running is refused, which is no failure."""

from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten

import dagster as dg

from market_pipeline.local.dagster_home import REFUSED_TAG
from market_pipeline.mendable import Refused

TAG_LIMIT = 250
"""Characters: what Dagster's page shows of a tag."""


def line_of(error: Exception) -> str | None:
    """What a person can put right, in one line with the cure; None of what nobody foresaw."""
    from market_pipeline.local.supervisor_client import SupervisorAway
    from market_pipeline.mendable import Mendable
    from market_pipeline.store.cluster import STORE_ERRORS
    from market_pipeline.store.failure import one_line

    if isinstance(error, Mendable):
        return str(error)
    if isinstance(error, SupervisorAway):
        return f"the supervisor does not answer ({error}): is the pipeline up? See `market-pipeline status`"
    return one_line(error) if isinstance(error, STORE_ERRORS) else None


@contextmanager
def told_in_one_line(context: dg.OpExecutionContext | None = None) -> Iterator[None]:
    """Turn what a person can put right into the end of the run, told in one line.

    Args:
        context: of a remediation that may be refused. Its run then ends well, tagged and with the reason in its log and
            its metadata, so that nobody is notified of a failed run; the body has to be all that the op does.

    Raises:
        DagsterUserCodeExecutionError: with a ``dg.Failure`` as its cause, which has the line as its description.
    """
    try:
        yield
        return
    except Exception as error:
        if context is not None and isinstance(error, Refused):
            _show_refusal(context, str(error))
            return
        line = line_of(error)
        if line is None:
            raise
        failure = dg.Failure(description=line, allow_retries=False)
    # Of a Failure that is raised Dagster prints its own stack, a page, and that twice. Of the error that it wraps
    # around any other it prints the cause alone, and this cause was never raised: it has no stack.
    raise dg.DagsterUserCodeExecutionError(  # type: ignore[no-untyped-call]
        "the run can't go on", user_exception=failure, original_exc_info=(dg.Failure, failure, None)
    ) from failure


def _show_refusal(context: dg.OpExecutionContext, why: str) -> None:
    context.log.warning(f"refused, nothing was done: {why}")
    context.add_output_metadata({"refused": why})
    context.instance.add_run_tags(context.run_id, {REFUSED_TAG: shorten(why, TAG_LIMIT, placeholder=" …")})
