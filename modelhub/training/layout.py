"""Examples as texts or turns for the trainer: what a system of this layout is asked later, and what it answers."""

from collections.abc import Callable
from typing import Any

from annotation.errors import ServiceError
from modelhub.engines.base import GenerationRequest
from modelhub.engines.chat import prompt_text, template_messages
from modelhub.engines.decoding import Message, plain_text
from modelhub.prompting.layouts import render_prompt, system_message
from modelhub.training.config import LayoutSettings
from modelhub.training.data import Example

Asked = str | list[Message]
"""A prompt as the trainer takes it: a text, or the turns before the answer."""


class Layout:
    """Renders examples for one tokenizer, whose plain texts end with `end_of_text`.

    Sizes are in tokens, special tokens included.
    """

    def __init__(self, tokenizer: Callable[..., Any], settings: LayoutSettings, end_of_text: str) -> None:
        self._tokenizer: Any = tokenizer  # of the transformers library; plain texts ask for its `input_ids` alone
        self._settings = settings
        self._end = end_of_text

    def asked(self, example: Example, prompt: str) -> Asked:
        """Return what the model is asked for an example, with another user's text in it."""
        style = self._settings.persona
        request = GenerationRequest(
            render_prompt(prompt=prompt, persona=example.persona, style=style), prompt, example.persona,
            system_message(persona=example.persona, style=style),
        )  # fmt: skip
        return template_messages(self._tokenizer, request) if self._settings.chat else plain_text(request)

    def answered(self, answer: str) -> Asked:
        """Return an answer as the trainer takes it; its end is the template's, or the end-of-text token it appends."""
        return [{"role": "assistant", "content": answer}] if self._settings.chat else f" {answer}"

    def size(self, asked: Asked) -> int:
        """Return how many tokens a prompt takes."""
        if isinstance(asked, str):
            return self._length(asked)
        return self._length(prompt_text(self._tokenizer, asked), add_special_tokens=False)

    def whole_size(self, asked: Asked, answer: Asked) -> int:
        """Return how many tokens prompt and answer take, with the end of the answer."""
        if isinstance(asked, str):
            return self._length(f"{asked}{answer}{self._end}")
        text = self._tokenizer.apply_chat_template([*asked, *answer], tokenize=False)
        return self._length(str(text), add_special_tokens=False)  # the template has put them in

    def check_continues(self, place: str, asked: Asked, answer: Asked) -> None:
        """Raise ServiceError if a template renders a prompt otherwise once an answer follows.

        The trainer would leave the prompt's end out then, and train on another prompt than generation gives.
        """
        if isinstance(asked, str):
            return
        whole = str(self._tokenizer.apply_chat_template([*asked, *answer], tokenize=False))
        before = self._ids(prompt_text(self._tokenizer, asked), add_special_tokens=False)
        if self._ids(whole, add_special_tokens=False)[: len(before)] != before:
            raise ServiceError(
                f"{place}: the chat template renders the end of the prompt otherwise once an answer follows it, or "
                "their tokens merge. Use one whose prompt ends where a token ends, or train without layout.chat."
            )

    def _length(self, text: str, **how: bool) -> int:
        return len(self._ids(text, **how))

    def _ids(self, text: str, **how: bool) -> list[int]:
        return list(self._tokenizer(text, **how)["input_ids"])
