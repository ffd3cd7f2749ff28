"""The participant's way through the pages, over HTTP with the real templates."""

import re
import uuid
from datetime import timedelta
from typing import Any, Self

import pytest
from django.test import Client
from django.utils import timezone

from annotation.models import Assignment, Event, Output, PageVisit, Participant, Persona, Rating, Slot, Study
from annotation.services.outputs import outputs_retry
from annotation.services.participants import open_link_create, participant_create
from annotation.services.standing import participant_exclude, participant_include
from tests.factories import make_study

pytestmark = pytest.mark.django_db

STEP = re.compile(r'data-step="(\w+)"')


class Walker:
    """One browser on one participant's link."""

    def __init__(self, study: Study, participant: Participant | None = None) -> None:
        self.client = Client(headers={"host": "localhost"})
        self.participant = participant or participant_create(study=study)
        self.base = f"/p/{self.participant.token}/"

    def get(self, path: str = "", **headers: str) -> Any:
        return self.client.get(self.base + path, headers=headers)

    def post(self, path: str, **data: Any) -> Any:
        return self.client.post(self.base + path, data)

    @property
    def step(self) -> str:
        response = self.get()
        assert response.status_code == 200
        found = STEP.search(response.content.decode())
        assert found
        return found[1]

    @property
    def assignment(self) -> Assignment:
        return self.participant.assignments.get(state=Assignment.State.OPEN)

    def begin(self) -> Self:
        self.post("consent/", answer="agree")
        self.post("instructions/")
        self.get()
        return self

    def write(self, text: str = "The user is new here and prefers short answers.", **fields: Any) -> Any:
        data = {"text": text, "version": 0, "tab": uuid.uuid4(), **fields}
        return self.post(f"parts/{self.assignment.key}/persona/", **data)

    def answers(self, value: int = 3) -> dict[str, Any]:
        """The form of the rating page, every question answered with `value`."""
        html = self.get().content.decode()
        names = set(re.findall(r'name="(answer-[\w-]+)"', html))
        hidden = dict(re.findall(r'name="((?:version|key)-[\w-]+)" value="([^"]+)"', html))
        return {**hidden, **dict.fromkeys(names, value)}

    def complete(self, **changes: Any) -> Any:
        return self.post(f"parts/{self.assignment.key}/complete/", **{**self.answers(), **changes})


def make_ready(text: str = "A fitting answer.") -> None:
    Output.objects.filter(state="requested").update(state="ready", ready_at=timezone.now(), text=text)


def test_the_whole_way_from_consent_to_completion_code():
    study = make_study(practice=1, given_per_participant=2, written_items=2, written_per_participant=1, comparison=True)
    walker = Walker(study)
    steps = [walker.step]
    walker.post("consent/", answer="agree")
    steps.append(walker.step)
    walker.post("instructions/")
    steps.append(walker.step)
    walker.post("practice/", index=0, **walker.answers())
    steps.append(walker.step)
    walker.write()
    steps.append(walker.step)
    make_ready()
    for _ in range(3):
        steps.append(walker.step)
        assert walker.complete().status_code == 302
    page = walker.get().content.decode()
    assert steps == ["consent", "instructions", "practice", "write", "wait", "rate", "rate", "rate"]
    assert walker.step == "done"
    assert walker.participant.completion_code in page
    assert Rating.objects.count() == 3 * 5
    walker.participant.refresh_from_db()
    assert walker.participant.completed_at
    kinds = Event.objects.filter(participant=walker.participant).values_list("kind", flat=True)
    assert kinds[0] == "consented"
    assert list(kinds)[-1] == "completed"


def test_answers_of_practice_items_are_stored_nowhere():
    walker = Walker(make_study(practice=1))
    walker.post("consent/", answer="agree")
    walker.post("instructions/")
    walker.post("practice/", index=0, **walker.answers())
    assert walker.step == "rate"
    assert not Rating.objects.exists()


def test_an_unfinished_practice_item_names_what_is_missing_and_keeps_the_rest():
    walker = Walker(make_study(practice=1))
    walker.post("consent/", answer="agree")
    walker.post("instructions/")
    answers = walker.answers(value=2)
    left_out = sorted(name for name in answers if name.startswith("answer-"))[0]
    del answers[left_out]
    response = walker.post("practice/", index=0, **answers)
    assert response.status_code == 422
    html = response.content.decode()
    assert html.count("checked") == 3
    assert re.search(rf'data-missing-for="{left_out}" ><a', html)


