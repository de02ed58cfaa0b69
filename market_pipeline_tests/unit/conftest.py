"""What every quick test gets."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _environment_of_its_own() -> Iterator[None]:
    """What a test leaves in the variables, as ``--data-dir`` does, reaches no other test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
