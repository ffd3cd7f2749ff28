"""Who gets in by an open link or an arrival: nobody uses it up, nobody takes another's work, nobody is shut out."""

import logging
import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, RequestFactory
from django.utils import timezone

from annotation.models import Arrival, AuditLog, OpenLink, Participant, Persona, Study
from annotation.services.entrance import Terms, network_key, places_taken
from annotation.services.openlinks import open_link_create
from annotation.services.participants import participant_link_replace
from annotation.services.withdrawal import participant_erase, participant_withdraw
from personaeval.clients import client_network
from personaeval.environment import env_count
from tests.annotation.prolific import PID, SESSION, a_browser, address_of, arrive, link_of, prolific_study, walker_of
from tests.annotation.test_research import researcher as researcher  # fixtures
from tests.annotation.test_research import study as study
from tests.annotation.test_research import url
from tests.annotation.walking import Walker, step_of
from tests.factories import make_study

pytestmark = pytest.mark.django_db


def open_link(study: Study | None = None, **terms: Any) -> OpenLink:
    return open_link_create(study=study or make_study(), terms=Terms(**{"cap": 100, **terms}), user=None)


def start(link: OpenLink, browser: Client | None = None, **form: str) -> Any:
    return (browser or a_browser()).post(f"/join/{link.token}/", form)


def is_in(response: Any) -> bool:
    return response.status_code == 302 and response["Location"].startswith("/p/")


def let_pass(minutes: int) -> None:
    """Let so much time pass for everybody and for every arrival."""
    for person in Participant.objects.all():
        times = ("created_at", "consented_at", "instructed_at")
        moved = {name: getattr(person, name) - timedelta(minutes=minutes) for name in times if getattr(person, name)}
        Participant.objects.filter(pk=person.pk).update(**moved)
    for arrival in Arrival.objects.all():
        Arrival.objects.filter(pk=arrival.pk).update(at=arrival.at - timedelta(minutes=minutes))


# --- an id is no password ---


def test_looking_at_an_arrival_changes_nothing_however_often_and_turns_nobody_away() -> None:
    link = link_of(prolific_study(), cap=5)
    for number in range(60):
        for method in ("get", "head"):
            assert getattr(a_browser(), method)(address_of(link, person=f"stranger{number:03}")).status_code == 200
    assert not Participant.objects.exists() and not Arrival.objects.exists()
    assert is_in(arrive(link))


@pytest.mark.parametrize("known_as", [PID, PID.upper()])
def test_who_knows_an_id_gets_neither_the_page_nor_the_link_and_changes_nothing(known_as: str) -> None:
    link = link_of(prolific_study())
    victim = walker_of(link)
    victim.begin()
    stranger = a_browser()
    response = arrive(link, known_as, "bbbbbbbbbbbbbbbbbbbbbbbb", browser=stranger)
    shown = response.content.decode() + str(response.headers) + str(stranger.cookies)
    assert response.status_code == 403 and "paste your personal link" in shown
    assert victim.participant.token not in shown
    assert not is_in(stranger.post(address_of(link, known_as), {"own_link": "https://localhost/p/guess/"}))
    person = Participant.objects.get()
    assert (person.session_id, person.consented_at is not None) == (SESSION, True)


def test_the_browser_that_arrived_first_comes_back_whatever_the_case_of_the_id() -> None:
    link, browser = link_of(prolific_study()), a_browser()
    assert arrive(link, browser=browser)["Location"] == arrive(link, PID.upper(), browser=browser)["Location"]
    assert Participant.objects.count() == 1


def test_start_pressed_twice_before_the_first_answer_is_the_same_arrival() -> None:
    link = link_of(prolific_study())
    page = a_browser().get(address_of(link)).content.decode()
    form = dict(re.findall(r'name="(visit)" value="([^"]+)"', page))
    assert len({a_browser().post(address_of(link), form)["Location"] for _ in range(2)}) == 1


def test_another_browser_goes_on_with_the_personal_link_and_is_known_from_then_on() -> None:
    link = link_of(prolific_study())
    token = walker_of(link).participant.token
    other = a_browser()
    for pasted in (f" https://localhost/p/{token}/ ", f"/p/{token}"):
        assert other.post(address_of(link), {"own_link": pasted})["Location"] == f"/p/{token}/"
    assert is_in(arrive(link, browser=other))
    assert token not in str(other.cookies)


def test_a_replaced_link_shuts_out_the_browsers_that_held_the_old_one() -> None:
    link, browser = link_of(prolific_study()), a_browser()
    person = walker_of(link, browser=browser).participant
    participant_link_replace(participant=person, user=None)
    assert arrive(link, browser=browser).status_code == 403
    person.refresh_from_db()
    assert is_in(browser.post(address_of(link), {"own_link": f"/p/{person.token}/"}))


