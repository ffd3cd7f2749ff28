"""Messages as a chat template takes them, for generation and training alike."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from modelhub.engines.base import GenerationRequest
from modelhub.engines.decoding import Message, chat_messages

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SYSTEM, _USER = "The system's words.", "The user's words."


def template_messages(tokenizer: "PreTrainedTokenizerBase", request: GenerationRequest) -> list[Message]:
    """Return the messages of a request for the tokenizer's template.

    Where the template refuses a system message, or leaves it out, it and an empty line stand before the user's words.
    """
    messages = chat_messages(request)
    if len(messages) == 1 or takes_system_message(tokenizer):
        return messages
    system, user = messages
    return [{"role": "user", "content": f"{system['content']}\n\n{user['content']}"}]


def takes_system_message(tokenizer: "PreTrainedTokenizerBase") -> bool:
    """Whether the tokenizer's chat template shows a system message; False where it raises for one."""
    return _takes_system(tokenizer, str(tokenizer.chat_template))


def prompt_text(tokenizer: "PreTrainedTokenizerBase", messages: list[Message]) -> str:
    """Return the messages as text, up to where the answer begins; special tokens are in it."""
    text: Any = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return str(text)


@lru_cache(maxsize=8)
def _takes_system(tokenizer: "PreTrainedTokenizerBase", template: str) -> bool:
    from jinja2 import TemplateError

    messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _USER}]
    try:
        return _SYSTEM in prompt_text(tokenizer, messages)
    except (TemplateError, ValueError, KeyError, TypeError, AttributeError):
        return False
