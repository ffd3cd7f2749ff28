"""Studies as participants' pages use them: read once per process, since what has been opened cannot change.

A study's row holds long texts, and every page needs its questions too. Opening a study freezes both, so they are kept
by the hash of that definition and the time of the opening. What does change, the state, is read with each request. A
draft can change at any moment and is never kept; a new version is another study.
"""

from copy import copy
from datetime import datetime
from functools import lru_cache

from annotation.models import Study

KEPT = 64  # studies


def study_as_it_stands(*, pk: int, state: str, protocol_hash: str, opened_at: datetime | None) -> Study:
    """Return the study with its aspects and arms at hand; the other values are those that its row has just now.

    It is for reading: `allocation_turn` and `closed_at` are not kept up to date.
    """
    if opened_at is None or not protocol_hash:
        return _read(pk)
    study = copy(_opened(pk, protocol_hash, opened_at))
    study.state = state
    return study


def _read(pk: int) -> Study:
    study = Study.objects.prefetch_related("aspects", "arms").get(pk=pk)
    _ = study.planted_parts  # counted now, so that the copies need not
    return study


@lru_cache(maxsize=KEPT)
def _opened(pk: int, protocol_hash: str, opened_at: datetime) -> Study:
    """The hash and the time are what the study is kept by: the same row opened anew, as tests do, is another study."""
    return _read(pk)