def test_two_people_of_a_study_cannot_have_ids_that_differ_in_case_alone() -> None:
    study = prolific_study()
    link = link_of(study)
    walker_of(link)
    assert arrive(link, PID.upper()).status_code == 403
    assert Participant.objects.count() == 1


# --- nobody uses a link up ---


def test_one_browser_has_one_place_and_is_offered_its_own_work() -> None:
    link, browser = open_link(), a_browser()
    addresses = {start(link, browser)["Location"] for _ in range(20)}
    assert len(addresses) == 1 and places_taken(link) == 1
    page = browser.get(f"/join/{link.token}/").content.decode()
    assert "Go on" in page and addresses.pop() not in page


def test_on_a_shared_computer_somebody_else_may_start() -> None:
    link, browser = open_link(shared_browsers=True), a_browser()
    first = start(link, browser)["Location"]
    assert start(link, browser)["Location"] == first
    second = start(link, browser, another="yes")["Location"]
    assert second != first and start(link, browser)["Location"] == second
    assert places_taken(link) == 2


def test_only_a_link_for_shared_computers_lets_somebody_else_start_in_a_browser() -> None:
    link, browser = open_link(), a_browser()
    assert start(link, browser)["Location"] == start(link, browser, another="yes")["Location"]


def test_who_left_and_had_the_data_erased_gets_no_second_place_in_that_browser() -> None:
    link, browser = open_link(cap=2), a_browser()
    start(link, browser)
    participant_erase(participant=Participant.objects.select_related("study").get())
    response = start(link, browser)
    assert response.status_code == 409 and "has left the study" in response.content.decode()
    assert is_in(start(link))


def test_who_left_prolific_work_gets_no_second_place_in_that_browser() -> None:
    link, browser = link_of(prolific_study()), a_browser()
    participant_erase(participant=walker_of(link, browser=browser).participant)
    assert arrive(link, browser=browser).status_code == 409
    assert arrive(link, "another0person", browser=browser).status_code == 409


def test_places_that_nobody_begins_in_come_back_and_those_of_people_at_work_do_not() -> None:
    link = open_link(cap=3, hold_minutes=10)
    for _ in range(3):
        assert is_in(start(link))
    looking, agreed, begun = Participant.objects.select_related("study").order_by("pk")
    Walker(link.study, agreed).post("consent/", answer="agree")
    Walker(link.study, begun).begin()
    full = start(link)
    assert full.status_code == 409 and "within 10 minutes" in full.content.decode()
    let_pass(minutes=11)
    assert places_taken(link) == 1
    assert is_in(start(link)) and is_in(start(link))
    assert start(link).status_code == 409
    # They come back too late: others have begun meanwhile.
    assert step_of(Walker(link.study, agreed).get().content.decode()) == "full"
    late = Walker(link.study, looking)
    late.post("consent/", answer="agree")
    looking.refresh_from_db()
    assert late.step == "full" and looking.consented_at is None
    assert Walker(link.study, begun).step == "rate"


def test_who_comes_back_late_goes_on_where_there_is_room() -> None:
    link = open_link(cap=1, hold_minutes=10)
    start(link)
    let_pass(minutes=60)
    person = Walker(link.study, Participant.objects.select_related("study").get())
    assert person.begin().step == "rate"
    assert start(link).status_code == 409


def test_who_declines_gives_the_place_back() -> None:
    link = open_link(cap=1)
    start(link)
    Walker(link.study, Participant.objects.select_related("study").get()).post("consent/", answer="decline")
    assert is_in(start(link))


def test_a_link_lets_in_only_so_many_within_an_hour_and_says_when_to_come_back() -> None:
    link = open_link(per_hour=3)
    for _ in range(3):
        assert is_in(start(link))
    let_pass(minutes=20)
    response = start(link)
    assert response.status_code == 429 and "try again in 40 minutes" in response.content.decode()
    assert 2390 <= int(response["Retry-After"]) <= 2400
    let_pass(minutes=41)
    assert is_in(start(link))
    assert Arrival.objects.count() == 1  # what is past its hour is not kept


def test_erasing_does_not_make_room_in_the_hour() -> None:
    link = open_link(per_hour=2)
    for _ in range(2):
        start(link)
        participant_erase(participant=Participant.objects.select_related("study").get(erased_at=None))
    assert start(link).status_code == 429


