"""What participants find in a study that is paused, closed or full, and how an open link lets people in."""

import re
import uuid

import pytest

from annotation.models import Assignment, Participant, Persona, Rating, Study
from annotation.services.entrance import Terms, places_taken
from annotation.services.exclusions import participant_exclude, participant_include
from annotation.services.openlinks import open_link_create
from tests.annotation.walking import Walker, make_ready
from tests.factories import let_expire, make_study

pytestmark = pytest.mark.django_db


class TestStates:
    @pytest.mark.parametrize(("state", "step"), [("draft", "not_open"), ("paused", "paused"), ("closed", "closed")])
    def test_a_study_that_is_not_open_says_so(self, state, step):
        assert Walker(make_study(state=state)).step == step

    def test_a_paused_study_goes_on_where_it_stopped(self):
        walker = Walker(make_study()).begin()
        first = walker.assignment
        Study.objects.update(state="paused")
        assert walker.step == "paused"
        Study.objects.update(state="open")
        assert walker.step == "rate"
        assert walker.assignment == first

    def test_a_form_sent_just_after_a_pause_is_kept(self):
        study = make_study(written_items=1, written_per_participant=1, given_per_participant=1)
        walker = Walker(study).begin()
        key = walker.assignment.key
        Study.objects.update(state="paused")
        response = walker.post(f"parts/{key}/persona/", text="The user is calm.", version=0, tab=uuid.uuid4())
        assert response.status_code == 302
        assert (walker.step, Persona.objects.get(source="written").text) == ("paused", "The user is calm.")
        assert Persona.objects.get(source="written").submitted_at is None

        Study.objects.update(state="open")
        walker.write("The user is calm.", version=1)
        make_ready()
        form = walker.answers()
        Study.objects.update(state="paused")
        assert walker.post(f"parts/{key}/complete/", **form).status_code == 302
        assert walker.step == "paused"
        assert Rating.objects.count() == 4
        Study.objects.update(state="open")
        assert walker.step == "rate"

    def test_a_form_sent_after_closing_changes_nothing(self):
        walker = Walker(make_study()).begin()
        key, form = walker.assignment.key, walker.answers()
        Study.objects.update(state="closed")
        walker.post(f"parts/{key}/complete/", **form)
        assert (walker.step, Rating.objects.count()) == ("closed", 0)

    def test_who_has_finished_still_sees_the_code_after_closing(self):
        walker = Walker(make_study(given_per_participant=1)).begin()
        walker.complete()
        assert walker.step == "done"
        Study.objects.update(state="closed")
        assert walker.step == "done"

    def test_late_arrivals_are_told_before_they_work(self):
        study = make_study(given_items=1, given_per_participant=1, raters_per_item=1)
        Walker(study).begin()
        assert Walker(study).step == "full"

    def test_an_abandoned_place_returns_and_its_owner_may_still_finish(self):
        study = make_study(given_items=1, given_per_participant=1, raters_per_item=1)
        owner = Walker(study).begin()
        let_expire(Assignment.objects.all())
        other = Walker(study).begin()
        other.complete()
        assert owner.step == "rate"
        owner.complete()
        assert owner.step == "done"
        assert [a.surplus for a in Assignment.objects.order_by("pk")] == [True, False]

    @pytest.mark.parametrize("finished", ["before", "after"])
    def test_who_is_included_again_is_surplus_where_somebody_else_has_taken_the_place(self, finished):
        study = make_study(given_items=1, given_per_participant=1, raters_per_item=1)
        first, second = Walker(study).begin(), Walker(study)
        if finished == "before":
            first.complete()
        participant_exclude(participant=first.participant, reason="Doubtful.", user=None)
        second.begin().complete()
        participant_include(participant=first.participant, reason="No doubt.", user=None)
        if finished == "after":
            first.complete()
        surplus = Assignment.objects.order_by("participant__number").values_list("state", "surplus")
        assert list(surplus) == [("completed", True), ("completed", False)]

    def test_who_is_included_again_before_anybody_took_the_place_is_not_surplus(self):
        study = make_study(given_items=1, given_per_participant=1, raters_per_item=1)
        walker = Walker(study).begin()
        walker.complete()
        participant_exclude(participant=walker.participant, reason="Doubtful.", user=None)
        participant_include(participant=walker.participant, reason="No doubt.", user=None)
        assert not Assignment.objects.get().surplus

    def test_an_expired_place_that_nobody_took_is_not_surplus(self):
        owner = Walker(make_study(given_items=1, given_per_participant=1, raters_per_item=1)).begin()
        let_expire(Assignment.objects.all())
        owner.complete()
        assert not Assignment.objects.get().surplus


class TestJoining:
    def test_looking_at_an_open_link_takes_no_place_and_starting_takes_one(self, client):
        link = open_link_create(study=make_study(), terms=Terms(cap=1), user=None)
        url = f"/join/{link.token}/"
        assert client.get(url).status_code == 200
        assert not Participant.objects.exists()
        response = client.post(url)
        assert response.headers["Location"] == f"/p/{Participant.objects.get().token}/"
        client.cookies.clear()  # somebody else
        assert client.post(url).status_code == 409
        assert "All places of this link are taken" in client.get(url).content.decode()
        assert Participant.objects.count() == 1

    def test_start_pressed_twice_makes_one_participant(self, client):
        link = open_link_create(study=make_study(), terms=Terms(cap=5), user=None)
        url = f"/join/{link.token}/"
        form = dict(re.findall(r'name="(visit)" value="([^"]+)"', client.get(url).content.decode()))
        addresses = set()
        for _ in range(2):
            addresses.add(client.post(url, form).headers["Location"])
            client.cookies.clear()  # the second click leaves before the first answer has come
        assert addresses == {f"/p/{Participant.objects.get().token}/"}
        assert places_taken(link) == 1
        again = dict(re.findall(r'name="(visit)" value="([^"]+)"', client.get(url).content.decode()))
        assert client.post(url, again).headers["Location"] not in addresses
        assert form["visit"] not in str(addresses)

    def test_a_visit_that_is_no_uuid_is_refused(self, client):
        link = open_link_create(study=make_study(), terms=Terms(cap=5), user=None)
        assert client.post(f"/join/{link.token}/", {"visit": "mine"}).status_code == 400

    def test_a_switched_off_link_lets_nobody_in(self, client):
        link = open_link_create(study=make_study(), terms=Terms(cap=5), user=None)
        type(link).objects.update(is_active=False)
        assert client.post(f"/join/{link.token}/").status_code == 409

    def test_an_unknown_link_is_not_found(self, client):
        assert client.get("/join/abcdefghijklmnopqrstuv/").status_code == 404
        assert client.get("/p/abcdefghijklmnopqrstuv/").status_code == 404
