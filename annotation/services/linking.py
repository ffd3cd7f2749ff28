"""The key that says which participant is whom: read for a file of its own, and destroyed for good.

Everything else in a study goes by the participant's code. The key is what joins the code with the outside: the id of a
list or a platform, the platform's session, the link, and the completion code that a person may have handed in.
"""

from collections.abc import Iterator

from django.db import transaction
from django.utils import timezone

from annotation.errors import NotAllowedNow
from annotation.keys import link_token
from annotation.models import Participant, Study, User
from annotation.services.locks import study_lock
from annotation.services.log import audit_log

KEY_COLUMNS = ("participant", "external_id", "session_id", "completion_code", "link_token")
_BATCH = 500


def key_read(*, study: Study, user: User | None) -> Iterator[tuple[str, ...]]:
    """Return the rows of the key, by number, under KEY_COLUMNS; logged. Raises NotAllowedNow once it is destroyed."""
    if study.key_destroyed_at:
        raise NotAllowedNow(f"The key of {study} was destroyed on {study.key_destroyed_at:%Y-%m-%d}; nobody has it.")
    people = Participant.objects.filter(study=study, erased_at__isnull=True).order_by("number")
    audit_log(user=user, action="key_export", study=study, participants=people.count())
    return (
        (person.code, person.external_id, person.session_id, person.completion_code, person.token)
        for person in people.iterator()
    )


def key_destroy(*, study: Study, user: User | None) -> int:
    """Destroy the key of a closed study for good, and log it; return how many participants cannot be told any more.

    Their links end with it, so nobody can have their data erased afterwards: nobody could say whose they are.
    Raises NotAllowedNow unless the study is closed, or where the key has been destroyed already.
    """
    with transaction.atomic():
        study_lock(study_id=study.pk)
        study.refresh_from_db(fields=["state", "key_destroyed_at"])
        if study.state != Study.State.CLOSED:
            raise NotAllowedNow(f"{study} is {study.state}: close it first, since every link ends with its key.")
        if study.key_destroyed_at:
            raise NotAllowedNow(f"The key of {study} was destroyed on {study.key_destroyed_at:%Y-%m-%d} already.")
        forgotten = links_forget(study)
        audit_log(user=user, action="key_destroy", study=study, participants=forgotten)
    study.refresh_from_db(fields=["key_destroyed_at"])
    return forgotten


def links_forget(study: Study) -> int:
    """Blank the key inside the caller's transaction; return how many participants had a part of it."""
    people = list(Participant.objects.filter(study=study).only("pk", "token"))
    known = Participant.objects.filter(study=study, erased_at__isnull=True)
    for person in people:
        person.token = link_token()  # of nobody: the old link leads nowhere
    Participant.objects.bulk_update(people, ["token"], batch_size=_BATCH)
    # The receipt of who left follows from their link.
    forgotten = known.update(external_id="", external_key="", session_id="", completion_code="", receipt="")
    first = Study.objects.filter(pk=study.pk, key_destroyed_at__isnull=True).update(key_destroyed_at=timezone.now())
    return forgotten if first else 0
