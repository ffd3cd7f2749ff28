"""The results of small real studies, analysed once: the database forgets the studies, the tests read the results."""

from collections.abc import Callable

import pytest

from tests.modelhub.report.made import STUDIES, Made, analysed

_KNOWN: dict[str, Made] = {}


@pytest.fixture
def made(db: None) -> Callable[[str], Made]:
    """Return what a study of `STUDIES` came to, by its name."""

    def of(name: str) -> Made:
        if name not in _KNOWN:
            _KNOWN[name] = analysed(STUDIES[name]())
        return _KNOWN[name]

    return of
