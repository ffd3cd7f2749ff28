"""The transformers engine asked one by one, in both of its ways: joining a running batch, and in small plain batches.

    python -m benchmarks.joining [--shape small] [--requests 48] [--systems 2] [--load 0.7]

Requests come at random moments (a Poisson process), to each system in turn, and their answers differ in length as
those of a model do (a geometric distribution, cut off). The systems are LoRA adapters on one base with random weights.
First all requests are there at once, which gives the most that each way makes per second; then they come at `load` of
what plain batches make. Both ways get the very same requests at the very same moments, one after the other.
"""

import argparse
import json
import os
import queue
import random
import statistics
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

from benchmarks.generation import SHAPES, make_model
from modelhub.engines.base import EngineSettings, GenerationRequest, GenerationResult, LiveEngine
from modelhub.engines.transformers.engine import live

RANK = 16
WAYS = {"plain batches": False, "running batch": True}


def let_answers_end(folder: Path, mean: int) -> None:
    """Let so many tokens end a text that answers, whose tokens are drawn, have this length on average."""
    vocabulary = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    ends = list(range(5, 5 + max(1, vocabulary // mean)))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}), encoding="utf-8")


def make_adapter(base: Path, folder: Path) -> None:
    """Save a LoRA adapter with weights as they are before training."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = LoraConfig(r=RANK, target_modules="all-linear", task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(folder)


def make_requests(count: int, words: int) -> list[GenerationRequest]:
    """Return prompts of half to one and a half times so many words."""
    source = random.Random(0)
    known = ("how", "can", "I", "sleep", "well", "when", "neighbours", "sing", "all", "night", "and", "dogs", "bark")
    texts = [" ".join(source.choices(known, k=source.randint(words // 2, words * 3 // 2))) for _ in range(count)]
    return [GenerationRequest(f"Prompt: {text}?\nResponse:", text, "") for text in texts]


def arrivals(count: int, per_second: float) -> list[float]:
    """Return the moments of arrival from the start on, in seconds; all 0 for an endless rate."""
    source, moment, moments = random.Random(1), 0.0, []
    for _ in range(count):
        moment += source.expovariate(per_second) if per_second != float("inf") else 0.0
        moments.append(moment)
    return moments


def run(
    engines: list[LiveEngine], requests: list[GenerationRequest], moments: list[float]
) -> tuple[float, list[float]]:
    """Start each request at its moment; return the seconds until all were answered, and those of each."""
    arrived: queue.Queue[tuple[int, Any, float]] = queue.Queue()
    started = time.perf_counter()
    for number, (request, moment) in enumerate(zip(requests, moments, strict=True)):
        time.sleep(max(0.0, started + moment - time.perf_counter()))
        engines[number % len(engines)].start(
            request,
            lambda one, number=number: arrived.put((number, one, time.perf_counter())),  # type: ignore[misc]
        )
    waits = []
    for _ in requests:
        number, one, at = arrived.get()
        assert isinstance(one, GenerationResult), one
        waits.append(at - started - moments[number])
    return time.perf_counter() - started, waits


def measure(
    arguments: argparse.Namespace, folder: Path, *, continuous: bool, per_second: float
) -> tuple[float, list[float]]:
    """Return what `run` does, of systems loaded for it."""
    decoding = {"max_new_tokens": arguments.longest, "min_new_tokens": 0, "stop": [], "temperature": 1.0}
    options = {"continuous_batching": continuous, "batch_size": arguments.slots, "device": "cpu"}
    requests = make_requests(arguments.requests, arguments.words)
    with ExitStack() as stack:
        engines: list[LiveEngine] = []
        for one in range(arguments.systems):
            adapter = str(folder / f"adapter-{one}")
            engines.append(live(EngineSettings(str(folder / "base"), adapter, decoding=decoding, options=options)))
            stack.enter_context(closing(engines[-1]))
        run(engines, requests[: 2 * arguments.systems], [0.0] * 2 * arguments.systems)
        return run(engines, requests, arrivals(arguments.requests, per_second))


def report(name: str, seconds: float, waits: list[float]) -> None:
    ordered = sorted(waits)
    print(
        f"{name:>16}: {seconds:7.2f} s in all, {len(waits) / seconds:6.2f} answers/s; wait: mean "
        f"{statistics.mean(waits):6.2f} s, median {statistics.median(waits):6.2f} s, "
        f"95 % {ordered[int(0.95 * (len(ordered) - 1))]:6.2f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="small")
    parser.add_argument("--requests", type=int, default=48)
    parser.add_argument("--systems", type=int, default=2)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--mean", type=int, default=40, help="tokens of an answer")
    parser.add_argument("--words", type=int, default=40, help="of a prompt")
    parser.add_argument("--longest", type=int, default=160)
    parser.add_argument("--load", type=float, default=0.7, help="of what plain batches make")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="personaeval-joining-") as name:
        folder = Path(name)
        make_model(folder / "base", arguments.shape, "float32", "cpu")
        let_answers_end(folder / "base", arguments.mean)
        for one in range(arguments.systems):
            make_adapter(folder / "base", folder / f"adapter-{one}")
        print("All at once:")
        made = {}
        for way, continuous in WAYS.items():
            made[way] = measure(arguments, folder, continuous=continuous, per_second=float("inf"))
            report(way, *made[way])
        rate = arguments.load * arguments.requests / made["plain batches"][0]
        print(f"{rate:.2f} a second:")
        for way, continuous in WAYS.items():
            report(way, *measure(arguments, folder, continuous=continuous, per_second=rate))


if __name__ == "__main__":
    main()
