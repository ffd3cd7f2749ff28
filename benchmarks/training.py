"""Training in batches and packed rows against the original settings (batch 1, no packing), to the same loss.

    python -m benchmarks.training [--base FOLDER] [--rows 256] [--epochs 3]

Both train an adapter of the same base on the same rows. The original's last validation loss is the target; ours is
timed until an epoch's validation loss is no higher. Without --base, a small Llama is made with random weights. Rows are
made up, with answers of one to six sentences: what packing gains depends on how much lengths differ.
"""

import argparse
import random
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from modelhub.training.config import load_recipe
from modelhub.training.data import Example
from modelhub.training.dpo import train_dpo
from modelhub.training.job import DPO, SFT, DataDescription, TrainingJob
from modelhub.training.sft import train_sft
from modelhub.training.trainer import EVALUATION, LogEntry, TrainingResult, Watch

MORE_EPOCHS = 3  # times the original's epochs that ours may take to the same loss
ORIGINAL = {
    SFT: ["sft.batch_size=1", "sft.packing=false", "sft.learning_rate=5e-4"],
    DPO: ["dpo.batch_size=1", "dpo.learning_rate=1e-4"],
}
# Adam takes a larger batch with a learning rate that grows like its square root or a little faster.
OURS = {
    SFT: ["sft.batch_size=1", "sft.packing=true", "sft.learning_rate=2e-3"],  # about six texts in a row
    DPO: ["dpo.batch_size=4", "dpo.learning_rate=4e-4"],
}
_ALIKE = ["{0}.gradient_checkpointing=false", "{0}.logging_steps=1000", "{0}.scheduler=constant", "{0}.max_length=256"]
_SENTENCES = (
    "Start small and keep at it.", "Ask somebody who knows.", "Read about it, then try it with a friend.",
    "Give it a week.", "Write down what worked and what did not, and change one thing at a time.", "Rest in between.",
)  # fmt: skip
_TASKS = ("bake bread", "grow tomatoes", "save money", "write a poem", "fix a tyre", "cook rice", "make friends")


@dataclass
class Timed:
    """One training: rows seen per second, and when each epoch's validation loss was known (seconds, loss)."""

    rows_per_second: float
    losses: list[tuple[float, float]]


def make_rows(count: int) -> list[Example]:
    """Return made-up examples: long answers are preferred."""
    draw = random.Random(0)
    rows = []
    for number in range(count):
        long = " ".join(draw.sample(_SENTENCES, draw.randint(2, 6)))
        prompt = f"How do I {draw.choice(_TASKS)} in {draw.randint(2, 60)} days?"
        rows.append(Example(f"row {number}", prompt, "The user is patient and prefers detail.", long, "Just try."))
    return rows


def timed(job: TrainingJob) -> Timed:
    """Train, and time it from the first step on; checkpoints and validation count for either side."""
    losses: list[tuple[float, float]] = []
    began = time.perf_counter()

    def started(total: int, done: int) -> None:
        nonlocal began
        began = time.perf_counter()

    def logged(entry: LogEntry) -> None:
        if entry.kind == EVALUATION:
            losses.append((time.perf_counter() - began, entry.values["eval_loss"] or float("inf")))

    train = train_sft if job.kind == SFT else train_dpo
    result: TrainingResult = train(job, Watch(started, logged))
    return Timed(len(job.train) * job.settings.epochs / result.seconds, losses)


def compare(kind: str, base: Path, folder: Path, rows: list[Example], epochs: int, sft: Path | None) -> Path:
    """Print the ratios of one kind of training, and return the adapter that ours made."""
    held_out = len(rows) // 8
    alike = [one.format(kind) for one in _ALIKE]
    job = TrainingJob(
        kind=kind, base=str(base), out=folder / f"{kind}-original", data=DataDescription("made up", "a", "b", "chosen"),
        recipe=load_recipe("tiny", settings=[*alike, f"{kind}.epochs={epochs}", *ORIGINAL[kind]]),
        train=rows[held_out:], validation=rows[:held_out], sft=sft,
    )  # fmt: skip
    original = timed(job)
    settings = [*alike, f"{kind}.epochs={epochs * MORE_EPOCHS}", *OURS[kind]]
    ours_job = replace(job, out=folder / f"{kind}-ours", recipe=load_recipe("tiny", settings=settings))
    ours = timed(ours_job)
    seconds, target = original.losses[-1]
    reached = next((one for one in ours.losses if one[1] <= target), None)
    print(
        f"{kind}: {original.rows_per_second:.1f} rows/s with batch 1, {ours.rows_per_second:.1f} with ours, ratio "
        f"{ours.rows_per_second / original.rows_per_second:.1f}"
    )
    if reached is None:
        print(f"{kind}: ours did not come to a validation loss of {target:.3f}; its best is {min(ours.losses)[1]:.3f}")
    else:
        print(
            f"{kind}: validation loss {target:.3f} after {seconds:.1f} s with batch 1; {reached[1]:.3f} after "
            f"{reached[0]:.1f} s with ours, ratio {seconds / reached[0]:.1f}"
        )
    return ours_job.out


def make_base(folder: Path) -> Path:
    """Make a Llama of 2 layers (hidden 128) with random weights, and a tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from tests.tools.tinymodels import CONTEXT, make_tokenizer

    torch.manual_seed(0)
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=128, intermediate_size=352, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=4, max_position_embeddings=CONTEXT, tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = options.base or make_base(folder / "base")
        rows = make_rows(options.rows)
        sft = compare(SFT, base, folder, rows, options.epochs, None)
        compare(DPO, base, folder, rows, options.epochs, sft)


if __name__ == "__main__":
    main()