def test_one_network_fills_its_own_share_and_shuts_nobody_else_out(settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    link = open_link(per_network=2)
    near, far = {"X-Forwarded-For": "203.0.113.7"}, {"X-Forwarded-For": "198.51.100.9"}
    for _ in range(2):
        assert is_in(a_browser().post(f"/join/{link.token}/", headers=near))
    assert a_browser().post(f"/join/{link.token}/", headers=near).status_code == 429
    # A client that writes the header itself is still known by what the proxy adds.
    forged = {"X-Forwarded-For": "192.0.2.1, 203.0.113.7"}
    assert a_browser().post(f"/join/{link.token}/", headers=forged).status_code == 429
    assert is_in(a_browser().post(f"/join/{link.token}/", headers=far))
    assert set(Arrival.objects.values_list("network", flat=True)) == {
        network_key("203.0.113.7"), network_key("198.51.100.9"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("proxies", "given", "network"),
    [
        (0, {"REMOTE_ADDR": "192.0.2.4"}, "192.0.2.4"),
        (0, {"REMOTE_ADDR": "2001:db8:1:2:3::4"}, "2001:db8:1:2::/64"),
        (0, {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_PROTO": "https"}, ""),
        (0, {"REMOTE_ADDR": ""}, ""),
        (1, {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.5"}, "192.0.2.5"),
        (2, {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "6.6.6.6, 192.0.2.5, 10.0.0.1"}, "192.0.2.5"),
        (2, {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.5"}, ""),
        (1, {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "unknown"}, ""),
    ],
)
def test_a_network_is_known_only_from_what_our_own_proxies_say(
    settings: Any, proxies: int, given: dict[str, Any], network: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert client_network(RequestFactory().get("/", **given)) == network


@pytest.mark.parametrize("value", ["-1", "10", "one"])
def test_a_number_of_proxies_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", value)
    with pytest.raises(ImproperlyConfigured, match="TRUSTED_PROXIES"):
        env_count("TRUSTED_PROXIES", 0)


def test_a_question_is_asked_before_a_place_is_taken_and_its_answer_is_read_kindly() -> None:
    link = open_link(question="Which word is in capitals?", answers=["BOAT", "the boat"])
    assert "Which word is in capitals?" in a_browser().get(f"/join/{link.token}/").content.decode()
    assert (
        start(link).status_code == start(link, answer="").status_code == start(link, answer="ship").status_code == 422
    )
    assert not Participant.objects.exists()
    assert is_in(start(link, answer="  The  Boat "))
    prolific = open_link(prolific_study(slug="prolific"), question="Which word?", answers=["boat"])
    assert a_browser().post(address_of(prolific), {"answer": "ship"}).status_code == 422
    assert is_in(a_browser().post(address_of(prolific), {"answer": "boat"}))


def test_who_is_turned_away_is_a_line_in_the_log_without_a_name(caplog: pytest.LogCaptureFixture) -> None:
    link = link_of(prolific_study())
    OpenLink.objects.update(per_hour=1)
    arrive(link)
    with caplog.at_level(logging.WARNING):
        arrive(link, "another0person")
    assert (
        "turned somebody away" in caplog.text and "another0person" not in caplog.text and link.token not in caplog.text
    )


# --- the terms of a link ---


def test_the_terms_of_a_link_are_changed_on_its_page_and_logged(researcher: Client, study: Study) -> None:
    link = open_link(study, cap=1)
    start(link)
    page = url("open_link", study, link.pk)
    form = {
        "cap": "2",
        "hold_minutes": "20",
        "per_hour": "7",
        "per_network": "3",
        "question": "Who?",
        "answers": "we\n us",
    }
    assert researcher.get(page).status_code == 200
    assert researcher.post(page, form).status_code == 302
    link.refresh_from_db()
    assert (link.cap, link.hold_minutes, link.per_hour, link.per_network, link.answers) == (2, 20, 7, 3, ["we", "us"])
    assert "answers" in AuditLog.objects.get(action="open_link_change").data["changed"]
    assert "us" not in str(AuditLog.objects.get(action="open_link_change").data["changed"])
    assert 'value="20"' in researcher.get(page).content.decode()
    for wrong, status in (({**form, "answers": ""}, 409), ({**form, "cap": "0"}, 422)):
        response = researcher.post(page, wrong)
        assert response.status_code == status and "Who?" in response.content.decode()
    link.refresh_from_db()
    assert link.cap == 2


def test_a_draft_persona_of_somebody_who_withdrew_keeps_their_place_of_the_link() -> None:
    link = open_link(
        make_study(given_items=0, given_per_participant=0, written_items=1, written_per_participant=1), cap=1
    )
    start(link)
    person = Participant.objects.select_related("study").get()
    Walker(link.study, person).begin()
    participant_withdraw(participant=person)
    assert Persona.objects.exists() and start(link).status_code == 409


def test_a_visit_that_nobody_made_opens_nothing() -> None:
    link, browser = open_link(), a_browser()
    browser.cookies["visit"] = str(uuid.uuid4())
    assert start(link, browser).status_code == 409
    browser.cookies["visit"] = "none of ours"
    assert is_in(start(link, browser))
    assert timezone.now() - Participant.objects.get().created_at < timedelta(minutes=1)
