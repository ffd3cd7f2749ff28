"""Proxies that do to requests what a test has planned."""

from collections.abc import Iterator

import pytest

from tests.tools.faultproxy import FaultProxy
from tests.tools.modelserver import ModelServer


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    proxy = FaultProxy()
    yield proxy
    proxy.stop()


@pytest.fixture
def before_model(model_server: ModelServer) -> Iterator[FaultProxy]:
    proxy = FaultProxy(model_server.url)
    yield proxy
    proxy.stop()
