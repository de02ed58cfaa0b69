"""``query`` when Cassandra goes away: one line, no stack trace."""

from typing import Any

import pytest
from cassandra import OperationTimedOut
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException

from market_pipeline.cli import PipelineError
from market_pipeline.cli.query import run_statement


class FailingSession:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def execute(self, cql: str) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (NoHostAvailable("Unable to complete the operation", {"127.0.0.1": "refused"}), "Cassandra went away"),
        (OperationTimedOut(), "no answer within 60 s"),
        (ConnectionException("the connection broke"), "the connection broke"),
    ],
)
def test_what_the_driver_raises_is_told_in_one_line(error: Exception, says: str) -> None:
    session: Any = FailingSession(error)
    with pytest.raises(PipelineError, match=says):
        run_statement(session, "SELECT 1", as_json=True, limit=1)
