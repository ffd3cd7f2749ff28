"""The transformers engine: models run in this process, on a CPU or a GPU, in batches of prompts of like length.

`System.model` is a folder or a Hub name, `System.adapter` that of a LoRA adapter on it. Answers under greedy decoding
in float32 do not depend on what else is in a batch.
"""

import logging
import queue
import threading
import time
import zlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from modelhub.engines.base import (
    Answer,
    EngineError,
    EngineSettings,
    GenerationFailure,
    GenerationRequest,
    GenerationResult,
    LiveEngine,
)
from modelhub.engines.batched import BatchedEngine
from modelhub.engines.decoding import Decoding, parse_decoding, parse_settings
from modelhub.engines.digests import check_base_of
from modelhub.engines.modelfiles import check_files
from modelhub.engines.packages import require
from modelhub.engines.rehearsal import Rehearsal, Rehearsed, rehearse_files
from modelhub.engines.streaming import in_batches
from modelhub.engines.tokens import StopTexts, TokenAnswer, TokenPrompt, TokenUsage
from modelhub.engines.transformers.basemodels import LoadedBase, load_base
from modelhub.engines.transformers.continuous import ContinuousBatches
from modelhub.engines.transformers.live import TransformersLiveEngine
from modelhub.engines.transformers.probe import probe_adapter
from modelhub.engines.transformers.running import RunningBatch

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)


