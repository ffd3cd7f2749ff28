"""Which keys of the study file stand on which page of the form. A key that is named nowhere gets a page of its own."""

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from annotation.studyfile.schema import StudyFile
from annotation.studyforms.labels import label_of
from annotation.studyforms.shapes import Shape, field_shape

ITEMS = "items"
FIRST = "texts"  # where a new study is begun to be edited
NEVER_ASKED = ("slug", "items")  # the name in addresses stays, and items have pages of their own
_GROUPS = {
    "texts": (_("Texts"), ("title", "contact", "content_warning", "consent", "instructions", "debrief")),
    "questions": (_("Questions"), ("aspects", "preset")),
    "design": (_("Design"), ("kind", "design", "arms", "show_responses", "formats")),
    "practice": (_("Practice"), ("practice",)),
    "quiz": (_("Quiz"), ("quiz",)),
    "checks": (_("Attention checks"), ("checks", "planted")),
    "questionnaires": (_("Questionnaires"), ("questionnaires",)),
    "followup": (_("Reasons"), ("followup", "skip_reasons")),
    "elicitation": (_("Help with writing"), ("elicitation",)),
    "rules": (_("Exclusion and screening"), ("exclusion_rules", "screening")),
    "recruitment": (_("Recruitment"), ("recruitment",)),
    "analysis": (_("Analysis"), ("analysis",)),
    "retention": (_("Retention"), ("retention",)),
    "languages": (_("Languages"), ("language", "languages")),
}


@dataclass(frozen=True)
class FormSection:
    """A page of the form: how it is called in addresses and on the page, and the keys on it."""

    name: str
    title: str
    keys: tuple[str, ...]

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of each key."""
        return {key: field_shape(StudyFile.model_fields[key]) for key in self.keys}


def form_sections() -> list[FormSection]:
    """Return the pages of the form in their order."""
    grouped = {key for _title, keys in _GROUPS.values() for key in keys} | set(NEVER_ASKED)
    named = [FormSection(name, str(title), keys) for name, (title, keys) in _GROUPS.items()]
    others = [key for key in StudyFile.model_fields if key not in grouped]
    return [*named, *(FormSection(key.replace("_", "-"), label_of(key, "StudyFile"), (key,)) for key in others)]


def section_of_key(key: str) -> str:
    """Return the page on which a key stands."""
    return next((one.name for one in form_sections() if key in one.keys), ITEMS)
