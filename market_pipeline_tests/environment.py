"""The variables of this process, as one test finds and leaves them."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """What a test leaves in the variables, as ``--data-dir`` does, reaches no other test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
