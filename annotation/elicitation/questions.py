"""The questions that help somebody describe a person, and what the page is given of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_ANSWER_LENGTH = 500  # characters; three answers and what joins them fit into a persona
_FIELD = "elicited-"

# Needs, detail and boundaries: what an answer is for, what it should be like, and where it should stop.
DEFAULT_QUESTIONS: tuple[dict[str, Any], ...] = (
    {
        "key": "needs",
        "question": "What do you want to get out of an answer to a question like this?",
        "type": "text",
        "options": [],
        "opening": "wants",
    },
    {
        "key": "detail",
        "question": "What should the answer be like?",
        "type": "choice",
        "options": [
            "a short answer that can be used at once",
            "an answer with reasons and examples",
            "a thorough answer that leaves nothing out",
        ],
        "opening": "prefers",
    },
    {
        "key": "boundaries",
        "question": "What should the answer leave out?",
        "type": "text",
        "options": [],
        "opening": "does not want",
    },
)


@dataclass(frozen=True)
class ElicitationQuestionView:
    """One question on the writing page; `options` is empty for a text."""

    key: str
    name: str
    text: str
    options: tuple[str, ...]
    answer: str


def answer_field(key: str) -> str:
    """Return the form field of a question."""
    return f"{_FIELD}{key}"


def question_views(elicitation: Mapping[str, Any], answers: Mapping[str, str]) -> tuple[ElicitationQuestionView, ...]:
    """Return the study's questions with the answers given so far."""
    return tuple(
        ElicitationQuestionView(
            key=question["key"],
            name=answer_field(question["key"]),
            text=question["question"],
            options=tuple(question["options"]),
            answer=answers.get(question["key"], ""),
        )
        for question in elicitation["questions"]
    )