def test_declining_asks_nothing_and_can_be_reconsidered():
    walker = Walker(make_study())
    walker.post("consent/", answer="decline")
    assert walker.step == "declined"
    walker.post("instructions/")
    assert walker.step == "declined"
    walker.post("consent/", answer="reconsider")
    assert walker.step == "consent"


def test_the_version_of_the_consent_text_is_stored():
    study = make_study()
    walker = Walker(study).begin()
    walker.participant.refresh_from_db()
    assert len(walker.participant.consent_hash) == 64
    first = walker.participant.consent_hash
    study.consent = "Another text"
    study.save()
    other = Walker(study).begin()
    other.participant.refresh_from_db()
    assert other.participant.consent_hash != first


@pytest.mark.parametrize("path", ["instructions/", "practice/", "consent/"])
def test_no_step_can_be_skipped_by_posting_to_a_later_one(path):
    walker = Walker(make_study(practice=1))
    if path != "consent/":
        walker.post(path, index=0)
    assert walker.step == "consent"


def test_one_comes_back_to_the_same_place_on_another_device():
    study = make_study()
    walker = Walker(study).begin()
    first = walker.assignment
    other = Walker(study, walker.participant)
    assert other.step == "rate"
    assert other.assignment == first
    assert Assignment.objects.count() == 1


def test_two_links_in_one_browser_never_mix():
    study = make_study()
    one, two = Walker(study).begin(), Walker(study).begin()
    two.client = one.client
    slot = two.assignment.slots.first()
    one.get(), two.get()
    answer = {"value": 3, "version": 0, "client_key": uuid.uuid4()}
    assert one.post(f"answers/{slot.key}/answerability/", **answer).status_code == 404
    assert two.post(f"answers/{slot.key}/answerability/", **answer).status_code == 200
    assert Rating.objects.get().slot.assignment.participant == two.participant


def test_each_answer_is_saved_as_it_is_clicked():
    walker = Walker(make_study()).begin()
    walker.get()
    slot = walker.assignment.slots.first()
    response = walker.post(f"answers/{slot.key}/answerability/", value=4, version=0, client_key=uuid.uuid4())
    assert response.json()["version"] == 1
    assert 'value="4" checked' in walker.get().content.decode()


def test_a_conflict_between_two_tabs_is_a_409_that_says_what_stands():
    walker = Walker(make_study()).begin()
    slot = walker.assignment.slots.first()
    url = f"answers/{slot.key}/answerability/"
    walker.post(url, value=4, version=0, client_key=uuid.uuid4())
    response = walker.post(url, value=2, version=0, client_key=uuid.uuid4())
    assert response.status_code == 409
    assert (response.json()["value"], response.json()["version"]) == (4, 1)
    assert walker.post(url, value=2, version=1, client_key=uuid.uuid4()).status_code == 200


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [("value", "99", 422), ("value", "-1", 400), ("value", "x", 400), ("version", "", 400), ("client_key", "1", 400)],
)
def test_a_broken_save_is_refused_and_stores_nothing(field, value, status):
    walker = Walker(make_study()).begin()
    slot = walker.assignment.slots.first()
    data = {"value": 3, "version": 0, "client_key": uuid.uuid4(), field: value}
    assert walker.post(f"answers/{slot.key}/answerability/", **data).status_code == status
    assert not Rating.objects.exists()


def test_an_unknown_question_is_not_found():
    walker = Walker(make_study()).begin()
    slot = walker.assignment.slots.first()
    response = walker.post(f"answers/{slot.key}/nonsense/", value=3, version=0, client_key=uuid.uuid4())
    assert response.status_code == 404


def test_continuing_with_missing_answers_keeps_the_given_ones_and_lists_the_missing():
    walker = Walker(make_study()).begin()
    answers = walker.answers(value=4)
    left_out = sorted(name for name in answers if name.startswith("answer-"))[0]
    del answers[left_out]
    response = walker.post(f"parts/{walker.assignment.key}/complete/", **answers)
    assert response.status_code == 422
    assert Rating.objects.count() == 3
    assert re.search(rf'data-missing-for="{left_out}" ><a', response.content.decode())
    assert walker.assignment.ordinal == 1


def test_a_forged_value_with_the_whole_form_is_refused():
    walker = Walker(make_study()).begin()
    name = next(name for name in walker.answers() if name.startswith("answer-"))
    response = walker.complete(**{name: 99})
    assert response.status_code == 422
    assert "takes 1 to 5" in response.content.decode()
    assert not Rating.objects.filter(value=99).exists()


