"""The results of small real studies, analysed once: the database forgets the studies, the tests read the results."""

from collections.abc import Callable

import pytest
from django.db import transaction
from pytest_django.plugin import DjangoDbBlocker

from tests.modelhub.report.made import STUDIES, Made, analysed


@pytest.fixture(scope="session")
def made(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Callable[[str], Made]:
    """Return what a study of `STUDIES` came to, by its name."""
    known: dict[str, Made] = {}

    def of(name: str) -> Made:
        if name not in known:
            with django_db_blocker.unblock(), transaction.atomic():
                known[name] = analysed(STUDIES[name]())
                transaction.set_rollback(True)
        return known[name]

    return of
