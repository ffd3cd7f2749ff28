"""Where nothing can be stored, pages say so and reading goes on."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.urls import reverse

from annotation.models import Study
from tests.matrix import MATRIX
from tests.test_permissions import client_of, values_of
from tests.test_permissions import world as world  # a fixture
from tests.tools.state import database_state, logged

pytestmark = pytest.mark.django_db
# Who is whom is shown to nobody without a trace of it.
LOGGED_OR_NOT_AT_ALL = {"annotation:key"}


@contextmanager
def nothing_stored() -> Iterator[None]:
    """A database that takes nothing, as on a disk that is full: every write fails, every read works."""
    is_sqlite = connection.vendor == "sqlite"
    with transaction.atomic(), connection.cursor() as cursor:  # PostgreSQL forgets with the savepoint
        cursor.execute("PRAGMA query_only = 1" if is_sqlite else "SET LOCAL transaction_read_only = on")
        try:
            yield
        finally:
            if is_sqlite:
                cursor.execute("PRAGMA query_only = 0")
            transaction.set_rollback(True)


@pytest.mark.parametrize("role", ["participant", "admin"])
def test_every_page_can_be_read_where_nothing_can_be_stored(role: str, world: Study) -> None:
    values, client, wrong = values_of(world), client_of(role, world), {}
    client.raise_request_exception = False
    pages = {name: row for name, row in MATRIX.items() if row.get}
    addresses = {name: reverse(name, args=[values[part] for part in row.path]) for name, row in pages.items()}
    before = database_state()
    with logged() as log, nothing_stored():
        for name, address in addresses.items():
            with transaction.atomic():
                response = client.get(address)
                for _ in response if response.streaming else ():
                    pass
                transaction.set_rollback(True)
            expected = pages[name].expected("GET")[role]
            if response.status_code != (507 if name in LOGGED_OR_NOT_AT_ALL and expected == 200 else expected):
                wrong[name] = f"{response.status_code} {log.getvalue()[-400:]}"
    assert not wrong, wrong
    assert database_state() == before
    assert "Traceback" not in log.getvalue()


def test_what_is_sent_is_refused_with_what_to_do_and_one_line_in_the_log(world: Study) -> None:
    values, client = values_of(world), client_of("participant", world)
    address = reverse("annotation:rating_save", args=[values["token"], values["slot"], values["aspect"]])
    with logged() as log, nothing_stored(), transaction.atomic():
        response = client.post(address, {"value": "3", "version": "0", "client_key": str(uuid.uuid4())})
        transaction.set_rollback(True)
    assert response.status_code == 507
    assert "Nothing can be saved at the moment" in response.content.decode()
    (line,) = log.getvalue().splitlines()
    assert " ERROR personaeval.middleware: The database" in line


def test_a_look_that_cannot_be_stored_is_in_the_log_of_the_process(world: Study) -> None:
    client = client_of("admin", world)
    with logged() as log, nothing_stored():
        assert client.get(reverse("modelhub:arms", args=[world.slug, world.version])).status_code == 200
    assert "not stored: arms_seen by admin of study v1" in log.getvalue()


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="of SQLite")
def test_a_disk_that_is_full_says_so(world: Study) -> None:
    values, client = values_of(world), client_of("owner", world)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA page_count")
        (pages,) = cursor.fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages}")
    try:
        address = reverse("annotation:participants_create", args=[values["slug"], values["version"]])
        with logged() as log, transaction.atomic():
            # Pages that tests before have left empty are filled first.
            statuses = (client.post(address, {"count": "500"}).status_code for _ in range(200))
            assert next(status for status in statuses if status != 302) == 507
            transaction.set_rollback(True)
        assert "its disk is full or fails. Free some space" in log.getvalue()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA max_page_count = 1073741823")
