"""A study that asks in every way there is, for tests."""

from typing import Any

from django.conf import settings
from django.utils import timezone

from annotation.models import Output, Persona, Study
from annotation.services.studies import study_open, study_save
from annotation.studyfile import StudyDefinition, read_study_file
from tests.factories import make_user

EXAMPLE = settings.BASE_DIR / "examples" / "ways_to_ask" / "study.yaml"


def asking_definition() -> StudyDefinition:
    return read_study_file(EXAMPLE)


def make_asking_study(**changes: Any) -> Study:
    """Return the example, open, with an output of every arm."""
    study = study_save(definition=asking_definition(), owner=make_user())
    for persona in Persona.objects.filter(item__study=study):
        for arm in study.arms.all():
            Output.objects.create(
                persona=persona, arm=arm, state=Output.State.READY, ready_at=timezone.now(), fingerprint="f" * 64,
                text=f"Answer of kind {'ABC'[arm.ordinal - 1]} to {persona.item.key}: take your time, then begin.",
            )  # fmt: skip
    study.arms.update(fingerprint="f" * 64)
    for name, value in changes.items():
        setattr(study, name, value)
    study.save()
    study_open(study=study, user=study.owner)
    study.refresh_from_db()
    return study
