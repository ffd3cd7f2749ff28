"""Does training with personas make a model follow them? A small Llama from scratch, tuned with personas and without.

    python -m benchmarks.tailoring DATA --out FOLDER

DATA is the folder of a data set of `nbalepur/persona-tailoring` (sft_train.parquet … test.parquet), which is not part
of this project. The base model learns prompts, responses and personas of the training splits as separate texts, so that
no model learns from it which persona belongs to which response. It is then tuned by the project's own SFT and DPO:
without personas (DPO, the baseline), with those of the chosen responses, and with all personas, where a response that
was rejected is the better one for its own persona; both directions of a pair then stand in one batch. On the test
pairs, which no model has seen, the margin

    log p(chosen response | prompt, persona) - log p(rejected response | prompt, persona)

is measured for the persona of the chosen response, for those of other test pairs' chosen responses (shuffled, a mean of
several), for the retrieved one, for the persona of the rejected response, and for none. The baseline gets personas in
the first person, as when it generates. Differences between two personas of the same pair are free of the lengths of its
responses; what a tailored model's difference has over the baseline's, pair by pair, is the effect of the method.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from annotation.rowfiles import read_records
from modelhub.engines.digests import MANIFEST
from modelhub.engines.weights import put_adapter, whole_model
from modelhub.prompting.layouts import PersonaStyle, render_prompt
from modelhub.training.config import Recipe, load_recipe
from modelhub.training.data import TrainingRow, build_examples
from modelhub.training.dpo import make_dpo_trainer
from modelhub.training.job import DPO, SFT, DataDescription, TrainingJob
from modelhub.training.manifest import is_whole_model, read_manifest
from modelhub.training.sft import train_sft
from modelhub.training.trainer import PreparedTraining, Watch, prepare, run_training
from tests.tools.smallmodels import FloatArray, Size, device, log_probabilities, make_base

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel
    from trl import DPOTrainer

Row = Mapping[str, str]
ARMS = {"none": "DPO", "chosen": "PT-DPO, chosen", "all": "PT-DPO, all"}
BASELINE = "none"
PERSONAS = ("chosen", "shuffled", "retrieved", "rejected", "none")
DIFFERENCES = (("chosen", "shuffled"), ("chosen", "none"), ("chosen", "rejected"), ("retrieved", "shuffled"))
SIDES = ("chosen", "rejected")
SHUFFLES = 4  # other personas per pair: their mean says more than one of them
REPLICATES = 10_000


def read_split(data: Path, split: str, limit: int | None) -> list[Row]:
    """Return the rows of a split, the first `limit` of them, with their texts stripped."""
    rows = read_records(data / f"{split}.parquet")[:limit]
    return [{name: str(text or "").strip() for name, text in row.values.items()} for row in rows]


def pretraining_texts(rows: Sequence[Row]) -> list[str]:
    """Return the prompts with either response, and the personas by themselves."""
    texts = []
    for row in rows:
        texts += [f"Prompt: {row['prompt']}\nResponse: {row[side]}" for side in SIDES]
        texts += [f"Persona: {row[f'{side}_persona_gold']}" for side in SIDES]
    return list(dict.fromkeys(texts))


def training_rows(rows: Sequence[Row]) -> list[TrainingRow]:
    """Return the rows as the project trains on them."""
    return [
        TrainingRow(f"row {number}", row["prompt"], {side: row[side] for side in SIDES},
                    {side: row[f"{side}_persona_gold"] for side in SIDES})
        for number, row in enumerate(rows, start=1)
    ]  # fmt: skip


def train(
    kind: str, personas: str, splits: Mapping[str, Sequence[Row]], folder: Path, recipe: Recipe, seed: int, *,
    base: Path, dataset: str = "BeaverTails",
) -> Path:  # fmt: skip
    """Train one adapter or model on a base, unless its folder is finished, and return the folder."""
    out = folder / f"{kind}-{personas}"
    names = f"{kind}_train", f"{kind}_val"
    examples = [
        build_examples(training_rows(splits[name]), personas=personas, both_responses=kind == DPO).examples
        for name in names
    ]
    job = TrainingJob(
        kind=kind, base=str(base), out=out, recipe=recipe,
        data=DataDescription(dataset, *names, personas=personas), train=examples[0], validation=examples[1],
        seed=seed, sft=folder / f"sft-{personas}" if kind == DPO else None,
    )  # fmt: skip
    if not (out / MANIFEST).is_file():
        _train(job)
    best = read_manifest(out)
    say(f"{out.name}: validation loss {best['best']['eval_loss']:.4f} in epoch {best['best']['epoch']:g}, "
        f"{best['seconds']:.0f} s")  # fmt: skip
    return out


def _train(job: TrainingJob) -> None:
    if job.kind == SFT:
        train_sft(job)
    else:
        run_training(job, prepare(job), in_order, Watch())


def in_order(job: TrainingJob, prepared: PreparedTraining) -> "DPOTrainer":
    """Return the project's trainer, taking examples in the order of the rows, for every arm.

    With all personas both directions of a pair then stand in one batch, and what they ask for without regard to the
    persona cancels out. Apart from each other, each undoes what the other taught.
    """
    trainer = make_dpo_trainer(job, prepared)
    trainer.args.train_sampling_strategy = "sequential"
    return trainer


def personas_of(rows: Sequence[Row], seed: int, shuffles: int = SHUFFLES) -> dict[str, list[str]]:
    """Return what each condition shows with every row.

    `shuffled 1` … `shuffled 4`: the chosen persona of the row one to four places on in a random order, so that no row
    has its own or the same one twice. Raises SystemExit if there are too few rows for that.
    """
    if len(rows) <= shuffles:
        raise SystemExit(f"{len(rows)} test pairs are too few: a pair is shown the personas of {shuffles} others.")
    order = np.random.default_rng(seed).permutation(len(rows))
    gold = [row["chosen_persona_gold"] for row in rows]
    shown = {
        "chosen": gold,
        "retrieved": [row["chosen_persona_retr"] for row in rows],
        "rejected": [row["rejected_persona_gold"] for row in rows],
        "none": [""] * len(rows),
    }
    for step in range(1, shuffles + 1):
        other = dict(zip(order, np.roll(order, step), strict=True))
        shown[f"shuffled {step}"] = [gold[other[number]] for number in range(len(rows))]
    return shown


def loaded(trained: Path) -> "PreTrainedModel | PeftModel":
    """Return what a training has made: an adapter on its base, or a model; raise EngineError if it is not whole."""
    if is_whole_model(read_manifest(trained)):
        return whole_model(str(trained))
    return put_adapter(whole_model(str(trained.parent / "base")), str(trained))


def margins(trained: Path, rows: Sequence[Row], style: str, *, max_length: int, seed: int) -> dict[str, FloatArray]:
    """Return, for each of PERSONAS, the margins of the rows in nats, shape (rows, 2): whole and per token."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(trained.parent / "base")
    model = loaded(trained).to(device())
    shown = {
        condition: [render_prompt(prompt=row["prompt"], persona=persona, style=style) for row, persona in pairs]
        for condition, personas in personas_of(rows, seed).items()
        for pairs in [list(zip(rows, personas, strict=True))]
    }
    room = response_room(shown, tokenizer, max_length)
    found = {}
    for condition, prompts in shown.items():
        asked = [(prompt, f" {row[side]}") for prompt, row in zip(prompts, rows, strict=True) for side in SIDES]
        sums, counts = log_probabilities(model, tokenizer, asked, most=np.repeat(room, 2).tolist())
        both = np.stack([sums, sums / counts], axis=1).reshape(len(rows), 2, 2)
        found[condition] = both[:, 0] - both[:, 1]
    return mean_of_shuffled(found)


