"""Queries that are built once answer as if they were built anew, each time for the values they are asked with."""

import pytest
from django.db.models import F

from annotation.models import Assignment, Event, Participant, Slot, Study
from annotation.prepared import KeptQuery, attach
from annotation.services.participants import participant_create
from annotation.services.statements import insert, update
from tests.annotation.walking import Walker
from tests.factories import make_study

pytestmark = pytest.mark.django_db


def test_rows_are_those_of_the_values_asked_for_with_what_is_joined_to_them():
    query = KeptQuery(
        lambda token: (
            Participant.objects.filter(token=token).select_related("study").annotate(when=F("study__opened_at"))
        ),
        texts=("token",),
    )
    people = [participant_create(study=make_study(slug=slug, practice=1)) for slug in ("one", "two")]
    for person in people:
        found = query.first(token=person.token)
        expected = Participant.objects.select_related("study").get(pk=person.pk)
        assert found == expected
        for name in ("created_at", "tombstone", "completed_at", "kind"):
            assert getattr(found, name) == getattr(expected, name), name
        assert found.study.practice == expected.study.practice
        assert found.when == expected.study.opened_at
    assert query.first(token="nobody's") is None


def test_values_are_read_as_a_list_of_values_would_read_them():
    query = KeptQuery(
        lambda slug: Study.objects.filter(slug=slug).values_list("opened_at", "practice", "demonstration"),
        texts=("slug",),
    )
    study = make_study(practice=1)
    assert [tuple(row) for row in query.rows(slug=study.slug)] == [(study.opened_at, study.practice, False)]


def test_a_value_that_the_query_does_not_ask_for_is_a_mistake():
    with pytest.raises(AssertionError, match="not part of the query"):
        KeptQuery(lambda slug: Study.objects.all(), texts=("slug",)).first(slug="study")


def test_rows_that_are_attached_are_not_asked_for_again(django_assert_num_queries):
    assignment = Walker(make_study()).begin().assignment
    slots = list(Slot.objects.filter(assignment=assignment))
    attach(assignment, "slots", slots)
    with django_assert_num_queries(0):
        assert list(assignment.slots.all()) == slots


def test_inserted_rows_get_ids_in_their_order_and_the_defaults_of_their_fields():
    participant = participant_create(study=make_study())
    kinds = [Event.Kind.CONSENTED, Event.Kind.INSTRUCTED, Event.Kind.PRACTISED]
    events = [Event(participant=participant, kind=kind) for kind in kinds]
    insert(events)
    stored = Event.objects.filter(participant=participant).order_by("pk")
    assert [(event.pk, event.kind, event.at) for event in stored] == [(e.pk, e.kind, e.at) for e in events]
    insert([])


def test_an_update_says_how_many_rows_it_changed():
    walker = Walker(make_study()).begin()
    sql = "UPDATE annotation_assignment SET expires_at = %s WHERE id = %s AND state = %s"
    assignment = walker.assignment
    assert update(sql, assignment.created_at, assignment.pk, Assignment.State.OPEN) == 1
    assert walker.assignment.expires_at == assignment.created_at
    assert update(sql, assignment.created_at, assignment.pk, Assignment.State.COMPLETED) == 0
