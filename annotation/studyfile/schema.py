"""What a study file may hold. docs/study-file.md describes each key; a test keeps that page complete."""

from typing import Annotated, Any, Literal

from django.conf import settings
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StrictBool, StrictInt, Tag

from annotation.fields import Count, CountFromOne, Line, Seed, Share, Text
from annotation.models import Study
from annotation.presets import ASPECTS_WITH_SCALES, PRESETS, SCALES
from annotation.studyfile.schema_aspects import AnyAspect
from annotation.studyfile.schema_base import SLUG, FileSection, Prompt
from annotation.studyfile.schema_elicitation import Elicitation
from annotation.studyfile.schema_options import (
    Analysis,
    Check,
    ExclusionRules,
    FollowupOptions,
    Formats,
    PlantedPair,
    Questionnaires,
    Quiz,
    Recruitment,
    Retention,
    ScreeningSection,
    SkipReason,
)
from annotation.studyfile.text import check_language

MAX_ARMS = 5
LANGUAGES = tuple(code for code, _name in settings.LANGUAGES)
LanguageTag = Annotated[Line, AfterValidator(check_language)]

# One place for field lengths: the columns that the values are stored in.
_study = {field.name: getattr(field, "max_length", None) for field in Study._meta.fields}


class Preset(FileSection):
    """Ready questions of a persona assessment; `scales` names those that are not asked on five points."""

    name: Literal[PRESETS]  # type: ignore[valid-type]
    scales: dict[Literal[ASPECTS_WITH_SCALES], Literal[SCALES]] = {}  # type: ignore[valid-type]


def _named_preset(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


AnyPreset = Annotated[Preset, BeforeValidator(_named_preset)]


class ArmOptions(FileSection):
    """One arm. Systems are bound to arms later, elsewhere: the file must not name them."""

    control: StrictBool = False


def _arms_type(value: Any) -> str:
    return "<list>" if isinstance(value, list) else "<number>"


AnyArms = Annotated[
    Annotated[StrictInt, Field(ge=1, le=MAX_ARMS), Tag("<number>")]
    | Annotated[list[ArmOptions], Field(min_length=1, max_length=MAX_ARMS), Tag("<list>")],
    Discriminator(_arms_type),
]


class Design(FileSection):
    """Who sees how much."""

    given_personas_per_participant: Count = 0
    written_personas_per_participant: Count = 0
    raters_per_item: CountFromOne = 1
    assignment_hours: CountFromOne = 24
    seed: Seed = 0
    overlap_share: Share = 0.0
    repeat_share: Share = 0.0
    blocks: Literal["none", "stratum", "condition"] = "none"


class PracticeItem(FileSection):
    """An item to practise on."""

    prompt: Prompt
    image: Line | None = None
    image_alt: Line | None = None
    persona: Text
    responses: list[Text] = []


class ItemColumns(FileSection):
    """Which column of an item file holds which field."""

    prompt: Line
    id: Line | None = None
    stratum: Line | None = None
    persona: Line | None = None
    warning: Line | None = None
    answer_start: Line | None = None
    image: Line | None = None
    image_alt: Line | None = None
    language: Line | None = None


class ItemFile(FileSection):
    """Items in a CSV, JSONL or Parquet file."""

    file: Line
    columns: ItemColumns | None = None
    stratum: Line = ""
    warning: Line = ""
    language: LanguageTag = ""
    id_prefix: Annotated[Line, Field(max_length=40)] = ""
    limit: Annotated[StrictInt, Field(ge=1)] | None = None


def _entry_type(value: Any) -> str:
    return "<file>" if isinstance(value, dict) and "file" in value else "<row>"


# Rows of an inline list are checked by items.py, by the same rules as rows of a file.
AnyEntry = Annotated[Annotated[ItemFile, Tag("<file>")] | Annotated[Any, Tag("<row>")], Discriminator(_entry_type)]


def _items_type(value: Any) -> str:
    if value == "imported":
        return "<imported>"
    return "<file>" if isinstance(value, dict) else "<inline>"


AnyItems = Annotated[
    Annotated[ItemFile, Tag("<file>")]
    | Annotated[list[AnyEntry], Field(min_length=1), Tag("<inline>")]
    | Annotated[Literal["imported"], Tag("<imported>")],
    Discriminator(_items_type),
]


class StudyFile(FileSection):
    """The whole file."""

    slug: Annotated[Line, Field(pattern=SLUG, max_length=_study["slug"])]
    title: Annotated[Line, Field(max_length=_study["title"])]
    kind: Literal["output_rating", "persona_assessment"]
    language: Literal[LANGUAGES] | None = None  # type: ignore[valid-type]
    languages: Annotated[list[Literal[LANGUAGES]], Field(min_length=1)] | None = None  # type: ignore[valid-type]
    contact: Annotated[Line, Field(max_length=_study["contact"])] = ""
    consent: Text
    instructions: Text
    debrief: Text
    content_warning: Text = ""
    preset: AnyPreset | None = None
    aspects: Annotated[list[AnyAspect], Field(min_length=1)] | None = None
    arms: AnyArms | None = None
    show_responses: StrictBool | None = None
    design: Design
    practice: list[PracticeItem] = []
    recruitment: Recruitment = Recruitment()
    quiz: Quiz | None = None
    checks: list[Check] = []
    planted: list[PlantedPair] = []
    questionnaires: Questionnaires = Questionnaires()
    followup: FollowupOptions | None = None
    skip_reasons: list[SkipReason] = []
    exclusion_rules: ExclusionRules = ExclusionRules()
    analysis: Analysis = Analysis()
    screening: ScreeningSection = ScreeningSection()
    elicitation: Elicitation | None = None
    retention: Retention = Retention()
    formats: Formats = Formats()
    items: AnyItems
