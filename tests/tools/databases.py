"""Which tests are repeated on PostgreSQL, and by which of `make test` and `make test-slow`: a rule for all of them.

A test that uses no database cannot fail on another one; nor can a browser, which sees pages alone. All others are
repeated. `make test` repeats those that a database can break, which is every test unless it stands below; what stands
below is about something else and takes long, so that `make test-slow` repeats it, with all that is slow anyway.
"""

import pytest

DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup", "live_server"}
# With a model at work, what reaches the database is what the scripted engine's tests have stored there before.
MODEL_FIXTURES = {"tiny_llama", "tiny_adapters", "tiny_colbert", "tiny_models", "model_server"}
# What these are about is decided above the database; the queries that they send have tests of their own.
ABOUT_SOMETHING_ELSE = (
    "tests/annotation/test_blinding_walk.py",  # what reaches a participant
    "tests/annotation/test_bot_opinions.py",  # what bots answer
    "tests/annotation/test_bots.py",  # how they read pages
    "tests/modelhub/pipeline/test_demo.py",  # the order of its steps, and its processes
    "tests/modelhub/pipeline/test_reproduce.py",  # the order of its steps
    "tests/modelhub/report/test_analyze.py",  # numbers and files
    "tests/modelhub/report/test_figures.py",
    "tests/modelhub/report/test_heds.py",
    "tests/modelhub/report/test_latex.py",
    "tests/modelhub/report/test_rendering.py",
    "tests/modelhub/report/test_sentences.py",
    "tests/modelhub/test_blinding_assessment.py",
    "tests/test_permissions.py",  # who gets which status
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test that uses a database as `postgres` or as `postgres_slow`, for -m to choose by."""
    for item in items:
        if uses_database(item) and not is_browser_test(item):
            item.add_marker("postgres_slow" if takes_long(item) else "postgres")


def is_browser_test(item: pytest.Item) -> bool:
    return item.get_closest_marker("browser") is not None or "page" in fixtures_of(item)


def uses_database(item: pytest.Item) -> bool:
    return item.get_closest_marker("django_db") is not None or bool(fixtures_of(item) & DATABASE_FIXTURES)


def takes_long(item: pytest.Item) -> bool:
    if item.get_closest_marker("slow") or fixtures_of(item) & MODEL_FIXTURES:
        return True
    return item.nodeid.startswith(ABOUT_SOMETHING_ELSE)


def fixtures_of(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))
