"""What researchers' pages read. A page costs the same number of queries whatever the size of the study."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext_noop

from annotation.export.querysets import count_by, current_answers_of, outputs_of, participants_of, with_counts
from annotation.export.scope import Scope
from annotation.holding import unmade_holds
from annotation.models import Assignment, Event, Output, Participant, Persona, Rating, Study, User
from annotation.permissions import visible_studies
from annotation.units import assignments_at_most

PAGE_SIZE = 50


@dataclass(frozen=True)
class Summary:
    """Counts over a whole study."""

    participants: int
    consented: int
    declined: int
    completed: int
    ratings: int
    outputs_waiting: int
    outputs_failed: int


@dataclass(frozen=True)
class ParticipantProgress:
    """How far one participant is. `planned` is how many assignments the study has for a participant at most."""

    code: str
    state: str
    personas_submitted: int
    assignments_completed: int
    planned: int
    ratings: int
    last_activity: datetime | None
    completion_code: str


@dataclass(frozen=True)
class ItemProgress:
    """How many places of an item are wanted, held by somebody now, and filled."""

    key: str
    stratum: str
    wanted: int
    live: int
    completed: int

    @classmethod
    def of(cls, item: Any, study: Study) -> "ItemProgress":
        """Return it for an item of `with_item_progress`."""
        return cls(
            key=item.key,
            stratum=item.stratum,
            wanted=study.raters_per_item * _units(study, given=item.given, given_in_use=item.given_in_use),
            live=item.live,
            completed=item.completed,
        )

    @property
    def state(self) -> str:
        """One word for it."""
        if self.wanted == 0:
            return gettext_noop("not used")
        if self.completed >= self.wanted:
            return gettext_noop("complete")
        return gettext_noop("in progress") if self.live or self.completed else gettext_noop("waiting")


def studies_of(user: User) -> QuerySet[Study]:
    """Return the studies that `user` may see, each with `people`, `people_completed` and `people_ratings`."""
    people = Participant.objects.filter(study=OuterRef("pk"), kind=Participant.Kind.PERSON)
    answers = Rating.objects.filter(
        slot__assignment__participant__study=OuterRef("pk"),
        slot__assignment__participant__kind=Participant.Kind.PERSON,
    )
    return (
        visible_studies(user)
        .select_related("owner")
        .annotate(
            people=count_by(people, "study"),
            people_completed=count_by(people.filter(completed_at__isnull=False), "study"),
            people_ratings=count_by(answers, "slot__assignment__participant__study", only=Q(superseded_by=None)),
        )
    )


def study_summary(scope: Scope) -> Summary:
    """Return the counts of a study."""
    people = participants_of(scope).aggregate(
        participants=Count("pk"),
        consented=Count("pk", filter=Q(consented_at__isnull=False)),
        declined=Count("pk", filter=Q(declined_at__isnull=False)),
        completed=Count("pk", filter=Q(completed_at__isnull=False)),
    )
    held = unmade_holds().filter(persona=OuterRef("persona"))
    made = outputs_of(scope).aggregate(
        outputs_waiting=Count("pk", filter=Q(state=Output.State.REQUESTED) & ~Q(Exists(held))),
        outputs_failed=Count("pk", filter=Q(state=Output.State.FAILED)),
    )
    return Summary(**people, **made, ratings=current_answers_of(scope).count())


def participants_progress(scope: Scope, page: str | int | None) -> tuple[Page[Any], list[ParticipantProgress]]:
    """Return one page of participants by number, and how far they are."""
    current = Paginator(participants_of(scope).order_by("number"), PAGE_SIZE).get_page(page)
    # Counted for the page's people alone: a database may count for everybody before it cuts the page out.
    listed = [participant.pk for participant in current]
    return current, progress_of(scope.study, listed)


def progress_of(study: Study, listed: Sequence[int]) -> list[ParticipantProgress]:
    """Return how far these participants are, by number."""
    event = Event.objects.filter(participant=OuterRef("pk")).order_by("-pk")
    participants = with_counts(Participant.objects.filter(pk__in=listed)).annotate(
        last_event=Subquery(event.values("at")[:1]), last_answer=_last_answer()
    )
    planned = assignments_at_most(study)
    return [_participant_progress(participant, planned) for participant in participants.order_by("number")]


def _last_answer() -> Subquery:
    answers = Rating.objects.filter(slot__assignment__participant=OuterRef("pk")).order_by()
    latest = answers.values("slot__assignment__participant").annotate(latest=Max("saved_at")).values("latest")
    return Subquery(latest)


def _participant_progress(participant: Any, planned: int) -> ParticipantProgress:
    """Return the progress of a participant that carries the annotations of `participants_progress`."""
    times = [time for time in (participant.last_event, participant.last_answer) if time]
    return ParticipantProgress(
        code=participant.code,
        state=participant_state(participant),
        personas_submitted=participant.personas_submitted,
        assignments_completed=participant.assignments_completed,
        planned=planned,
        ratings=participant.current_ratings,
        last_activity=max(times, default=None),
        completion_code=participant.completion_code if participant.completed_at else "",
    )


def participant_state(participant: Participant) -> str:
    """Return one word for how far a participant is."""
    steps = (
        (participant.erased_at, "erased"),
        (participant.withdrawn_at, "withdrawn"),
        (participant.screened_out_at, "screened out"),
        (participant.completed_at, "finished"),
        (participant.declined_at, "declined"),
        (participant.instructed_at, "working"),
        (participant.consented_at, "consented"),
    )
    return next((word for time, word in steps if time), "not started")


def items_progress(scope: Scope, page: str | int | None) -> tuple[Page[Any], list[ItemProgress]]:
    """Return one page of items in the study's order, and how their places stand; planted items have no places."""
    current = Paginator(with_item_progress(scope).order_by("ordinal"), PAGE_SIZE).get_page(page)
    return current, [ItemProgress.of(item, scope.study) for item in current]


def with_item_progress(scope: Scope) -> QuerySet[Any]:
    """Return the items without planted ones, each with the counts that `ItemProgress.of` reads."""
    given = Persona.objects.filter(item=OuterRef("pk"), source=Persona.Source.GIVEN)
    places = Assignment.objects.filter(
        persona__item=OuterRef("pk"), participant__kind__in=scope.kinds, kind=Assignment.Kind.MAIN,
        participant__excluded_at__isnull=True,
    )  # fmt: skip
    live = places.filter(state=Assignment.State.OPEN, expires_at__gt=timezone.now())
    completed = places.filter(state=Assignment.State.COMPLETED, surplus=False)
    return scope.study.items.filter(planted_part__isnull=True).annotate(
        given=count_by(given, "item"),
        given_in_use=count_by(given.exclude(outputs__excluded_at__isnull=False), "item"),
        live=count_by(live, "persona__item"),
        completed=count_by(completed, "persona__item"),
    )


def _units(study: Study, *, given: int, given_in_use: int) -> int:
    """An item with given personas is rated once per persona in use; any other is written for."""
    if given:
        return given_in_use if study.given_personas_per_participant else 0
    return 1 if study.written_personas_per_participant else 0


def personal_links(study: Study) -> QuerySet[Participant]:
    """Return the people who were invited by a link of their own, by number."""
    return study.participants.filter(
        kind=Participant.Kind.PERSON, open_link__isnull=True, erased_at__isnull=True
    ).order_by("number")
