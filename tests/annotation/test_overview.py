"""The overview of a running study: what needs attention, how far it is, when it will be done, and the way around."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from lxml import html

from annotation.controls.quality import straight_parts
from annotation.controls.rules import PartFacts
from annotation.models import Assignment, Output, OutputWorker, Participant, Persona, Study, StudyMember
from annotation.overview.forecast import WINDOWS, Expectation, forecast
from annotation.permissions import Role
from annotation.services.members import role_give
from tests.annotation.study_rows import add_assignment, add_participant, make_frozen_study
from tests.factories import make_study, make_user

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


# --- The forecast ------------------------------------------------------------------------------------------------


def test_a_steady_study_is_forecast_with_a_range_around_its_pace() -> None:
    lately = {WINDOWS[0]: 36, WINDOWS[1]: 432}  # six an hour
    found = forecast(left=60, first=NOW - timedelta(days=3), lately=lately, now=NOW)
    assert found.expectation == Expectation.RANGE and found.earliest and found.latest
    assert found.earliest < NOW + timedelta(hours=10) < found.latest < NOW + timedelta(hours=13)


def test_a_study_that_slows_down_has_a_wider_range() -> None:
    first = NOW - timedelta(days=3)
    steady = forecast(left=60, first=first, lately={WINDOWS[0]: 36, WINDOWS[1]: 432}, now=NOW)
    slower = forecast(left=60, first=first, lately={WINDOWS[0]: 9, WINDOWS[1]: 432}, now=NOW)
    assert slower.latest and steady.latest and slower.earliest and slower.latest > steady.latest
    assert slower.latest - slower.earliest > timedelta(days=1)


def test_a_young_study_is_taken_for_as_old_as_it_is() -> None:
    found = forecast(left=36, first=NOW - timedelta(hours=1), lately=dict.fromkeys(WINDOWS, 36), now=NOW)
    assert found.earliest and found.latest
    assert found.earliest < NOW + timedelta(hours=1) < found.latest < NOW + timedelta(hours=2)


@pytest.mark.parametrize("number", [0, 5])
def test_a_few_parts_say_nothing_yet(number: int) -> None:
    found = forecast(left=36, first=NOW - timedelta(hours=1), lately=dict.fromkeys(WINDOWS, number), now=NOW)
    assert found.expectation == Expectation.TOO_EARLY


def test_a_full_study_is_done_and_a_hopeless_one_far() -> None:
    lately = dict.fromkeys(WINDOWS, 6)
    assert forecast(left=0, first=None, lately={}, now=NOW).expectation == Expectation.DONE
    assert forecast(left=10**6, first=NOW - timedelta(days=3), lately=lately, now=NOW).expectation == Expectation.FAR


def test_runs_of_one_answer_count_from_five_parts_on() -> None:
    def part(value: int, assignment: int) -> PartFacts:
        return PartFacts(value, value, 4, 60.0, assignment)

    mixed = PartFacts(1, 3, 4, 60.0, 99)
    parts = [part(2, 1), part(2, 2), mixed, *(part(3, number) for number in range(3, 8)), part(4, 8)]
    assert [found.assignment for found in straight_parts(parts)] == [3, 4, 5, 6, 7]


# --- The page ----------------------------------------------------------------------------------------------------


@pytest.fixture
def study(db: None) -> Study:
    return make_frozen_study()


@pytest.fixture
def researcher(client: Client, study: Study) -> Client:
    client.force_login(study.owner)
    return client


def address(study: Study, name: str = "study") -> str:
    return reverse(f"annotation:{name}", args=[study.slug, study.version])


def shown(client: Client, study: Study, name: str = "study") -> Any:
    response = client.get(address(study, name))
    assert response.status_code == 200
    return html.fromstring(response.content.decode())


def asked_for(client: Client, study: Study) -> list[tuple[str, str]]:
    """Return (sentence, link) of each thing that needs attention."""
    lines = shown(client, study).xpath("//ul[@class='attention']/li")
    return [(" ".join(line.text_content().split()), *line.xpath("a/@href")[:1]) for line in lines]


def test_a_study_in_which_all_is_well_says_so(study: Study, researcher: Client) -> None:
    add_assignment(add_participant(study))
    assert asked_for(researcher, study) == []
    assert "Nothing: no output failed" in shown(researcher, study).text_content()


def test_failed_outputs_stand_first_with_a_link_to_why(study: Study, researcher: Client) -> None:
    people = [add_participant(study), add_participant(study)]
    add_assignment(people[0], values=((5, 5), (1, 1)))
    add_assignment(people[1], values=((1, 1), (5, 5)))
    Output.objects.filter(persona__item__key="item-2").update(state=Output.State.FAILED, attempts=3)
    (failed, why), (disputed, answers) = asked_for(researcher, study)
    assert failed.startswith("2 outputs could not be made.") and why.endswith("/dashboard/#failed-heading")
    assert disputed.startswith("Raters disagree on 1 persona.") and answers.endswith("?why=disagreement")


def test_whoever_let_a_part_expire_is_counted_and_listed(study: Study, researcher: Client) -> None:
    stuck, busy, done = (add_participant(study) for _ in range(3))
    for participant in (stuck, busy, done):
        Assignment.objects.filter(pk=add_assignment(participant).pk).update(
            state=Assignment.State.OPEN, completed_at=None, expires_at=timezone.now() + timedelta(hours=1)
        )
    Assignment.objects.exclude(participant=busy).update(expires_at=timezone.now() - timedelta(hours=1))
    Participant.objects.filter(pk=done.pk).update(completed_at=timezone.now())
    ((said, link),) = asked_for(researcher, study)
    assert said.startswith("1 participant has let the time for a part run out.")
    listed = html.fromstring(researcher.get(link).content.decode()).xpath("//tbody/tr/th/a/text()")
    assert listed == [stuck.code]


def test_speed_is_held_against_the_texts_and_the_excluded_are_not_counted(study: Study, researcher: Client) -> None:
    participant = add_participant(study)
    add_assignment(participant)  # 1.5 seconds
    assert asked_for(researcher, study) == []
    Study.objects.update(pace={"part": 2.0, "after": 0})
    add_assignment(participant, "item-2")
    ((said, _),) = asked_for(researcher, study)
    assert said.startswith("1 participant is faster than the texts can be read.")
    Participant.objects.update(excluded_at=timezone.now(), excluded_reason="r")
    assert asked_for(researcher, study) == []


def test_how_far_counts_the_places_of_the_design(study: Study, researcher: Client) -> None:
    for _ in range(2):
        add_assignment(add_participant(study))
    add_assignment(add_participant(study, excluded_at=timezone.now(), excluded_reason="r"))
    text = " ".join(shown(researcher, study).xpath("//*[@class='meters']")[0].text_content().split())
    given = Persona.objects.filter(item__study=study, source="given").count()
    written = study.items.count() - given
    wanted = study.raters_per_item * (given + (written if study.written_personas_per_participant else 0))
    assert text.startswith(f"2 / {wanted} Places filled")
    assert "Too early to say" in shown(researcher, study).xpath("//*[@id='forecast']")[0].text_content()


def test_it_says_since_when_a_worker_runs(study: Study, researcher: Client) -> None:
    assert "none runs" in shown(researcher, study).xpath("//*[@id='making']")[0].text_content()
    worker = OutputWorker.objects.create(key="w", host="gpu-1", heard_at=timezone.now())
    text = shown(researcher, study).xpath("//*[@id='making']")[0].text_content()
    assert f"gpu-1: since {worker.started_at:%Y-%m-%d %H:%M} UTC, heard" in " ".join(text.split())


def test_ratings_are_one_click_away(study: Study, researcher: Client) -> None:
    add_assignment(add_participant(study))
    link = shown(researcher, study).xpath("//*[@id='export']//a[normalize-space()='Ratings (CSV)']/@href")[0]
    assert b"".join(researcher.get(link)).startswith(b"study,")


def test_an_overview_that_is_renewed_costs_the_same_however_many_take_part(
    study: Study, researcher: Client, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for number in range(1, 4):
        people = [add_participant(study) for _ in range(number)]
        for participant in people:
            add_assignment(participant)
        with django_assert_max_num_queries(26):
            assert researcher.get(address(study), headers={"HX-Request": "true"}).status_code == 200


def test_a_draft_says_what_stands_in_the_way_of_opening(researcher: Client, study: Study) -> None:
    draft = make_study(slug="draft", state="draft", owner=study.owner, given_per_participant=9)
    assert any("9 given personas" in said for (said, *_) in asked_for(researcher, draft))
    ready = make_study(slug="ready", state="draft", owner=study.owner)
    assert "Nothing stands in the way of opening." in shown(researcher, ready).text_content()


def test_an_empty_dashboard_says_what_will_be_there(researcher: Client, study: Study) -> None:
    assert shown(researcher, study, "dashboard").xpath("//*[@id='what-will-be-here']")
    add_participant(study)
    assert not shown(researcher, study, "dashboard").xpath("//*[@id='what-will-be-here']")


# --- The way around ----------------------------------------------------------------------------------------------


def test_each_page_of_a_study_names_it_its_state_and_where_one_is(study: Study, researcher: Client) -> None:
    names = [
        "study",
        "dashboard",
        "study_texts",
        "items",
        "study_outputs",
        "participants",
        "participant_links",
        "recruit",
    ]
    names += ["quality", "exports", "audit", "members", "ethics", "amendments", "make_differences", "release"]
    hub = ["scan", "held", "data", "rehearsal", "power", "results", "agreement_panel"]
    for view in (*(f"annotation:{name}" for name in names), *(f"modelhub:{name}" for name in hub)):
        found: Any = html.fromstring(researcher.get(reverse(view, args=[study.slug, 1])).content.decode())
        assert study.title in found.xpath("//header[@class='study-head']")[0].text_content(), view
        assert found.xpath("//header[@class='study-head']//*[@class='badge open']"), view
        assert found.xpath("//nav[@class='crumbs']//a[@href='/research/']"), view
        assert len(found.xpath("//ul[@class='nav-groups']//a[@aria-current]")) == 1, view
        here = reverse(view, args=[study.slug, 1])
        marked = found.xpath("//ul[@class='nav-pages']//a[@aria-current='page']/@href")
        assert marked == [here] or view == "annotation:release", view


def test_every_link_of_the_way_around_leads_somewhere_for_whoever_sees_it(study: Study, client: Client) -> None:
    analyst = make_user("analyst")
    role_give(user=analyst, role=Role.ANALYST)
    StudyMember.objects.create(study=study, user=analyst, role="analyst")
    for user in (study.owner, analyst):
        client.force_login(user)
        links = shown(client, study).xpath("//details[@class='nav-menu']//a/@href")
        assert len(links) > 15
        assert {link: client.get(link).status_code for link in links} == dict.fromkeys(links, 200)


def test_participants_pages_carry_no_style_of_the_workbench(study: Study, researcher: Client) -> None:
    participant = add_participant(study)
    seen = researcher.get(reverse("annotation:participant", args=[participant.token])).content.decode()
    assert "workbench" not in seen and "workbench" in researcher.get(address(study)).content.decode()


@pytest.mark.parametrize(
    ("refused", "form", "place"),
    [
        ("annotation:wave_add", {}, "annotation:amendments"),
        ("annotation:participants_invite", {}, "annotation:participant_links"),
        ("annotation:open_link_create", {"cap": "none"}, "annotation:participant_links"),
        ("annotation:member_add", {"username": "nobody"}, "annotation:members"),
    ],
)
def test_a_form_that_is_refused_stands_where_its_page_stands(
    refused: str, form: dict[str, str], place: str, study: Study, researcher: Client
) -> None:
    answer = researcher.post(reverse(refused, args=[study.slug, 1]), form)
    assert answer.status_code in (400, 409, 422)
    marked = html.fromstring(answer.content.decode()).xpath("//ul[@class='nav-pages']//a[@aria-current='page']/@href")
    assert marked == [reverse(place, args=[study.slug, 1])]
