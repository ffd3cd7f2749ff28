"""The test tools themselves: what they promise to other tests."""

import urllib.error
import urllib.request

import pytest
from django.conf import settings

from tests.tools.databases import ABOUT_SOMETHING_ELSE
from tests.tools.processes import Server

A_FILE = "/static/vendor/htmx-2.0.10.min.js"


def status(server: Server, path: str) -> int:
    try:
        with urllib.request.urlopen(server.base_url + path, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_server_comes_back_on_the_same_port_after_a_hard_kill(server: Server) -> None:
    assert status(server, A_FILE) == 200
    server.kill9()
    server.restart()
    assert status(server, A_FILE) == 200


def test_files_that_postgresql_repeats_later_are_where_the_list_says() -> None:
    assert [name for name in ABOUT_SOMETHING_ELSE if not (settings.BASE_DIR / name).is_file()] == []


@pytest.mark.django_db
def test_a_test_that_uses_the_database_is_repeated_on_postgresql(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("postgres")


def test_a_test_that_uses_none_is_not(request: pytest.FixtureRequest) -> None:
    assert not request.node.get_closest_marker("postgres") and not request.node.get_closest_marker("postgres_slow")


@pytest.mark.slow
@pytest.mark.django_db
def test_a_slow_test_is_repeated_with_the_slow_ones(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("postgres_slow") and not request.node.get_closest_marker("postgres")
