"""The partitions of these tests begin on the day that the root conftest sets while tests are collected."""

import os
from collections.abc import Iterator

import pytest

import market_pipeline.defs.partitions  # noqa: F401 - made when it is first imported


@pytest.fixture(autouse=True)
def _environment_of_its_own() -> Iterator[None]:
    """What a test leaves in the variables, as ``--data-dir`` does, reaches no other test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
