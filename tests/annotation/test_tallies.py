"""Tallies of units: a cache that says at every moment what a fresh count of the assignments would say."""

import random
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.errors import NotAllowedNow
from annotation.models import Assignment, Participant, Persona, Study, UnitTally
from annotation.questions import questions_of
from annotation.services.assignments import assignment_mark_shown, assignment_set_aside
from annotation.services.exclusions import participant_exclude, participant_include
from annotation.services.finishing import assignment_finish
from annotation.services.participants import participant_create
from annotation.services.personas import persona_submit
from annotation.services.places import participant_place
from annotation.services.platform import places_return
from annotation.services.ratings import GivenAnswer
from annotation.services.skips import assignment_skip
from annotation.services.tallies import tallies_make, tallies_refresh
from annotation.services.withdrawal import participant_erase, participant_withdraw
from annotation.units import holds_place
from tests.annotation.test_frozen import load
from tests.annotation.walking import Walker, make_ready
from tests.factories import make_study

pytestmark = pytest.mark.django_db

Tally = tuple[str, int, int | None, int, str]


def mixed_study() -> Study:
    study = make_study(
        given_items=3, written_items=3, given_per_participant=2, written_per_participant=1, raters_per_item=2
    )
    Study.objects.filter(pk=study.pk).update(overlap_share=0.5, skip_reasons=["Too long"])
    study.refresh_from_db()
    return study


class People:
    """Participants of a study, and what may happen to them, each by the service that a page or a command calls."""

    def __init__(self, study: Study, chance: random.Random) -> None:
        self.study, self.chance = study, chance
        self.doors: list[Callable[[], None]] = [
            self.come, self.come, self.go_on, self.go_on, self.go_on, self.write, self.write, self.finish, self.finish,
            self.finish, self.skip, self.set_aside, self.exclude, self.include, self.leave, self.erase, self.return_,
            self.let_a_day_pass,
        ]  # fmt: skip

    def anybody(self, **which: object) -> Participant:
        people = list(self.study.participants.filter(erased_at__isnull=True, **which).select_related("study"))
        if not people:
            raise NotAllowedNow("Nobody is there.")
        return self.chance.choice(people)

    def part(self, **which: object) -> Assignment:
        """Return an open assignment, as a request reads it."""
        parts = Assignment.objects.filter(state=Assignment.State.OPEN, **which)
        found = list(parts.select_related("participant__study", "persona__item").order_by("pk"))
        if not found:
            raise NotAllowedNow("No part is open.")
        return self.chance.choice(found)

    def come(self) -> None:
        participant = participant_create(study=self.study)
        now = timezone.now()
        self.study.participants.filter(pk=participant.pk).update(consented_at=now, consent_hash="c", instructed_at=now)
        self.go_on()

    def go_on(self) -> None:
        participant_place(participant=self.anybody(withdrawn_at__isnull=True), shows=True)

    def write(self) -> None:
        assignment = self.part(persona__submitted_at__isnull=True)
        persona_submit(assignment=assignment, text="I am new and prefer tea.", version=0, tab=uuid.uuid4())
        if self.chance.random() < 0.8:
            make_ready()

    def finish(self) -> None:
        assignment = self.part(persona__submitted_at__isnull=False, persona__outputs__state="ready")
        assignment_mark_shown(assignment=assignment)
        questions = questions_of(assignment, self.study.aspects.all(), ())
        answers = {key: GivenAnswer(3, 0, uuid.uuid4()) for key in questions}
        assert assignment_finish(assignment=assignment, answers=answers).is_finished

    def skip(self) -> None:
        assignment_skip(assignment=self.part(), reason="Too long")

    def set_aside(self) -> None:
        assignment_set_aside(assignment=self.part(shown_at__isnull=True))

    def exclude(self) -> None:
        participant_exclude(participant=self.anybody(excluded_at__isnull=True), reason="Doubtful", user=None)

    def include(self) -> None:
        participant_include(participant=self.anybody(excluded_at__isnull=False), reason="No doubt", user=None)

    def leave(self) -> None:
        if self.chance.random() < 0.3:
            participant_withdraw(participant=self.anybody())

    def erase(self) -> None:
        if self.chance.random() < 0.3:
            participant_erase(participant=self.anybody())

    def return_(self) -> None:
        places_return(participant=self.anybody())

    def let_a_day_pass(self) -> None:
        day = timedelta(hours=25)
        Assignment.objects.update(expires_at=F("expires_at") - day, created_at=F("created_at") - day)
        UnitTally.objects.filter(recount_at__isnull=False).update(recount_at=F("recount_at") - day)


