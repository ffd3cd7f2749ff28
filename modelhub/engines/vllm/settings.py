"""What the vllm engine can be told, and what vLLM is told by it; adapters by the numbers that vLLM knows them by."""

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from modelhub.engines.adapterfiles import check_adapter
from modelhub.engines.base import EngineError, EngineSettings
from modelhub.engines.decoding import Decoding, parse_decoding, parse_settings
from modelhub.engines.digests import check_base_of
from modelhub.engines.modelfiles import check_files, lora_rank, stamp
from modelhub.engines.packages import require
from modelhub.engines.tokens import Codec, TokenPrompt

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.lora.request import LoRARequest

# The ranks that vLLM can make room for; the usual ones share a model whichever adapter comes first.
RANKS = (16, 32, 64, 128, 256, 320, 512)
ADAPTERS_KEPT = 8  # in main memory, so that systems can take turns without reading files
LIVE_SLOTS = 64

# What vLLM can do with any model's files; models that are stored quantized name their own way.
Quantization = Literal[
    "awq", "awq_marlin", "gptq", "gptq_marlin", "compressed-tensors", "torchao", "fp8", "fp8_per_tensor",
    "fp8_per_block", "fp8_per_channel", "int8_per_channel_weight_only", "mxfp8", "nvfp4_per_token",
]  # fmt: skip
CacheType = Literal["auto", "float16", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2"]
# Ours: what vLLM is not told, or is told by other names.
_OWN = {"live_slots", "max_loras", "max_lora_rank", "data_parallel_size"}

# What vLLM raises for a model, an adapter or a device that it cannot use.
VLLM_ERRORS = (OSError, ValueError, RuntimeError, KeyError)


class VllmOptions(BaseModel):
    """How answers are computed. Systems that name the same model share it, and must have the same options.

    vLLM is told what is given, by the same names; for what is not, its own defaults hold, but for
    `gpu_memory_utilization`. `max_loras` and `max_lora_rank` make room for adapters; where they are not given, there is
    room for those like the first system's. `live_slots` is how many requests of a worker are under way at once, and may
    differ. What changes answers is in `modelhub.engines.SHAPING_OPTIONS`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpu_memory_utilization: float = Field(default=0.9, gt=0.0, le=1.0)
    max_model_len: int | None = Field(default=None, ge=1)
    tensor_parallel_size: int = Field(default=1, ge=1)
    pipeline_parallel_size: int = Field(default=1, ge=1)
    data_parallel_size: int = Field(default=1, ge=1)
    distributed_executor_backend: Literal["mp", "ray"] | None = None
    quantization: Quantization | None = None
    kv_cache_dtype: CacheType | None = None
    max_num_seqs: int | None = Field(default=None, ge=1)
    max_num_batched_tokens: int | None = Field(default=None, ge=1)
    enable_prefix_caching: bool | None = None
    enforce_eager: bool | None = None
    cpu_offload_gb: float | None = Field(default=None, ge=0.0)
    max_loras: int | None = Field(default=None, ge=0)
    max_lora_rank: int | None = Field(default=None, ge=1, le=RANKS[-1])
    live_slots: int = Field(
        default_factory=lambda given: min(LIVE_SLOTS, given.get("max_num_seqs") or LIVE_SLOTS), ge=1, le=1000
    )

    @field_validator("data_parallel_size")
    @classmethod
    def _one_copy(cls, copies: int) -> int:
        if copies > 1:
            raise ValueError(
                "vLLM runs one copy of a model in a process of a stage. For more, start the stage once for each GPU "
                "(CUDA_VISIBLE_DEVICES=0 … --shard 1/2, CUDA_VISIBLE_DEVICES=1 … --shard 2/2) or on Ray (--on ray), or "
                "a server (vllm serve --data-parallel-size 2) whose systems have the openai engine"
            )
        return copies

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.max_num_seqs and self.live_slots > self.max_num_seqs:
            raise ValueError(
                f"live_slots is {self.live_slots}, but max_num_seqs lets vLLM answer {self.max_num_seqs} at once: the "
                "others would only wait. Leave live_slots out, or make it smaller"
            )
        if self.max_num_batched_tokens and self.max_num_batched_tokens < (self.max_num_seqs or 1):
            raise ValueError(
                f"max_num_batched_tokens is {self.max_num_batched_tokens}, and max_num_seqs is {self.max_num_seqs}: "
                "each of these takes one token at least"
            )
        return self

    @property
    def told(self) -> dict[str, Any]:
        """What was given of that which vLLM knows by the same name."""
        return self.model_dump(exclude_unset=True, exclude_none=True, exclude=_OWN)

    @property
    def shared(self) -> dict[str, Any]:
        """What systems on one model have to agree in."""
        return self.model_dump(exclude_unset=True, exclude={"live_slots"})


class Adapters:
    """The adapters named to one loaded model; `rank` is the largest that it has room for, 0 for none at all."""

    def __init__(self, name: str, rank: int) -> None:
        self._name = name
        self._rank = rank
        self._requests: dict[Any, LoRARequest] = {}
        self._numbers = count(1)

    def request(self, folder: str) -> "LoRARequest":
        """Return the adapter in a folder as vLLM wants it named: always the same while its files are the same.

        vLLM knows adapters by their number, so changed files get another. Raises EngineError if there is no room, or if
        the adapter is not whole: vLLM itself passes over modules that it has no weights for.
        """
        from vllm.lora.request import LoRARequest

        rank = adapter_rank(folder)
        if rank > self._rank:
            raise EngineError(
                f"{self._name} was loaded with room for adapters up to rank {self._rank}, and {folder} has rank {rank}."
                f" Give all systems on this model the options max_loras 1 (or more) and max_lora_rank {_room(rank)}."
            )
        key = (folder, stamp(folder))
        if key not in self._requests:
            check_adapter(folder, self._name)
            number = next(self._numbers)
            self._requests[key] = LoRARequest(f"adapter-{number}", number, folder)
        return self._requests[key]


def check(settings: EngineSettings) -> None:
    """Raise EngineError if the package, the settings or the local files cannot be used; loads nothing heavy."""
    require("vllm", ("vllm",), "requirements.txt")
    decoding, options = parse_decoding(settings.decoding), parse_options(settings)
    if options.distributed_executor_backend == "ray":
        require("vllm", ("ray",), "requirements-ray.txt")
    check_files(settings, decoding)
    check_base_of(settings)
    if settings.adapter and options.max_loras == 0:
        raise EngineError("The system has an adapter, but its options say max_loras 0: leave that out, or say 1.")
    if settings.adapter and adapter_rank(settings.adapter) > (options.max_lora_rank or RANKS[-1]):
        raise EngineError(
            f"The adapter {settings.adapter} has rank {adapter_rank(settings.adapter)}, and there is room for "
            f"{options.max_lora_rank or RANKS[-1]} at most (option max_lora_rank, vLLM's limit is {RANKS[-1]})."
        )


def parse_options(settings: EngineSettings) -> VllmOptions:
    """Return the options; raise EngineError naming every mistake."""
    return parse_settings(VllmOptions, settings.options, "options of the vllm engine")


def check_shared(name: str, loaded: VllmOptions, wanted: VllmOptions) -> None:
    """Raise EngineError if a model that is loaded cannot be shared by a system with other options."""
    if loaded.shared != wanted.shared:
        raise EngineError(
            f"{name} is loaded already, for a system with other options: {loaded.shared}. Give all systems on one "
            "model the same options."
        )


def model_arguments(name: str, decoding: Decoding, options: VllmOptions, *, rank: int, loras: int) -> Mapping[str, Any]:
    """Return what vLLM is told of a model; `loras` is the number of adapters in one batch where none is given."""
    lora: dict[str, Any] = {}
    if rank:
        most = options.max_loras or loras
        lora = {"max_loras": most, "max_lora_rank": rank, "max_cpu_loras": max(most, ADAPTERS_KEPT)}
    return {
        "model": name,
        "dtype": decoding.dtype,
        "gpu_memory_utilization": options.gpu_memory_utilization,
        "enable_lora": bool(rank),
        **lora,
        **options.told,
    }


def rank_wanted(settings: EngineSettings, options: VllmOptions) -> int:
    """Return the rank to make room for; 0 for no adapters."""
    if options.max_loras == 0 or (options.max_loras is None and not settings.adapter):
        return 0
    return _room(options.max_lora_rank or adapter_rank(settings.adapter))


def adapter_rank(adapter: str) -> int:
    """Return the rank of an adapter; 1 for none and for a Hub name, whose files are not here to see."""
    return lora_rank(Path(adapter)) if adapter and Path(adapter).is_dir() else 1


def _room(rank: int) -> int:
    return next(one for one in RANKS if one >= rank)


def model_codec(tokenizer: Any, config: Any, decoding: Decoding, *, name: str) -> tuple[Codec, list[int]]:
    """Return what turns prompts into tokens of a model of vLLM, and the tokens that end a text."""
    ends = _end_tokens(tokenizer, config)
    codec = Codec(
        tokenizer, decoding, context=config.max_model_len, vocabulary=config.get_vocab_size(), end_tokens=ends,
        model=name,
    )  # fmt: skip
    return codec, ends


def _end_tokens(tokenizer: Any, config: Any) -> list[int]:
    # A chat model may end its turns with other tokens than the tokenizer's, named in its generation settings.
    configured = config.try_get_generation_config().get("eos_token_id")
    ids = configured if isinstance(configured, list) else [configured]
    return sorted({int(one) for one in [*ids, tokenizer.eos_token_id] if one is not None})


def sampling(decoding: Decoding, prompt: TokenPrompt, *, ends: list[int], number: int, **more: Any) -> "SamplingParams":
    """Return how vLLM is to continue a prompt, the `number`-th of those that share a seed."""
    from vllm import SamplingParams

    return SamplingParams(**sampling_arguments(decoding, prompt, ends=ends, number=number), **more)


def sampling_arguments(decoding: Decoding, prompt: TokenPrompt, *, ends: list[int], number: int) -> dict[str, Any]:
    """Return the same by name."""
    return {
        "max_tokens": prompt.limit,
        "min_tokens": min(decoding.min_new_tokens, prompt.limit),
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        # vLLM stops here to save time; the text itself is cut by the codec, as in the transformers engine.
        "stop": list(decoding.stop) or None,
        "stop_token_ids": ends,
        # A number of its own per prompt, so that like prompts do not get the same random numbers.
        "seed": decoding.seed + number if decoding.temperature > 0 else None,
    }
