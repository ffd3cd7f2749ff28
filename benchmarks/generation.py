"""The transformers engine against greedy generation of one prompt at a time, on the same model and machine.

    python -m benchmarks.generation [--batch-sizes 1 8 64] [--prompts 64] [--new-tokens 64]
    python -m benchmarks.generation --shape llama-3.1-8b --dtype bfloat16 --device cuda [--continuous]

The models have random weights and the shape that is asked for; speed does not depend on what they say. Their prompts
differ in length. In float32 the answers must be those of the loop, token for token; in half precision, where rounding
depends on the batch, the share of answers that are is printed.
"""

import argparse
import os
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

os.environ["HF_HUB_OFFLINE"] = "1"

from modelhub.engines.base import EngineSettings, GenerationRequest
from modelhub.engines.tokens import TokenAnswer
from modelhub.engines.transformers.engine import create
from tests.tools.tinymodels import make_tokenizer

if TYPE_CHECKING:
    from modelhub.engines.transformers.engine import TransformersEngine

SHAPES = {
    "tiny": {
        "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 2,
    },
    "small": {
        "hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 8, "num_attention_heads": 8,
        "num_key_value_heads": 4,
    },
    "llama-3.1-8b": {
        "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 128256,
    },
}  # fmt: skip


def make_model(folder: Path, shape: str, dtype: str, device: str) -> None:
    """Save a Llama of this shape with random weights, and the tests' tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer()
    settings = {"vocab_size": len(tokenizer), "max_position_embeddings": 4096} | SHAPES[shape]
    # No token ends a text, so that all answers have the same length and no run makes fewer tokens than another.
    config = LlamaConfig(**settings, bos_token_id=tokenizer.bos_token_id, eos_token_id=None, dtype=dtype)
    torch.manual_seed(0)
    with torch.device(device):
        torch.set_default_dtype(getattr(torch, dtype))
        model = LlamaForCausalLM(config)
        torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(folder)


def make_requests(count: int) -> list[GenerationRequest]:
    """Return prompts of 5 to 60 words, as those of a study vary."""
    source = random.Random(0)
    words = ("how", "can", "I", "sleep", "well", "when", "neighbours", "sing", "all", "night", "and", "dogs", "bark")
    texts = [" ".join(source.choices(words, k=source.randint(5, 60))) for _ in range(count)]
    return [GenerationRequest(f"Prompt: {text}?\nResponse:", text, "") for text in texts]


def loop(engine: "TransformersEngine", requests: list[GenerationRequest], new_tokens: int) -> list[list[int]]:
    """Return the tokens that the library's `generate` adds to one prompt after the other."""
    model, tokenizer = engine._base.model, engine._base.tokenizer
    made = []
    for request in requests:
        inputs = tokenizer(request.rendered, return_tensors="pt").to(model.device)
        ids = model.generate(**inputs, do_sample=False, max_new_tokens=new_tokens)
        made.append(ids[0, inputs.input_ids.shape[1] :].tolist())
    return made


def batches(engine: "TransformersEngine", requests: list[GenerationRequest]) -> list[list[int]]:
    """Return the tokens that the engine adds to each prompt."""
    prompts, _ = engine._codec.encode(requests)
    answers = {prompt.index: answer for prompt, answer in engine._answers(prompts)}
    return [answer.ids if isinstance(answer, TokenAnswer) else [] for _, answer in sorted(answers.items())]


def run(arguments: argparse.Namespace, folder: Path) -> None:
    """Print one line for the loop, and one per batch size."""
    requests, new_tokens = make_requests(arguments.prompts), arguments.new_tokens
    tokens = arguments.prompts * new_tokens

    def load(size: int) -> "TransformersEngine":
        options = {"batch_size": size, "device": arguments.device, "continuous_batching": arguments.continuous}
        decoding = {"max_new_tokens": new_tokens, "min_new_tokens": 0, "stop": [], "dtype": arguments.dtype}
        return create(EngineSettings(str(folder), decoding=decoding, options=options))

    keep = load(1)  # holds the base while the other engines come and go
    loop(keep, requests[:2], new_tokens)
    started = time.perf_counter()
    expected = loop(keep, requests, new_tokens)
    alone = time.perf_counter() - started
    print(f"{'one at a time':>16}: {alone:8.2f} s {tokens / alone:8.0f} tokens/s")
    for size in arguments.batch_sizes:
        engine = load(size)
        batches(engine, requests[:size])
        started = time.perf_counter()
        made = batches(engine, requests)
        seconds = time.perf_counter() - started
        same = sum(one == other for one, other in zip(made, expected, strict=True))
        assert same == len(requests) or arguments.dtype != "float32", f"{same} of {len(requests)} answers are the same"
        print(
            f"{f'batches of {size}':>16}: {seconds:8.2f} s {tokens / seconds:8.0f} tokens/s, "
            f"ratio {alone / seconds:5.1f}, {same} of {len(requests)} answers the same"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="small")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--continuous", action="store_true", help="use continuous batching instead of batches")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--new-tokens", type=int, default=64)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="personaeval-generation-") as folder:
        make_model(Path(folder), arguments.shape, arguments.dtype, arguments.device)
        run(arguments, Path(folder))


if __name__ == "__main__":
    main()
