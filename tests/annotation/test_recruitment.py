"""Recruiting on a platform: the state machine, arrivals over HTTP, and quotas."""

import logging
import uuid
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from annotation.flow import Step
from annotation.models import Assignment, Event, OpenLink, Participant, Study
from annotation.recruitment import TRANSITIONS, RecruitmentEvent, State, arrival, platform_code
from annotation.services.entrance import places_taken
from annotation.services.exclusions import participant_exclude
from annotation.services.participants import participant_consent, participant_create
from annotation.services.places import participant_place
from annotation.services.platform import holding_places
from annotation.services.recruitment import Proof, participant_arrive, participants_invite
from personaeval.logs import HideTokens, hide_tokens
from tests.annotation.prolific import CODES, PID, SESSION, a_browser, arrive, link_of, prolific_study, query, walker_of
from tests.annotation.studyfiles import complaints, definition, study_data, write
from tests.annotation.test_concurrency import at_once
from tests.annotation.walking import Walker, step_of
from tests.factories import make_study
from tests.tools.processes import Server
from tests.tools.visitor import Visitor

pytestmark = pytest.mark.django_db


# Rows: the state. Columns, in this order: arrives, consent_declined, reconsiders, screened_out, completed, over_quota,
# returned, timed_out, arrive_again. A dot changes nothing.
TABLE = """
                ARR     DECL  RECON   SCREEN  COMPL  QUOTA RET  TIME AGAIN
none            active  .     .       .       .      over_quota  .  .  .
active          .       no_consent  .  screened_out  completed  over_quota  returned  timed_out  .
completed       .       .     .       .       .      .     .    .    .
screened_out    .       .     .       .       .      .     .    .    .
no_consent      .       .     active  .       .      .     returned  timed_out  .
over_quota      .       .     .       .       .      .     returned  timed_out  active
returned        .       .     .       .       .      over_quota  .  .  active
timed_out       .       .     .       .       .      over_quota  .  .  active
"""


# --- the state machine ---


def transitions() -> list[tuple[State, RecruitmentEvent, State]]:
    rows = [line.split() for line in TABLE.strip().splitlines()[1:]]
    assert len(rows) == len(State)
    named = [(State("" if name == "none" else name), cells) for name, *cells in rows]
    return [
        (state, event, state if cell == "." else State(cell))
        for state, cells in named
        for event, cell in zip(RecruitmentEvent, cells, strict=True)
    ]


@pytest.mark.parametrize(("state", "event", "after"), transitions())
def test_every_state_answers_every_event_as_the_table_says(state: State, event: RecruitmentEvent, after: State) -> None:
    assert TRANSITIONS.get((state, event), state) == after


@pytest.mark.parametrize(
    ("state", "new_session", "room", "event"),
    [
        (State.NONE, True, True, RecruitmentEvent.ARRIVES),
        (State.NONE, True, False, RecruitmentEvent.OVER_QUOTA),
        (State.ACTIVE, True, False, None),
        (State.RETURNED, True, True, RecruitmentEvent.ARRIVE_AGAIN),
        (State.RETURNED, False, True, None),
        (State.TIMED_OUT, True, False, RecruitmentEvent.OVER_QUOTA),
        (State.TIMED_OUT, False, True, None),
        (State.OVER_QUOTA, False, True, RecruitmentEvent.ARRIVE_AGAIN),
        (State.OVER_QUOTA, True, False, None),
        (State.COMPLETED, True, True, None),
        (State.SCREENED_OUT, True, True, None),
    ],
)
def test_an_arrival_depends_on_state_session_and_room(state: State, new_session: bool, room: bool, event: Any) -> None:
    assert arrival(state, new_session=new_session, room=room) == event


def test_each_end_has_its_own_code_and_work_has_none() -> None:
    codes = {state: platform_code({"prolific": CODES}, state) for state in State}
    assert codes == {
        **dict.fromkeys(State, ""),
        State.COMPLETED: "CDONE11",
        State.SCREENED_OUT: "CSCREEN",
        State.NO_CONSENT: "CNOCONS",
        State.OVER_QUOTA: "COVERQU",
    }
    assert platform_code({}, State.COMPLETED) == ""


