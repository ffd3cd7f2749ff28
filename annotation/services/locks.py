"""The lock that makes transactions which hand out places take turns, on both databases."""

from annotation.services.statements import update


def study_lock(*, study_id: int) -> None:
    """Wait until no other transaction hands out places or numbers of this study; call it first inside `atomic()`.

    An UPDATE takes the row lock on PostgreSQL; on SQLite an IMMEDIATE transaction already holds the write lock.
    """
    update("UPDATE annotation_study SET allocation_turn = allocation_turn + 1 WHERE id = %s", study_id)
