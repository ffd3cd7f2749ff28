"""Second ratings of what participants wrote: how many there are to be, and who takes which.

Everybody plans a share of their own. Who finishes first finds nothing of others' to rate; what they leave over is taken
by those who come later, up to twice the mean (`overlaps_at_most`), once nobody at work still plans to take it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from annotation.allocation import Unit, overlap_wanted, overlaps_at_most, overlaps_of
from annotation.models import Assignment, Participant, Persona, Study
from annotation.units import HELD, PERSONA_ROW, UnitRow, counts_by, held, live_assignments, units_of_rows

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


def overlap_units(participant: Participant) -> list[Unit]:
    """Return the personas of others that wait for a second rater, if this participant is to take another one."""
    study = participant.study
    if not study.overlap_share:
        return []
    units = _rated_by_author(study, [Participant.Kind(participant.kind)])
    mine = held(participant, _Kind.OVERLAP).count()
    if mine >= _planned(study, participant.number) and (mine >= _most(study) or _is_covered(participant, units)):
        return []
    others = units.exclude(author=participant).exclude(assignments__participant=participant).order_by("pk")
    rows = [UnitRow(*row) for row in others.values_list(*PERSONA_ROW)]
    taken = counts_by(live_assignments(participant, _Kind.OVERLAP), "persona_id")
    return units_of_rows(participant, rows, taken, places=1)


def _rated_by_author(study: Study, kinds: Sequence[Participant.Kind]) -> QuerySet[Persona]:
    """Return the written personas whose authors have rated them and stay in the study."""
    rated = Assignment.objects.filter(persona=OuterRef("pk"), kind=_Kind.MAIN, state=_State.COMPLETED)
    return Persona.objects.filter(
        Exists(rated), author__study=study, author__kind__in=kinds, source=Persona.Source.WRITTEN,
        author__withdrawn_at__isnull=True, author__excluded_at__isnull=True,
    )  # fmt: skip


def _is_covered(participant: Participant, units: QuerySet[Persona]) -> bool:
    """Whether second ratings, with those that others at work still plan, reach what is wanted so far."""
    study = participant.study
    taken = live_assignments(participant, _Kind.OVERLAP).filter(persona__in=units).count()
    at_work = Assignment.objects.filter(
        participant__study=study, participant__kind=participant.kind, state=_State.OPEN, expires_at__gt=timezone.now()
    ).exclude(participant=participant)
    people = dict(at_work.values_list("participant", "participant__number"))
    second = Assignment.objects.filter(participant__in=people, kind=_Kind.OVERLAP, state__in=HELD)
    has = counts_by(second, "participant")
    planned = sum(max(0, _planned(study, number) - has[pk]) for pk, number in people.items())
    return taken + planned >= overlap_wanted(share=study.overlap_share, units=units.count())


def _planned(study: Study, number: int) -> int:
    return overlaps_of(share=study.overlap_share, parts=study.written_personas_per_participant, participant=number)


def _most(study: Study) -> int:
    return overlaps_at_most(share=study.overlap_share, parts=study.written_personas_per_participant)
