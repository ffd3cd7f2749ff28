"""Parts that stand out, decisions on them, and what exports and analysis make of these."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from lxml import html

from annotation.controls.quality import study_quality
from annotation.models import Adjudication, Assignment, AuditLog, Rating, Study, StudyMember
from annotation.permissions import Role
from annotation.services.members import role_give
from modelhub.analysis.data import WITHOUT_EXCLUDED, load_data
from tests.annotation.study_rows import add_assignment, add_participant, make_frozen_study
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    return make_frozen_study()


@pytest.fixture
def researcher(client: Client, study: Study) -> Client:
    client.force_login(study.owner)
    return client


@pytest.fixture
def disputed(study: Study) -> list[Assignment]:
    """Two people at the two ends of the scale."""
    values = (((5, 5), (1, 1)), ((1, 1), (5, 5)))
    return [add_assignment(add_participant(study), values=value) for value in values]


def listed(client: Client, study: Study, **query: str) -> list[str]:
    response = client.get(reverse("annotation:quality", args=[study.slug, study.version]), query)
    headings = html.fromstring(response.content.decode()).xpath("//section/div/h2")
    return [" ".join(heading.text_content().split()) for heading in headings]


def decide(client: Client, part: Assignment, decision: str, reason: str = "Ten seconds.", query: str = "") -> Any:
    study = part.participant.study
    address = reverse("annotation:part_decided", args=[study.slug, study.version, part.key])
    return client.post(address + query, {"decision": decision, "reason": reason})


def exported(client: Client, study: Study, table: str) -> list[dict[str, str]]:
    address = reverse("annotation:export_download", args=[study.slug, study.version, table, "csv"])
    return list(csv.DictReader(io.StringIO(b"".join(client.get(address)).decode())))


def test_raters_at_two_ends_of_a_scale_are_listed_and_close_ones_are_not(
    study: Study, researcher: Client, disputed: list[Assignment]
) -> None:
    for value in (3, 4):
        add_assignment(add_participant(study), "item-2", values=((value, 3), (3, 3)))
    assert listed(researcher, study) == ["P-001, part 1: item-1", "P-002, part 1: item-1"]
    assert listed(researcher, study, why="straightlining") == []


def test_many_raters_who_spread_over_the_scale_by_chance_do_not_disagree(study: Study) -> None:
    for value in (1, 2, 3, 4, 5):
        add_assignment(add_participant(study), values=((value, 3), (3, 3)))
    assert not study_quality(study).parts


def test_a_fast_part_is_listed_for_its_speed_by_the_rule_of_the_study(study: Study, researcher: Client) -> None:
    add_assignment(add_participant(study))  # 1.5 seconds
    assert listed(researcher, study) == []
    Study.objects.update(exclusion_rules={"min_seconds_per_part": 2})
    assert listed(researcher, study, why="min_seconds_per_part") == ["P-001, part 1: item-1"]


def test_a_decision_is_kept_logged_and_can_be_turned_round(researcher: Client, disputed: list[Assignment]) -> None:
    part = disputed[0]
    answer = decide(researcher, part, "set_aside", query="?why=disagreement")
    assert answer["Location"].endswith("/quality/?why=disagreement")
    decide(researcher, part, "keep", "I was wrong.")
    first, second = Adjudication.objects.all()
    assert (first.decision, first.is_current, first.flags) == ("set_aside", False, ["disagreement"])
    assert (second.decision, second.is_current, second.reason) == ("keep", True, "I was wrong.")
    assert [entry.data["decision"] for entry in AuditLog.objects.filter(action="part_adjudicate")] == [
        "keep",
        "set_aside",
    ]
    assert listed(researcher, part.participant.study, decided="decided") == ["P-001, part 1: item-1"]
    assert listed(researcher, part.participant.study, decided="open") == ["P-002, part 1: item-1"]


@pytest.mark.parametrize(("decision", "reason"), [("keep", " "), ("destroy", "because"), ("keep", "x" * 201)])
def test_a_decision_without_a_reason_or_a_sense_is_refused(
    decision: str, reason: str, researcher: Client, disputed: list[Assignment]
) -> None:
    response = decide(researcher, disputed[0], decision, reason)
    assert response.status_code == 422 and not Adjudication.objects.exists()
    assert html.fromstring(response.content.decode()).xpath("//section//*[@role='alert']")


def test_exports_keep_every_row_and_say_what_was_decided(
    study: Study, researcher: Client, disputed: list[Assignment]
) -> None:
    before = len(exported(researcher, study, "ratings"))
    decide(researcher, disputed[0], "set_aside")
    rows = exported(researcher, study, "ratings")
    assert len(rows) == before == Rating.objects.count()
    assert {(row["participant"], row["adjudicated"]) for row in rows} == {("P-001", "set_aside"), ("P-002", "")}
    (decision,) = exported(researcher, study, "adjudications")
    assert (decision["participant"], decision["decision"], decision["stood_out_for"], decision["current"]) == (
        "P-001", "set_aside", "disagreement", "true",
    )  # fmt: skip


def test_analysis_leaves_out_what_was_set_aside_where_it_leaves_out_the_excluded(
    study: Study, researcher: Client, disputed: list[Assignment]
) -> None:
    decide(researcher, disputed[0], "set_aside")
    decide(researcher, disputed[1], "keep")
    data = load_data(study)
    assert {answer.participant for answer in data.answers} == {"P-001", "P-002"}
    assert {answer.participant for answer in data.population(WITHOUT_EXCLUDED).answers} == {"P-002"}


def test_an_analyst_reads_and_decides_nothing(client: Client, study: Study, disputed: list[Assignment]) -> None:
    analyst = make_user("analyst")
    role_give(user=analyst, role=Role.ANALYST)
    StudyMember.objects.create(study=study, user=analyst, role="analyst")
    client.force_login(analyst)
    assert len(listed(client, study)) == 2
    assert b'name="decision"' not in client.get(reverse("annotation:quality", args=[study.slug, 1])).content
    assert decide(client, disputed[0], "keep").status_code == 403 and not Adjudication.objects.exists()


def test_deciding_stays_blind(study: Study, researcher: Client, disputed: list[Assignment]) -> None:
    content = researcher.get(reverse("annotation:quality", args=[study.slug, 1])).content.decode()
    assert not [arm.code for arm in study.arms.all() if arm.code in content]


def test_quality_costs_the_same_however_many_stand_out(
    study: Study, researcher: Client, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for value in (1, 5, 1, 5):
        add_assignment(add_participant(study), values=((value, value), (6 - value, 6 - value)))
        with django_assert_max_num_queries(23):
            listed(researcher, study)
    assert len(study_quality(study).parts) == 4
