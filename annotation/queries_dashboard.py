"""What the dashboard counts: summed up by the database, in as many queries for a large study as for a small one."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import (
    CharField,
    Count,
    Exists,
    F,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Window,
)
from django.db.models.functions import RowNumber
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import gettext_noop

from annotation.export.querysets import assignments_of, current_answers_of, outputs_of, participants_of
from annotation.export.scope import Scope
from annotation.models import Assignment, Output, PageVisit, Participant, Slot
from annotation.services.outputs import outputs_retryable
from annotation.services.queue import MAX_ATTEMPTS, WORKER_LOST

# What the engine said may name what is behind an arm, so these say only how it ended. In the order of `failed_outputs`.
FAILURE_REASONS = (
    (
        gettext_noop("They cannot be made as things are."),
        gettext_noop("An arm is not bound, or its model, files or settings are missing or were changed."),
    ),
    (
        format_lazy(_lazy("{count} attempts failed."), count=MAX_ATTEMPTS),
        gettext_noop("The model or its server answered with errors, or with nothing."),
    ),
    (
        format_lazy(_lazy("The worker was lost {count} times while making them."), count=MAX_ATTEMPTS),
        gettext_noop("It was killed or ran out of memory; its log says more."),
    ),
)
HOURS_SHOWN_AS_SUCH = 72  # a longer study is shown by day


@dataclass(frozen=True)
class Flow:
    """How many people reached each step; `completed` leaves the excluded out, `reasons` says why they are."""

    invited: int
    consented: int
    started: int
    completed: int
    excluded: int
    declined: int
    screened_out: int
    withdrawn: int
    erased: int
    reasons: tuple[tuple[str, int], ...]

    @property
    def steps(self) -> tuple[tuple[str, int], ...]:
        """The steps on the way, and the ways out."""
        return (
            (gettext_noop("Invited"), self.invited),
            (gettext_noop("Consented"), self.consented),
            (gettext_noop("Started"), self.started),
            (gettext_noop("Completed"), self.completed),
            (gettext_noop("Excluded"), self.excluded),
            (gettext_noop("Declined"), self.declined),
            (gettext_noop("Screened out"), self.screened_out),
            (gettext_noop("Withdrawn"), self.withdrawn),
        )


@dataclass(frozen=True)
class FailedOutputs:
    """Outputs that could not be made, of how many personas; `reasons` are (why, what to do, how many)."""

    total: int
    personas: int
    retryable: int
    reasons: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class ArmSides:
    """How often an arm stood at each position, in completed parts."""

    code: str
    positions: tuple[int, ...]

    @property
    def total(self) -> int:
        """Parts in which it stood anywhere."""
        return sum(self.positions)

    @property
    def first_share(self) -> float:
        """Share of its parts in which it stood first (left, or on top), from 0 to 1."""
        return self.positions[0] / self.total if self.total else 0.0


@dataclass(frozen=True)
class Sides:
    """The balance of sides: by arm, and how many items have an arm whose positions differ by more than one."""

    arms: tuple[ArmSides, ...]
    items: int
    uneven: tuple[str, ...]


class _Hour(Func):
    """The hour of a time in UTC, as text: `2026-01-31 14`. Django's own truncation calls Python for each SQLite row."""

    output_field = CharField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        """SQLite keeps times as text."""
        return self.as_sql(compiler, connection, template="SUBSTR(%(expressions)s, 1, 13)", **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Any]:
        """The connection's time zone is UTC; the format names no zone."""
        template = "TO_CHAR(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24')"
        return self.as_sql(compiler, connection, template=template, **context)


def study_flow(scope: Scope) -> Flow:
    """Return how many people reached each step."""
    people = participants_of(scope)
    begun = Exists(Assignment.objects.filter(participant=OuterRef("pk")))
    screened = Q(screened_out_at__isnull=False) | Q(platform_state=Participant.PlatformState.SCREENED_OUT)
    counts = people.aggregate(
        invited=Count("pk"),
        consented=Count("pk", filter=Q(consented_at__isnull=False)),
        started=Count("pk", filter=Q(begun)),
        completed=Count("pk", filter=Q(completed_at__isnull=False, excluded_at__isnull=True)),
        excluded=Count("pk", filter=Q(excluded_at__isnull=False)),
        declined=Count("pk", filter=Q(declined_at__isnull=False)),
        screened_out=Count("pk", filter=screened),
        withdrawn=Count("pk", filter=Q(withdrawn_at__isnull=False)),
        erased=Count("pk", filter=Q(erased_at__isnull=False)),
    )
    excluded = people.filter(excluded_at__isnull=False).values_list("excluded_reason")
    reasons = excluded.annotate(number=Count("pk")).order_by("-number", "excluded_reason")
    return Flow(**counts, reasons=tuple(reasons))


