"""What is compared with what: the size of the experiment, its arms, the rows it uses, and how the arms are asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.tailoring import Row, read_split
from modelhub.engines.base import GenerationRequest
from modelhub.prompting.layouts import PersonaStyle, render_prompt, system_message
from modelhub.training.config import Recipe, load_recipe

UNTRAINED, BASELINE = "untrained", "none"
ARMS = {
    UNTRAINED: "untrained",
    BASELINE: "DPO",
    "chosen": "PT-DPO, chosen",
    "rejected": "PT-DPO, rejected",
    "all": "PT-DPO, all",
}
TRAINED = tuple(arm for arm in ARMS if arm != UNTRAINED)
TAILORED = tuple(arm for arm in TRAINED if arm != BASELINE)
SPLITS = ("sft_train", "sft_val", "dpo_train", "dpo_val", "test")
MEASURED = ("test", "dpo_val")


@dataclass(frozen=True)
class Design:
    """The size of the experiment. Numbers of rows are per split, 0 for all; `words` bounds both responses, 0 for none.

    `measured` is the split whose rows take the place of test rows: some data sets have no preferences in theirs.
    `style` is how the models that are trained with personas are shown them; the others get them in the first person.
    `asked` shows all of them the personas in one style instead, whatever they were trained on.
    """

    data: Path
    model: Path
    out: Path
    arms: tuple[str, ...]
    chat: bool
    style: str
    words: int
    training: int
    validation: int
    test: int
    answered: int
    shuffles: int
    new_tokens: int
    measured: str = "test"
    asked: str = ""
    settings: tuple[str, ...] = field(default=())

    def recipe(self) -> Recipe:
        """Return the hyper-parameters of every arm; what is set one by one comes last and wins."""
        return load_recipe("paper", settings=[
            f"layout.chat={str(self.chat).lower()}", f"layout.persona={self.style}",
            "lora.target_modules=all-linear", "lora.dropout=0.0",
            "sft.epochs=1", "sft.learning_rate=5e-5", "sft.batch_size=4",
            "dpo.epochs=1", "dpo.learning_rate=3e-4", "dpo.batch_size=4", "dpo.max_prompt_length=256",
            "dpo.scheduler=cosine", "dpo.warmup=0.1",
            "sft.gradient_checkpointing=false", "dpo.gradient_checkpointing=false", *self.settings,
        ])  # fmt: skip

    def style_of(self, arm: str) -> str:
        """Return the persona style in which an arm is asked."""
        return self.asked or (PersonaStyle.FIRST_PERSON if arm in (UNTRAINED, BASELINE) else self.style)

    def named(self, kind: str, arm: str = "") -> str:
        """Return what a result is called: its kind, its arm, and how all arms were asked, where that was told."""
        return "-".join(part for part in (kind, arm, self.asked) if part)

    def noted(self) -> dict[str, object]:
        """Return what a folder's models and measurements depend on, as JSON."""
        return {
            "model": self.model.name, "recipe": self.recipe().model_dump(mode="json"), "words": self.words,
            "training": self.training, "validation": self.validation, "test": self.test, "answered": self.answered,
            "shuffles": self.shuffles, "new_tokens": self.new_tokens, "measured": self.measured,
        }  # fmt: skip


def read_rows(design: Design) -> dict[str, list[Row]]:
    """Return the rows of every split that are short enough, the first of them; raise SystemExit for an empty split."""
    counts = {"test": design.test, "sft_val": design.validation, "dpo_val": design.validation}
    found = {}
    for split in SPLITS:
        source = design.measured if split == "test" else split
        rows = [row for row in read_split(design.data, source, None) if is_used(row, design.words)]
        found[split] = rows[: counts.get(split, design.training) or None]
        if not found[split]:
            upto = f" of up to {design.words} words; raise --words" if design.words else " with both personas"
            raise SystemExit(f"{design.data / source}.parquet has no pair{upto}.")
    return found


def is_used(row: Row, words: int) -> bool:
    """Return whether a pair has all its texts, and responses of no more than so many words (0: any)."""
    responses = [row["chosen"], row["rejected"]]
    whole = all([*responses, row["chosen_persona_gold"], row["rejected_persona_gold"]])
    return whole and (not words or max(len(one.split()) for one in responses) <= words)


def request_of(row: Mapping[str, str], persona: str, style: str) -> GenerationRequest:
    """Return what a model is asked for a row's prompt and a persona."""
    return GenerationRequest(
        render_prompt(prompt=row["prompt"], persona=persona, style=style), row["prompt"], persona,
        system_message(persona=persona, style=style),
    )  # fmt: skip


def requests_of(rows: Sequence[Row], personas: Sequence[str], style: str) -> list[GenerationRequest]:
    """Return the requests of rows, each with its persona."""
    return [request_of(row, persona, style) for row, persona in zip(rows, personas, strict=True)]
