"""The facts of the overview, in as many queries for a large study as for a small one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from math import ceil
from time import monotonic

from django.db.models import Count, Exists, Min, OuterRef, Q

from annotation.controls.quality import CHECKS, FAST, PAIRS, STRAIGHT, Quality, study_quality
from annotation.export.querysets import assignments_of, participants_of
from annotation.export.scope import Scope
from annotation.making import Making, making
from annotation.models import Assignment, Persona, Study
from annotation.overview.forecast import WINDOWS, Forecast, forecast
from annotation.queries import Summary, study_summary
from annotation.queries_holds import HoldCounts, hold_counts
from annotation.queries_participants import stalled

# Outputs that somebody waits for longer than this are late.
LATE = timedelta(minutes=10)
QUALITIES_KEPT = 16
QUALITY_SECONDS = 60


@dataclass(frozen=True)
class Progress:
    """How far a study is: places of own parts that are wanted, filled and held now, and the people these take."""

    wanted: int
    filled: int
    live: int
    finished_parts: int
    people_wanted: int
    forecast: Forecast

    @property
    def left(self) -> int:
        """Places that are still to be filled."""
        return max(self.wanted - self.filled, 0)


@dataclass(frozen=True)
class NeedsAttention:
    """What somebody should look at, in numbers; nothing where all is well."""

    stalled: int
    late: int
    fast: int
    straight: int
    checks: int
    disputed: int

    @property
    def quality(self) -> int:
        """How many findings concern answers."""
        return self.fast + self.straight + self.checks + self.disputed


@dataclass(frozen=True)
class Overview:
    """All of it."""

    summary: Summary
    progress: Progress
    making: Making
    holds: HoldCounts
    attention: NeedsAttention

    @property
    def is_calm(self) -> bool:
        """Nothing needs attention."""
        made = self.making
        asks = (self.summary.outputs_failed, self.holds.undecided, made.nobody, made.alerts, self.attention.quality)
        return not any(asks) and not self.attention.stalled and not self.attention.late


def study_overview(scope: Scope) -> Overview:
    """Return what the overview of a study shows."""
    summary, progress, made = study_summary(scope), _progress(scope), making(scope.study)
    return Overview(
        summary=summary,
        progress=progress,
        making=made,
        holds=hold_counts(scope.study),
        attention=_attention(scope, summary, progress, made),
    )


def _attention(scope: Scope, summary: Summary, progress: Progress, made: Making) -> NeedsAttention:
    people = participants_of(scope).filter(excluded_at__isnull=True)
    counted = set(people.values_list("pk", flat=True))
    found = _quality(
        scope.study.pk, scope.study.created_at, summary.ratings, progress.finished_parts, len(counted),
        int(monotonic() // QUALITY_SECONDS),
    )  # fmt: skip
    by_rule = {
        rule: {pk for pk, rules in found.people.items() if rule in rules and pk in counted}
        for rule in (FAST, STRAIGHT, CHECKS, PAIRS)
    }
    is_late = made.oldest is not None and (scope.now - made.oldest) > LATE
    return NeedsAttention(
        stalled=people.filter(stalled(scope.now)).count() if scope.study.state == Study.State.OPEN else 0,
        late=made.waited_for if is_late else 0,
        fast=len(by_rule[FAST]),
        straight=len(by_rule[STRAIGHT]),
        checks=len(by_rule[CHECKS] | by_rule[PAIRS]),
        disputed=len(found.personas),
    )


@lru_cache(maxsize=QUALITIES_KEPT)
def _quality(pk: int, created_at: datetime, answers: int, parts: int, people: int, moment: int) -> Quality:
    """Return what deserves a second look. Kept for a moment, and while nothing is added: it reads every part, and an
    overview is renewed every few seconds by whoever has it open."""
    return study_quality(Study.objects.get(pk=pk))


def _progress(scope: Scope) -> Progress:
    parts = assignments_of(scope).filter(participant__excluded_at__isnull=True)
    done = Q(state=Assignment.State.COMPLETED)
    own = Q(kind=Assignment.Kind.MAIN)
    filled = own & done & Q(surplus=False)
    windows = {f"within_{n}": filled & Q(completed_at__gt=scope.now - window) for n, window in enumerate(WINDOWS)}
    counts = parts.aggregate(
        finished=Count("pk", filter=done),
        filled=Count("pk", filter=filled),
        live=Count("pk", filter=own & Q(state=Assignment.State.OPEN, expires_at__gt=scope.now)),
        first=Min("completed_at", filter=filled),
        **{name: Count("pk", filter=condition) for name, condition in windows.items()},
    )
    given, written = _units(scope.study)
    raters, study = scope.study.raters_per_item, scope.study
    wanted = raters * (given + written)
    lately = {window: counts[f"within_{n}"] for n, window in enumerate(WINDOWS)}
    return Progress(
        wanted=wanted,
        filled=counts["filled"],
        live=counts["live"],
        finished_parts=counts["finished"],
        people_wanted=max(
            _people(given, raters, study.given_personas_per_participant),
            _people(written, raters, study.written_personas_per_participant),
        ),
        forecast=forecast(left=wanted - counts["filled"], first=counts["first"], lately=lately, now=scope.now),
    )


def _people(units: int, raters: int, each: int) -> int:
    """Return how many people it takes to have each unit rated by all its raters."""
    return max(raters, ceil(units * raters / min(each, units))) if units and each else 0


def _units(study: Study) -> tuple[int, int]:
    """Return how many given personas are to be rated, and items to be written for."""
    items = study.items.filter(planted_part__isnull=True)
    given = Persona.objects.filter(item__in=items, source=Persona.Source.GIVEN)
    in_use = given.exclude(outputs__excluded_at__isnull=False).count() if study.given_personas_per_participant else 0
    is_given = Exists(Persona.objects.filter(item=OuterRef("pk"), source=Persona.Source.GIVEN))
    return in_use, items.exclude(is_given).count() if study.written_personas_per_participant else 0
