"""Fit examples to the lengths a model is trained with, by one rule, and count what had to go. Pure.

Prompts lose their start and responses their end. A prompt may take `max_prompt_length` tokens; where that is not set,
it is shortened only if prompt and response do not fit into `max_length` together, and then the response keeps up to
half of it. The labels and the persona stay whole, and LEAST_OF_PROMPT tokens of the prompt itself, even beyond its
limit. No row is dropped.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from annotation.errors import ServiceError
from modelhub.prompting.endings import before_end, text_behind_end
from modelhub.training.config import LayoutSettings
from modelhub.training.data import Example
from modelhub.training.layout import Asked, Layout

LEAST_OF_PROMPT = 16  # fewer tokens of a prompt say nothing
LEAST_OF_RESPONSE = 16
_SHOWN = 20

Tokenizer = Callable[..., Any]
"""A tokenizer of the transformers library: a text in, `input_ids` out, special tokens included."""


@dataclass(frozen=True)
class Lengths:
    """The most tokens of a whole text and of its prompt, special tokens included, and the text that ends an answer."""

    max_length: int
    max_prompt_length: int | None
    end_of_text: str


@dataclass
class Shortening:
    """What had to go: prompts that lost their start, responses that lose their end, and their tokens.

    `beyond_limit` counts prompts that take more than their limit all the same, for the length of their persona, and
    `ended_early` responses with text behind an end-of-text token, which goes.
    """

    prompts: int = 0
    prompt_tokens: int = 0
    beyond_limit: int = 0
    responses: int = 0
    response_tokens: int = 0
    ended_early: int = 0

    def __str__(self) -> str:
        parts = []
        if self.prompts:
            parts.append(f"{self.prompts} prompts shortened at their start (by {self.prompt_tokens} tokens in all)")
        if self.beyond_limit:
            parts.append(f"{self.beyond_limit} prompts beyond their limit, for the length of their persona")
        if self.responses:
            parts.append(f"{self.responses} responses shortened at their end (by {self.response_tokens} tokens)")
        if self.ended_early:
            parts.append(f"{self.ended_early} responses cut at an end-of-text token inside them")
        return "; ".join(parts) or "nothing had to be shortened"

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


@dataclass(frozen=True)
class Fitted:
    """Rows for the trainer: `prompt` and `completion` (SFT), or `prompt`, `chosen` and `rejected` (DPO).

    They are texts, or lists of messages under a chat template.
    """

    rows: list[dict[str, Asked]]
    shortening: Shortening = field(default_factory=Shortening)


def fit_examples(
    examples: Sequence[Example],
    tokenizer: Tokenizer,
    lengths: Lengths,
    *,
    both_responses: bool,
    layout: LayoutSettings | None = None,
) -> Fitted:
    """Return the rows to train on, one per example in their order, and what was shortened.

    Responses come whole: the trainer cuts what exceeds `max_length`, and appends the end-of-text token to the others.
    Raises ServiceError naming every row whose labels and persona leave no room for anything else, and for a template
    that trains on another prompt than it asks.
    """
    laid_out = Layout(tokenizer, layout or LayoutSettings(), lengths.end_of_text)
    fitted = Fitted([])
    problems = []
    for example in examples:
        responses = [example.response, example.other] if both_responses else [example.response]
        answers = [laid_out.answered(_completion(one, fitted.shortening)) for one in responses]
        try:
            prompt = _fit_prompt(example, answers, laid_out, lengths, fitted.shortening)
        except ServiceError as error:
            problems.append(str(error))
            continue
        for answer in answers:
            laid_out.check_continues(example.place, prompt, answer)
        _count_responses(prompt, answers, laid_out, lengths, fitted.shortening)
        names = ("chosen", "rejected") if both_responses else ("completion",)
        fitted.rows.append({"prompt": prompt, **dict(zip(names, answers, strict=True))})
    if problems:
        more = [f"… and {len(problems) - _SHOWN} more."] if len(problems) > _SHOWN else []
        raise ServiceError("\n".join([*problems[:_SHOWN], *more, "Raise max_length."]))
    return fitted


def _completion(response: str, counts: Shortening) -> str:
    # An end-of-text token that came with the data would end the answer twice, and what follows it is no part of it.
    answer = before_end(response).strip()
    counts.ended_early += bool(text_behind_end(response))
    return answer


def _fit_prompt(
    example: Example, answers: Sequence[Asked], layout: Layout, lengths: Lengths, counts: Shortening
) -> Asked:
    """Return the rendered prompt, its user's text shortened at its start as far as the limit asks for."""
    whole = layout.asked(example, example.prompt)
    size = layout.size(whole)
    limit = _limit(size, whole, answers, layout, lengths)
    if size <= limit:
        return whole
    frame = layout.size(layout.asked(example, ""))
    if frame + LEAST_OF_PROMPT > limit:
        limit = frame + LEAST_OF_PROMPT
        counts.beyond_limit += 1
        if limit + LEAST_OF_RESPONSE > lengths.max_length:
            raise ServiceError(
                f"{example.place}: labels and persona take {frame} tokens, and the whole text may take "
                f"{lengths.max_length}."
            )
    if size <= limit:
        return whole
    start = _first_that_fits(example, layout, limit)
    shortened = layout.asked(example, _from_word(example.prompt, start))
    counts.prompts += 1
    counts.prompt_tokens += size - layout.size(shortened)
    return shortened


def _limit(size: int, whole: Asked, answers: Sequence[Asked], layout: Layout, lengths: Lengths) -> int:
    if lengths.max_prompt_length is not None:
        return lengths.max_prompt_length
    longest = max(layout.whole_size(whole, answer) for answer in answers) - size
    return max(lengths.max_length - longest, lengths.max_length // 2)


def _first_that_fits(example: Example, layout: Layout, limit: int) -> int:
    """Return the first character from which on the prompt fits, by halving."""
    low, high = 0, len(example.prompt)
    while low < high:
        middle = (low + high) // 2
        if layout.size(layout.asked(example, example.prompt[middle:])) <= limit:
            high = middle
        else:
            low = middle + 1
    return low


def _from_word(text: str, start: int) -> str:
    """Return the text from the next beginning of a word on, or from `start` in a text without blanks."""
    rest = text[start:]
    if start and not text[start - 1].isspace():
        _, _, rest = rest.partition(next((one for one in rest if one.isspace()), " "))
    return rest.lstrip() or text[start:]


def _count_responses(
    prompt: Asked, answers: Sequence[Asked], layout: Layout, lengths: Lengths, counts: Shortening
) -> None:
    for answer in answers:
        over = layout.whole_size(prompt, answer) - lengths.max_length
        counts.responses += over > 0
        counts.response_tokens += max(0, over)
