"""How carefully a bot reads: what it knows, and which answers it gives for a reason rather than at random."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from annotation.models import Output, Study

# An instruction to choose one answer names it so: Please choose “Very” here.
_NAMED = re.compile(r"[“\"](.+?)[”\"]")


@dataclass(frozen=True)
class AnswerKey:
    """What a careful reader knows: the right answers of the quiz, by question, and which responses are bad."""

    quiz: Mapping[str, str] = field(default_factory=dict)
    bad: frozenset[str] = frozenset()


def answer_key_of(study: Study) -> AnswerKey:
    """Return the right answers of the study's quiz and the bad responses of its planted pairs."""
    bad = Output.objects.filter(arm__study=study, planted=Output.Planted.BAD).values_list("text", flat=True)
    return AnswerKey(
        quiz={
            question["question"]: question["options"][question["answer"] - 1]
            for question in study.quiz.get("questions", [])
        },
        bad=frozenset(text.strip() for text in bad),
    )


class Attention:
    """Decides, each time anew, whether the bot is careful; `care` is the probability that it is."""

    def __init__(self, *, seed: str, care: float, answer_key: AnswerKey) -> None:
        # Apart from the bot's own numbers, so that its other answers do not depend on how careful it is.
        self.random = random.Random(f"{seed} care")
        self.care, self.answer_key = care, answer_key

    def is_careful(self) -> bool:
        """Whether the bot is careful this time."""
        return self.random.random() < self.care

    def instructed(self, form: Any) -> dict[str, str]:
        """Return the answers that the page's questions themselves ask for, by field."""
        answers: dict[str, str] = {}
        for scale in form.xpath(".//*[@data-scale]"):
            labels = _labels(scale)
            question = _text(scale.xpath(".//*[contains(@class, 'scale-question')]"))
            answers |= {name: labels[words] for words in _NAMED.findall(question) for name in _names(scale)
                        if words in labels}  # fmt: skip
        return answers

    def judged(self, form: Any) -> dict[str, str]:
        """Return the lowest answers for a response known to be bad and the highest for the other, by field."""
        responses = form.xpath(".//article")
        texts = [_text(response.xpath(".//*[@class='response-text']")) for response in responses]
        if not any(text in self.answer_key.bad for text in texts):
            return {}
        answers: dict[str, str] = {}
        for response, text in zip(responses, texts, strict=True):
            for scale in response.xpath(".//*[@data-scale][not(@data-most)]"):
                ends = _ends(scale)
                answers |= dict.fromkeys(_names(scale), ends[0 if text in self.answer_key.bad else 1])
        return answers

    def quiz_answers(self, form: Any) -> dict[str, str]:
        """Return the right answers of a quiz, by field, as far as they are known."""
        answers: dict[str, str] = {}
        for question in form.xpath(".//fieldset"):
            right = self.answer_key.quiz.get(_text(question.xpath("./legend")))
            labels = _labels(question)
            if right in labels:
                answers |= dict.fromkeys(_names(question), labels[right])
        return answers


def _names(fieldset: Any) -> set[str]:
    return set(fieldset.xpath(".//input[@type='radio' or @type='number']/@name"))


def _ends(scale: Any) -> tuple[str, str]:
    """Return the lowest and the highest answer."""
    for number in scale.xpath(".//input[@type='number']"):
        return number.get("min"), number.get("max")
    values = sorted(_labels(scale).values(), key=int)
    return values[0], values[-1]


def _labels(fieldset: Any) -> dict[str, str]:
    """Return the value of each option by its words."""
    found = {}
    for label in fieldset.xpath(".//label[input[@type='radio']]"):
        words = _text(label.xpath("./span[last()]"))
        found[words] = str(label.xpath("./input/@value")[0])
    return found


def _text(elements: list[Any]) -> str:
    return "".join(element.text_content() for element in elements).strip()
