"""The example study that uses every control, open and with responses, and people on its pages."""

from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.utils import timezone

from annotation.models import Arm, Assignment, Output, Participant, Study
from annotation.protocol import given_personas
from annotation.services.participants import participant_create
from annotation.services.studies import study_open, study_save
from annotation.studyfile import read_study_file
from tests.annotation.studyfiles import write
from tests.annotation.walking import Walker
from tests.factories import make_user

EXAMPLE = settings.BASE_DIR / "examples" / "controls" / "study.yaml"
# Sections that come before the work; a test that is about the work leaves them out.
AROUND = ("quiz", "questionnaires", "exclusion_rules")


def example(**changes: Any) -> dict[str, Any]:
    """Return the content of the example file with some sections replaced, or left out where None."""
    data = {**yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")), **changes}
    return {key: value for key, value in data.items() if value is not None}


def save_example(folder: Path, **changes: Any) -> Study:
    """Return the draft that the example makes."""
    return study_save(definition=read_study_file(write(folder, example(**changes))), owner=make_user())


def open_example(folder: Path, **changes: Any) -> Study:
    """Return the example study, open, with a response of each arm for every item."""
    study = save_example(folder, **changes)
    for arm in study.arms.all():
        Arm.objects.filter(pk=arm.pk).update(fingerprint=f"{arm.ordinal}" * 64)
        for persona in given_personas(study):
            Output.objects.create(
                persona=persona, arm=arm, state=Output.State.READY, text=f"Response to {persona.item.key}.",
                fingerprint=f"{arm.ordinal}" * 64, ready_at=timezone.now(),
            )  # fmt: skip
    study_open(study=study, user=study.owner)
    return study


def open_work(folder: Path, **changes: Any) -> Study:
    """Return the example without quiz, questionnaires and warnings: the first page is a rating page for everybody."""
    items = [{key: value for key, value in item.items() if key != "warning"} for item in example()["items"]]
    return open_example(folder, **{**dict.fromkeys(AROUND), "items": items, **changes})


class Worker(Walker):
    """Somebody on the pages who can name questions instead of fields."""

    def __init__(self, study: Study, **options: Any) -> None:
        super().__init__(study, participant_create(study=study, **options))

    @property
    def me(self) -> Participant:
        return Participant.objects.select_related("study").get(pk=self.participant.pk)

    def reach(self, ordinal: int) -> Assignment:
        """Finish parts, checks answered as they ask, until the one with this number is on the page."""
        assert self.step == "rate"
        while (assignment := self.assignment).ordinal < ordinal:
            assert self.complete(**self.rightly(assignment)).status_code == 302
            assert self.step == "rate"
        return assignment

    def rightly(self, assignment: Assignment) -> dict[str, int | None]:
        """Return the answers that checks and planted pairs of this part ask for, by field."""
        answers: dict[str, int | None] = {}
        for slot in assignment.slots.select_related("output"):
            if slot.kind == "check":
                aspect = assignment.participant.study.aspects.get(kind="check", part=assignment.ordinal)
                answers[f"answer-{slot.key}-{aspect.key}"] = aspect.expected
            elif slot.output and slot.output.planted:
                answers[f"answer-{slot.key}-answerability"] = 1 if slot.output.planted == "bad" else 5
        return answers

    def check_field(self) -> str:
        """Return the field of the attention check on the page."""
        slot = self.assignment.slots.get(kind="check")
        return f"answer-{slot.key}-question-{self.assignment.ordinal}"
