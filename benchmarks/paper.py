"""The method on a real pretrained model: does training with personas make it follow them?

    python -m benchmarks.paper DATA --model FOLDER --out FOLDER

DATA is the folder of a data set of `nbalepur/persona-tailoring` (sft_train.parquet … test.parquet), which is not part
of this project; FOLDER a model such as `make real-model` makes. For each seed the model is tuned by the project's own
SFT and DPO without personas (DPO), with those of chosen responses, of rejected ones, and with both. On test pairs,
which no model has seen,

    log p(chosen response | prompt, persona) - log p(rejected response | prompt, persona)

is measured for the persona of the chosen response, for those of other pairs (shuffled), for the retrieved one, for that
of the rejected response, and for none. DPO and the tailored models then answer test prompts for personas that are gold
and retrieved, of either direction, and a judge compares them (benchmarks/experiment/attribute_judge.py). All that is
finished is kept in --out, where several processes can each do a seed (--seeds 1) at once. The same command goes on from
there and ends with OUT/report.md and OUT/margins.svg. The answers lie there as the authors' released outputs do, so
that `manage.py import_pair_outputs` and `judge` read them.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.experiment.answers import answer, kept_answers
from benchmarks.experiment.attribute_judge import AttributeJudge
from benchmarks.experiment.design import ARMS, MEASURED, TRAINED, UNTRAINED, Design, read_rows
from benchmarks.experiment.findings import (
    by_length_table,
    figure,
    judge_table,
    judged_table,
    length_table,
    margin_tables,
)
from benchmarks.experiment.measuring import keep_margins, kept_margins, margins
from benchmarks.tailoring import Row, claim, read_split, say, train
from modelhub.prompting.layouts import PersonaStyle
from modelhub.training.job import DPO, SFT

STYLES = (PersonaStyle.FIELD, PersonaStyle.SYSTEM_MESSAGE, PersonaStyle.FIRST_PERSON)


def trained_by(design: Design, arm: str, seed: int, splits: Mapping[str, Sequence[Row]]) -> Path | None:
    """Train an arm unless it is there, and return its folder; None for the model as it came."""
    if arm == UNTRAINED:
        return None
    folder, recipe = _folder(design, seed), design.recipe()
    for kind in (SFT, DPO):
        trained = train(kind, arm, splits, folder, recipe, seed, base=design.model, dataset=design.data.name)
    return trained


def measure(design: Design, seed: int, splits: Mapping[str, Sequence[Row]]) -> None:
    """Train, measure and answer with every arm of one seed, as far as it is not done."""
    folder = _folder(design, seed)
    folder.mkdir(parents=True, exist_ok=True)
    for arm in design.arms:
        trained = trained_by(design, arm, seed, splits)
        path = _margins_path(design, arm, seed)
        if not path.is_file():
            start = time.perf_counter()
            keep_margins(path, margins(design, arm, trained, splits["test"], seed))
            say(f"{path.stem}: {len(splits['test'])} pairs, {time.perf_counter() - start:.0f} s")
        if arm in TRAINED and not design.asked:
            answer(design, arm, trained, splits["test"][: design.answered or None], _answers_path(design, arm, seed))


def _folder(design: Design, seed: int) -> Path:
    return design.out / f"seed-{seed}"


def _margins_path(design: Design, arm: str, seed: int) -> Path:
    return _folder(design, seed) / f"{design.named('margins', arm)}.json"


def _answers_path(design: Design, arm: str, seed: int) -> Path:
    return _folder(design, seed) / f"{design.named('answers', arm)}.jsonl"


def report(design: Design, seeds: Sequence[int], splits: Mapping[str, Sequence[Row]]) -> str:
    """Write the report and the figure of what is measured, and return the report."""
    measured = {
        seed: {arm: kept_margins(path) for arm in ARMS if (path := _margins_path(design, arm, seed)).is_file()}
        for seed in seeds
    }
    answers = {seed: {arm: kept_answers(_answers_path(design, arm, seed)) for arm in TRAINED} for seed in seeds}
    whole = {name: read_split(design.data, name, None) for name in ("sft_train", "dpo_train", "dpo_val", "test")}
    judge = AttributeJudge([*whole["sft_train"], *whole["dpo_train"]], whole["dpo_val"])
    parts = [
        f"{design.model.name}, {design.data.name}: {_sizes(splits)}; seeds {', '.join(map(str, seeds))}",
        "## Margins", margin_tables(measured), by_length_table(measured, splits["test"]),
        "## The judge against the people of the data", judge_table(judge, whole[design.measured]),
        "## Answers", judged_table(judge, answers, design.data.name), length_table(answers),
    ]  # fmt: skip
    (design.out / f"{design.named('margins')}.svg").write_text(figure(measured) + "\n", encoding="utf-8")
    text = "\n\n".join(parts) + "\n"
    (design.out / f"{design.named('report')}.md").write_text(text, encoding="utf-8")
    return text


def _sizes(splits: Mapping[str, Sequence[Row]]) -> str:
    return ", ".join(f"{len(rows)} pairs of {name}" for name, rows in splits.items())


def design_of(options: argparse.Namespace) -> Design:
    """Return what the options ask for."""
    return Design(
        data=options.data, model=options.model, out=options.out, arms=tuple(options.arms),
        chat=options.layout == "chat", style=options.style, words=options.words, training=options.training,
        validation=options.validation, test=options.test, answered=options.answered, shuffles=options.shuffles,
        new_tokens=options.new_tokens, measured=options.measured, asked=options.asked, settings=tuple(options.set),
    )  # fmt: skip


def read_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with sft_train.parquet, sft_val, dpo_train, dpo_val and test")
    parser.add_argument("--model", type=Path, required=True, help="folder of the pretrained model")
    parser.add_argument("--out", type=Path, required=True, help="all results; the same command goes on from them")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="SEED", help="which (0 1 2)")
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--layout", choices=("chat", "lines"), default="chat", help="the model's template, or lines")
    parser.add_argument("--style", choices=[style.value for style in STYLES], default=PersonaStyle.SYSTEM_MESSAGE.value)
    parser.add_argument("--asked", choices=[one.value for one in STYLES], default="",
                        help="show every arm the personas in this style, whatever it was trained on")  # fmt: skip
    parser.add_argument("--words", type=int, default=70, help="longest response of the pairs used, 0 for any (70)")
    parser.add_argument("--training", type=int, default=128, help="pairs of each training split, 0 for all (128)")
    parser.add_argument("--validation", type=int, default=16, help="pairs of each validation split, 0 for all (16)")
    parser.add_argument("--test", type=int, default=60, help="test pairs that are measured, 0 for all (60)")
    parser.add_argument("--measured", choices=MEASURED, default="test", help="split of the pairs that are measured")
    parser.add_argument("--answered", type=int, default=20, help="test prompts that are answered, 0 for all (20)")
    parser.add_argument("--shuffles", type=int, default=1, help="personas of other pairs that each pair is shown (1)")
    parser.add_argument("--new-tokens", type=int, default=96, help="longest answer in tokens (96)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="over the recipe")
    return parser.parse_args()


def main() -> None:
    """Do what is missing, seed by seed, and report."""
    options = read_options()
    design, start, worked = design_of(options), time.perf_counter(), time.process_time()
    design.out.mkdir(parents=True, exist_ok=True)
    claim(design.out, json.loads(json.dumps(design.noted())))
    splits = read_rows(design)
    for seed in options.seeds:
        measure(design, seed, splits)
    say(report(design, options.seeds, splits))
    say(f"{time.perf_counter() - start:.0f} s in all, {time.process_time() - worked:.0f} s of processor time")


if __name__ == "__main__":
    main()
