"""Whether a persona is held back at the moment: what pages of every click have to know without a query of its own."""

from typing import Any, TypeVar

from django.db.models import Case, CharField, F, Max, Model, OuterRef, Q, QuerySet, Subquery, When

from annotation.models import Assignment, Output, PersonaHold

_ROW = TypeVar("_ROW", bound=Model)
_NAME = "hold_stage"


def standing_holds() -> QuerySet[PersonaHold]:
    """Return the holds that nobody has released; those of refused personas among them, which stand for good."""
    return PersonaHold.objects.filter(released_at__isnull=True)


def unmade_holds() -> QuerySet[PersonaHold]:
    """Return those because of which no output of their persona is made."""
    return standing_holds().exclude(stage=PersonaHold.Stage.OUTPUTS)


def with_told_time(holds: QuerySet[PersonaHold]) -> QuerySet[Any]:
    """Add `told_at`: since when a persona is held, as blinded people are told it.

    Outputs are held with the first find in one of them. Were that told, it would say whether the output in which it
    was found came before the others; so their hold counts from when all were there.
    """
    made = Output.objects.filter(persona=OuterRef("persona")).order_by().values("persona")
    last = Subquery(made.annotate(last=Max("ready_at")).values("last"))
    is_late = Q(stage=PersonaHold.Stage.OUTPUTS, last_ready__gt=F("at"))
    later = Case(When(is_late, then=F("last_ready")), default=F("at"))
    return holds.annotate(last_ready=last).annotate(told_at=later)


def with_hold_stage(queryset: QuerySet[_ROW, Any], *, persona: str) -> QuerySet[_ROW, Any]:
    """Add at which stage the persona at the path `persona` is held, None if it is not; see `hold_stage`."""
    standing = standing_holds().filter(persona=OuterRef(persona)).order_by("-stage").values("stage")
    return queryset.annotate(**{_NAME: Subquery(standing[:1], output_field=CharField())})


def hold_stage(assignment: Assignment) -> str:
    """Return at which stage an assignment's persona is held, "" if it is not; asked only if it was not read before."""
    for row in (assignment, assignment.persona):
        if _NAME in row.__dict__:
            return row.__dict__[_NAME] or ""
    return standing_holds().filter(persona=assignment.persona_id).order_by("-stage").values_list(
        "stage", flat=True
    ).first() or ""  # fmt: skip
