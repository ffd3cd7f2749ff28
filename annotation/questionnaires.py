"""What stands on a questionnaire page. Pure: the study file's questions and the answers in, a view out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SurveyQuestionView:
    """One question; `options` pairs each value that can be chosen with its words, and is empty for a text."""

    name: str
    text: str
    type: str
    required: bool
    options: tuple[tuple[str, str], ...]
    value: str
    is_missing: bool


@dataclass(frozen=True)
class SurveyView:
    """A page of questions."""

    page: str
    questions: tuple[SurveyQuestionView, ...]

    @property
    def missing(self) -> tuple[SurveyQuestionView, ...]:
        """The required questions that were left out when the form was sent."""
        return tuple(question for question in self.questions if question.is_missing)


def field_name(key: str) -> str:
    """Return the form field of a question."""
    return f"question-{key}"


def survey_view(
    page: str, questions: Sequence[Mapping[str, Any]], answers: Mapping[str, str], missing: Collection[str] = ()
) -> SurveyView:
    """Build the page from the questions of the study file and the answers kept so far."""
    return SurveyView(
        page=page,
        questions=tuple(
            SurveyQuestionView(
                name=field_name(question["key"]),
                text=question["question"],
                type=question["type"],
                required=question["required"],
                options=_options(question),
                value=answers.get(question["key"], ""),
                is_missing=question["key"] in missing,
            )
            for question in questions
        ),
    )


def answer_label(question: Mapping[str, Any], value: str) -> str:
    """Return the words that an answer stands for."""
    return dict(_options(question)).get(value, value)


def _options(question: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    labels = tuple((str(number), label) for number, label in enumerate(question["labels"], start=1))
    return labels + tuple((option, option) for option in question["options"])
