"""Continuous batching: the next prompt is taken up as soon as an answer has ended, instead of at the batch's end.

It is `transformers`' own (`generate_batch`), driven through its manager, since that can end an answer at a stop text.
The manager keeps the cache of shared beginnings between calls, and on a GPU its captured graphs.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

from modelhub.engines.base import EngineError
from modelhub.engines.decoding import Decoding
from modelhub.engines.tokens import Codec, TokenAnswer, TokenPrompt

if TYPE_CHECKING:
    from transformers import ContinuousBatchingConfig, GenerationConfig, PreTrainedModel

    from modelhub.engines.transformers.basemodels import LoadedBase

# Elsewhere than on a GPU, the library's defaults claim tens of gigabytes for the cache of a tiny model.
CPU_PAGE = 32  # tokens
CPU_BATCH_TOKENS = 256
# The rest is for what is made in the plain way meanwhile.
GPU_MEMORY_SHARE = 0.7


class ContinuousBatches:
    """Answers prompts on a base model, one call after the other."""

    def __init__(self, base: "LoadedBase", codec: Codec, decoding: Decoding) -> None:
        self._base = base
        self._codec = codec
        self._decoding = decoding
        self._numbers = count()
        logging.getLogger("ContinuousBatchingLogger").setLevel(logging.WARNING)  # it reports each call at length

    def answers(
        self, model: "PreTrainedModel", prompts: Sequence[TokenPrompt], *, batch_size: int
    ) -> list[TokenAnswer]:
        """Continue all prompts; `min_new_tokens` is not heeded. `seconds` is the call's time over their number.

        `batch_size` sizes the cache where there is no GPU. Raises EngineError if any prompt cannot be continued.
        """
        if not prompts:
            return []
        started = time.perf_counter()
        made = self._run(model, prompts, batch_size)
        seconds = (time.perf_counter() - started) / len(prompts)
        return [TokenAnswer(prompt, made[prompt.index], seconds) for prompt in prompts]

    def _run(self, model: "PreTrainedModel", prompts: Sequence[TokenPrompt], batch_size: int) -> dict[int, list[int]]:
        try:
            with self._base.batching, self._manager(model, prompts, batch_size) as manager:
                waiting = {f"request-{next(self._numbers)}": prompt for prompt in prompts}
                for name, prompt in waiting.items():
                    manager.add_request(prompt.ids, request_id=name, max_new_tokens=prompt.limit, streaming=True)
                return dict(self._collect(manager, waiting))
        except (RuntimeError, ValueError, ImportError) as error:
            raise EngineError(
                f"Continuous batching does not work here: {error}. Switch it off with the option continuous_batching."
            ) from error

    def _collect(self, manager: Any, waiting: dict[str, TokenPrompt]) -> Iterator[tuple[int, list[int]]]:
        """Yield index and tokens of each prompt as its answer ends."""
        seen = dict.fromkeys(waiting, 0)
        while waiting:
            output = manager.get_result(timeout=1)
            if output is None:
                if not manager.is_running():
                    raise RuntimeError("it ended before all answers were made")
                continue
            if output.request_id not in waiting:
                continue  # a token more of an answer that has been ended
            if output.error is not None:
                raise RuntimeError(output.error)
            ids = list(output.generated_tokens)
            stop = self._codec.stopped_at(ids, seen=seen[output.request_id])
            seen[output.request_id] = len(ids)
            if stop is not None or output.is_finished():
                yield waiting.pop(output.request_id).index, ids[:stop]
                if not output.is_finished():
                    manager.cancel_request(output.request_id)

    @contextmanager
    def _manager(self, model: "PreTrainedModel", prompts: Sequence[TokenPrompt], batch_size: int) -> Iterator[Any]:
        from transformers.generation.continuous_batching.initialization import WorkloadHints

        longest = max(len(prompt.ids) + prompt.limit for prompt in prompts)
        on_gpu = model.device.type == "cuda"
        blocks = None if on_gpu else batch_size * -(-longest // CPU_PAGE) + 1
        self._base.keep_manager_for(model, self._decoding, blocks)
        hints = WorkloadHints(
            max_prompt_length=max(len(prompt.ids) for prompt in prompts),
            max_generated_length=max(prompt.limit for prompt in prompts),
            num_requests=len(prompts),
        )
        with model.continuous_batching_context_manager(
            generation_config=self._generation_config(),
            continuous_batching_config=self._config(blocks),
            persistent_manager=True,
            workload_hints=hints,
        ) as manager:
            yield manager

    def _generation_config(self) -> "GenerationConfig":
        return self._base.generation_config(self._decoding.model_copy(update={"min_new_tokens": 0}))

    def _config(self, blocks: int | None) -> "ContinuousBatchingConfig":
        from transformers import ContinuousBatchingConfig

        if blocks is None:
            return ContinuousBatchingConfig(max_memory_percent=GPU_MEMORY_SHARE, seed=self._decoding.seed)
        return ContinuousBatchingConfig(
            page_size=CPU_PAGE, num_blocks=blocks, max_batch_tokens=CPU_BATCH_TOKENS, seed=self._decoding.seed
        )
