"""A batch that prompts join and leave at any time: the library's continuous batching, kept running in its thread."""

import logging
import queue
from itertools import count
from typing import TYPE_CHECKING, Any

from modelhub.engines.base import EngineError
from modelhub.engines.decoding import Decoding
from modelhub.engines.tokens import TokenPrompt
from modelhub.engines.transformers.continuous import CPU_BATCH_TOKENS, CPU_PAGE

if TYPE_CHECKING:
    from transformers import ContinuousBatchingConfig, PreTrainedModel

    from modelhub.engines.transformers.basemodels import LoadedBase

SLOT_TOKENS = 2048  # of prompt and answer that there is room for in each slot; a longer one takes that of several
GPU_SLOTS = 32
# One for each system on the GPU: with a second one there is still memory for what is made in the plain way.
GPU_MEMORY_SHARE = 0.4
_GPU_PAGE = 256  # tokens; what flash attention asks for
_GPU_BATCH_TOKENS = 1024
_TRIAL_SECONDS = 120.0  # a first forward pass may compile kernels


class RunningBatch:
    """Prompts under way together on one view of a model. Outputs, token by token, go into `outputs`.

    To be used from one thread. `slots` is how many prompts of the usual length there is room for.
    """

    def __init__(
        self, base: "LoadedBase", model: "PreTrainedModel", decoding: Decoding, *, slots: int | None, outputs: Any
    ) -> None:
        self._base = base
        self._model = model
        self._decoding = decoding
        self._outputs = outputs
        self._on_gpu = model.device.type == "cuda"
        self._page = _GPU_PAGE if self._on_gpu else CPU_PAGE
        per_slot = -(-min(base.context or SLOT_TOKENS, SLOT_TOKENS) // self._page)
        self.slots = self._affordable(slots or GPU_SLOTS, per_slot)
        self._blocks = self.slots * per_slot
        self._taken: dict[str, int] = {}  # blocks by the name of what is under way
        self._names = count()
        self._manager: Any = None
        logging.getLogger("ContinuousBatchingLogger").setLevel(logging.CRITICAL)  # what it reports is told here

    def start(self) -> None:
        """Start the thread with an empty cache, and try whether the model works in it; raises whatever goes wrong."""
        self.stop()
        self._manager = self._model.init_continuous_batching(
            generation_config=self._base.generation_config(self._decoding.model_copy(update={"min_new_tokens": 0})),
            continuous_batching_config=self._config(),
        )
        try:
            self._manager.warmup()  # makes the cache here, where a lack of memory is noticed
            self._manager.start()
            self._try()
        except BaseException:
            self.stop()
            raise
        self._manager.output_router.output_queue = self._outputs

    def room_for(self, prompt: TokenPrompt) -> bool:
        """Whether the prompt and its whole answer have room beside what is under way."""
        return sum(self._taken.values()) + self._size(prompt) <= self._blocks

    def ever_room_for(self, prompt: TokenPrompt) -> bool:
        """Whether they have room at all."""
        return self._size(prompt) <= self._blocks

    def add(self, prompt: TokenPrompt) -> str:
        """Let a prompt join, for which there is room, and return the name that its outputs will have."""
        name = f"request-{next(self._names)}"
        if self._manager.add_request(prompt.ids, request_id=name, max_new_tokens=prompt.limit, streaming=True) is None:
            raise EngineError("Continuous batching has ended.")
        self._taken[name] = self._size(prompt)
        return name

    def remove(self, name: str, *, ended: bool) -> None:
        """Free what the prompt of this name holds, `ended` by itself or not."""
        del self._taken[name]
        if not ended:
            self._manager.cancel_request(name)

    @property
    def running(self) -> bool:
        """Whether the thread takes prompts; false as well as soon as something has gone wrong in it."""
        return (
            self._manager is not None
            and self._manager.is_running()
            and self._manager.background_thread_status.can_accept_new_requests() is None
        )

    def stop(self) -> Exception | None:
        """End the thread, give up what is under way, free the cache, and return what had gone wrong, if anything."""
        manager, self._manager = self._manager, None
        self._taken.clear()
        if manager is None:
            return None
        manager.stop(block=True, hard_stop=True)
        wrong: Exception | None = manager.background_thread_status.fatal_error
        # Its traceback holds on to the tensors that were at work.
        return wrong.with_traceback(None) if wrong is not None else None

    def _size(self, prompt: TokenPrompt) -> int:
        return -(-(len(prompt.ids) + prompt.limit) // self._page)

    def _try(self) -> None:
        """Make one token, since a model may fail in its first forward pass only."""
        token = (self._base.end_tokens or [self._base.pad])[0]
        self._manager.add_request([token], request_id="trial", max_new_tokens=1)
        try:
            output = self._manager.output_router.output_queue.get(timeout=_TRIAL_SECONDS)
        except queue.Empty:
            raise EngineError(f"Continuous batching made no token within {_TRIAL_SECONDS:g} s.") from None
        if output.error is not None:
            raise self.stop() or EngineError(output.error)

    def _config(self) -> "ContinuousBatchingConfig":
        from transformers import ContinuousBatchingConfig

        return ContinuousBatchingConfig(
            page_size=self._page,
            num_blocks=self._blocks + 1,
            max_batch_tokens=_GPU_BATCH_TOKENS if self._on_gpu else CPU_BATCH_TOKENS,
            max_requests_per_batch=self.slots,
            seed=self._decoding.seed,
            # Several of these share a model, and what is made in the plain way does: its attention stays what it is.
            auto_switch_to_flash=False,
            use_cuda_graph=False,
            use_async_batching=False,
        )

    def _affordable(self, slots: int, per_slot: int) -> int:
        """Return how many of the slots a GPU's free memory has room for, at least one."""
        if not self._on_gpu:
            return slots
        import torch

        free, _ = torch.cuda.mem_get_info(self._model.device)
        return max(1, min(slots, int(free * GPU_MEMORY_SHARE) // (per_slot * self._page * self._bytes_per_token())))

    def _bytes_per_token(self) -> int:
        config = self._model.config.get_text_config()
        heads = config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // heads
        kept = 2 * config.num_hidden_layers * (getattr(config, "num_key_value_heads", None) or heads)
        # Beside what is kept, attention that is not flash reads all of it in one layer, repeated for each of its heads.
        return int((kept + 3 * heads) * width * self._model.dtype.itemsize)