# --- the study file ---


def test_the_study_file_keeps_codes_and_quota(tmp_path: Path) -> None:
    given = {"quota": 3, "prolific": CODES}
    assert definition(tmp_path, recruitment=given).recruitment == given
    assert definition(tmp_path).recruitment == {}


def test_the_study_file_refuses_codes_that_are_missing_malformed_or_the_same(tmp_path: Path) -> None:
    wrong = {"completed": "C", "no_consent": "SAME1", "over_quota": "SAME1", "screened_out": "CSCREEN"}
    found = complaints(write(tmp_path, study_data(recruitment={"prolific": wrong})))
    assert len(found) == 1 and "'C' is no completion code" in found[0]
    found = complaints(write(tmp_path, study_data(recruitment={"prolific": {**wrong, "completed": "CDONE1"}})))
    assert len(found) == 1 and "recruitment.prolific.over_quota: is the code of no_consent too" in found[0]
    found = complaints(write(tmp_path, study_data(recruitment={"prolific": {"completed": "CDONE1"}, "quta": 3})))
    assert len(found) == 4 and any("did you mean `quota`" in line for line in found)


# --- arriving ---


def test_an_arrival_leads_to_a_link_of_ones_own_and_always_to_the_same() -> None:
    link = link_of(prolific_study())
    browser = a_browser()
    first, again = arrive(link, browser=browser), arrive(link, browser=browser)
    assert first.status_code == again.status_code == 302
    assert first["Location"] == again["Location"]
    assert PID not in first["Location"]
    person = Participant.objects.get()
    assert (person.external_id, person.session_id, person.platform_state) == (PID, SESSION, State.ACTIVE)
    assert person.origin == Participant.Origin.PROLIFIC
    assert places_taken(link) == 1


@pytest.mark.parametrize("name", ["PROLIFIC_PID", "STUDY_ID", "SESSION_ID"])
@pytest.mark.parametrize("value", [None, "", "{{%PROLIFIC_PID%}}", "short", "<b>0123456789</b>", "x" * 65])
def test_missing_or_malformed_parameters_are_named_and_create_nobody(name: str, value: str | None) -> None:
    link = link_of(prolific_study())
    given = {**query(), name: value} if value is not None else {k: v for k, v in query().items() if k != name}
    response = Client(headers={"host": "localhost"}).get(f"/arrive/{link.token}/", given)
    text = response.content.decode()
    assert response.status_code == 400
    assert name in text and "Open the study from Prolific again" in text
    assert not any(shown in text for shown in given.values() if shown)
    assert not Participant.objects.exists()


def test_a_parameter_given_twice_is_refused() -> None:
    link = link_of(prolific_study())
    response = Client(headers={"host": "localhost"}).get(
        f"/arrive/{link.token}/", {**query(), "PROLIFIC_PID": [PID] * 2}
    )
    assert response.status_code == 400


def test_nobody_arrives_by_a_link_that_does_not_exist_is_used_up_or_belongs_to_another_kind_of_study() -> None:
    assert Client(headers={"host": "localhost"}).get("/arrive/nothing/", query()).status_code == 404
    assert arrive(link_of(make_study(slug="no-platform"))).status_code == 409
    assert arrive(link_of(prolific_study(slug="draft", state="draft"))).status_code == 409
    link = link_of(prolific_study(), cap=1)
    inside = a_browser()
    assert arrive(link, browser=inside).status_code == 302
    assert arrive(link, person="another0person").status_code == 409
    assert arrive(link, browser=inside).status_code == 302  # who is in stays in
    assert Participant.objects.count() == 1


def test_nobody_gets_the_link_of_somebody_invited_by_guessing_their_label() -> None:
    study = prolific_study()
    invited = participants_invite(study=study, ids=["office-12"], user=None)[0]
    response = arrive(link_of(study), person="office-12")
    assert response.status_code == 409 and invited.token not in str(response.headers) + response.content.decode()


