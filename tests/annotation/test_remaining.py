"""The minutes that a participant has left, and those that a draft's own texts come to."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from annotation.dryrun import DryRun, dry_run, stored_dry_run
from annotation.effort import reading
from annotation.models import Assignment, Output, Study
from annotation.remaining import minutes_left
from annotation.services.studies import study_open
from tests.annotation.studyfiles import definition, rating_aspect
from tests.annotation.walking import Walker
from tests.factories import make_study

PACE = {"part": 2.0, "after": 0.5}


def parts(*minutes: float) -> list[tuple[datetime, datetime]]:
    now = timezone.now()
    return [(now, now + timedelta(minutes=taken)) for taken in minutes]


def test_at_first_the_estimate_counts_and_later_the_own_pace() -> None:
    assert minutes_left(PACE, [], 4) == 9
    assert minutes_left(PACE, parts(1, 1, 1, 1), 4) == 6
    assert minutes_left(PACE, parts(4, 4), 3) == 10


def test_a_part_that_lay_open_over_night_counts_as_slow_and_no_more() -> None:
    assert minutes_left(PACE, parts(600), 3) == minutes_left(PACE, parts(6), 3)


def test_more_than_ten_minutes_are_told_in_steps_of_five_and_none_is_none() -> None:
    assert minutes_left(PACE, [], 8) == 20
    assert minutes_left(PACE, parts(0), 1) == 2 and minutes_left({"part": 0.01}, [], 1) == 1
    assert minutes_left({}, [], 8) is None


@pytest.mark.django_db
def test_the_page_says_how_long_it_takes_once_the_study_is_open() -> None:
    study = make_study(state="draft")
    Output.objects.update(text="word " * 238 * 2)
    study_open(study=study, user=None)
    walker = Walker(Study.objects.get()).begin()
    assert "About 20 minutes left" in walker.get().content.decode()  # four parts with four minutes of responses each
    walker.complete()
    Assignment.objects.filter(state=Assignment.State.COMPLETED).update(completed_at=timezone.now() + timedelta(hours=1))
    assert "About 25 minutes left" in walker.get().content.decode()  # one part less, at a slower pace


def test_chinese_is_read_by_its_characters_and_marks_of_markdown_are_no_words() -> None:
    assert reading("我" * 255) == pytest.approx(1)
    assert reading("word " * 119 + "我" * 255) == pytest.approx(1.5)
    assert reading("- one\n- two\n\n---\n\n| a | b |\n|---|---|") == pytest.approx(4 / 238)


def minutes(tmp_path: Path, name: str, **changes: Any) -> float:
    report: DryRun = dry_run(definition(tmp_path, **changes).document())
    return next(group.minutes for group in report.pages if group.name == name)


LONG = "word " * 238


@pytest.mark.parametrize(
    ("name", "changes", "more"),
    [
        ("Practice", {"practice": [{"prompt": "?", "persona": LONG, "responses": [LONG, "x"]}]}, 2),
        (
            "Quiz",
            {"quiz": {"questions": [{"question": "?", "options": [LONG, "b"], "answer": 1, "explanation": "x"}]}},
            1,
        ),
        (
            "Questions after",
            {"questionnaires": {"after": [{"key": "a", "type": "text", "question": LONG}]}},
            1 + 10 / 19,
        ),
    ],
)
def test_the_minutes_of_a_page_are_those_of_its_own_texts(
    tmp_path: Path, name: str, changes: dict[str, Any], more: float
) -> None:
    assert minutes(tmp_path, name, **changes) == pytest.approx(more, abs=0.4)


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({"aspects": [rating_aspect(question="word " * 59)]}, 57 / 238),
        ({"followup": {"chips": ["Too long"], "text": LONG}}, 1 + 2 * 2 * 5 / 60),  # two responses in each of two parts
        ({"checks": [{"part": 1, "instruction": "Tick two.", "scale": {1: "A", 2: "B"}, "answer": 2}]}, 5 / 60),
        (
            {
                "planted": [
                    {"part": 2, "id": "p", "prompt": "?", "persona": "P.", "good": LONG, "bad": "x", "aspect": "fit"}
                ]
            },
            1,
        ),
    ],
)
def test_questions_what_is_added_checks_and_planted_pairs_count(
    tmp_path: Path, changes: dict[str, Any], more: float
) -> None:
    plain = minutes(tmp_path, "Rating")
    assert minutes(tmp_path, "Rating", **changes) - plain == pytest.approx(more, abs=0.25)


@pytest.mark.django_db
def test_imported_items_and_the_outputs_of_all_arms_are_what_a_draft_is_measured_by() -> None:
    study = make_study(state="draft", given_items=4, given_per_participant=4)
    before = stored_dry_run(study)
    Output.objects.filter(arm__ordinal=1).update(text=LONG)
    after = stored_dry_run(study)
    assert after.minutes - before.minutes == pytest.approx(4, abs=0.3)
    Study.objects.filter(pk=study.pk).update(items_imported=True)
    imported = stored_dry_run(Study.objects.get(pk=study.pk))
    assert (imported.places, imported.participants_needed) == (after.places, after.participants_needed) == (12, 3)
    assert imported.minutes == pytest.approx(after.minutes)