def tallies(study: Study) -> list[Tally]:
    rows = UnitTally.objects.filter(study=study, participant_kind="person")
    return sorted(
        rows.values_list("source", "item", "persona", "taken", "sides"), key=lambda row: (row[0], row[1], row[2] or 0)
    )


def counted_anew(study: Study) -> list[Tally]:
    UnitTally.objects.filter(study=study).delete()
    tallies_make(study=study, kind="person")
    return tallies(study)


def places_held(study: Study) -> int:
    """How many places of units are held, counted from the assignments by another way than tallies are."""
    return Assignment.objects.filter(
        holds_place(), participant__study=study, participant__excluded_at__isnull=True, kind__in=("main", "overlap")
    ).count()


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_the_tallies_say_what_a_fresh_count_would_say(seed: int) -> None:
    chance = random.Random(seed)
    people = People(mixed_study(), chance)
    people.come()
    happened = []
    for _ in range(60):
        door = chance.choice(people.doors)
        with suppress(NotAllowedNow):
            door()
            happened.append(door.__name__)
        if chance.random() < 0.3:
            tallies_refresh(study=people.study, kind="person")
            kept = tallies(people.study)
            assert kept == counted_anew(people.study), happened
            units = sum(taken for *_, taken, _ in kept)
            lost = Assignment.objects.filter(holds_place(), kind="overlap").exclude(persona__in=_overlap_units())
            assert units == places_held(people.study) - lost.count(), happened


def _overlap_units() -> list[int | None]:
    """Personas whose authors stay: others are no units any more, whoever rates them."""
    return list(UnitTally.objects.filter(source="overlap").values_list("persona", flat=True))


def test_a_study_that_was_opened_before_there_were_tallies_goes_on_from_its_assignments() -> None:
    study = make_study(given_items=2, given_per_participant=1, raters_per_item=1)
    first = Walker(study).begin()
    UnitTally.objects.all().delete()
    second = Walker(study).begin()
    assert first.assignment.persona != second.assignment.persona
    assert Walker(study).step == "full"


def test_a_preview_of_a_draft_meets_the_items_that_were_loaded_last(tmp_path: Path) -> None:
    for prompt in ("How do I rest?", "How do I wake up?"):
        draft = load(tmp_path, items=[{"id": "rest", "prompt": prompt}])
        walker = Walker(draft, participant_create(study=draft, kind=Participant.Kind.PREVIEW)).begin()
        assert prompt in walker.get().content.decode()


@pytest.mark.parametrize("source", [Persona.Source.GIVEN, Persona.Source.WRITTEN])
def test_handing_out_takes_as_many_statements_however_many_items_there_are(source: Persona.Source) -> None:
    counts = []
    for items in (20, 300):
        mine = {f"{source}_items": items, f"{source}_per_participant": 2}
        none = {"given_items": 0, "given_per_participant": 0}
        walker = Walker(make_study(slug=f"items-{items}", **{**none, **mine}))  # type: ignore[arg-type]
        walker.get()  # the first of all makes the tallies
        with CaptureQueriesContext(connection) as sent:
            walker.begin()
        counts.append(len(sent))
    assert counts[0] == counts[1]
