"""The parts that stand out, with their answers and what was decided of them."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, Q

from annotation.controls.quality import CHECKS, PAIRS, REASONS, Quality
from annotation.export.scope import Scope
from annotation.models import Adjudication, Assignment
from annotation.queries_way import Rated, parts_rated

PARTS_PER_PAGE = 10
# What stands for both kinds of checks in an address.
ANY_CHECK = "checks"
OPEN, DECIDED = "open", "decided"


@dataclass(frozen=True)
class Facet:
    """A reason, in words, with the number of parts that stand out for it."""

    name: str
    title: str
    parts: int


@dataclass(frozen=True)
class FlaggedPart:
    """A part that stands out: why, its answers, and the decision that counts, if there is one."""

    assignment: Assignment
    reasons: tuple[str, ...]
    rated: list[Rated]
    decision: Adjudication | None
    others: int


def facets(quality: Quality) -> list[Facet]:
    """Return the reasons that any part stands out for."""
    counts = Counter(reason for reasons in quality.parts.values() for reason in reasons)
    return [Facet(name, title, counts[name]) for name, title in REASONS.items() if counts[name]]


def flagged_parts(
    scope: Scope, quality: Quality, *, why: str, decided: str, page: str | None
) -> tuple[Page[Any], list[FlaggedPart]]:
    """Return one page of the parts that stand out, by participant."""
    wanted = {CHECKS, PAIRS} if why == ANY_CHECK else {why} if why in REASONS else set(REASONS)
    listed = {pk for pk, reasons in quality.parts.items() if wanted.intersection(reasons)}
    current = Adjudication.objects.filter(assignment=OuterRef("pk"), is_current=True)
    parts = Assignment.objects.filter(
        participant__study=scope.study, participant__kind__in=scope.kinds, state=Assignment.State.COMPLETED
    ).annotate(is_decided=Exists(current))
    if decided in (OPEN, DECIDED):
        parts = parts.filter(is_decided=decided == DECIDED)
    ordered = parts.order_by("participant__number", "ordinal").values_list("pk", flat=True)
    found = Paginator([pk for pk in ordered if pk in listed], PARTS_PER_PAGE).get_page(page)
    shown = Assignment.objects.filter(pk__in=list(found)).select_related("participant", "persona__item")
    return found, _rows(list(shown.order_by("participant__number", "ordinal")), quality)


def _rows(parts: list[Any], quality: Quality) -> list[FlaggedPart]:
    keys = [part.pk for part in parts]
    rated = parts_rated(keys)
    decisions = Adjudication.objects.filter(assignment__in=keys).select_related("user")
    current = {decision.assignment_id: decision for decision in decisions if decision.is_current}
    return [
        FlaggedPart(
            assignment=part,
            reasons=tuple(REASONS[reason] for reason in quality.parts[part.pk]),
            rated=rated[part.pk],
            decision=current.get(part.pk),
            others=sum(decision.assignment_id == part.pk for decision in decisions) - (part.pk in current),
        )
        for part in parts
    ]


def decisions_counted(scope: Scope) -> dict[str, int]:
    """Return how many parts are kept, and set aside, by decision."""
    standing = Adjudication.objects.filter(
        Q(is_current=True), assignment__participant__study=scope.study, assignment__participant__kind__in=scope.kinds
    )
    return Counter(standing.values_list("decision", flat=True))
