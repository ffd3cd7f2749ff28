"""The lock that makes transactions which hand out places take turns, on both databases."""

from django.db.models import F

from annotation.models import Study


def study_lock(*, study_id: int) -> None:
    """Wait until no other transaction hands out places or numbers of this study; call it first inside `atomic()`.

    An UPDATE takes the row lock on PostgreSQL; on SQLite an IMMEDIATE transaction already holds the write lock.
    """
    Study.objects.filter(pk=study_id).update(allocation_turn=F("allocation_turn") + 1)
