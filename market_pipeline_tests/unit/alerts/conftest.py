"""A Slack workspace for the tests of what it is told."""

from collections.abc import Iterator

import pytest

from market_pipeline_tests.slack_server import SlackServer


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer()
    yield server
    server.close()