def test_the_form_of_an_old_tab_does_not_overwrite_a_newer_answer_unseen():
    walker = Walker(make_study()).begin()
    old_form = walker.answers(value=2)
    slot = walker.assignment.slots.first()
    walker.post(f"answers/{slot.key}/answerability/", value=5, version=0, client_key=uuid.uuid4())
    response = walker.post(f"parts/{walker.assignment.key}/complete/", **old_form)
    assert response.status_code == 409
    assert "answered differently" in response.content.decode()
    assert Rating.objects.get(slot=slot, aspect__key="answerability").value == 5
    assert walker.complete().status_code == 302


def test_continue_pressed_twice_finishes_one_part_only():
    walker = Walker(make_study()).begin()
    key, form = walker.assignment.key, walker.answers()
    walker.post(f"parts/{key}/complete/", **form)
    walker.post(f"parts/{key}/complete/", **form)
    assert Assignment.objects.filter(state="completed").count() == 1
    assert Rating.objects.count() == 4


def test_no_scale_has_a_default():
    assert "checked" not in Walker(make_study()).begin().get().content.decode()


def test_the_author_is_asked_about_themselves_and_others_about_the_person_described():
    written = Walker(
        make_study(slug="a", given_items=0, given_per_participant=0, written_items=1, written_per_participant=1)
    )
    written.begin().write()
    make_ready()
    assert "For me," in written.get().content.decode()
    given = Walker(make_study(slug="b")).begin()
    assert "For the person described," in given.get().content.decode()


