"""A study's texts in another of its languages, for pages; what is stored and compared stays in the first."""

from collections.abc import Sequence
from copy import copy

from django.utils.translation import get_language

from annotation.models import Aspect, Item, Study

# Fields of a study that hold what participants read.
STUDY_TEXTS = (
    "title", "consent", "instructions", "debrief", "content_warning", "contact", "practice", "quiz", "questionnaires",
    "followup", "skip_reasons",
)  # fmt: skip
ASPECT_TEXTS = ("name", "question", "question_for_others", "labels")


def study_shown(study: Study) -> Study:
    """Return the study as the page shows it: in the language that is spoken, or else in its first.

    It is for reading. Services get the study itself, whose options are what answers are held to.
    """
    return study_in(study, get_language() or "")


def study_in(study: Study, language: str) -> Study:
    """Return the study with its texts in this language; the study itself where it has no others in it."""
    texts = study.translations.get(language)
    if not texts:
        return study
    shown = copy(study)
    for name in STUDY_TEXTS:
        if name in texts:
            setattr(shown, name, texts[name])
    return shown


def aspects_shown(study: Study) -> Sequence[Aspect]:
    """Return the study's questions in the language that is spoken."""
    aspects = list(study.aspects.all())
    texts = study.translations.get(get_language() or "", {}).get("aspects", {})
    return [_aspect_in(aspect, texts[aspect.key]) if aspect.key in texts else aspect for aspect in aspects]


def aspect_shown(study: Study, aspect: Aspect) -> Aspect:
    """Return one of the study's questions in the language that is spoken."""
    return next((shown for shown in aspects_shown(study) if shown.pk == aspect.pk), aspect)


def _aspect_in(aspect: Aspect, texts: dict[str, object]) -> Aspect:
    shown = copy(aspect)
    shown.__dict__.pop("options", None)  # made of the labels when it is first asked for
    for name in ASPECT_TEXTS:
        setattr(shown, name, texts.get(name, getattr(aspect, name)))
    return shown


def warning_shown(study: Study, item: Item) -> str:
    """Return an item's warning in the language that is spoken."""
    warnings = study.translations.get(get_language() or "", {}).get("warnings", {})
    return str(warnings.get(item.key, item.warning))
