"""What the participants page and the audit log read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from annotation.models import Assignment, AuditLog, Participant, Study

PAGE_SIZE = 50

# From the end of the way to its start: the first that holds is a participant's state.
_STEPS: tuple[tuple[str, Q], ...] = (
    (gettext_noop("erased"), Q(erased_at__isnull=False)),
    (gettext_noop("withdrawn"), Q(withdrawn_at__isnull=False)),
    (gettext_noop("screened out"), Q(screened_out_at__isnull=False)),
    (gettext_noop("finished"), Q(completed_at__isnull=False)),
    (gettext_noop("declined"), Q(declined_at__isnull=False)),
    (gettext_noop("working"), Q(instructed_at__isnull=False)),
    (gettext_noop("consented"), Q(consented_at__isnull=False)),
    (gettext_noop("not started"), Q()),
)
STATES = tuple(name for name, _ in _STEPS)
EXCLUDED, STALLED = gettext_noop("excluded"), gettext_noop("stalled")


@dataclass(frozen=True)
class Search:
    """What is looked for: part of a code or of an outside label, a state, and whether bots and previews count."""

    text: str = ""
    state: str = ""
    include_bots: bool = False


def found_participants(study: Study, search: Search, *, by_label: bool, page: str | int | None) -> Page[Any]:
    """Return one page of the participants that match. `by_label` searches labels from outside too."""
    people = study.participants.select_related("study").order_by("number")
    if not search.include_bots:
        people = people.filter(kind=Participant.Kind.PERSON)
    return Paginator(_in_state(people, search.state).filter(_named(search.text, by_label)), PAGE_SIZE).get_page(page)


def found_actions(study: Study, action: str, page: str | int | None) -> Page[Any]:
    """Return one page of the study's audit log, newest first, of one action or of all."""
    entries: QuerySet[AuditLog] = study.audit_log.select_related("user")
    return Paginator(entries.filter(action=action) if action else entries, PAGE_SIZE).get_page(page)


def known_actions(study: Study) -> list[str]:
    """Return the actions that the study's audit log holds, by name."""
    return list(study.audit_log.order_by("action").values_list("action", flat=True).distinct())


def stalled(now: datetime) -> Q:
    """Return the condition of participants who have let the time of a part run out and are not done."""
    expired = Assignment.objects.filter(
        participant=OuterRef("pk"), state=Assignment.State.OPEN, expires_at__lte=now
    ).order_by()
    gone = ("completed_at", "excluded_at", "withdrawn_at", "screened_out_at", "erased_at", "declined_at")
    return Q(Exists(expired), **{f"{name}__isnull": True for name in gone})


def _in_state(people: QuerySet[Participant], state: str) -> QuerySet[Participant]:
    if state == EXCLUDED:
        return people.filter(excluded_at__isnull=False)
    if state == STALLED:
        return people.filter(stalled(timezone.now()))
    if state not in STATES:
        return people
    for name, holds in _STEPS:
        if name == state:
            return people.filter(holds)
        people = people.exclude(holds)
    return people


def _named(text: str, by_label: bool) -> Q:
    """Match `P-017`, `017` and `17` by number, and part of a label where that may be searched."""
    text = text.strip()
    if not text:
        return Q()
    wanted = Q(external_id__icontains=text) if by_label else Q(pk__in=[])
    number = text.rpartition("-")[2]
    if number.isascii() and number.isdigit() and len(number) < 9:
        wanted |= Q(number=int(number))
    return wanted
