"""How answers are decoded: one set of settings for all engines that run language models, and what follows from it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from modelhub.engines.base import EngineError, GenerationRequest
from modelhub.prompting.endings import NEXT_PROMPT

Message = dict[str, str]
Settings = TypeVar("Settings", bound=BaseModel)


class Decoding(BaseModel):
    """Decoding settings; the defaults are those of Balepur et al. (arXiv 2501.11549): greedy, 10 to 512 new tokens.

    `temperature` 0 is greedy. Generation ends at the first of the texts in `stop`, which is no part of the answer.
    With `chat`, the rendered prompt is one user message under the model's chat template, and the system message its
    system message; without, the system message and an empty line are put before the rendered prompt. `seed` is used
    in sampling only. `dtype` is the precision of the weights; "auto" takes that of the model's files.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_new_tokens: int = Field(default=512, ge=1)
    min_new_tokens: int = Field(default=10, ge=0)
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    stop: tuple[str, ...] = NEXT_PROMPT
    seed: int = Field(default=0, ge=0, lt=2**32)
    chat: bool = False
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.min_new_tokens > self.max_new_tokens:
            raise ValueError(f"min_new_tokens ({self.min_new_tokens}) is more than max_new_tokens")
        if "" in self.stop:
            raise ValueError("an empty text in stop would end every answer at once")
        return self


def parse_decoding(values: Mapping[str, Any]) -> Decoding:
    """Return the decoding settings; raise EngineError naming every mistake and what is known."""
    return parse_settings(Decoding, values, "decoding settings")


def parse_settings(kind: type[Settings], values: Mapping[str, Any], name: str) -> Settings:
    """Return `values` as a settings model; raise EngineError naming every mistake and what is known.

    `name` is what the settings are called, in the plural, such as "options of the transformers engine".
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        lines = [_problem(one["loc"], one["type"], one["msg"]) for one in error.errors()]
        known = ", ".join(kind.model_fields)
        raise EngineError("\n".join([f"The {name} cannot be used:", *lines, f"Known are: {known}."])) from error


def _problem(place: Sequence[int | str], kind: str, message: str) -> str:
    text = "is not known" if kind == "extra_forbidden" else message.removeprefix("Value error, ")
    where = ".".join(str(part) for part in place)
    return f"{where}: {text}" if where else text


def plain_text(request: GenerationRequest) -> str:
    """Return the text a model continues where no chat template is used."""
    return f"{request.system_message}\n\n{request.rendered}" if request.system_message else request.rendered


def chat_messages(request: GenerationRequest) -> list[Message]:
    """Return the messages of a request for a chat template or a chat server: role and content."""
    system = [{"role": "system", "content": request.system_message}] if request.system_message else []
    return [*system, {"role": "user", "content": request.rendered}]
