"""Which database rows an export covers, and the sums and counts that go with them."""

from typing import Any, TypeVar

from django.db.models import Case, Count, IntegerField, Model, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from annotation.export.scope import Scope
from annotation.models import Adjudication, Aspect, Assignment, Output, PageVisit, Participant, Persona, Rating, Slot

_M = TypeVar("_M", bound=Model)
# Kinds of questions whose answer is a side of the page.
OF_A_PAIR = (Aspect.Kind.COMPARISON, Aspect.Kind.PICK)
# Those whose answer is an order of the responses.
ORDERS = (Aspect.Kind.RANKING, Aspect.Kind.BEST_WORST)
# Names of the annotations that `with_times` adds.
TIMES = tuple(f"{phase}_{kind}" for phase in PageVisit.Phase.values for kind in ("focused", "idle"))


def participants_of(scope: Scope) -> QuerySet[Participant]:
    """Return the participants that count."""
    return Participant.objects.filter(study=scope.study, kind__in=scope.kinds)


def assignments_of(scope: Scope) -> QuerySet[Assignment]:
    """Return the assignments of those participants."""
    return Assignment.objects.filter(participant__study=scope.study, participant__kind__in=scope.kinds)


def unplanted_of(scope: Scope) -> QuerySet[Assignment]:
    """Return those that do not hold a planted pair."""
    return assignments_of(scope).exclude(kind=Assignment.Kind.CHECK)


def answers_of(scope: Scope) -> QuerySet[Rating]:
    """Return every answer ever saved by those participants."""
    return Rating.objects.filter(
        slot__assignment__participant__study=scope.study, slot__assignment__participant__kind__in=scope.kinds
    )


def current_answers_of(scope: Scope) -> QuerySet[Rating]:
    """Return their answers without those that a later one replaced."""
    return answers_of(scope).filter(superseded_by=None)


def adjudications_of(scope: Scope) -> QuerySet[Adjudication]:
    """Return the decisions on their parts, those that a later one replaced too."""
    return Adjudication.objects.filter(
        assignment__participant__study=scope.study, assignment__participant__kind__in=scope.kinds
    )


def decisions_of(scope: Scope) -> dict[str, str]:
    """Return the decisions that count, by the key of the assignment."""
    return dict(adjudications_of(scope).filter(is_current=True).values_list("assignment__key", "decision"))


def personas_of(scope: Scope) -> QuerySet[Persona]:
    """Return given personas and submitted ones; a draft that was never submitted is its writer's alone."""
    return Persona.objects.filter(_covered(scope, ""))


def outputs_of(scope: Scope) -> QuerySet[Output]:
    """Return the outputs made for those personas."""
    return Output.objects.filter(_covered(scope, "persona__"))


def whole_outputs_of(scope: Scope) -> QuerySet[Output]:
    """Return those of personas that every arm has one for: else what is there would say which arm came first."""
    arms = Output.objects.filter(persona=OuterRef("persona"), sample=0)
    outputs = outputs_of(scope).annotate(arms=count_by(arms, "persona"))
    return outputs.filter(~Q(planted=Output.Planted.NO) | Q(arms__gte=len(scope.arm_codes)))


def _covered(scope: Scope, prefix: str) -> Q:
    given = Q(**{f"{prefix}source": Persona.Source.GIVEN})
    written = Q(**{f"{prefix}author__kind__in": scope.kinds, f"{prefix}submitted_at__isnull": False})
    return Q(**{f"{prefix}item__study": scope.study}) & (given | written)


def with_preferred_arm(queryset: QuerySet[Rating]) -> QuerySet[Rating]:
    """Add `preferred_arm`: values 1 and 2 of comparisons and picks are sides, and the output there knows its arm."""
    return queryset.annotate(preferred_arm=_of_the_pair(OuterRef("value"), "output__arm__code"))


def with_side_texts(queryset: QuerySet[Rating]) -> QuerySet[Rating]:
    """Add `left_text` and `right_text` to answers about a pair: the outputs in the first two places of the page."""
    return queryset.annotate(
        left_text=_of_the_pair(Value(1), "output__text"), right_text=_of_the_pair(Value(2), "output__text")
    )


def _of_the_pair(position: OuterRef | Value, path: str) -> Case:
    side = Slot.objects.filter(assignment=OuterRef("slot__assignment"), position=position, kind=Slot.Kind.OUTPUT)
    return Case(When(aspect__kind__in=OF_A_PAIR, then=Subquery(side.values(path)[:1])))


def with_times(queryset: QuerySet[_M], *, owner: str, path: str) -> QuerySet[_M]:
    """Add the milliseconds of `TIMES`, summed over the page visits whose `owner` is the row at `path`."""
    sums = {}
    for name in TIMES:
        phase, kind = name.split("_")
        visits = PageVisit.objects.filter(phase=phase, **{owner: OuterRef(path)}).values(owner)
        total = visits.annotate(total=Sum(f"{kind}_ms")).values("total")
        sums[name] = Coalesce(Subquery(total, output_field=IntegerField()), Value(0))
    return queryset.annotate(**sums)


def with_counts(queryset: QuerySet[Participant]) -> QuerySet[Participant]:
    """Add what each participant did: personas submitted, assignments by state, current answers."""
    written = Persona.objects.filter(author=OuterRef("pk"), submitted_at__isnull=False)
    begun = Assignment.objects.filter(participant=OuterRef("pk"))
    answers = Rating.objects.filter(slot__assignment__participant=OuterRef("pk"))
    return queryset.annotate(
        personas_submitted=count_by(written, "author"),
        assignments_begun=count_by(begun, "participant"),
        assignments_completed=count_by(begun.filter(state=Assignment.State.COMPLETED), "participant"),
        assignments_skipped=count_by(begun.filter(state=Assignment.State.SKIPPED), "participant"),
        assignments_set_aside=count_by(begun.filter(state=Assignment.State.SET_ASIDE), "participant"),
        current_ratings=count_by(answers, "slot__assignment__participant", only=Q(superseded_by=None)),
    )


def count_by(queryset: QuerySet[Any], owner: str, *, only: Q | None = None) -> Coalesce:
    """Return an expression: how many rows of `queryset`, which refers to the outer row as `owner`.

    `only` is for a condition that nearly all rows meet: among the others SQLite would start from its index, and so go
    through all answers for each outer row.
    """
    counted = queryset.order_by().values(owner).annotate(number=Count("pk", filter=only)).values("number")
    return Coalesce(Subquery(counted, output_field=IntegerField()), Value(0))
