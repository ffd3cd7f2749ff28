"""A training to be done, and what its output folder says about it: new, to be resumed, finished, or another's. Pure."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from annotation.errors import ServiceError
from modelhub.engines.digests import JOB, MANIFEST, digest_of, model_digest
from modelhub.training.config import DpoSettings, Recipe, SftSettings
from modelhub.training.data import Example
from modelhub.training.manifest import (
    CHECKPOINTS,
    CURVES,
    differences,
    read_job,
    read_manifest,
    write_json,
)
from modelhub.training.starting import router_aux_loss

SFT, DPO, MERGED = "sft", "dpo", "merged"
LEAN = (
    "weights-only"  # in a checkpoint that lost its optimizer's states: it may be the best, but nothing goes on from it
)


@dataclass(frozen=True)
class DataDescription:
    """Which rows are trained on, for people and for comparison; the examples' digest goes with them.

    `personas` is the training persona, `persona_source` gold or retrieved, `inferring_system` what inferred them,
    `retriever` what found them; the last three are empty without personas. `persona_quality` says what a persona had to
    be to be learned from; it is empty where any would do.
    """

    dataset: str
    train_split: str
    validation_split: str
    personas: str
    persona_source: str = ""
    inferring_system: str = ""
    retriever: str = ""
    persona_quality: str = ""

    def condition(self) -> dict[str, str]:
        """Return what the SFT and the DPO training of one arm have in common: all but the splits.

        A quality that says nothing is left out, as in what was trained before there was one.
        """
        shared = {key: value for key, value in asdict(self).items() if not key.endswith("_split")}
        return {key: value for key, value in shared.items() if value or key != "persona_quality"}


@dataclass(frozen=True)
class TrainingJob:
    """All that shapes an adapter or a whole model, and where it goes. `sft` is the one that DPO starts from."""

    kind: str
    base: str
    out: Path
    recipe: Recipe
    data: DataDescription
    train: Sequence[Example]
    validation: Sequence[Example]
    seed: int = 0
    sft: Path | None = None
    report_to: Sequence[str] = field(default=())

    @property
    def settings(self) -> SftSettings | DpoSettings:
        """The settings of this kind of training."""
        return self.recipe.sft if self.kind == SFT else self.recipe.dpo

    @property
    def is_full(self) -> bool:
        """Whether all weights are trained: what is written is a model, and no adapter."""
        return not self.recipe.lora.enabled

    @property
    def checkpoints(self) -> Path:
        return self.out / CHECKPOINTS

    def effective_recipe(self) -> dict[str, Any]:
        """Return the recipe's settings that shape the training and, for a mixture, the weight of its routers' loss."""
        routers = router_aux_loss(self.base, self.recipe.trl_sft if self.kind == SFT else self.recipe.trl_dpo)
        return self.recipe.effective(self.kind) | ({"router_aux_loss": routers} if routers else {})

    def describe(self) -> dict[str, Any]:
        """Return all that shapes the result, as JSON: two jobs with the same description are the same job."""
        described = {
            "kind": self.kind,
            "base_digest": model_digest(self.base),
            "sft_digest": model_digest(str(self.sft)) if self.sft else None,
            "data": self.data.condition()
            | {
                "train": _examples(self.data.train_split, self.train),
                "validation": _examples(self.data.validation_split, self.validation),
            },
            "recipe": self.effective_recipe(),
            "seed": self.seed,
            "processes": processes(),
        }
        normal: dict[str, Any] = json.loads(json.dumps(described))  # as it reads back from the file
        return normal


def _examples(split: str, examples: Sequence[Example]) -> dict[str, Any]:
    rows = [[one.prompt, one.persona, one.response, one.other] for one in examples]
    return {"split": split, "examples": len(rows), "sha256": digest_of(rows)}


def processes() -> int:
    """Return how many processes train together, as the launcher of torch and accelerate says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Return whether this is the one process that writes to the database and the terminal."""
    return int(os.environ.get("RANK", "0")) == 0


class FolderState(StrEnum):
    """What an output folder holds."""

    NEW = "new"
    UNFINISHED = "unfinished"
    FINISHED = "finished"


def folder_state(job: TrainingJob) -> FolderState:
    """Return what the job's output folder holds; raise ServiceError if it is no place for this job."""
    out = job.out
    if out.exists() and not out.is_dir():
        raise ServiceError(f"{out} is a file; give a folder.")
    before = read_job(out)
    if before is None:
        if out.exists() and any(out.iterdir()):
            raise ServiceError(f"{out} holds something else already. Give a folder that is new or empty.")
        return FolderState.NEW
    if last_checkpoint(job) is None and all(path.name in (JOB, CHECKPOINTS, CURVES) for path in out.iterdir()):
        return FolderState.NEW  # claimed, but nothing has come of it: another training may have the place
    different = differences(before, job.describe())
    if different:
        raise ServiceError(
            "\n".join([f"{out} belongs to another training:", *different, "Give another folder, or remove that one."])
        )
    return FolderState.FINISHED if (out / MANIFEST).is_file() else FolderState.UNFINISHED


def folder_claim(job: TrainingJob) -> None:
    """Make the output folder and write down whose it is."""
    job.out.mkdir(parents=True, exist_ok=True)
    write_json(job.out / JOB, job.describe())


def last_checkpoint(job: TrainingJob) -> Path | None:
    """Return the newest complete checkpoint of the job, None if there is none that training can go on from."""
    whole = [path for path in job.checkpoints.glob("checkpoint-*") if _whole(path) and not (path / LEAN).exists()]
    return max(whole, key=checkpoint_step, default=None)


def checkpoint_step(checkpoint: Path) -> int:
    """Return the step after which a checkpoint was written, by its name."""
    return int(checkpoint.name.rpartition("-")[2])


def drop_broken_checkpoints(job: TrainingJob) -> None:
    """Remove checkpoints that a kill left half-written: the trainer would keep them in place of whole ones."""
    for path in job.checkpoints.glob("checkpoint-*"):
        if not _whole(path):
            shutil.rmtree(path)


def _whole(checkpoint: Path) -> bool:
    # The trainer writes its state last.
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def read_start(sft: Path) -> dict[str, Any]:
    """Return the manifest of the model that DPO is to start from; raise ServiceError if there is none."""
    manifest = read_manifest(sft)
    if manifest["kind"] != SFT:
        raise ServiceError(f"{sft} is no sft model but a {manifest['kind']} one; DPO starts from what train_sft made.")
    return manifest


def check_start(sft: Path, *, base: str, data: DataDescription) -> None:
    """Raise ServiceError unless the SFT model matches what DPO is to train: its reference would be another arm's.

    Base, data set and everything about the personas must agree.
    """
    manifest = read_start(sft)
    there: Mapping[str, Any] = {
        "base_digest": manifest["base"]["digest"],
        **{key: manifest["data"].get(key) for key in asdict(data) if key in {*data.condition(), *manifest["data"]}},
    }
    problems = differences(there, {"base_digest": model_digest(base), **data.condition()})
    if problems:
        raise ServiceError(
            "\n".join([f"DPO cannot start from {sft}, which was trained otherwise:", *problems,
                       "Train the matching SFT model, or give the options it was trained with."])
        )  # fmt: skip