def test_who_arrives_after_the_study_was_closed_gets_the_code_for_that() -> None:
    study = prolific_study()
    link, late = link_of(study), link_of(study)
    reader, worker = walker_of(link), walker_of(link, person="someone0at0work")
    worker.begin()
    Study.objects.filter(pk=study.pk).update(state="closed", closed_at=timezone.now())
    assert arrive(late, person="another0person").status_code == 302
    newcomer = Participant.objects.get(external_id="another0person")
    page = Client(headers={"host": "localhost"}).get(f"/p/{newcomer.token}/").content.decode()
    assert step_of(page) == "full" and CODES["over_quota"] in page
    assert step_of(reader.get().content.decode()) == "full"
    assert step_of(worker.get().content.decode()) == "closed"


def test_an_open_link_of_a_prolific_study_lets_in_nobody_without_an_id() -> None:
    link = link_of(prolific_study())
    response = Client(headers={"host": "localhost"}).post(f"/join/{link.token}/")
    assert response.status_code == 409 and "Prolific" in response.content.decode()
    assert not Participant.objects.exists()


def test_no_id_of_the_platform_stands_on_any_page_of_the_way() -> None:
    link = link_of(prolific_study(given_per_participant=1))
    walker = walker_of(link)
    texts = [walker.get().content.decode()]
    walker.begin()
    texts.append(walker.get().content.decode())
    walker.complete()
    texts.append(walker.get().content.decode())
    assert step_of(texts[-1]) == "done"
    assert not any(secret in text for text in texts for secret in (PID, SESSION))


def test_ids_and_links_stay_out_of_the_logs() -> None:
    link = link_of(prolific_study())
    path = f"/arrive/{link.token}/?PROLIFIC_PID={PID}&STUDY_ID=abc123&SESSION_ID={SESSION}"
    record = logging.LogRecord("django.request", 40, "", 0, "Not Found: %s %s", (path, {"PROLIFIC_PID": [PID]}), None)
    HideTokens().filter(record)
    for secret in (PID, SESSION, "abc123", link.token):
        assert secret not in record.getMessage()
    encoded = hide_tokens(f"next=%2Farrive%3FPROLIFIC_PID%3D{PID}%26SESSION_ID%3D{SESSION} and more")
    assert PID not in encoded and encoded.endswith(" and more")


# --- the codes ---


def test_who_finishes_gets_the_code_and_a_plain_link_back() -> None:
    walker = walker_of(link_of(prolific_study(given_per_participant=1)))
    walker.begin()
    walker.complete()
    page = walker.get().content.decode()
    assert 'href="https://app.prolific.com/submissions/complete?cc=CDONE11"' in page
    assert walker.participant.completion_code not in page
    walker.participant.refresh_from_db()
    assert walker.participant.platform_state == State.COMPLETED


def test_who_declines_gets_the_code_for_that_and_may_reconsider() -> None:
    walker = walker_of(link_of(prolific_study()))
    walker.post("consent/", answer="decline")
    assert "CNOCONS" in walker.get().content.decode()
    walker.post("consent/", answer="reconsider")
    assert walker.step == "consent"
    walker.post("consent/", answer="agree")
    assert walker.step == "instructions"
    walker.participant.refresh_from_db()
    assert walker.participant.platform_state == State.ACTIVE


def test_who_comes_by_a_personal_link_keeps_the_own_completion_code() -> None:
    walker = Walker(prolific_study(given_per_participant=1)).begin()
    walker.complete()
    page = walker.get().content.decode()
    assert walker.participant.completion_code in page and "CDONE11" not in page


# --- quotas ---


def test_who_comes_too_late_is_told_before_any_work_and_gets_the_code() -> None:
    link = link_of(prolific_study(quota=1))
    walker_of(link).begin()
    late = walker_of(link, person="late0person")
    page = late.get().content.decode()
    assert step_of(page) == "full" and "COVERQU" in page
    late.participant.refresh_from_db()
    assert late.participant.platform_state == State.OVER_QUOTA
    late.post("consent/", answer="agree")
    late.participant.refresh_from_db()
    assert late.participant.consented_at is None


def test_who_opened_the_consent_form_before_the_last_place_went_is_told_when_agreeing() -> None:
    link = link_of(prolific_study(quota=1))
    slow, fast = walker_of(link), walker_of(link, person="fast0person")
    assert slow.step == fast.step == "consent"
    fast.begin()
    slow.post("consent/", answer="agree")
    assert slow.step == "full"
    slow.participant.refresh_from_db()
    assert (slow.participant.consented_at, slow.participant.platform_state) == (None, State.OVER_QUOTA)


