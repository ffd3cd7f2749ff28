"""What came of attention checks and planted pairs, read for a whole study with one query for each."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet

from annotation.models import Aspect, Assignment, Event, Output, Rating, Study

ATTENTION, PLANTED = "attention", "planted"


@dataclass(frozen=True)
class CheckResult:
    """One check that a participant has met. `expected` to `told` belong to attention checks, `good` and `bad` to pairs.

    A loud check that was missed and then put right counts as missed: being told is what put it right.
    """

    participant_id: int
    assignment_id: int
    kind: str
    key: str
    passed: bool
    saved_at: datetime
    expected: int | None = None
    first_answer: int | None = None
    answer: int | None = None
    told: bool = False
    good: int | None = None
    bad: int | None = None


def check_results(study: Study, *, kinds: Collection[str] | None = None) -> list[CheckResult]:
    """Return the results of finished parts, and of loud checks as soon as a miss was told, by participant and part.

    `kinds` limits them to some kinds of participants.
    """
    ratings = Rating.objects.filter(slot__assignment__participant__study=study)
    if kinds is not None:
        ratings = ratings.filter(slot__assignment__participant__kind__in=kinds)
    results = [*_attention(study, ratings), *_planted(ratings)]
    return sorted(results, key=lambda result: (result.participant_id, result.assignment_id, result.kind))


def _attention(study: Study, ratings: QuerySet[Rating]) -> Iterator[CheckResult]:
    told = set(
        Event.objects.filter(participant__study=study, kind=Event.Kind.CHECK_MISSED).values_list(
            "assignment", flat=True
        )
    )
    rows = (
        ratings.filter(aspect__kind=Aspect.Kind.CHECK)
        .order_by("version")
        .values_list(
            "slot__assignment__participant", "slot__assignment", "slot__assignment__state", "aspect__key",
            "aspect__expected", "value", "saved_at",
        )
    )  # fmt: skip
    answers: defaultdict[tuple[int, int, str, str, int], list[tuple[int, datetime]]] = defaultdict(list)
    for *check, value, saved_at in rows:
        answers[tuple(check)].append((value, saved_at))  # type: ignore[index]
    for (participant, assignment, state, key, expected), given in answers.items():
        if state == Assignment.State.COMPLETED or assignment in told:
            last, saved_at = given[-1]
            yield CheckResult(
                participant, assignment, ATTENTION, key, last == expected and assignment not in told, saved_at,
                expected=expected, first_answer=given[0][0], answer=last, told=assignment in told,
            )  # fmt: skip


def _planted(ratings: QuerySet[Rating]) -> Iterator[CheckResult]:
    rows = ratings.filter(
        slot__assignment__kind=Assignment.Kind.CHECK,
        slot__assignment__state=Assignment.State.COMPLETED,
        superseded_by__isnull=True,
        aspect__key=F("slot__output__persona__item__planted_aspect"),
    ).values_list(
        "slot__assignment__participant", "slot__assignment", "slot__output__persona__item__key",
        "slot__output__planted", "value", "saved_at",
    )  # fmt: skip
    pairs: defaultdict[tuple[int, int, str], dict[str, Any]] = defaultdict(dict)
    for *pair, side, value, saved_at in rows:
        pairs[tuple(pair)][side] = (value, saved_at)  # type: ignore[index]
    for (participant, assignment, key), sides in pairs.items():
        good, bad = sides[Output.Planted.GOOD], sides[Output.Planted.BAD]
        yield CheckResult(
            participant, assignment, PLANTED, key, bad[0] < good[0], max(good[1], bad[1]), good=good[0], bad=bad[0]
        )
