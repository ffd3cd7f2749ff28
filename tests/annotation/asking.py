"""A study that asks in every way there is, for tests."""

from dataclasses import replace
from typing import Any

from django.conf import settings
from django.utils import timezone

from annotation.models import Output, Persona, Study
from annotation.services.studies import study_open, study_save
from annotation.studyfile import StudyDefinition, read_study_file
from tests.factories import make_user

MARKING = settings.BASE_DIR / "examples" / "marking" / "study.yaml"
# What the responses of the study that asks for passages say, by arm: words twice, Markdown, and more than one plane.
MARKED_TEXTS = (
    "# Sleep 🦊\r\n\r\nGo to bed **early**, and get up early.\n\n- Drink `warm  milk`\n- Read \\*one\\* page & rest",
    "Buy a new bed. It costs 900 euros, and a new mattress 300.",
)
EXAMPLE = settings.BASE_DIR / "examples" / "ways_to_ask" / "study.yaml"


def asking_definition() -> StudyDefinition:
    return read_study_file(EXAMPLE)


def make_asking_study(**changes: Any) -> Study:
    """Return the example, open, with an output of every arm."""
    texts = [f"Answer of kind {kind} to %s: take your time, then begin." for kind in "ABC"]
    return _opened(asking_definition(), texts, changes)


def make_marking_study(*, aspect: dict[str, Any] | None = None, **changes: Any) -> Study:
    """Return the example that asks for passages, open; `aspect` changes how it asks for them."""
    definition = read_study_file(MARKING)
    fit, unfit = definition.aspects
    definition = replace(definition, aspects=[fit, replace(unfit, **(aspect or {}))])
    return _opened(definition, list(MARKED_TEXTS), changes)


def _opened(definition: StudyDefinition, texts: list[str], changes: dict[str, Any]) -> Study:
    study = study_save(definition=definition, owner=make_user())
    for persona in Persona.objects.filter(item__study=study):
        for arm in study.arms.all():
            Output.objects.create(
                persona=persona, arm=arm, state=Output.State.READY, ready_at=timezone.now(), fingerprint="f" * 64,
                text=texts[arm.ordinal - 1].replace("%s", persona.item.key),
            )  # fmt: skip
    study.arms.update(fingerprint="f" * 64)
    for name, value in changes.items():
        setattr(study, name, value)
    study.save()
    study_open(study=study, user=study.owner)
    study.refresh_from_db()
    return study
