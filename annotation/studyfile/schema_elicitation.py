"""The section of a study file that helps participants write a persona: questions, and proposals."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from annotation.fields import CountFromOne, Line
from annotation.models import ElicitationAnswer
from annotation.studyfile.schema_base import SLUG, FileSection, Question

MOST_QUESTIONS = 3
_LONGEST_OPENING = 40


def _check_opening(opening: str) -> str:
    if not re.fullmatch(r"[^\W\d_A-Z].*[^\s.,;:!?…]", opening) or opening.casefold().startswith("the user"):
        raise ValueError(
            f"{opening!r} does not go on from “The user …”; write a verb as it stands there, such as wants, prefers, "
            "or does not want"
        )
    return opening


class ElicitationQuestion(FileSection):
    """A question about the person; `opening` stands between “The user” and the answer."""

    key: Annotated[Line, Field(pattern=SLUG, max_length=ElicitationAnswer._meta.get_field("key").max_length)]
    question: Question
    type: Literal["text", "choice"] = "text"
    options: list[Annotated[Line, Field(max_length=200)]] = []
    opening: Annotated[Line, Field(max_length=_LONGEST_OPENING), AfterValidator(_check_opening)]


class Elicitation(FileSection):
    """Whether participants are helped to write a persona, and how."""

    condition: Literal["free", "elicited", "both"]
    questions: Annotated[list[ElicitationQuestion], Field(min_length=2, max_length=MOST_QUESTIONS)] | None = None
    propose_after: CountFromOne | None = None
