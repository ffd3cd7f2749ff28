"""Try what a system will be asked before anybody waits for it, without loading a model: what would fail is told now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelhub.engines.adapterfiles import adapter_notes, check_adapter, check_model, check_trained
from modelhub.engines.base import EngineError, EngineSettings, GenerationRequest
from modelhub.engines.decoding import Decoding
from modelhub.engines.probing import AdapterProbe
from modelhub.engines.tokens import Codec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# What the libraries raise for files that they cannot read or do not find.
_FILE_ERRORS = (OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class Rehearsal:
    """A short prompt with a short persona, one with the longest persona, and the short one without its system message.

    `styles` are those in which a persona needs no system message, in words.
    """

    short: GenerationRequest
    long: GenerationRequest
    bare: GenerationRequest
    styles: str


@dataclass(frozen=True)
class Rehearsed:
    """What was noticed that does not stand in the way, what a server says it serves, and what an adapter changes.

    `probe` is None where there is no adapter, or an engine that does not try what it changes.
    """

    warnings: list[str] = field(default_factory=list)
    served: Mapping[str, str] = field(default_factory=dict)
    probe: AdapterProbe | None = None


def rehearse_files(
    settings: EngineSettings, decoding: Decoding, asked: Rehearsal, *, context: int | None = None
) -> Rehearsed:
    """Try tokenizer, chat template, context and adapter of an engine that loads models itself.

    `context` is what the engine is told, else the model's own counts. A name on the Hub is looked at as far as its
    files are here; nothing is downloaded. Raises EngineError for what would fail every time.
    """
    check_adapter(settings.adapter, settings.model)
    check_trained(settings.adapter)
    warnings = adapter_notes(settings.adapter, settings.model)
    check_model(settings.model)
    try:
        tokenizer, own = _tokenizer(settings.model), _context(settings.model)
    except _FILE_ERRORS as error:
        if Path(settings.model).is_dir():
            raise EngineError(f"The tokenizer of {settings.model} cannot be loaded: {error}") from error
        return Rehearsed(
            [*warnings, f"{settings.model} is not on this machine yet, so that its prompts were not tried."]
        )
    codec = Codec(tokenizer, decoding, context=None, vocabulary=None, end_tokens=[], model=settings.model)
    check_template(codec, asked, model=settings.model)
    if asked.short.system_message and codec.folds_system_message:
        folded = "takes no system message: the persona and an empty line stand before the user's words instead."
        warnings = [*warnings, f"The chat template of {settings.model} {folded}"]
    room = min((one for one in (context, own) if one is not None), default=None)
    return Rehearsed([*warnings, *_room_warnings(codec, asked, decoding, room)])


def _tokenizer(model: str) -> "PreTrainedTokenizerBase":
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model, local_files_only=True)


def _context(model: str) -> int | None:
    from transformers import AutoConfig

    config: Any = AutoConfig.from_pretrained(model, local_files_only=True)
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def check_template(codec: Codec, asked: Rehearsal, *, model: str) -> None:
    """Raise EngineError if the chat template cannot render what will be asked."""
    from jinja2 import TemplateError

    try:
        codec.ids(asked.short)
    except (TemplateError, *_FILE_ERRORS) as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise EngineError(f"The chat template of {model} cannot render a prompt: {said}") from error


def _room_warnings(codec: Codec, asked: Rehearsal, decoding: Decoding, context: int | None) -> list[str]:
    """Return what the context is too small for; raise EngineError if that is every prompt."""
    if context is None:
        return []
    short, long = len(codec.ids(asked.short)), len(codec.ids(asked.long))
    if context - short < max(1, decoding.min_new_tokens):
        raise EngineError(
            f"A short prompt has {short} tokens, which leaves no room for an answer in a context of {context} tokens. "
            "Show fewer exemplars (--shots), or use a model with a longer context."
        )
    persona = f"a persona of {len(asked.long.persona):,} characters"
    if long >= context:
        return [f"A prompt with {persona} has {long} tokens: in a context of {context} tokens it cannot be answered."]
    if (room := context - long) < decoding.max_new_tokens:
        return [f"Beside {persona}, a context of {context} tokens has room for an answer of {room} tokens."]
    return []
