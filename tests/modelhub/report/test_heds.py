"""The datasheet: what study file and data know is filled in, and what is left cannot be missed."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from annotation.models import Study
from modelhub.report.facts import StudyFacts, study_facts
from modelhub.report.heds import TO_FILL_IN, heds_markdown, heds_sheet
from modelhub.report.heds_questions import CRITERION, SECTIONS
from tests.annotation.study_rows import make_frozen_study
from tests.modelhub.report.made import Made

Studies = Callable[[str], Made]
# Only the researchers know these: where and by whom it is published, languages, power, experts, approval.
LEFT = {
    "1.1.1", "1.3.1.1", "1.3.1.2", "1.3.1.3", "1.3.2.2", "2.4", "2.5", "3.1.3.1", "3.1.3.2", "3.1.3.3", "3.2.2.1",
    "3.2.2.3", "3.2.2.4", "5.1", "5.3", "5.4",
}  # fmt: skip


def rich(facts: StudyFacts) -> StudyFacts:
    """A study that uses what a study file has."""
    return dataclasses.replace(
        facts, contact="Dr Example, a@b.org", consent="You are paid **9 EUR**.", quiz_questions=3, quiz_attempts=2,
        attention_checks=2, planted=1, rules=("2 or more attention checks missed",), is_on_prolific=True, quota=30,
        asked_before=("In which country do you live?",), practice_parts=2, overlap=0.3, blocks="stratum",
        strata={"advice": 6, "dialogue": 6}, opened_at="2025-01-01T00:00:00", protocol_hash="f" * 64,
    )  # fmt: skip


def answers(made: Made, facts: StudyFacts) -> dict[str, Any]:
    sheet = heds_sheet(made.results, facts)
    return {one["number"]: one["answer"] for section in sheet["sections"] for one in section["questions"]}


def test_all_that_the_study_knows_is_filled_in(made: Studies) -> None:
    found = answers(made("own"), rich(made("own").facts))
    assert {number for number, answer in found.items() if answer is None} == LEFT
    assert found["3.2.1"] == 8
    assert "6 of advice and 6 of dialogue" in found["3.1.2"]
    assert "Prolific" in found["3.2.3"] and "30 people" in found["3.2.3"]
    assert "a quiz of 3 questions that has to be passed within 2 tries" in found["3.2.4"]
    assert "In which country do you live?" in found["3.2.5"]
    assert "2 attention checks" in found["3.3.3.1"] and "1 planted pair" in found["3.3.3.1"]
    assert "2 or more attention checks missed" in found["3.3.3.2"] and "1 participant was excluded" in found["3.3.3.2"]
    assert found["1.3.2.3"] == "a@b.org"
    assert "> You are paid **9 EUR**." in found["5.2"]
    assert "a second person rates 30 % of the personas" in found["3.3.8"]


def test_what_the_study_does_not_know_is_left(made: Studies) -> None:
    facts = dataclasses.replace(made("own").facts, contact="", is_on_prolific=False, protocol_hash="")
    found = answers(made("own"), facts)
    more = {"1.3.2.1", "1.3.2.3", "3.2.2.2", "3.2.3", "3.2.5", "3.3.1", "3.3.6"}
    assert {number for number, answer in found.items() if answer is None} == LEFT | more


def test_criteria_hold_question_scale_statistics_and_agreement(made: Studies) -> None:
    sheet = heds_sheet(made("own").results, made("own").facts)
    criteria = {one["criterion"]: {q["number"]: q["answer"] for q in one["questions"]} for one in sheet["criteria"]}
    personalization = criteria["Personalization"]
    assert personalization["4.3.3"] == 5 and "1 = " in personalization["4.3.4"]
    assert "overlap: " in personalization["4.3.11.2"] and "repeat: " in personalization["4.3.12.2"]
    assert criteria["Preference"]["4.3.8"] == "Relative quality estimation"
    assert {number for number, answer in personalization.items() if answer is None} == {"4.1.1", "4.1.2", "4.1.3"}


def test_the_readable_sheet_has_every_question_and_marks_what_is_open(made: Studies) -> None:
    sheet = heds_sheet(made("own").results, rich(made("own").facts))
    text = heds_markdown(sheet)
    for number, _ in (*(one for _, _, questions in SECTIONS for one in questions), *CRITERION):
        assert f"**{number} " in text
    assert text.count("\N{BALLOT BOX}") == len(LEFT) + 3 * len(sheet["criteria"])
    assert f"**{len(LEFT) + 3} questions are {TO_FILL_IN}:** 1.1.1, " in text
    assert text.index("## 3 Sample") < text.index("## 4 Criterion: ") < text.index("## 5 Ethics")


@pytest.mark.django_db
def test_facts_are_those_of_the_study_file() -> None:
    study = make_frozen_study(given_items=3, given_per_participant=2)
    Study.objects.filter(pk=study.pk).update(recruitment={"quota": 5, "prolific": {"completed": "A"}})
    study.refresh_from_db()
    facts = study_facts(study)
    assert (facts.prompts, facts.given, facts.quota, facts.is_on_prolific) == (3, 2, 5, True)
