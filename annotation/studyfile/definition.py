"""A study as its file defines it, with every default filled in and every item read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from annotation.studyfile.images import ImageFile

# Sections that came later: left out where they say nothing, so that studies from before keep document and hash.
_LEFT_OUT_WHEN_EMPTY = ("elicitation", "screening", "retention", "formats", "languages", "translations")
_ASPECT_LEFT_OUT_WHEN_EMPTY = ("asked_if", "asked_if_values", "marking", "before_persona")


def without_empty(document: dict[str, Any]) -> dict[str, Any]:
    """Return a definition's document without the later sections that say nothing."""
    return {name: value for name, value in document.items() if value or name not in _LEFT_OUT_WHEN_EMPTY}


def without_later_keys(aspect: dict[str, Any]) -> dict[str, Any]:
    """Return an aspect's document; what came later and says nothing is left out of it too."""
    return {name: value for name, value in aspect.items() if value or name not in _ASPECT_LEFT_OUT_WHEN_EMPTY}


@dataclass(frozen=True)
class AspectDefinition:
    """A rated question. `labels` holds one label per value, from `minimum` to `maximum`; see `Aspect` for passages.

    `asked_if` is the key of the aspect on whose values it depends whether this one is asked.
    """

    key: str
    name: str
    kind: str
    level: str
    question: str
    question_for_others: str
    minimum: int
    maximum: int
    labels: list[str]
    expected: int | None = None
    part: int | None = None
    is_loud: bool = False
    asked_if: str = ""
    asked_if_values: list[int] = field(default_factory=list)
    marking: dict[str, Any] = field(default_factory=dict)
    before_persona: bool = False


@dataclass(frozen=True)
class ItemDefinition:
    """A prompt; `persona` is None where a participant is to write one. Planted items bring their two responses."""

    key: str
    prompt: str
    persona: str | None = None
    stratum: str = ""
    warning: str = ""
    answer_start: str = ""
    language: str = ""
    planted_part: int | None = None
    planted_aspect: str = ""
    good: str = ""
    bad: str = ""
    image: dict[str, Any] = field(default_factory=dict)
    image_file: ImageFile | None = None


@dataclass(frozen=True)
class PracticeDefinition:
    """A practice item: shown in full, never stored as ratings."""

    prompt: str
    persona: str
    responses: list[str]
    image: dict[str, Any] = field(default_factory=dict)
    image_file: ImageFile | None = None


@dataclass(frozen=True)
class StudyDefinition:
    """Everything `study_save` writes. `arms` holds one control flag per arm, in the order of their numbers."""

    slug: str
    title: str
    kind: str
    contact: str
    consent: str
    instructions: str
    debrief: str
    content_warning: str
    written_personas_per_participant: int
    given_personas_per_participant: int
    raters_per_item: int
    assignment_hours: int
    seed: int
    aspects: list[AspectDefinition]
    arms: list[bool]
    practice: list[PracticeDefinition]
    items: list[ItemDefinition]
    overlap_share: float = 0.0
    repeat_share: float = 0.0
    blocks: str = "none"
    show_responses: bool = True
    items_imported: bool = False
    quiz: dict[str, Any] = field(default_factory=dict)
    questionnaires: dict[str, Any] = field(default_factory=dict)
    followup: dict[str, Any] = field(default_factory=dict)
    skip_reasons: list[str] = field(default_factory=list)
    exclusion_rules: dict[str, Any] = field(default_factory=dict)
    recruitment: dict[str, Any] = field(default_factory=dict)
    analysis: dict[str, Any] = field(default_factory=dict)
    screening: dict[str, Any] = field(default_factory=dict)
    elicitation: dict[str, Any] = field(default_factory=dict)
    retention: dict[str, Any] = field(default_factory=dict)
    formats: dict[str, Any] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)
    translations: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> "StudyDefinition":
        """Return the definition whose `document()` this is."""
        return cls(
            **{
                **document,
                "aspects": [AspectDefinition(**aspect) for aspect in document["aspects"]],
                "practice": [PracticeDefinition(**entry) for entry in document["practice"]],
                "items": [ItemDefinition(**item) for item in document["items"]],
            }
        )

    def document(self) -> dict[str, Any]:
        """Return the definition as plain JSON types, as `protocol.definition_document` does for a stored study."""
        document = without_empty(asdict(self))
        document["aspects"] = [without_later_keys(aspect) for aspect in document["aspects"]]
        for shown in (*document["items"], *document["practice"]):
            del shown["image_file"]  # the hash in `image` stands for it
            for name in ("language", "image"):
                if not shown.get(name):
                    shown.pop(name, None)
        return document

    @property
    def images(self) -> dict[str, ImageFile | None]:
        """The images that its prompts show, by their hashes; None where the file is in the database alone."""
        prompts: list[ItemDefinition | PracticeDefinition] = [*self.items, *self.practice]
        return {one.image["sha256"]: one.image_file for one in prompts if one.image}
