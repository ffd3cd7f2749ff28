"""Reads for the page of recruitment: who stands where on the platform, how long people took, and what they are due."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from statistics import median

from django.db.models import QuerySet, Sum

from annotation.models import PageVisit, Participant, Study

# Lists of ids that researchers take to Prolific.
APPROVE, BONUS, UNFINISHED = "approve", "bonus", "unfinished"
LISTS = (APPROVE, BONUS, UNFINISHED)
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Worked:
    """Who has finished, the minutes from agreeing to the end, and those in which a page of a part was in view."""

    participant: Participant
    minutes: float
    focused_minutes: float


@dataclass(frozen=True)
class Pay:
    """What a reward comes to for the time that people took. Amounts are in the currency of `reward`."""

    people: int
    median_minutes: float
    per_hour: Decimal | None

    @property
    def is_known(self) -> bool:
        """Whether anybody has finished."""
        return self.people > 0


def standing(study: Study) -> Counter[str]:
    """Return how many people from the platform stand in each state."""
    return Counter(_arrived(study).values_list("platform_state", flat=True))


def worked(study: Study) -> list[Worked]:
    """Return everybody who has finished, with the time that it took."""
    done = study.participants.filter(
        kind=Participant.Kind.PERSON, completed_at__isnull=False, consented_at__isnull=False, erased_at__isnull=True
    ).order_by("number")
    visits = PageVisit.objects.filter(assignment__participant__in=done).values_list("assignment__participant")
    focused = dict(visits.annotate(ms=Sum("focused_ms")).order_by())
    return [
        Worked(one, (one.completed_at - one.consented_at).total_seconds() / 60, (focused.get(one.pk) or 0) / 60_000)
        for one in done
        if one.completed_at and one.consented_at
    ]


def pay_of(people: list[Worked], reward: Decimal | None) -> Pay:
    """Return what a reward for the whole study comes to in an hour, by the median time from agreeing to the end."""
    minutes = median(one.minutes for one in people) if people else 0.0
    per_hour = (reward * 60 / Decimal(str(minutes))).quantize(_CENT) if reward is not None and minutes > 0 else None
    return Pay(len(people), minutes, per_hour)


def list_rows(study: Study, name: str, *, rate: Decimal | None = None, reward: Decimal | None = None) -> Iterator[str]:
    """Yield the lines of a list as Prolific takes it: ids, or ids with the amount that lifts pay to `rate` an hour.

    A bonus is what somebody's own minutes are worth at `rate`, less `reward`, rounded up to a cent.
    """
    if name == APPROVE:
        yield from _ids(_finished(study))
    elif name == UNFINISHED:
        yield from _ids(_arrived(study).filter(platform_state=Participant.PlatformState.ACTIVE))
    else:
        known = dict(_finished(study).values_list("pk", "external_id"))
        for one in worked(study):
            due = _due(one.minutes, rate or Decimal(0), reward or Decimal(0))
            if one.participant.pk in known and due > 0:
                yield f"{known[one.participant.pk]},{due}"


def _due(minutes: float, rate: Decimal, reward: Decimal) -> Decimal:
    return (rate * Decimal(str(minutes)) / 60 - reward).quantize(_CENT, rounding=ROUND_UP)


def _arrived(study: Study) -> QuerySet[Participant]:
    people = study.participants.filter(kind=Participant.Kind.PERSON, origin=Participant.Origin.PROLIFIC)
    return people.filter(erased_at__isnull=True).order_by("number")


def _finished(study: Study) -> QuerySet[Participant]:
    return _arrived(study).filter(platform_state=Participant.PlatformState.COMPLETED, excluded_at__isnull=True)


def _ids(people: QuerySet[Participant]) -> Iterator[str]:
    yield from people.exclude(external_id="").values_list("external_id", flat=True)
