"""The dry run: pages, minutes, places and participants, on the command line and on the page of a draft."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation.dryrun import dry_run, stored_dry_run
from annotation.models import Study
from annotation.rehearsal import rehearse
from annotation.services.studies import study_save
from tests.annotation.studyfiles import definition, study_data, write
from tests.factories import make_study, make_user

pytestmark = pytest.mark.django_db


def document(folder: Path, **changes: Any) -> dict[str, Any]:
    return definition(folder, **changes).document()


def design(**values: Any) -> dict[str, Any]:
    return {"given_personas_per_participant": 1, "written_personas_per_participant": 1, "seed": 5, **values}


def crossed(*, items: int, per_participant: int, raters: int) -> dict[str, Any]:
    """Return the changes that make a study of given personas alone."""
    return {
        "items": [{"id": f"i{n}", "prompt": "What now?", "persona": "A cook."} for n in range(items)],
        "design": {"given_personas_per_participant": per_participant, "raters_per_item": raters, "seed": 1},
    }


def check(path: Path, *arguments: str) -> str:
    out = io.StringIO()
    call_command("check_study", str(path), *arguments, stdout=out)
    return out.getvalue()


def test_pages_are_counted_by_sort(tmp_path: Path) -> None:
    report = dry_run(document(tmp_path))
    assert {group.name: group.count for group in report.pages} == {
        "Consent": 1, "Instructions": 1, "Writing a persona": 1, "Waiting for the responses": 1, "Rating": 2,
        "Thanks and completion code": 1,
    }  # fmt: skip
    assert report.pages_total == 7


def test_the_minutes_follow_from_the_words_read(tmp_path: Path) -> None:
    short = dry_run(document(tmp_path, instructions="word " * 238))
    long = dry_run(document(tmp_path, instructions="word " * 238 * 3))
    assert long.minutes - short.minutes == pytest.approx(2)
    more = dry_run(document(tmp_path, instructions="word " * 238), response_minutes=150 / 238 + 1)
    assert more.minutes - short.minutes == pytest.approx(2 * 2)  # two parts with two responses each


@pytest.mark.parametrize(
    ("items", "per_participant", "raters", "needed"), [(80, 80, 3, 3), (18, 6, 3, 9), (10, 4, 3, 8), (2, 2, 5, 5)]
)
def test_as_many_participants_are_needed_as_fill_every_place(
    tmp_path: Path, items: int, per_participant: int, raters: int, needed: int
) -> None:
    study = document(tmp_path, **crossed(items=items, per_participant=per_participant, raters=raters))
    report = dry_run(study)
    assert (report.participants_needed, report.places) == (needed, items * raters)
    assert sum(len(walk.items) for walk in rehearse(study, needed)) == report.places


def test_fewer_participants_than_needed_are_warned_of(tmp_path: Path) -> None:
    study = document(tmp_path, **crossed(items=6, per_participant=2, raters=3))
    assert dry_run(study, participants=9).warnings == ()
    few, many = (" ".join(dry_run(study, participants=count).warnings) for count in (2, 12))
    assert "needs 9 participants; 2 leave places empty" in few and "3 raters, which 2 participants cannot give" in few
    assert "12 participants are more than the 9 needed" in many


def test_parts_that_run_out_at_different_times_are_warned_of(tmp_path: Path) -> None:
    report = dry_run(document(tmp_path, design=design(raters_per_item=3)))
    assert "covered after 3 participants and given personas after 6" in " ".join(report.warnings)
    even = dry_run(document(tmp_path, design=design(raters_per_item=3, given_personas_per_participant=2)))
    assert even.warnings == ()


def test_a_study_of_more_than_an_hour_is_warned_of(tmp_path: Path) -> None:
    assert "long" in " ".join(dry_run(document(tmp_path, instructions="word " * 238 * 61)).warnings)


def test_a_participant_sees_no_item_twice_and_writes_first(tmp_path: Path) -> None:
    walks = list(rehearse(document(tmp_path, design=design(raters_per_item=3)), 3))
    assert [walk.written for walk in walks] == [1, 1, 1]
    for walk in walks:
        assert walk.items[0] == "rest" and len(set(walk.items)) == len(walk.items) == 2


def test_the_command_says_what_everybody_will_see_and_writes_nothing(tmp_path: Path) -> None:
    with CaptureQueriesContext(connection) as queries:
        said = check(write(tmp_path, study_data()), "--participants", "2")
    assert len(queries) == 0 and not Study.objects.exists()
    assert "7 pages, about" in said and "participant 1: rest (writes)" in said
    assert "2 participants who all finish fill 3 of 3 places." in said


def test_every_mistake_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as error:
        check(write(tmp_path, study_data(title="", arms=0)))
    assert "title" in str(error.value) and "arms" in str(error.value)
    with pytest.raises(CommandError, match="at least 1"):
        check(write(tmp_path, study_data()), "--participants", "0")


def test_a_stored_study_comes_to_the_same_as_its_file(tmp_path: Path) -> None:
    made = definition(tmp_path)
    assert stored_dry_run(study_save(definition=made, owner=make_user())) == dry_run(made.document())


def test_the_page_of_a_draft_shows_the_dry_run_and_that_of_an_open_study_does_not(client: Client) -> None:
    draft, running = make_study(slug="draft", state="draft"), make_study(slug="running")
    client.force_login(draft.owner)
    shown = client.get(reverse("annotation:study", args=[draft.slug, 1])).content.decode()
    assert "Dry run" in shown and "Pages per participant" in shown
    assert "Dry run" not in client.get(reverse("annotation:study", args=[running.slug, 1])).content.decode()
