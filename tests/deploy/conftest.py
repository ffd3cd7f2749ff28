"""A study, a backup of its site, and an empty place to restore it into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from annotation.models import Study
from tests.deploy.sites import Site, empty_site, here
from tests.factories import make_study


@pytest.fixture
def study(transactional_db: None) -> Study:
    return make_study()


@pytest.fixture
def backup(study: Study, tmp_path: Path) -> Path:
    path = tmp_path / "site.zip"
    here("backup", path)
    return path


@pytest.fixture
def place(transactional_db: None, tmp_path: Path) -> Iterator[Site]:
    with empty_site(tmp_path / "place") as site:
        yield site
