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
    page: str,
    questions: Sequence[Mapping[str, Any]],
    answers: Mapping[str, str],
    missing: Collection[str] = (),
    *,
    words: Sequence[Mapping[str, Any]] | None = None,
) -> SurveyView:
    """Build the page from the questions of the study file and the answers kept so far.

    `words` are the same questions in the language of the page; what is chosen is sent as `questions` has it.
    """
    return SurveyView(
        page=page,
        questions=tuple(
            SurveyQuestionView(
                name=field_name(question["key"]),
                text=shown["question"],
                type=question["type"],
                required=question["required"],
                options=_options(question, shown),
                value=answers.get(question["key"], ""),
                is_missing=question["key"] in missing,
            )
            for question, shown in zip(questions, questions if words is None else words, strict=True)
        ),
    )


def answer_label(question: Mapping[str, Any], value: str) -> str:
    """Return the words that an answer stands for."""
    return dict(_options(question, question)).get(value, value)


def _options(question: Mapping[str, Any], shown: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    labels = tuple((str(number), label) for number, label in enumerate(shown["labels"], start=1))
    return labels + tuple(zip(question["options"], shown["options"], strict=True))
