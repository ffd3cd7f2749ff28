"""A participant's pages of a study that is only typed so far: nothing of it is stored, and nobody is in it."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from string import ascii_uppercase
from types import SimpleNamespace
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.blinding import FollowupView, TaskView, image_view, practice_view, response_title
from annotation.controls.quiz import quiz_view
from annotation.languages import language_choices, languages_of
from annotation.models import Aspect, Participant, Study
from annotation.prompts_display import split_turns
from annotation.questionnaires import survey_view
from annotation.questionviews import question_view
from annotation.screening import writing_advice
from annotation.services.personas import MAX_PERSONA_LENGTH
from annotation.services.text import MAX_TEXT_LENGTH
from annotation.studyfile import ItemDefinition, StudyDefinition

_ELSEWHERE = ("aspects", "arms", "items", "practice")
PAGES: dict[str, str | Promise] = {
    "consent": gettext_lazy("Consent"),
    "survey_before": gettext_lazy("Questionnaire before the work"),
    "instructions": gettext_lazy("Instructions"),
    "practice": gettext_lazy("Practice"),
    "quiz": gettext_lazy("Quiz"),
    "write": gettext_lazy("Writing a persona"),
    "rate_blind": gettext_lazy("Rating before the persona is shown"),
    "rate": gettext_lazy("Rating"),
    "survey_after": gettext_lazy("Questionnaire after the work"),
    "done": gettext_lazy("The end"),
}


def pages_of(definition: StudyDefinition) -> list[str]:
    """Return the pages that a participant of such a study would see, in their order."""
    lacking = {
        "survey_before": not definition.questionnaires.get("before"),
        "survey_after": not definition.questionnaires.get("after"),
        "practice": not definition.practice,
        "quiz": not definition.quiz,
        "write": not definition.written_personas_per_participant,
        "rate_blind": not any(aspect.before_persona for aspect in definition.aspects),
    }
    return [page for page in PAGES if not lacking.get(page)]


def template_of(page: str) -> str:
    """Return the template of a page; both steps of rating have the same."""
    return f"annotation/participant/{page.removesuffix('_blind')}.html"


def sample_context(definition: StudyDefinition, page: str) -> dict[str, Any]:
    """Return what the template of a page is given."""
    study = _unsaved(definition)
    participant = Participant(study=study, token="preview", number=1, language=languages_of(study)[0])
    shown: dict[str, Callable[[], dict[str, Any]]] = {
        "practice": lambda: {"task": practice_view(study, 0, {})},
        "quiz": lambda: {"quiz": quiz_view(study.quiz, attempt=0, last=())},
        "survey_before": lambda: _survey(study, "before"),
        "survey_after": lambda: _survey(study, "after"),
        "write": lambda: _writing(study, _sample_item(definition.items, written=True)),
        "rate_blind": lambda: {"task": _rating(study, definition, is_shown=False), "visit": uuid.uuid4()},
        "rate": lambda: {"task": _rating(study, definition, is_shown=True), "visit": uuid.uuid4()},
    }
    return {
        "study": study,
        "participant": participant,
        "assignment": SimpleNamespace(key=uuid.uuid4()),
        "step": "preview",
        "choices": language_choices(languages_of(study)),
        "skip_reasons": [(reason, reason) for reason in study.skip_reasons],
        "max_text_length": MAX_TEXT_LENGTH,
        **shown.get(page, dict)(),
    }


def _unsaved(definition: StudyDefinition) -> Study:
    document = definition.document()
    fields = {name: value for name, value in vars(definition).items() if name not in _ELSEWHERE}
    # A key that no study has: without one, Django would not let its aspects be asked for.
    study = Study(pk=0, practice=document["practice"], **fields)
    aspects = [Aspect(study=study, ordinal=place, **aspect) for place, aspect in enumerate(document["aspects"])]
    vars(study)["_prefetched_objects_cache"] = {"aspects": aspects}
    return study


def _sample_item(items: Sequence[ItemDefinition], *, written: bool) -> ItemDefinition:
    fitting = [item for item in items if (item.persona is None) == written and item.planted_part is None]
    made = ItemDefinition(key="", prompt=_("Here stands a prompt."), persona=_("Here stands a persona."))
    return fitting[0] if fitting else items[0] if items else made


def _rating(study: Study, definition: StudyDefinition, *, is_shown: bool) -> TaskView:
    """Build the rating page of the first item; its responses are yet to be made."""
    written = not definition.given_personas_per_participant
    item = _sample_item(definition.items, written=written)
    letters = ascii_uppercase[: len(definition.arms)]
    texts = [_("Here stands what response %(letter)s says.") % {"letter": letter} for letter in letters]
    persona = item.persona or _("Here stands the persona that the participant wrote.")
    study.practice = [{"prompt": item.prompt, "persona": persona, "responses": texts, "image": item.image}]
    task = practice_view(study, 0, {}, is_shown=is_shown)
    if task.step == 1:
        return replace(task, warning=item.warning, language=item.language)
    checks = [aspect for aspect in study.aspects.all() if aspect.kind == Aspect.Kind.CHECK]
    asked = tuple(
        replace(response, followup=_followup(study, response_title(response.letter))) for response in task.responses
    )
    return replace(
        task,
        is_author=written and item.persona is None,
        warning=item.warning,
        language=item.language,
        responses=asked,
        checks=tuple(question_view(aspect, "check", _("This page"), False, None) for aspect in checks[:1]),
        persona_followup=_followup(study, _("The persona")) if task.about_persona and not asked else None,
    )


def _followup(study: Study, about: str) -> FollowupView | None:
    if not study.followup:
        return None
    return FollowupView(
        slot_key=str(uuid.uuid4()),
        about=about,
        chips_name="chips",
        chips=tuple((chip, chip, False) for chip in study.followup["chips"]),
        text_name="text",
        version_name="version",
        question=study.followup["text"],
        text="",
        version="",
        saved_at=None,
        is_required=bool(study.followup.get("required")),
    )


def _survey(study: Study, page: str) -> dict[str, Any]:
    return {"survey": survey_view(page, study.questionnaires[page], {})}


def _writing(study: Study, item: ItemDefinition) -> dict[str, Any]:
    return {
        "turns": split_turns(item.prompt),
        "language": item.language,
        "image": image_view(item.image),
        "warning": item.warning,
        "text": "",
        "version": 0,
        "conflict": None,
        "tab": uuid.uuid4(),
        "visit": uuid.uuid4(),
        "advice": writing_advice(study, ""),
        "max_length": MAX_PERSONA_LENGTH,
    }