class TransformersOptions(BaseModel):
    """How answers are computed. `device` auto is a GPU if there is one.

    `batch_size` is the most prompts at once, halved for good when memory runs out. Continuous batching, which takes up
    the next prompt as soon as one has ended, is used for requests that come one by one unless it is switched off; in
    a stage on a GPU only, and elsewhere if switched on. `live_slots` is how many requests of a worker are under way.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_size: int = Field(default=8, ge=1)
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    continuous_batching: bool | None = None
    live_slots: int | None = Field(default=None, ge=1, le=1000)


class TransformersEngine:
    """A loaded base with an adapter or none, and how it is to decode."""

    def __init__(self, base: LoadedBase, decoding: Decoding, options: TransformersOptions, *, adapter: str) -> None:
        self._base = base
        self._decoding = decoding
        self._model = base.view(base.load_adapter(adapter) if adapter else "")
        self._batch_size = options.batch_size
        self._usage = TokenUsage()
        self._codec = base.codec(decoding)
        self._abandoned = threading.Event()
        self._continuous = ContinuousBatches(base, self._codec, decoding) if _continuous(base, options) else None

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GenerationResult | GenerationFailure]:
        """Return one result per request, in their order; prompts that are too long or too large for memory fail."""
        results = dict(self._answered(requests))
        return [results[index] for index in range(len(requests))]

    def stream(self, requests: Iterator[GenerationRequest], *, ahead: int) -> Generator[Answer]:
        """Yield the answers as they are made; an engine whose stream is closed early is not used any more.

        Prompts of like length among `ahead` of them go together, so they come in another order than they were asked.
        """
        return in_batches(self._answered, requests, size=ahead, abandon=self.abandon)

    def _answered(self, requests: Sequence[GenerationRequest]) -> Iterator[Answer]:
        prompts, failed = self._codec.encode(requests)
        made = (
            (prompt.index, answer if isinstance(answer, GenerationFailure) else self._codec.result(answer))
            for prompt, answer in self._answers(prompts)
        )
        for index, outcome in chain(failed.items(), made):
            self._usage.add([outcome])
            yield index, outcome

    def abandon(self) -> None:
        """End what is being made, from another thread; the engine is not used any more."""
        self._abandoned.set()

    def usage(self) -> dict[str, Any]:
        """Return the requests answered and the tokens read and made."""
        return asdict(self._usage)

    def _answers(self, prompts: list[TokenPrompt]) -> Iterator[tuple[TokenPrompt, TokenAnswer | GenerationFailure]]:
        if self._continuous is not None:
            answers = self._continuous.answers(self._model, prompts, batch_size=self._batch_size)
            # It knows no least number of tokens: what has ended too early is made again in the plain way.
            early = [one.prompt for one in answers if self._codec.ended_early(one)]
            again = {prompt.index for prompt in early}
            yield from ((one.prompt, one) for one in answers if one.prompt.index not in again)
            prompts = early
        # Rows of a batch have the same limit, so that none is continued beyond the model's context; the longest first,
        # so that memory runs out at once if it does.
        ordered = sorted(prompts, key=lambda prompt: (prompt.limit, -len(prompt.ids)))
        for _, group in groupby(ordered, key=lambda prompt: prompt.limit):
            yield from self._batches(list(group))

    def _batches(self, prompts: list[TokenPrompt]) -> Iterator[tuple[TokenPrompt, TokenAnswer | GenerationFailure]]:
        import torch

        done = 0
        while done < len(prompts):
            batch = prompts[done : done + self._batch_size]
            try:
                answers: Sequence[TokenAnswer] | None = self._batch(batch)
            except torch.OutOfMemoryError:
                answers = None  # handled below, where the exception no longer holds on to the memory
            if answers is not None:
                yield from ((answer.prompt, answer) for answer in answers)
            elif len(batch) > 1:
                self._halve(len(batch))
                continue
            else:
                yield batch[0], self._too_large(batch[0])
            done += len(batch)

    def _halve(self, size: int) -> None:
        import torch

        self._batch_size = size // 2
        logger.warning("out of memory with %d prompts at once; going on with %d", size, self._batch_size)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _too_large(self, prompt: TokenPrompt) -> GenerationFailure:
        return GenerationFailure(
            f"The device ran out of memory on this prompt alone ({len(prompt.ids)} tokens, up to {prompt.limit} new "
            "ones). Lower max_new_tokens, use a smaller dtype or model, or free the device's memory.",
            kind="The device ran out of memory on a prompt alone.",
        )

    def _batch(self, batch: Sequence[TokenPrompt]) -> list[TokenAnswer]:
        """Continue prompts together, padded on the left; all have the same limit."""
        import torch
        from transformers import StoppingCriteriaList

        started = time.perf_counter()
        width = max(len(prompt.ids) for prompt in batch)
        rows = [[self._base.pad] * (width - len(prompt.ids)) + prompt.ids for prompt in batch]
        masks = [[0] * (width - len(prompt.ids)) + [1] * len(prompt.ids) for prompt in batch]
        stops = StopTexts(self._codec, self._decoding.stop, prompt_width=width)
        torch.manual_seed(_batch_seed(self._decoding.seed, rows))
        made = self._model.generate(
            input_ids=torch.tensor(rows, device=self._model.device),
            attention_mask=torch.tensor(masks, device=self._model.device),
            generation_config=self._base.generation_config(self._decoding, limit=batch[0].limit),
            stopping_criteria=StoppingCriteriaList([self._to_end, *([stops] if self._decoding.stop else [])]),
        )
        new = made[:, width:].tolist()
        seconds = (time.perf_counter() - started) / len(batch)
        return [TokenAnswer(prompt, new[row][: stops.ended_at.get(row)], seconds) for row, prompt in enumerate(batch)]

    def _to_end(self, input_ids: "torch.Tensor", scores: Any, **_: Any) -> "torch.Tensor":
        """Take token ids of shape (rows, width) and return booleans of shape (rows,): all true if it is abandoned."""
        import torch

        return torch.full((input_ids.shape[0],), self._abandoned.is_set(), device=input_ids.device)


def _batch_seed(seed: int, rows: Sequence[Sequence[int]]) -> int:
    # The same batch gives the same answers whenever it is made; another batch does not reuse its random numbers.
    return zlib.crc32(repr(rows).encode(), seed)


def check(settings: EngineSettings) -> None:
    """Raise EngineError if the packages, the settings or the local files cannot be used; loads nothing heavy."""
    require("transformers", ("torch", "transformers", *(("peft",) if settings.adapter else ())), "requirements-ml.txt")
    decoding = parse_decoding(settings.decoding)
    _parse_options(settings)
    check_files(settings, decoding)
    check_base_of(settings)


def create(settings: EngineSettings) -> TransformersEngine:
    """Return the engine with its model loaded; raise EngineError if it cannot be."""
    check(settings)
    decoding, options = parse_decoding(settings.decoding), _parse_options(settings)
    base = load_base(settings.model, dtype=decoding.dtype, device=_device(options.device))
    return TransformersEngine(base, decoding, options, adapter=settings.adapter)


def live(settings: EngineSettings) -> LiveEngine:
    """Return the engine that takes requests at any time; raise EngineError if its model cannot be loaded."""
    check(settings)
    decoding, options = parse_decoding(settings.decoding), _parse_options(settings)
    base = load_base(settings.model, dtype=decoding.dtype, device=_device(options.device))
    plain_options = options.model_copy(update={"continuous_batching": False})
    plain = TransformersEngine(base, decoding, plain_options, adapter=settings.adapter)
    in_batches = options.live_slots or options.batch_size
    # Even on a CPU it makes more answers a second than plain batches of what happens to wait, see docs/benchmarks.md.
    if options.continuous_batching is False or base.model.device.type == "mps":
        return BatchedEngine(plain, slots=in_batches, abandon=plain.abandon)
    inbox: queue.Queue[Any] = queue.Queue()
    slots = options.live_slots or (None if base.model.device.type == "cuda" else options.batch_size)
    batch = RunningBatch(
        base, base.view(base.load_adapter(settings.adapter) if settings.adapter else ""), decoding, slots=slots,
        outputs=inbox,
    )  # fmt: skip
    try:
        batch.start()
    except Exception:
        logger.exception("continuous batching does not work here; requests are answered in plain batches")
        return BatchedEngine(plain, slots=in_batches, abandon=plain.abandon)
    return TransformersLiveEngine(batch, base.codec(decoding), plain, inbox)


def rehearse(settings: EngineSettings, asked: Rehearsal) -> Rehearsed:
    """Try tokenizer, chat template, context and adapter; raise EngineError for what would fail every time.

    With an adapter the model is loaded, and asked with the adapter and without.
    """
    decoding, options = parse_decoding(settings.decoding), _parse_options(settings)
    rehearsed = rehearse_files(settings, decoding, asked)
    if not settings.adapter:
        return rehearsed
    probe = probe_adapter(settings, dtype=decoding.dtype, device=_device(options.device))
    return replace(rehearsed, warnings=[*rehearsed.warnings, str(probe)], probe=probe)


def _continuous(base: LoadedBase, options: TransformersOptions) -> bool:
    on_gpu = base.model.device.type == "cuda"
    return on_gpu if options.continuous_batching is None else options.continuous_batching


def _parse_options(settings: EngineSettings) -> TransformersOptions:
    return parse_settings(TransformersOptions, settings.options, "options of the transformers engine")


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise EngineError(f"The device {name} is asked for, but torch sees no GPU here. Use the device cpu or auto.")
    if name == "mps" and not torch.backends.mps.is_available():
        raise EngineError("The device mps is asked for, but torch cannot use it here. Use the device cpu or auto.")
    return name