def test_a_quota_counts_who_finished_and_who_is_at_work_but_no_drop_out() -> None:
    study = prolific_study(quota=5, given_per_participant=1)
    link = link_of(study)
    done, working, dropped, looking = (walker_of(link, person=f"person00{n}") for n in range(4))
    done.begin().complete()
    done.get()
    working.begin()
    dropped.begin()
    assert looking.step == "consent"
    assert set(holding_places(study, "person")) == {done.participant, working.participant, dropped.participant}
    long_ago = timezone.now() - timedelta(hours=study.assignment_hours + 1)
    Event.objects.filter(participant__in=[done.participant, dropped.participant]).update(at=long_ago)
    Assignment.objects.filter(participant=dropped.participant).update(expires_at=long_ago)
    assert set(holding_places(study, "person")) == {done.participant, working.participant}
    assert not holding_places(study, "bot").exists()


def test_an_excluded_participant_gives_the_place_of_the_quota_back() -> None:
    link = link_of(prolific_study(quota=1, given_per_participant=1))
    walker = walker_of(link).begin()
    walker.complete()
    late = a_browser()
    assert walker.step == "done" and walker_of(link, person="late0person", browser=late).step == "full"
    participant_exclude(participant=walker.participant, reason="checks", user=None)
    assert walker_of(link, person="late0person", browser=late).step == "consent"


def test_a_quota_holds_for_links_without_a_platform_too() -> None:
    study = make_study()
    study.recruitment = {"quota": 1}
    study.save(update_fields=["recruitment"])
    Walker(study).begin()
    assert Walker(study).step == "full"
    assert Walker(study, participant_create(study=study, kind=Participant.Kind.PREVIEW)).step == "consent"


@pytest.mark.django_db(transaction=True)
def test_a_quota_holds_when_everybody_agrees_at_once() -> None:
    link = link_of(prolific_study(quota=3, given_items=8, given_per_participant=1))
    people = [walker_of(link, person=f"person00{n}").participant for n in range(8)]
    at_once([partial(participant_consent, participant=p) for p in people])
    fresh = list(Participant.objects.select_related("study"))
    assert sum(person.consented_at is not None for person in fresh) == 3
    steps = [participant_place(participant=person).step for person in fresh]
    assert (steps.count(Step.INSTRUCTIONS), steps.count(Step.FULL)) == (3, 5)


@pytest.mark.django_db(transaction=True)
def test_one_person_who_arrives_many_times_at_once_is_one_participant() -> None:
    link = link_of(prolific_study())
    links = [OpenLink.objects.select_related("study").get(pk=link.pk) for _ in range(6)]
    proof = Proof(visits=(uuid.uuid4(),))
    made = at_once([partial(participant_arrive, open_link=x, person=PID, session=SESSION, proof=proof) for x in links])
    assert len({person.pk for person in made}) == 1
    assert places_taken(link) == 1


@pytest.mark.django_db(transaction=True)
def test_a_real_server_lets_people_in_and_writes_no_id_to_its_log(server: Server) -> None:
    link = link_of(prolific_study(given_per_participant=1))
    with Visitor(server.base_url) as visitor:
        address = f"/arrive/{link.token}/"
        visitor.get(f"{address}?{urlencode(query())}")
        assert visitor.step == "arrive" and not Participant.objects.exists()
        visitor.send("")
        assert visitor.step == "consent" and visitor.response and visitor.response.url.query == b""
        visitor.send("/consent/", answer="agree")
        visitor.send("/instructions/")
        visitor.send("/complete/", **{name: values[0] for name, values in visitor.scales().items()})
        assert visitor.step == "done" and "CDONE11" in visitor.response.text
        assert visitor.get(f"{address}?PROLIFIC_PID={PID}&SESSION_ID={SESSION}").status_code == 400
        assert visitor.get(f"/arrive/nothing/?{urlencode(query())}").status_code == 404
        assert not any(PID in response.text for response in visitor.seen)
    assert PID not in server.output() and SESSION not in server.output() and link.token not in server.output()
