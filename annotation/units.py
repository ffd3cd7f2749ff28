"""Units of a study apart from the choice among them: how many parts there are, what is planted, whose place is filled.

Previews and bots are counted apart from people, so that a rehearsal takes nobody's place.
"""

from django.db.models import Q, QuerySet
from django.utils import timezone

from annotation.allocation import overlaps_at_most, repeats_of
from annotation.history import History, planned_parts
from annotation.models import Assignment, Item, Persona, Study

_Kind = Assignment.Kind


def assignments_at_most(study: Study) -> int:
    """Return how many parts anybody does at most, second showings and planted ones included.

    It is the same before and after they begin, so that the number gives nothing away. Fewer come about where others
    have left too few units for a second rating.
    """
    own = planned_parts(study)
    others = overlaps_at_most(share=study.overlap_share, parts=study.written_personas_per_participant)
    return own + others + repeats_of(share=study.repeat_share, parts=own) + study.planted_parts


def planted_persona(history: History) -> int | None:
    """Return the id of the planted persona whose part has come and that the participant has not seen, if any."""
    due = _planted(history.participant.study).filter(planted_part__lte=history.next_ordinal)
    seen = [part.persona for part in history.parts if part.kind == _Kind.CHECK]
    return (
        Persona.objects.filter(item__in=due)
        .exclude(pk__in=seen)
        .order_by("item__planted_part", "item__ordinal")
        .values_list("pk", flat=True)
        .first()
    )


def is_place_filled(assignment: Assignment) -> bool:
    """Whether others hold or have filled every place of this assignment's unit. Repeats and checks have their own."""
    if assignment.kind not in (_Kind.MAIN, _Kind.OVERLAP):
        return False
    persona, participant = assignment.persona, assignment.participant
    # No condition on the study: the persona's is theirs, and the database begins with the persona then.
    others = Assignment.objects.filter(
        holds_place(), kind=assignment.kind, participant__kind=participant.kind, participant__excluded_at__isnull=True
    ).exclude(pk=assignment.pk)
    if assignment.kind == _Kind.OVERLAP:
        return others.filter(persona=persona).exists()
    is_given = persona.source == Persona.Source.GIVEN
    of_unit = Q(persona=persona) if is_given else Q(persona__item=persona.item_id, persona__source=persona.source)
    return others.filter(of_unit).count() >= participant.study.raters_per_item


def holds_place() -> Q:
    """Return the condition of assignments that hold a place: finished ones, and unfinished ones that have not expired.

    Those of excluded participants hold none: while the study is open, somebody else can take their places.
    """
    return Q(state=Assignment.State.COMPLETED, surplus=False) | Q(
        state=Assignment.State.OPEN, expires_at__gt=timezone.now()
    )


def _planted(study: Study) -> QuerySet[Item]:
    return study.items.filter(planted_part__isnull=False)
