"""Where an answer ends and why: the one rule for what engines return and for what files bring. Pure functions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length", "content_filter", "refusal", "tool_calls", "unknown"]

# Why there is no text, where the reason is no fault: the same question would get the same reply.
REFUSALS: Mapping[str, str] = {
    "content_filter": "The server's content filter withheld the answer.",
    "refusal": "The model refused to answer.",
    "tool_calls": "The model called a tool in place of answering.",
}

# A model that goes on after its answer writes the next prompt itself, in the layout it was given.
NEXT_PROMPT = ("\nPrompt:",)

# Of Llama, Mistral, GPT-2, Qwen, Gemma, Phi, Command R, DeepSeek, and gpt-oss, whose <|end|> may end reasoning alone.
_END_OF_TEXT = re.compile(
    r"</s>|<eos>|<end_of_turn>|<\|(?:end_of_text|eot_id|eom_id|endoftext|im_end|end_of_turn|end_of_role|return"
    r"|END_OF_TURN_TOKEN)\|>|<\|end\|>(?!\s*<\|start\|>)|<[|｜]end[_▁]of[_▁]sentence[|｜]>|\[EOS\]"
)


@dataclass(frozen=True)
class Completion:
    """What a model added to its prompt, up to where it ended, and why it ended there."""

    text: str
    finish_reason: FinishReason


def completion(raw: str, *, stop: Sequence[str] = NEXT_PROMPT, reported: FinishReason = "unknown") -> Completion:
    """Return `raw` up to its first end-of-text token or stop text; either makes its finish reason `stop`.

    Without them all of `raw` is the answer, and ended for the reason that is `reported` by whoever made it.
    """
    ends = [place for one in stop if (place := raw.find(one)) >= 0]
    if mark := _END_OF_TEXT.search(raw):
        ends.append(mark.start())
    return Completion(raw[: min(ends)], "stop") if ends else Completion(raw, reported)


def whole_answer(answer_start: str, text: str) -> str:
    """Return what a reader sees: the given start of the answer, if any, and what the model added to it.

    Empty if the model added nothing. A text that begins with the start in other capitals has it already.
    """
    text = text.strip()
    if not text or not answer_start or text.casefold().startswith(answer_start.casefold()):
        return text
    return f"{answer_start} {text}"


def before_end(text: str) -> str:
    """Return a response of a data set up to its first end-of-text token; a stop text is a text like any other there."""
    return completion(text, stop=()).text


def text_behind_end(text: str) -> str:
    """Return what stands behind the first end-of-text token, without further ones; empty if there is none."""
    mark = _END_OF_TEXT.search(text)
    return _END_OF_TEXT.sub("", text[mark.end() :]).strip() if mark else ""


def no_text_reason(finish_reason: str) -> str:
    """Return why an answer is empty, as far as its finish reason tells."""
    return REFUSALS.get(finish_reason, "The model returned an empty text.")
