"""Loaded models, shared: systems that differ only in their adapter use one copy of the base's weights."""

import hashlib
import logging
import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from modelhub.engines.base import EngineError
from modelhub.engines.decoding import Decoding
from modelhub.engines.modelfiles import stamp
from modelhub.engines.tokens import Codec
from modelhub.engines.transformers.turns import AdapterTurns
from modelhub.engines.weights import load_errors, whole_model

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)


class LoadedBase:
    """A base model in memory with its tokenizer, and the adapters put into it so far.

    `end_tokens` are the ids that end a text, `pad` fills the left of shorter prompts in a batch, and `context` is the
    number of tokens the model can attend to (None if it has no limit).
    """

    def __init__(self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", *, name: str) -> None:
        self.name = name
        self.model = model
        self.tokenizer = tokenizer
        self.end_tokens = _end_tokens(model, tokenizer)
        self.pad: int = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else (self.end_tokens or [0])[0]
        self.context: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self.batching = threading.Lock()  # one call at a time: its manager claims most of a GPU's memory
        self._turns = AdapterTurns(model)
        self._manager_for: tuple[Any, ...] = ()
        self._forget_generation_defaults()

    def _forget_generation_defaults(self) -> None:
        # `generate` fills whatever a call leaves open from these: a repetition penalty, say, in "greedy" decoding.
        from transformers import GenerationConfig

        self.model.generation_config = GenerationConfig(
            bos_token_id=self.tokenizer.bos_token_id, eos_token_id=self.end_tokens or None, pad_token_id=self.pad
        )

    def load_adapter(self, folder: str) -> str:
        """Put a LoRA adapter into the base unless it is there, and return the name to use it by.

        Raises EngineError if it cannot be loaded, does not fit the base as a whole, or would change the base's weights.
        """
        name = hashlib.sha256(repr((folder, stamp(folder))).encode()).hexdigest()[:16]
        try:
            self._turns.put(folder, name)
        except load_errors() as error:
            raise EngineError(f"The adapter {folder} cannot be loaded into {self.name}: {error}") from error
        return name

    def codec(self, decoding: Decoding) -> Codec:
        """Return what turns prompts into tokens of this model, and its tokens into answers."""
        return Codec(
            self.tokenizer, decoding, context=self.context, vocabulary=self.model.get_input_embeddings().num_embeddings,
            end_tokens=self.end_tokens, model=self.name,
        )  # fmt: skip

    def view(self, adapter: str) -> "PreTrainedModel":
        """Return the model as it is with this adapter, a name that `load_adapter` has returned; "" is the base alone.

        Several views may be at work at once, each in its thread: their forward passes take turns.
        """
        return self._turns.view(adapter)

    def generation_config(self, decoding: Decoding, *, limit: int | None = None) -> "GenerationConfig":
        """Return the settings as the library's own, for answers of at most `limit` tokens."""
        from transformers import GenerationConfig

        limit = decoding.max_new_tokens if limit is None else limit
        sampling: dict[str, Any] = {"do_sample": False}
        if decoding.temperature > 0:
            # Without top_k=0, the library would sample from the 50 likeliest tokens only.
            sampling = {"do_sample": True, "temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
        return GenerationConfig(
            max_new_tokens=limit,
            min_new_tokens=min(decoding.min_new_tokens, limit) or None,
            eos_token_id=self.end_tokens or None,
            pad_token_id=self.pad,
            **sampling,
        )

    def keep_manager_for(self, model: "PreTrainedModel", *use: Any) -> None:
        """Drop the manager of continuous batching unless its last use was the same, on the same view.

        Its cache and its captured graphs hold what another adapter, other settings or another size would falsify.
        """
        if self._manager_for and (model, *use) != self._manager_for:
            self._manager_for[0].destroy_cached_continuous_batching_manager()
        self._manager_for = (model, *use)


# Weak, so that a base is freed with the last engine that uses it.
_LOADED: WeakValueDictionary[Any, LoadedBase] = WeakValueDictionary()
_LOADING = threading.Lock()


def load_base(name: str, *, dtype: str, device: str) -> LoadedBase:
    """Return the base model `name` on `device`, loading it unless an engine of this process has it already.

    Raises EngineError if it cannot be loaded. Changed files make another base.
    """
    key = (name, stamp(name), dtype, device)
    with _LOADING:  # two systems that are loaded at once share it as well
        base = _LOADED.get(key)
        if base is None:
            base = _LOADED[key] = _load(name, dtype=dtype, device=device)
        return base


def _load(name: str, *, dtype: str, device: str) -> LoadedBase:
    from transformers import AutoTokenizer
    from transformers.utils import logging as library_logging

    library_logging.disable_progress_bar()
    logger.info("loading %s (%s) on %s", name, dtype, device)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = whole_model(name, dtype=dtype).to(device).eval()
    except load_errors() as error:
        raise EngineError(f"The model {name} cannot be loaded: {error}") from error
    return LoadedBase(model, tokenizer, name=name)


def _end_tokens(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    # A chat model may end its turns with other tokens than the tokenizer's, named in its generation settings.
    configured = model.generation_config.eos_token_id if model.generation_config is not None else None
    ids = configured if isinstance(configured, list) else [configured]
    return sorted({int(one) for one in [*ids, tokenizer.eos_token_id] if one is not None})