def failed_outputs(scope: Scope) -> FailedOutputs:
    """Return how many outputs could not be made and, in words that name no system, why."""
    failed = outputs_of(scope).filter(state=Output.State.FAILED, excluded_at__isnull=True)
    is_lost = Q(error=WORKER_LOST)
    counts = failed.aggregate(
        total=Count("pk"),
        lost=Count("pk", filter=is_lost),
        tried=Count("pk", filter=Q(attempts__gte=MAX_ATTEMPTS) & ~is_lost),
        personas=Count("persona", distinct=True),
    )
    impossible = counts["total"] - counts["lost"] - counts["tried"]
    by_reason = zip(FAILURE_REASONS, (impossible, counts["tried"], counts["lost"]), strict=True)
    return FailedOutputs(
        total=counts["total"],
        personas=counts["personas"],
        retryable=outputs_retryable(scope.study).count() if counts["total"] else 0,
        reasons=tuple((str(said), behind, number) for (said, behind), number in by_reason if number),
    )


def ratings_over_time(scope: Scope) -> list[tuple[str, int]]:
    """Return (hour or day in UTC, current answers saved then) without gaps, from the first to the last answer."""
    counted = current_answers_of(scope).annotate(hour=_Hour("saved_at")).values_list("hour")
    hours = {
        datetime.strptime(hour, "%Y-%m-%d %H").replace(tzinfo=UTC): number
        for hour, number in counted.annotate(number=Count("pk")).order_by()
    }
    if not hours:
        return []
    first, last = min(hours), max(hours)
    if last - first < timedelta(hours=HOURS_SHOWN_AS_SUCH):
        return [(f"{at:%Y-%m-%d %H}:00", hours.get(at, 0)) for at in _steps(first, last, timedelta(hours=1))]
    days: Counter[datetime] = Counter()
    for at, number in hours.items():
        days[at.replace(hour=0)] += number
    return [(f"{at:%Y-%m-%d}", days[at]) for at in _steps(min(days), max(days), timedelta(days=1))]


def median_seconds(scope: Scope, *, owner: str, among: Sequence[Any]) -> dict[Any, float]:
    """Return the median focused seconds per completed part, for each value of the field `owner` in `among`.

    The database ranks the parts of each owner, and only the middle one or two of each come back.
    """
    visits = PageVisit.objects.filter(assignment=OuterRef("pk")).order_by().values("assignment")
    parts = (
        assignments_of(scope)
        .filter(state=Assignment.State.COMPLETED, **{f"{owner}__in": among})
        .annotate(
            focused=Subquery(visits.annotate(total=Sum("focused_ms")).values("total"), output_field=IntegerField())
        )
    )
    group = [F(owner)]
    ranked = parts.filter(focused__isnull=False).annotate(
        twice=Window(RowNumber(), partition_by=group, order_by=F("focused").asc()) * 2,
        number=Window(Count("pk"), partition_by=group),
    )
    middle = ranked.filter(twice__gte=F("number"), twice__lte=F("number") + 2).order_by()
    times: defaultdict[Any, list[int]] = defaultdict(list)
    for value, focused in middle.values_list(owner, "focused"):
        times[value].append(focused)
    return {value: sum(found) / len(found) / 1000 for value, found in times.items()}


def side_balance(scope: Scope) -> Sides:
    """Return where the arms stood in completed parts."""
    slots = Slot.objects.filter(
        kind=Slot.Kind.OUTPUT, assignment__in=_completed(scope).exclude(kind=Assignment.Kind.CHECK)
    ).order_by()
    counted = slots.values_list("assignment__persona__item__key", "output__arm__code", "position")
    by_arm: Counter[tuple[str, int]] = Counter()
    by_item: defaultdict[str, Counter[tuple[str, int]]] = defaultdict(Counter)
    for item, code, position, number in counted.annotate(number=Count("pk")):
        by_arm[code, position] += number
        by_item[item][code, position] += number
    places = range(1, len(scope.arm_codes) + 1)
    arms = tuple(ArmSides(code, tuple(by_arm[code, place] for place in places)) for code in scope.arm_codes)
    uneven = sorted(item for item, sides in by_item.items() if _is_uneven(sides, scope.arm_codes, places))
    return Sides(arms=arms, items=len(by_item), uneven=tuple(uneven))


def _completed(scope: Scope) -> QuerySet[Assignment]:
    return assignments_of(scope).filter(state=Assignment.State.COMPLETED)


def _is_uneven(sides: Counter[tuple[str, int]], codes: Iterable[str], places: Iterable[int]) -> bool:
    stood = [[sides[code, place] for place in places] for code in codes]
    return any(max(counts) - min(counts) > 1 for counts in stood)


def _steps(first: datetime, last: datetime, step: timedelta) -> Iterable[datetime]:
    while first <= last:
        yield first
        first += step
