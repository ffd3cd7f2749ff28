"""Second ratings of what participants wrote: how many there are to be, and who takes which.

Everybody plans a share of their own. Who finishes first finds nothing of others' to rate; what they leave over is taken
by those who come later, up to twice the mean (`overlaps_at_most`), once nobody at work still plans to take it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, QuerySet, Sum
from django.utils import timezone

from annotation.allocation import overlap_wanted, overlaps_at_most, overlaps_of
from annotation.history import HELD, History
from annotation.models import Assignment, Participant, Persona, Study, UnitTally

_Kind, _State = Assignment.Kind, Assignment.State


@dataclass(frozen=True)
class OverlapReport:
    """How many written personas a second person was to rate too, and how many have been.

    Personas of people who left or are excluded are none of them, and ratings by excluded people do not count.
    """

    wanted: int
    done: int
    shortfall: int


def overlap_report(study: Study, *, kinds: Sequence[Participant.Kind] = (Participant.Kind.PERSON,)) -> OverlapReport:
    """Return how far the overlap of a study is, over the participants of these kinds."""
    units = _rated_by_author(study, kinds)
    second = Assignment.objects.filter(
        kind=_Kind.OVERLAP, state=_State.COMPLETED, persona__in=units, participant__excluded_at__isnull=True
    )
    wanted = overlap_wanted(share=study.overlap_share, units=units.count())
    done = second.values("persona").distinct().count()
    return OverlapReport(wanted=wanted, done=done, shortfall=max(0, wanted - done))


def takes_overlap(history: History) -> bool:
    """Whether a participant is to take another persona of others for a second rating, where one is left."""
    study, mine = history.participant.study, len(history.held(_Kind.OVERLAP))
    if not study.overlap_share:
        return False
    return mine < _planned(study, history.participant.number) or (
        mine < _most(study) and not _is_covered(history.participant)
    )


def _rated_by_author(study: Study, kinds: Sequence[Participant.Kind]) -> QuerySet[Persona]:
    """Return the written personas whose authors have rated them and stay in the study."""
    rated = Assignment.objects.filter(persona=OuterRef("pk"), kind=_Kind.MAIN, state=_State.COMPLETED)
    return Persona.objects.filter(
        Exists(rated), author__study=study, author__kind__in=kinds, source=Persona.Source.WRITTEN,
        author__withdrawn_at__isnull=True, author__excluded_at__isnull=True,
    )  # fmt: skip


def _is_covered(participant: Participant) -> bool:
    """Whether second ratings, with those that others at work still plan, reach what is wanted so far."""
    study = participant.study
    tallies = UnitTally.objects.filter(
        study=study, participant_kind=participant.kind, source=UnitTally.Source.OVERLAP
    ).aggregate(units=Count("pk"), taken=Sum("taken", default=0))
    at_work = Assignment.objects.filter(
        participant__study=study, participant__kind=participant.kind, completed_at__isnull=True, state=_State.OPEN,
        expires_at__gt=timezone.now(),
    ).exclude(participant=participant)  # fmt: skip
    people = dict(at_work.values_list("participant", "participant__number"))
    second = Assignment.objects.filter(participant__in=people, kind=_Kind.OVERLAP, state__in=HELD)
    has = Counter(second.values_list("participant", flat=True))
    planned = sum(max(0, _planned(study, number) - has[pk]) for pk, number in people.items())
    return tallies["taken"] + planned >= overlap_wanted(share=study.overlap_share, units=tallies["units"])


def _planned(study: Study, number: int) -> int:
    return overlaps_of(share=study.overlap_share, parts=study.written_personas_per_participant, participant=number)


def _most(study: Study) -> int:
    return overlaps_at_most(share=study.overlap_share, parts=study.written_personas_per_participant)
