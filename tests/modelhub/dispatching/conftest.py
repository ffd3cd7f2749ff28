"""A model server that does what a test tells it."""

from collections.abc import Iterator

import pytest

from tests.tools.standin import StandIn


@pytest.fixture
def model() -> Iterator[StandIn]:
    """A stand-in for a model server, in this process."""
    with StandIn().started() as server:
        yield server
