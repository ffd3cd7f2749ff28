"""The optional sections of a study file: controls of quality, and questions around the ratings."""

import math
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt

from annotation.fields import CountFromOne, Id, Line, Text
from annotation.models import Assignment, Item, QuestionnaireAnswer
from annotation.studyfile.schema_base import SLUG, FileSection, Prompt, Question
from annotation.studyfile.text import parse_scale

_LONGEST_REASON = Assignment._meta.get_field("skip_reason").max_length
SkipReason = Annotated[Line, Field(max_length=_LONGEST_REASON)]


class QuizQuestion(FileSection):
    """A question on the instructions; `answer` is the number of the right option, from 1."""

    question: Line
    options: Annotated[list[Line], Field(min_length=2)]
    answer: CountFromOne
    explanation: Text


class Quiz(FileSection):
    """A comprehension quiz after the practice."""

    attempts: CountFromOne = 2
    questions: Annotated[list[QuizQuestion], Field(min_length=1)]


class Check(FileSection):
    """An attention check: an instruction that stands among the questions of one part."""

    part: CountFromOne
    instruction: Question
    scale: Annotated[dict[int, str], BeforeValidator(parse_scale)]
    answer: StrictInt
    loud: StrictBool = False


class PlantedPair(FileSection):
    """An item with one good and one bad response, to be told apart on one aspect."""

    part: CountFromOne
    id: Annotated[Id, Field(max_length=Item._meta.get_field("key").max_length)]
    prompt: Prompt
    image: Line | None = None
    image_alt: Line | None = None
    persona: Text
    good: Text
    bad: Text
    aspect: Line


class SurveyQuestion(FileSection):
    """A question on a page before or after the work."""

    key: Annotated[Line, Field(pattern=SLUG, max_length=QuestionnaireAnswer._meta.get_field("key").max_length)]
    type: Literal["text", "choice", "scale"]
    question: Line
    options: list[Line] = []
    labels: list[Line] = []
    required: StrictBool = False


class Questionnaires(FileSection):
    """Pages of questions before the instructions and after the last part."""

    before: list[SurveyQuestion] = []
    after: list[SurveyQuestion] = []


class FollowupOptions(FileSection):
    """What may be added to the answers about one response."""

    chips: list[Line] = []
    text: Line = ""
    required: StrictBool = False


class ExclusionRules(FileSection):
    """What marks a participant. Rules flag, they never remove."""

    failed_checks: CountFromOne | None = None
    failed_planted: CountFromOne | None = None
    failed_quiz: StrictBool = False
    min_seconds_per_part: CountFromOne | None = None
    straightlining: StrictBool = False


def _check_points(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{value!r} is no margin; write a positive number of points of the scale, such as 0.25")
    return float(value)


def _read_off(value: object) -> object:
    """YAML takes a bare `off` for false."""
    return "off" if value is False else value


class Analysis(FileSection):
    """What is to be tested, fixed before there are data."""

    family: list[Line] = []
    margin: dict[Line, Annotated[float, BeforeValidator(_check_points)]] = {}
    base: CountFromOne | None = None
    comparisons: list[Annotated[list[CountFromOne], Field(min_length=2, max_length=2)]] = []
    prompts: Literal["sampled", "fixed"] = "sampled"
    raters: Literal["sampled", "fixed"] = "fixed"
    population: Literal["all", "without_excluded"] = "all"


PersonaAction = Annotated[Literal["advise", "hold", "off"], BeforeValidator(_read_off)]


class ScreenedPersonas(FileSection):
    """What is done about each kind of finding in a persona that a participant submits."""

    instructions: PersonaAction = "advise"
    identifying: PersonaAction = "advise"
    harmful: PersonaAction = "advise"


class ScreeningSection(FileSection):
    """What is done about findings in personas and outputs, and whether a guard model is asked."""

    personas: ScreenedPersonas = ScreenedPersonas()
    guard: PersonaAction = "off"
    outputs: Literal["hold", "flag"] = "hold"


Days = Annotated[StrictInt, Field(ge=0, le=36_500)]


class Formats(FileSection):
    """How responses and prompts are shown: as they are, or as the Markdown that models write."""

    responses: Literal["plain", "markdown"] = "plain"
    prompts: Literal["plain", "markdown"] = "plain"


class Retention(FileSection):
    """For how many days after its closing a study keeps what; without a limit, until somebody erases it."""

    ids_days: Days | None = None
    free_text_days: Days | None = None
    everything_days: Days | None = None


def _check_code(code: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{4,40}", code):
        raise ValueError(f"{code!r} is no completion code; copy it from Prolific: 4 to 40 letters, digits, - or _")
    return code


Code = Annotated[Line, AfterValidator(_check_code)]


class Prolific(FileSection):
    """The codes that Prolific gave for what can become of a submission, and whether it signs who it sends."""

    completed: Code
    screened_out: Code
    no_consent: Code
    over_quota: Code
    signed: StrictBool | None = None


class Recruitment(FileSection):
    """Where people come from, and how many are wanted."""

    prolific: Prolific | None = None
    quota: CountFromOne | None = None
