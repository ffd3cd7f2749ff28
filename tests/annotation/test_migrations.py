"""What a database of an earlier version holds is there after a migration."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


@pytest.fixture
def earlier(transactional_db: None) -> Iterator[Any]:
    """Take the database back to an earlier migration of `annotation`, and return the models of then."""

    def go_back(name: str) -> Any:
        executor = MigrationExecutor(connection)
        return executor.migrate([("annotation", name)]).apps

    try:
        yield go_back
    finally:
        now()


def now() -> Any:
    """Take the database to the newest migrations and return their models."""
    executor = MigrationExecutor(connection)
    return executor.migrate(executor.loader.graph.leaf_nodes()).apps


def test_images_of_items_become_images_of_their_study_once_each(earlier: Any) -> None:
    then = earlier("0018_adjudication")
    owner = then.get_model("annotation", "User").objects.create(username="ada")
    for slug in ("one", "two"):
        study = then.get_model("annotation", "Study").objects.create(slug=slug, title=slug, owner=owner)
        for ordinal in (1, 2):
            item = then.get_model("annotation", "Item").objects.create(
                study=study, ordinal=ordinal, key=f"i{ordinal}", prompt="What is this?",
                image={"sha256": "a" * 64, "alt": f"a chart, {ordinal}", "width": 3, "height": 2},
            )  # fmt: skip
            then.get_model("annotation", "ItemImage").objects.create(
                item=item, sha256="a" * 64, media_type="image/png", data=b"png"
            )
    models = now()
    kept = models.get_model("annotation", "StudyImage").objects.order_by("study__slug")
    assert [(one.study.slug, one.sha256, one.media_type, bytes(one.data), one.width, one.height) for one in kept] == [
        (slug, "a" * 64, "image/png", b"png", 3, 2) for slug in ("one", "two")
    ]
    alts = models.get_model("annotation", "Item").objects.order_by("pk").values_list("image__alt", flat=True)
    assert list(alts) == ["a chart, 1", "a chart, 2"] * 2