def mean_of_shuffled(found: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Return the margins by persona, with the mean of the shuffled ones, row by row, in their place."""
    shuffled = np.mean([values for condition, values in found.items() if condition.startswith("shuffled")], axis=0)
    return {persona: shuffled if persona == "shuffled" else found[persona] for persona in PERSONAS}


def response_room(shown: Mapping[str, Sequence[str]], tokenizer: Callable[[str], Any], max_length: int) -> list[int]:
    """Return the tokens that every pair's responses may have, so that they are cut alike in all conditions."""
    lengths = [[len(tokenizer(prompt).input_ids) for prompt in prompts] for prompts in shown.values()]
    room = [max_length - max(row) for row in zip(*lengths, strict=True)]
    if min(room) < 1:
        raise SystemExit(f"The longest prompt takes {max_length - min(room)} tokens; raise --length.")
    return room


def interval(values: FloatArray, *, seed: int = 0) -> tuple[float, float, float]:
    """Return the mean of values, shape (pairs,), and its 95 % percentile bootstrap interval over pairs."""
    drawn = np.random.default_rng(seed).integers(0, len(values), (REPLICATES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))
    return float(values.mean()), float(low), float(high)


def report(found: Mapping[str, Mapping[str, FloatArray]], names: Mapping[str, str] = ARMS) -> str:
    """Return Markdown tables: margins by model and persona, differences between personas, and those over DPO's.

    `names` says what the models of `found` are called.
    """
    lines = ["| model | " + " | ".join(PERSONAS) + " |", "|---|" + "---:|" * len(PERSONAS)]
    for arm, by_persona in found.items():
        cells = [f"{by_persona[one][:, 0].mean():.2f} ({by_persona[one][:, 1].mean():.3f})" for one in PERSONAS]
        lines.append(f"| {names[arm]} | {' | '.join(cells)} |")
    shifts = {arm: differences(by_persona) for arm, by_persona in found.items()}
    lines += _table("difference", {names[arm]: by_name for arm, by_name in shifts.items()})
    if BASELINE in shifts:
        lines += _table("difference over DPO's", {
            names[arm]: {name: shift - shifts[BASELINE][name] for name, shift in by_name.items()}
            for arm, by_name in shifts.items() if arm != BASELINE
        })  # fmt: skip
    return "\n".join(lines)


def differences(by_persona: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Return how much further the margin is for one persona than for another, pair by pair, in the margins' shape."""
    return {f"{one} − {other}": by_persona[one] - by_persona[other] for one, other in DIFFERENCES}


def _table(title: str, shifts: Mapping[str, Mapping[str, FloatArray]]) -> list[str]:
    lines = ["", f"| model | {title} | nats | nats per token | pairs above 0 |", "|---|---|---:|---:|---:|"]
    for model, by_name in shifts.items():
        for name, shift in by_name.items():
            whole, per_token = (interval(shift[:, column]) for column in (0, 1))
            above = (shift[:, 0] > 0).mean()
            lines.append(f"| {model} | {name} | {cell(whole, 2)} | {cell(per_token, 4)} | {above:.0%} |")
    return lines


def cell(value: tuple[float, float, float], digits: int) -> str:
    """Return a mean and its interval as text."""
    mean, low, high = (f"{one:+.{digits}f}" for one in value)
    return f"{mean} ({low} to {high})"


def say(text: str) -> None:
    print(text, flush=True)


def recipe_of(options: argparse.Namespace) -> Recipe:
    """Return the hyper-parameters of both trainings, the same for every arm; what --set says comes last and wins.

    SFT is gentle: the base has learned the same texts, and the harder SFT goes at a model this small, the less DPO can
    teach it about personas (docs/benchmarks.md).
    """
    return load_recipe("tiny", settings=[
        f"sft.epochs={options.sft_epochs}", "sft.batch_size=16", "sft.learning_rate=1e-5", "sft.logging_steps=50",
        f"dpo.epochs={options.dpo_epochs}", "dpo.batch_size=16", "dpo.learning_rate=1e-3", "dpo.logging_steps=50",
        "dpo.scheduler=cosine", "dpo.warmup=0.1", "lora.r=16", "lora.alpha=32",
        f"sft.max_length={options.length}", f"dpo.max_length={options.length}", *options.set,
    ])  # fmt: skip


def claim(folder: Path, settings: Mapping[str, Any]) -> None:
    """Note what the models of the folder are made with; raise SystemExit if it was something else."""
    noted, text = folder / "settings.json", json.dumps(settings, sort_keys=True)
    if noted.is_file() and noted.read_text(encoding="utf-8") != text:
        raise SystemExit(f"{folder} holds models of other settings, see {noted}. Give another folder to --out.")
    noted.write_text(text, encoding="utf-8")


def pretrain(splits: Mapping[str, Sequence[Row]], folder: Path, size: Size, seed: int) -> None:
    """Make the base model, unless it is there."""
    if (folder / "base" / "config.json").is_file():
        return
    texts = pretraining_texts([*splits["sft_train"], *splits["dpo_train"]])
    start = time.perf_counter()
    losses = [round(one, 3) for one in make_base(texts, folder / "base", size, seed=seed)]
    say(f"base: {len(texts)} texts, loss by epoch {losses}, {time.perf_counter() - start:.0f} s, {asdict(size)}")


def run(options: argparse.Namespace, folder: Path) -> None:
    """Train what is missing in the folder, measure, print, and keep the margins beside the models."""
    names = ("sft_train", "sft_val", "dpo_train", "dpo_val", "test")
    splits = {name: read_split(options.data, name, options.rows) for name in names}
    size = Size(options.hidden, options.layers, options.vocabulary, options.length, options.pretrain_epochs)
    recipe, measured = recipe_of(options), splits[options.measured]
    claim(folder, {
        "size": asdict(size), "recipe": recipe.model_dump(mode="json"), "rows": options.rows, "seed": options.seed,
    })  # fmt: skip
    pretrain(splits, folder, size, options.seed)
    found = {}
    for personas in ARMS:
        for kind in (SFT, DPO):
            trained = train(kind, personas, splits, folder, recipe, options.seed, base=folder / "base")
        style = PersonaStyle.FIRST_PERSON if personas == "none" else PersonaStyle.FIELD
        found[personas] = margins(trained, measured, style, max_length=options.length, seed=options.seed)
    kept = {arm: {one: values.tolist() for one, values in by_persona.items()} for arm, by_persona in found.items()}
    (folder / f"margins-{options.measured}.json").write_text(json.dumps(kept), encoding="utf-8")
    say(f"\n{len(measured)} pairs of {options.measured}, on {device()}\n\n{report(found)}")


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with sft_train.parquet, sft_val, dpo_train, dpo_val and test")
    parser.add_argument("--out", type=Path, help="keep the models here; the same command goes on from them")
    parser.add_argument("--rows", type=int, help="only the first rows of every split")
    parser.add_argument("--hidden", type=int, default=64, help="width of the model, a multiple of 32 (64)")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, default=2048)
    parser.add_argument("--length", type=int, default=256, help="longest text in tokens (256)")
    parser.add_argument("--pretrain-epochs", type=int, default=2)
    parser.add_argument("--sft-epochs", type=int, default=1)
    parser.add_argument("--dpo-epochs", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="over the recipe")
    parser.add_argument(
        "--measured",
        choices=("dpo_val", "test"),
        default="test",
        help="split of the margins; choose settings on dpo_val",
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start, worked = time.perf_counter(), time.process_time()
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        run(options, options.out)
    else:
        with tempfile.TemporaryDirectory() as folder:
            run(options, Path(folder))
    say(f"\n{time.perf_counter() - start:.0f} s in all, {time.process_time() - worked:.0f} s of processor time")


if __name__ == "__main__":
    main()
