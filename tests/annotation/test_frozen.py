"""What participants' pages show of a study: never anything but its definition as it stands, however it is kept."""

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from annotation.http import get_participant
from annotation.models import Arm, Participant, Study
from annotation.services.participants import participant_create
from annotation.services.studies import study_close, study_open, study_pause, study_save
from tests.annotation.studyfiles import definition, rating_aspect
from tests.annotation.walking import Walker
from tests.factories import make_study, make_user

pytestmark = pytest.mark.django_db

REST = [{"id": "rest", "prompt": "How do I rest?"}]
WRITING = {"given_personas_per_participant": 0, "written_personas_per_participant": 1}


def load(folder: Path, *, new_version: bool = False, **changes: Any) -> Study:
    """Return the draft that the file makes, with arms that could answer."""
    wanted = definition(folder, **{"design": WRITING, "items": REST, **changes})
    study = study_save(definition=wanted, owner=make_user(), new_version=new_version)
    Arm.objects.filter(study=study).update(fingerprint="f" * 64)
    return study


def page_of(study: Study, kind: Participant.Kind = Participant.Kind.PERSON) -> str:
    page: str = Walker(study, participant_create(study=study, kind=kind)).get().content.decode()
    return page


def test_each_version_of_a_study_shows_its_own_texts(tmp_path):
    first = load(tmp_path, consent="The first consent.")
    study_open(study=first, user=first.owner)
    assert "The first consent." in page_of(first)
    second = load(tmp_path, consent="The second consent.", new_version=True)
    study_open(study=second, user=second.owner)
    assert "The second consent." in page_of(second)
    assert "The first consent." in page_of(first)


def test_a_draft_shows_what_was_loaded_last_until_it_is_opened_and_the_same_afterwards(tmp_path):
    for text in ("As it was.", "As it is."):
        draft = load(tmp_path, consent=text)
        assert text in page_of(draft, Participant.Kind.PREVIEW)
    study_open(study=draft, user=draft.owner)
    assert "As it is." in page_of(draft)


def test_questions_are_those_of_the_version_that_the_participant_is_in(tmp_path):
    for name in ("Fit", "Fitness"):
        study = load(tmp_path, aspects=[rating_aspect(name=name)], new_version=name == "Fitness", practice=PRACTICE)
        study_open(study=study, user=study.owner)
        walker = Walker(study)
        walker.post("consent/", answer="agree")
        walker.post("instructions/")
        assert f"</span>{name}</legend>" in walker.get().content.decode()


PRACTICE = [{"prompt": "What is new?", "persona": "The user is new.", "responses": ["Nothing.", "All."]}]


def test_the_state_of_a_study_is_never_a_kept_one(tmp_path):
    study = load(tmp_path)
    study_open(study=study, user=study.owner)
    walker = Walker(study).begin()
    assert walker.step == "write"
    for act, step in ((study_pause, "paused"), (study_open, "write"), (study_close, "closed")):
        act(study=study, user=study.owner)
        assert walker.step == step


def test_a_row_that_was_opened_anew_is_read_anew():
    study = make_study()
    assert "voluntary" in page_of(study)
    Study.objects.filter(pk=study.pk).update(consent="Restored from elsewhere.", opened_at=timezone.now())
    assert "Restored from elsewhere." in page_of(study)


def test_what_one_request_changes_on_its_study_reaches_no_other():
    token = participant_create(study=make_study()).token
    get_participant(token).study.title = "Changed by one request"
    assert get_participant(token).study.title == "The study study"