class TestWriting:
    @pytest.fixture
    def walker(self) -> Walker:
        study = make_study(given_items=0, given_per_participant=0, written_items=3, written_per_participant=2)
        return Walker(study).begin()

    def draft(self, walker: Walker, text: str, version: int = 0, tab: uuid.UUID | None = None) -> Any:
        data = {"text": text, "version": version, "tab": tab or uuid.uuid4()}
        return walker.post(f"parts/{walker.assignment.key}/draft/", **data)

    def test_a_draft_survives_a_reload(self, walker):
        assert self.draft(walker, "The user is").status_code == 200
        assert ">\nThe user is</textarea>" in walker.get().content.decode()

    def test_text_is_kept_exactly_as_typed(self, walker):
        text = "  I am “Zoë” 🐈 & I prefer\n\n<b>bold</b> claims, =1+1 \t"
        walker.write(text.replace("\n", "\r\n"))
        assert Persona.objects.get().text == text

    def test_advice_is_given_while_typing_and_is_no_wall(self, walker):
        html = self.draft(walker, "old").content.decode()
        assert html.count('class="met"') == 1
        assert walker.write("cats", version=1).status_code == 302
        assert Persona.objects.get().submitted_at

    def test_a_blank_persona_is_refused_with_a_reason(self, walker):
        response = walker.write("  \n ")
        assert response.status_code == 422
        assert "Write a sentence" in response.content.decode()
        assert not Output.objects.exists()

    def test_what_databases_cannot_store_is_refused_and_kept_on_the_page(self, walker):
        assert self.draft(walker, "The user\x00 is calm").status_code == 422
        response = walker.write("The user\x00 is calm")
        assert response.status_code == 422
        assert "cannot be stored" in response.content.decode()
        assert "is calm</textarea>" in response.content.decode()
        assert Persona.objects.get().text == ""

    def test_another_tab_is_told_and_nothing_is_overwritten_unseen(self, walker):
        mine, other = uuid.uuid4(), uuid.uuid4()
        self.draft(walker, "From the first tab", tab=mine)
        response = self.draft(walker, "From the second tab", tab=other)
        assert response.status_code == 409
        assert "From the first tab" in response.content.decode()
        assert Persona.objects.get().text == "From the first tab"
        assert self.draft(walker, "From the second tab", version=1, tab=other).status_code == 200

    def test_a_tab_whose_reply_was_lost_does_not_conflict_with_itself(self, walker):
        tab = uuid.uuid4()
        self.draft(walker, "The user", version=0, tab=tab)
        assert self.draft(walker, "The user is", version=0, tab=tab).status_code == 200

    def test_sending_a_stale_persona_shows_both_texts(self, walker):
        self.draft(walker, "From the first tab")
        response = walker.write("From the second tab")
        html = response.content.decode()
        assert response.status_code == 409
        assert "From the first tab</blockquote>" in html
        assert "From the second tab</textarea>" in html
        assert walker.write("From the second tab", version=1).status_code == 302

    def test_a_submitted_persona_cannot_be_changed(self, walker):
        key = walker.assignment.key
        walker.write("The user is calm and prefers tea.")
        data = {"text": "Changed", "version": 1, "tab": uuid.uuid4()}
        walker.post(f"parts/{key}/persona/", **data)
        walker.post(f"parts/{key}/draft/", **data)
        assert Persona.objects.get().text == "The user is calm and prefers tea."

    def test_submitting_requests_one_output_per_arm_and_twice_changes_nothing(self, walker):
        key = walker.assignment.key
        data = {"text": "I am calm and prefer tea.", "version": 0, "tab": uuid.uuid4()}
        walker.post(f"parts/{key}/persona/", **data)
        walker.post(f"parts/{key}/persona/", **data)
        assert Output.objects.filter(state="requested").count() == 2
        assert Slot.objects.count() == 2

    def test_nothing_is_shown_until_both_outputs_are_ready(self, walker):
        walker.write()
        one = Output.objects.first()
        Output.objects.filter(pk=one.pk).update(state="ready", ready_at=timezone.now(), text="SECRET TEXT")
        assert walker.step == "wait"
        assert "SECRET TEXT" not in walker.get().content.decode()
        slot = Slot.objects.get(output=one)
        answer = walker.post(f"answers/{slot.key}/answerability/", value=3, version=0, client_key=uuid.uuid4())
        assert answer.status_code == 404

    def test_the_waiting_page_polls_and_goes_on_by_itself(self, walker):
        walker.write()
        url = f"parts/{walker.assignment.key}/wait/"
        assert "next in line" in walker.get(url, **{"HX-Request": "true"}).content.decode()
        make_ready()
        assert walker.get(url, **{"HX-Request": "true"}).headers["HX-Redirect"] == walker.base

    def test_the_pages_of_a_study_with_three_arms_speak_of_no_pair(self):
        study = make_study(arms=3, given_items=0, written_items=2, written_per_participant=1)
        walker = Walker(study).begin()
        pages = [walker.get().content.decode()]
        walker.write()
        pages.append(walker.get().content.decode())
        Output.objects.filter(pk=Output.objects.earliest("pk").pk).update(lease_until=timezone.now())
        pages.append(walker.get().content.decode())
        make_ready()
        pages.append(walker.get().content.decode())
        assert not re.findall(r"\b(?:two|both)\b(?! sentences)[^.<]*", " ".join(pages), re.IGNORECASE)
        assert [letter for letter in "ABCD" if f"Response {letter}</h2>" in pages[-1]] == ["A", "B", "C"]
        walker.complete()
        assert walker.step == "done"
        assert sorted(Slot.objects.values_list("position", flat=True)) == [1, 2, 3]

    def test_text_runs_in_the_direction_of_its_own_script(self, walker):
        walker.write("المستخدم ممرضة وتفضل الإجابات القصيرة 🙂")
        make_ready("اذهبي في نزهة.")
        shown = re.findall(r'dir="auto">\s*([^<]+)<', walker.get().content.decode())
        assert {"المستخدم ممرضة وتفضل الإجابات القصيرة 🙂", "اذهبي في نزهة."} <= set(shown)

    def test_the_waiting_page_counts_only_requests_before_mine(self, walker):
        walker.write()
        later = Walker(walker.participant.study).begin()
        later.write()
        assert "1 request before yours" in later.get().content.decode()
        assert "next in line" in walker.get().content.decode()

    def test_a_slow_generation_can_be_left_for_another_prompt(self, walker):
        walker.write()
        assert "Go on with another prompt" not in walker.get().content.decode()
        Output.objects.update(requested_at=timezone.now() - timedelta(minutes=5))
        assert "Go on with another prompt" in walker.get().content.decode()

    def test_after_a_failed_generation_one_goes_on_with_another_item(self, walker):
        walker.write()
        Output.objects.filter(pk=Output.objects.first().pk).update(state="failed", error="CUDA out of memory")
        assert walker.step == "failed"
        assert "CUDA" not in walker.get().content.decode()
        first = walker.assignment
        walker.post(f"parts/{first.key}/set-aside/")
        assert walker.step == "write"
        assert walker.assignment.persona.item != first.persona.item

    def test_the_page_without_responses_asks_ever_more_seldom_and_leads_on_once_they_are_queued(self, walker):
        walker.write()
        Output.objects.update(state="failed", error="CUDA out of memory")
        found = re.search(
            r'hx-get="/p/[^/]+/(parts/\w+/failed/)\?polls=1" hx-trigger="every 5s"', walker.get().content.decode()
        )
        assert found
        periods = []
        for polls in range(1, 7):
            part = walker.get(f"{found[1]}?polls={polls}", **{"HX-Request": "true"}).content.decode()
            assert f"?polls={polls + 1}" in part
            periods += re.findall(r'hx-trigger="every (\d+)s"', part)
        assert periods == ["10", "20", "40", "60", "60", "60"]
        outputs_retry(study=walker.participant.study, user=None)
        led_on = walker.get(f"{found[1]}?polls=7", **{"HX-Request": "true"})
        assert led_on.headers["HX-Redirect"] == walker.base
        assert walker.step == "wait"

    def test_a_given_persona_whose_outputs_failed_is_handed_to_nobody_until_they_are_made(self):
        study = make_study(given_items=2, given_per_participant=2)
        failed = Persona.objects.earliest("pk")
        Output.objects.filter(pk=failed.outputs.earliest("pk").pk).update(state="failed")
        walker = Walker(study).begin()
        assert walker.assignment.persona != failed
        Output.objects.filter(state="failed").update(state="ready")
        walker.complete()
        assert (walker.step, walker.assignment.persona) == ("rate", failed)

    def test_outputs_on_the_page_cannot_be_set_aside(self, walker):
        walker.write()
        make_ready()
        walker.get()
        walker.post(f"parts/{walker.assignment.key}/set-aside/")
        assert walker.step == "rate"


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
        Assignment.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
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
        Assignment.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
        owner.complete()
        assert not Assignment.objects.get().surplus


