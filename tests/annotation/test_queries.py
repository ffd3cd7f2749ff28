"""What researchers' pages count."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from annotation import queries
from annotation.export.scope import Scope
from annotation.models import Assignment, Event, Item, Output, Participant, Study
from tests.annotation.study_rows import add_assignment, add_participant, add_written_persona, make_frozen_study
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def people(study: Study) -> Scope:
    return Scope.of(study, include_bots=False)


def test_a_researcher_sees_own_studies_and_a_superuser_all() -> None:
    mine = make_frozen_study(slug="mine")
    make_frozen_study(slug="theirs", owner=make_user("other"))
    assert list(queries.studies_of(mine.owner)) == [mine]
    assert queries.studies_of(make_user("admin", is_superuser=True)).count() == 2


def test_the_list_counts_people_and_their_current_answers_only() -> None:
    study = make_frozen_study()
    add_assignment(add_participant(study, completed_at=timezone.now()))
    add_assignment(add_participant(study))
    add_assignment(add_participant(study, kind=Participant.Kind.BOT, completed_at=timezone.now()))
    found: Any = queries.studies_of(study.owner).get()
    assert (found.people, found.people_completed, found.people_ratings) == (2, 1, 10)


def test_the_summary_counts_steps_ratings_and_outputs() -> None:
    study = make_frozen_study(written_items=1, written_per_participant=1)
    now = timezone.now()
    add_participant(study, declined_at=now)
    author = add_participant(study, consented_at=now, consent_hash="c" * 64, completed_at=now)
    persona = add_written_persona(author, item_key="item-5", text="I prefer it short.")
    first, second = persona.outputs.all()
    Output.objects.filter(pk=first.pk).update(state="failed")
    Output.objects.filter(pk=second.pk).update(state="requested")
    add_assignment(author)
    assert queries.study_summary(people(study)) == queries.Summary(
        participants=2, consented=1, declined=1, completed=1, ratings=5, outputs_waiting=1, outputs_failed=1
    )


def test_a_participant_is_shown_with_counts_and_the_newest_sign_of_life() -> None:
    study = make_frozen_study()
    participant = add_participant(study, instructed_at=timezone.now())
    add_assignment(participant)
    event = Event.objects.create(participant=participant, kind=Event.Kind.ASSIGNMENT_COMPLETED)
    _, (progress,) = queries.participants_progress(people(study), None)
    assert (progress.code, progress.state, progress.ratings) == ("P-001", "working", 5)
    assert (progress.assignments_completed, progress.planned) == (1, 4)
    assert progress.last_activity == event.at and progress.completion_code == ""


def test_the_completion_code_shows_once_a_participant_has_finished() -> None:
    study = make_frozen_study()
    participant = add_participant(study, completed_at=timezone.now())
    _, (progress,) = queries.participants_progress(people(study), None)
    assert progress.state == "finished" and progress.completion_code == participant.completion_code


def test_an_item_counts_places_wanted_held_and_filled() -> None:
    study = make_frozen_study(given_items=2, raters_per_item=2)
    add_assignment(add_participant(study), "item-1")
    add_assignment(add_participant(study), "item-1")
    held = add_assignment(add_participant(study), "item-2")
    Assignment.objects.filter(pk=held.pk).update(state="open", completed_at=None)
    _, (first, second) = queries.items_progress(people(study), None)
    assert (first.wanted, first.live, first.completed, first.state) == (2, 0, 2, "complete")
    assert (second.wanted, second.live, second.completed, second.state) == (2, 1, 0, "in progress")


@pytest.mark.parametrize("change", [{"expires_at": timezone.now() - timedelta(hours=1)}, {"state": "set_aside"}])
def test_an_expired_or_set_aside_place_is_free_again(change: dict[str, object]) -> None:
    study = make_frozen_study(given_items=1)
    held = add_assignment(add_participant(study))
    Assignment.objects.filter(pk=held.pk).update(**{"state": "open", "completed_at": None, **change})
    _, (item,) = queries.items_progress(people(study), None)
    assert (item.live, item.completed, item.state) == (0, 0, "waiting")


def test_surplus_work_fills_no_place() -> None:
    study = make_frozen_study(given_items=1)
    Assignment.objects.filter(pk=add_assignment(add_participant(study)).pk).update(surplus=True)
    _, (item,) = queries.items_progress(people(study), None)
    assert item.completed == 0


def test_an_excluded_persona_wants_nobody() -> None:
    study = make_frozen_study(given_items=1)
    Output.objects.update(excluded_at=timezone.now(), excluded_reason="loops")
    _, (item,) = queries.items_progress(people(study), None)
    assert (item.wanted, item.state) == (0, "not used")


def test_planted_items_are_no_items_of_the_study() -> None:
    study = make_frozen_study(given_items=2)
    Item.objects.filter(study=study, key="item-2").update(planted_part=1)
    page, (item,) = queries.items_progress(people(study), None)
    assert item.key == "item-1" and page.paginator.count == 1


def test_the_places_of_excluded_participants_are_free_again() -> None:
    study = make_frozen_study(given_items=1)
    add_assignment(add_participant(study, excluded_at=timezone.now(), excluded_reason="checks"))
    assert queries.items_progress(people(study), None)[1][0].completed == 0


def test_planned_parts_hold_planted_repeated_and_second_ratings_too() -> None:
    study = make_frozen_study(given_items=4, written_items=2, given_per_participant=2, written_per_participant=2)
    Item.objects.filter(study=study, key="item-1").update(planted_part=1)
    Study.objects.filter(pk=study.pk).update(repeat_share=0.5, overlap_share=0.5)
    study.refresh_from_db()
    add_participant(study)
    assert queries.participants_progress(people(study), None)[1][0].planned == 4 + 1 + 2 + 2


def test_an_item_to_write_for_wants_writers_and_is_not_used_without_a_writing_part() -> None:
    study = make_frozen_study(given_items=0, written_items=1, given_per_participant=0, written_per_participant=1)
    assert queries.items_progress(people(study), None)[1][0].wanted == 3
    study.written_personas_per_participant = 0
    assert queries.items_progress(people(study), None)[1][0].wanted == 0


def test_bots_take_no_place_of_people() -> None:
    study = make_frozen_study(given_items=1)
    add_assignment(add_participant(study, kind=Participant.Kind.BOT))
    assert queries.items_progress(people(study), None)[1][0].completed == 0
    assert queries.items_progress(Scope.of(study, include_bots=True), None)[1][0].completed == 1


def test_long_lists_come_in_pages() -> None:
    study = make_frozen_study()
    Participant.objects.bulk_create(Participant(study=study, number=n) for n in range(1, queries.PAGE_SIZE + 2))
    page, rows = queries.participants_progress(people(study), "2")
    assert page.paginator.num_pages == 2 and [row.code for row in rows] == [f"P-{queries.PAGE_SIZE + 1:03d}"]


def test_personal_links_leave_out_open_links_bots_and_the_erased() -> None:
    study = make_frozen_study()
    invited = add_participant(study)
    add_participant(study, open_link=study.open_links.create(cap=2))
    add_participant(study, kind=Participant.Kind.BOT)
    add_participant(study, erased_at=timezone.now())
    assert list(queries.personal_links(study)) == [invited]
