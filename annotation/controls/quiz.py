"""The comprehension quiz: what stands on its page, and what an attempt amounts to. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class QuizQuestionView:
    """One question. `chosen` is the option to show as chosen, `explanation` stands only after a wrong answer."""

    name: str
    text: str
    options: tuple[tuple[int, str], ...]
    chosen: int | None
    explanation: str
    is_missing: bool


@dataclass(frozen=True)
class QuizView:
    """The page of one attempt: `attempt` are those used up, `left` those that remain."""

    attempt: int
    left: int
    questions: tuple[QuizQuestionView, ...]

    @property
    def wrong(self) -> tuple[QuizQuestionView, ...]:
        """The questions that the last attempt got wrong."""
        return tuple(question for question in self.questions if question.explanation)

    @property
    def missing(self) -> tuple[QuizQuestionView, ...]:
        """The questions that were left out when the form was sent."""
        return tuple(question for question in self.questions if question.is_missing)


def question_name(index: int) -> str:
    """Return the form field of the question at `index`, from 0."""
    return f"quiz-{index + 1}"


def is_passed(quiz: Mapping[str, Any], answers: Sequence[int]) -> bool:
    """Whether every answer, the number of an option from 1, is right."""
    return [question["answer"] for question in quiz["questions"]] == list(answers)


def quiz_view(
    quiz: Mapping[str, Any], *, attempt: int, last: Sequence[int], sent: Sequence[int | None] | None = None
) -> QuizView:
    """Build the page. `last` are the answers of the attempt before; `sent` those of a form that lacked some.

    Right answers stay chosen, wrong ones are cleared, so that they are thought about again.
    """
    views = []
    for index, question in enumerate(quiz["questions"]):
        before = last[index] if last else None
        is_wrong = before is not None and before != question["answer"]
        kept = None if is_wrong else before
        views.append(
            QuizQuestionView(
                name=question_name(index),
                text=question["question"],
                options=tuple(enumerate(question["options"], start=1)),
                chosen=kept if sent is None else sent[index],
                explanation=question["explanation"] if is_wrong else "",
                is_missing=sent is not None and sent[index] is None,
            )
        )
    return QuizView(attempt=attempt, left=quiz["attempts"] - attempt, questions=tuple(views))