class TestJoining:
    def test_looking_at_an_open_link_takes_no_place_and_starting_takes_one(self, client):
        link = open_link_create(study=make_study(), cap=1, user=None)
        url = f"/join/{link.token}/"
        assert client.get(url).status_code == 200
        assert not Participant.objects.exists()
        response = client.post(url)
        assert response.headers["Location"] == f"/p/{Participant.objects.get().token}/"
        assert client.post(url).status_code == 409
        assert "All places of this link are taken" in client.get(url).content.decode()
        assert Participant.objects.count() == 1

    def test_start_pressed_twice_makes_one_participant(self, client):
        link = open_link_create(study=make_study(), cap=5, user=None)
        url = f"/join/{link.token}/"
        form = dict(re.findall(r'name="(visit)" value="([^"]+)"', client.get(url).content.decode()))
        addresses = {client.post(url, form).headers["Location"] for _ in range(2)}
        assert addresses == {f"/p/{Participant.objects.get().token}/"}
        link.refresh_from_db()
        assert link.joined == 1
        again = dict(re.findall(r'name="(visit)" value="([^"]+)"', client.get(url).content.decode()))
        assert client.post(url, again).headers["Location"] not in addresses
        assert form["visit"] not in str(addresses)

    def test_a_visit_that_is_no_uuid_is_refused(self, client):
        link = open_link_create(study=make_study(), cap=5, user=None)
        assert client.post(f"/join/{link.token}/", {"visit": "mine"}).status_code == 400

    def test_a_switched_off_link_lets_nobody_in(self, client):
        link = open_link_create(study=make_study(), cap=5, user=None)
        type(link).objects.update(is_active=False)
        assert client.post(f"/join/{link.token}/").status_code == 409

    def test_an_unknown_link_is_not_found(self, client):
        assert client.get("/join/abcdefghijklmnopqrstuv/").status_code == 404
        assert client.get("/p/abcdefghijklmnopqrstuv/").status_code == 404


def test_addresses_that_only_take_answers_refuse_to_be_read():
    walker = Walker(make_study()).begin()
    for path in ["consent/", "instructions/", f"parts/{walker.assignment.key}/complete/"]:
        assert walker.get(path).status_code == 405


def test_time_on_the_page_is_stored_per_phase():
    walker = Walker(make_study()).begin()
    data = {"visit": uuid.uuid4(), "phase": "rate", "focused_ms": 1, "idle_ms": 0}
    assert walker.post(f"parts/{walker.assignment.key}/time/", **data).status_code == 204
    assert PageVisit.objects.get().phase == "rate"
    assert walker.post(f"parts/{walker.assignment.key}/time/", **{**data, "phase": "x"}).status_code == 400


@pytest.mark.parametrize("items", [4, 40])
def test_a_rating_page_costs_the_same_number_of_queries_whatever_the_study_holds(items, django_assert_num_queries):
    walker = Walker(make_study(given_items=items)).begin()
    walker.get()
    with django_assert_num_queries(9):
        walker.get()


def test_pages_carry_the_headers_that_keep_them_private():
    response = Walker(make_study()).begin().get()
    assert response.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["Cache-Control"] == "no-store"
    assert "HX-Request" in response.headers["Vary"]
