"""The dashboard: what it counts, that its plots have tables behind them, and that its cost does not grow."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from lxml import html

from annotation import queries_dashboard as dash
from annotation.export.scope import Scope
from annotation.models import Assignment, Output, PageVisit, Participant, Rating, Study, StudyMember, User
from annotation.permissions import Role
from annotation.services.members import role_give
from annotation.services.queue import MAX_ATTEMPTS, WORKER_LOST
from tests.annotation.study_rows import add_assignment, add_participant, make_frozen_study
from tests.factories import make_user

pytestmark = pytest.mark.django_db
CONSENTED: dict[str, Any] = {"consent_hash": "c" * 64}


def parsed(text: str) -> Any:  # the stubs of lxml know an element as a dozen things
    return html.fromstring(text)


def people(study: Study) -> Scope:
    return Scope.of(study, include_bots=False)


def address(study: Study) -> str:
    return reverse("annotation:dashboard", args=[study.slug, study.version])


def timed(assignment: Assignment, seconds: float) -> Assignment:
    assignment.visits.all().delete()
    PageVisit.objects.create(
        assignment=assignment, client_key=uuid.uuid4(), phase="rate", focused_ms=int(seconds * 1000)
    )
    return assignment


# --- What failed -------------------------------------------------------------------------------------------------


def fail(study: Study, **errors: int) -> None:
    """Let outputs of given personas fail: so many `impossible`, `tried` three times, and with their worker `lost`."""
    values = {
        "impossible": {"error": "/models/tailored-8b is gone.", "attempts": 1},
        "tried": {"error": "tailored-8b: HTTP 500", "attempts": MAX_ATTEMPTS},
        "lost": {"error": WORKER_LOST, "attempts": MAX_ATTEMPTS},
    }
    left = list(Output.objects.filter(persona__item__study=study).order_by("pk").values_list("pk", flat=True))
    for kind, number in errors.items():
        for _ in range(number):
            Output.objects.filter(pk=left.pop(0)).update(state="failed", **values[kind])


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_why_outputs_failed_is_said_without_what_would_tell_the_systems_apart() -> None:
    study = make_frozen_study()
    fail(study, impossible=1, tried=2, lost=1)
    page = signed_in(study.owner).get(address(study)).content.decode()
    assert "4 outputs could not be made. It concerns 2 personas." in page
    rows = parsed(page).xpath("//section[@aria-labelledby='failed-heading']//tbody/tr")
    assert [(row[0].text, row[2].text) for row in rows] == [
        ("They cannot be made as things are.", "1"),
        ("3 attempts failed.", "2"),
        ("The worker was lost 3 times while making them.", "1"),
    ]
    assert "tailored" not in page
    assert "/arms/" not in page


def test_the_researcher_has_failed_outputs_made_once_more() -> None:
    study = make_frozen_study()
    fail(study, tried=3)
    client = signed_in(study.owner)
    (form,) = parsed(client.get(address(study)).content.decode()).xpath("//form[contains(@action, '/outputs/retry/')]")
    page = client.post(form.action, follow=True).content.decode()
    assert "3 outputs back in the queue." in page
    assert "failed-heading" not in page
    assert Output.objects.filter(state="requested", attempts=0, error="").count() == 3
    assert study.audit_log.get(action="outputs_retry").user == study.owner


def test_nothing_is_made_for_a_closed_study_and_the_page_says_so() -> None:
    study = make_frozen_study()
    fail(study, tried=1)
    Study.objects.update(state="closed")
    client = signed_in(study.owner)
    assert "nothing is made for it any more" in client.get(address(study)).content.decode()
    page = client.post(f"{address(study)[: -len('dashboard/')]}outputs/retry/", follow=True).content.decode()
    assert "closed is final" in page
    assert Output.objects.filter(state="failed").count() == 1


def test_an_analyst_reads_why_outputs_failed_and_is_offered_nothing_to_change() -> None:
    study, analyst = make_frozen_study(), make_user("analyst")
    role_give(user=analyst, role=Role.ANALYST)
    StudyMember.objects.create(study=study, user=analyst, role="analyst")
    fail(study, tried=1)
    page = signed_in(User.objects.get(pk=analyst.pk)).get(address(study)).content.decode()
    assert "1 output could not be made" in page
    assert "/outputs/retry/" not in page
    assert reverse("modelhub:arms", args=[study.slug, study.version]) in page


# --- What is counted ---------------------------------------------------------------------------------------------


def test_the_flow_counts_each_step_and_leaves_the_excluded_out_of_the_completed() -> None:
    study, now = make_frozen_study(), timezone.now()
    add_participant(study)
    add_participant(study, declined_at=now)
    add_assignment(add_participant(study, consented_at=now, **CONSENTED))
    add_assignment(add_participant(study, consented_at=now, completed_at=now, **CONSENTED))
    out = add_participant(study, completed_at=now, excluded_at=now, excluded_reason="Failed checks")
    add_assignment(out)
    add_participant(study, screened_out_at=now)
    add_participant(study, withdrawn_at=now, erased_at=now)
    add_participant(study, kind=Participant.Kind.BOT, completed_at=now)
    flow = dash.study_flow(people(study))
    assert (flow.invited, flow.consented, flow.started, flow.completed) == (7, 2, 3, 1)
    assert (flow.excluded, flow.declined, flow.screened_out, flow.withdrawn, flow.erased) == (1, 1, 1, 1, 1)
    assert flow.reasons == (("Failed checks", 1),)


def save_at(study: Study, *times: datetime) -> None:
    """Give the first answers these times, and delete the others."""
    ratings = list(Rating.objects.filter(slot__assignment__participant__study=study).order_by("pk"))
    for rating, at in zip(ratings, times, strict=False):
        Rating.objects.filter(pk=rating.pk).update(saved_at=at)
    Rating.objects.filter(pk__in=[rating.pk for rating in ratings[len(times) :]]).delete()


def test_ratings_are_counted_by_hour_in_utc_without_gaps() -> None:
    study = make_frozen_study()
    add_assignment(add_participant(study))
    first = datetime(2026, 3, 1, 22, 59, tzinfo=UTC)
    save_at(study, first, first, first + timedelta(hours=2))
    assert dash.ratings_over_time(people(study)) == [
        ("2026-03-01 22:00", 2),
        ("2026-03-01 23:00", 0),
        ("2026-03-02 00:00", 1),
    ]


def test_a_longer_study_is_counted_by_day() -> None:
    study = make_frozen_study()
    add_assignment(add_participant(study))
    first = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    save_at(study, first, first + timedelta(minutes=2), first + timedelta(days=4))
    assert dash.ratings_over_time(people(study)) == [
        ("2026-03-01", 1), ("2026-03-02", 1), ("2026-03-03", 0), ("2026-03-04", 0), ("2026-03-05", 1),
    ]  # fmt: skip


def test_a_replaced_answer_and_those_of_bots_are_not_counted() -> None:
    study = make_frozen_study()
    add_assignment(add_participant(study, kind=Participant.Kind.BOT))
    assert dash.ratings_over_time(people(study)) == []
    assert sum(number for _, number in dash.ratings_over_time(Scope.of(study, include_bots=True))) == 5
    assignment = add_assignment(add_participant(study))
    first, second = Rating.objects.filter(slot__assignment=assignment)[:2]
    Rating.objects.filter(pk=first.pk).update(superseded_by=second.pk)
    assert sum(number for _, number in dash.ratings_over_time(people(study))) == 4


@pytest.mark.parametrize(
    ("seconds", "median"), [([9], 9), ([9, 1], 5), ([9, 1, 2], 2), ([9, 1, 2, 4], 3), ([5, 5, 5, 5, 1], 5)]
)
def test_the_median_time_is_that_of_the_completed_parts(seconds: list[float], median: float) -> None:
    study = make_frozen_study()
    for value in seconds:
        timed(add_assignment(add_participant(study), "item-1"), value)
    unfinished = timed(add_assignment(add_participant(study), "item-1"), 1000)
    Assignment.objects.filter(pk=unfinished.pk).update(state="open", completed_at=None)
    timed(add_assignment(add_participant(study), "item-2"), 77)
    found = dash.median_seconds(people(study), owner="persona__item__key", among=["item-1"])
    assert found == {"item-1": median}


def test_several_visits_of_a_part_add_up() -> None:
    study = make_frozen_study()
    assignment = timed(add_assignment(add_participant(study)), 2)
    PageVisit.objects.create(assignment=assignment, client_key=uuid.uuid4(), phase="write", focused_ms=3000)
    owner = assignment.participant_id
    assert dash.median_seconds(people(study), owner="participant", among=[owner]) == {owner: 5}


def test_sides_are_counted_by_arm_and_uneven_items_are_named() -> None:
    study = make_frozen_study()
    for swapped in (False, True):
        add_assignment(add_participant(study), "item-1", swapped=swapped)
    for _ in range(2):
        add_assignment(add_participant(study), "item-2")
    sides = dash.side_balance(people(study))
    first, second = (
        next(arm for arm in sides.arms if arm.code == code.code) for code in study.arms.order_by("ordinal")
    )
    assert (first.positions, second.positions) == ((3, 1), (1, 3))
    assert first.first_share == 0.75
    assert (sides.items, sides.uneven) == (2, ("item-2",))


# --- The page ----------------------------------------------------------------------------------------------------


@pytest.fixture
def study() -> Study:
    return make_frozen_study()


@pytest.fixture
def researcher(client: Client, study: Study) -> Client:
    client.force_login(study.owner)
    return client


def test_every_plot_says_what_it_is_and_has_a_table_behind_it(study: Study, researcher: Client) -> None:
    timed(add_assignment(add_participant(study)), 5)
    page = parsed(researcher.get(address(study)).content.decode())
    drawings = page.xpath("//svg")
    assert len(drawings) == 7
    for drawing in drawings:
        title, description = (page.get_element_by_id(name) for name in drawing.get("aria-labelledby").split())
        assert title.text_content() and description.text_content()
        assert drawing.xpath("ancestor::section//details//table")
    assert not page.xpath("//*[@style]") and not page.xpath("//style")


def test_the_tables_hold_the_numbers(study: Study, researcher: Client) -> None:
    timed(add_assignment(add_participant(study)), 12.5)
    page = parsed(researcher.get(address(study)).content.decode())
    rows = {row[0].text_content(): [cell.text_content() for cell in row[1:]] for row in page.xpath("//tbody/tr")}
    assert rows["Started"] == ["1"]
    assert rows["item-1"] == ["in progress", "3", "0", "1", "12.5"]
    assert rows["P-001"][:5] == ["not started", "1", "4", "5", "12.5"]


def test_a_study_without_anybody_has_a_dashboard(study: Study, researcher: Client) -> None:
    text = researcher.get(address(study)).content.decode()
    assert "No answer has been saved yet." in text and "Nobody yet." in text


def test_htmx_gets_the_live_part_alone_and_it_asks_again_for_itself(study: Study, researcher: Client) -> None:
    where = address(study) + "?items=1"
    part = parsed(researcher.get(where, headers={"HX-Request": "true"}).content.decode())
    assert part.get("id") == "live" and part.get("hx-get") == where and part.get("hx-trigger") == "every 10s"
    assert not part.xpath("//h1")


def test_a_closed_study_is_not_asked_for_again(study: Study, researcher: Client) -> None:
    Study.objects.update(state="closed")
    (part,) = parsed(researcher.get(address(study)).content.decode()).xpath("//*[@id='live']")
    assert part.get("hx-get") is None


def test_flags_are_shown_where_the_study_has_rules(study: Study, researcher: Client) -> None:
    assert "flags-heading" not in researcher.get(address(study)).content.decode()
    Study.objects.update(exclusion_rules={"min_seconds_per_part": 10})
    timed(add_assignment(add_participant(study)), 3)
    page = parsed(researcher.get(address(study)).content.decode())
    (row,) = page.xpath("//*[@id='flags-table']//tbody/tr")
    assert row[0].text_content() == "P-001" and "3.0 seconds" in row[1].text_content()


def test_the_dashboard_costs_the_same_queries_however_big_the_study(
    study: Study, researcher: Client, django_assert_num_queries: Callable[..., Any]
) -> None:
    for _ in range(3):
        for item in ("item-1", "item-2"):
            add_assignment(add_participant(study, excluded_at=timezone.now(), excluded_reason="r"), item)
        with django_assert_num_queries(21):
            assert researcher.get(address(study)).status_code == 200
