"""Prompts as tokens and tokens as answers: what the engines that load a model themselves have in common."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from modelhub.engines.base import EngineError, GenerationFailure, GenerationRequest, GenerationResult
from modelhub.engines.chat import prompt_text, takes_system_message, template_messages
from modelhub.engines.decoding import Decoding, plain_text
from modelhub.engines.modelfiles import no_chat_template
from modelhub.engines.reasons import failure_of
from modelhub.prompting.endings import completion

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

TOO_LONG = "The prompt is too long for the model's context."
NO_TOKENS = "The prompt cannot be turned into tokens of the model."


@dataclass(frozen=True)
class TokenPrompt:
    """A prompt to continue: its place among the requests, its token ids, and how many tokens may be added."""

    index: int
    ids: list[int]
    limit: int


@dataclass(frozen=True)
class TokenAnswer:
    """The tokens that a model added to a prompt, with the end-of-text token if it made one."""

    prompt: TokenPrompt
    ids: list[int]
    seconds: float


@dataclass
class TokenUsage:
    """Answers made and tokens used since the engine was created; failures count as requests only."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, results: Sequence[GenerationResult | GenerationFailure]) -> None:
        """Count the results of one call."""
        self.requests += len(results)
        for result in results:
            if isinstance(result, GenerationResult):
                self.prompt_tokens += result.prompt_tokens or 0
                self.completion_tokens += result.completion_tokens or 0


class Codec:
    """A tokenizer with the settings it is used under.

    `context` is the model's, in tokens, and `vocabulary` the number of tokens it knows; None where there is no limit.
    """

    def __init__(
        self,
        tokenizer: "PreTrainedTokenizerBase",
        decoding: Decoding,
        *,
        context: int | None,
        vocabulary: int | None,
        end_tokens: Sequence[int],
        model: str,
    ) -> None:
        if decoding.chat and not tokenizer.chat_template:
            raise EngineError(no_chat_template(model))
        self._tokenizer = tokenizer
        self._decoding = decoding
        self._context = context
        self._vocabulary = vocabulary
        self._end_tokens = frozenset(end_tokens)
        self._tail = tail_length(decoding.stop)

    def encode(self, requests: Sequence[GenerationRequest]) -> tuple[list[TokenPrompt], dict[int, GenerationFailure]]:
        """Return the prompts that fit the model's context, and a failure by index for each of the others.

        A prompt near the end of the context is given the room that is left, so that no position beyond it is used.
        """
        prompts: list[TokenPrompt] = []
        failures: dict[int, GenerationFailure] = {}
        for index, request in enumerate(requests):
            encoded = self._encoded(index, request)
            if isinstance(encoded, GenerationFailure):
                failures[index] = encoded
            else:
                prompts.append(encoded)
        return prompts, failures

    def _encoded(self, index: int, request: GenerationRequest) -> TokenPrompt | GenerationFailure:
        try:
            ids = self.ids(request)
        except Exception as error:  # noqa: BLE001 - a template may raise anything, and so does half a surrogate pair
            return replace(failure_of(error, request), final=True, kind=NO_TOKENS)
        # One of these in a batch would end the whole batch.
        if not ids or (self._vocabulary is not None and max(ids) >= self._vocabulary):
            why = "has a token that the model does not know" if ids else "is empty, which no model can continue"
            return GenerationFailure(f"The prompt {why}.", final=True, kind=NO_TOKENS)
        room = self._decoding.max_new_tokens if self._context is None else self._context - len(ids)
        if room < 1:
            return GenerationFailure(
                f"The prompt has {len(ids)} tokens, which leaves no room for an answer in the model's context of "
                f"{self._context} tokens. Shorten it, or use a model with a longer context.",
                final=True,
                kind=TOO_LONG,
            )
        return TokenPrompt(index, ids, min(self._decoding.max_new_tokens, room))

    def ids(self, request: GenerationRequest) -> list[int]:
        """Return the tokens of a request, whatever their number; raises whatever the template or the tokenizer does."""
        if not self._decoding.chat:
            return list(self._tokenizer(plain_text(request)).input_ids)
        text = prompt_text(self._tokenizer, template_messages(self._tokenizer, request))
        # The template has put the special tokens in.
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)

    @property
    def folds_system_message(self) -> bool:
        """Whether a system message goes into the user's turn, since the chat template takes none."""
        return self._decoding.chat and not takes_system_message(self._tokenizer)

    def result(self, answer: TokenAnswer) -> GenerationResult:
        """Return the answer as text, without the stop text and special tokens, and why it ended."""
        ids, ended = self._until_end(answer.ids)
        text = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        # No database takes NUL, which a model of bytes can make.
        storable = str(text).replace("\0", "\N{REPLACEMENT CHARACTER}")
        made = completion(storable, stop=self._decoding.stop, reported="stop" if ended else "length")
        return GenerationResult(made.text, made.finish_reason, len(answer.prompt.ids), len(ids), answer.seconds)

    def ended_early(self, answer: TokenAnswer) -> bool:
        """Whether the model made its end-of-text token before the least number of tokens it should."""
        ids, ended = self._until_end(answer.ids)
        return ended and len(ids) <= min(self._decoding.min_new_tokens, answer.prompt.limit - 1)

    def has_stop(self, ids: Sequence[int]) -> bool:
        """Whether the text of these tokens contains a stop text."""
        text = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return any(one in str(text) for one in self._decoding.stop)

    def stopped_at(self, ids: Sequence[int], *, seen: int) -> int | None:
        """Return the number of tokens that complete a stop text, looking at those after the first `seen`."""
        ends = range(seen + 1, len(ids) + 1) if self._decoding.stop else ()
        return next((end for end in ends if self.has_stop(ids[max(0, end - self._tail) : end])), None)

    def _until_end(self, ids: list[int]) -> tuple[list[int], bool]:
        for place, one in enumerate(ids):
            if one in self._end_tokens:
                return ids[: place + 1], True
        return ids, False


def tail_length(stop: Sequence[str]) -> int:
    """Return how many of the last tokens can hold a stop text that was completed by the last of them.

    A token stands for at least one byte; one more, since some tokenizers drop a space before the first.
    """
    return max((len(text.encode()) for text in stop), default=0) + 1


class StopTexts:
    """Ends each row of a batch when its text contains a stop text; a stopping criterion for `generate`.

    The library's own criterion also looks at the prompt, and does not say which row it has ended where.
    """

    def __init__(self, codec: Codec, stop: Sequence[str], *, prompt_width: int) -> None:
        self._codec = codec
        self._tail = tail_length(stop)
        self._prompt_width = prompt_width
        self.ended_at: dict[int, int] = {}  # row -> number of new tokens when its stop text was complete

    def __call__(self, input_ids: "torch.Tensor", scores: Any, **_: Any) -> "torch.Tensor":
        """Take token ids of shape (rows, width) and return booleans of shape (rows,): true for the rows to end."""
        import torch

        made = input_ids.shape[1] - self._prompt_width
        tails = input_ids[:, -min(made, self._tail) :].tolist()
        for row, tail in enumerate(tails):
            if row not in self.ended_at and self._codec.has_stop(tail):
                self.ended_at[row] = made
        ended = [row in self.ended_at for row in range(len(tails))]
        return torch.tensor(ended, device=input_ids.device)
