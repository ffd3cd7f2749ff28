"""What both trainings can be told, and what is trained by it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from django.conf import settings
from pydantic import Field

from modelhub.queries.checks import ANY, QUALITIES
from modelhub.runs.parameters import LeaseOptions, Option, Positive, Seed
from modelhub.stages.shared import parameters as shared
from modelhub.training.config import Recipe, load_recipe, recipe_names
from modelhub.training.data import TRAINING_PERSONAS

GOLD, RETRIEVED = "gold", "retrieved"
PERSONA_SOURCES = (GOLD, RETRIEVED)


def model_folder(name: str) -> Path:
    """Return the folder that is meant: a path as it is, a bare name in VAR_DIR/models."""
    path = Path(name)
    return path if len(path.parts) > 1 or path.is_absolute() else settings.VAR_DIR / "models" / name


def model_name(name: str) -> str:
    """Return a base as the libraries take it: an existing folder as an absolute path, anything else as it is."""
    return str(Path(name).resolve()) if Path(name).is_dir() else name


class TrainOptions(shared.OfDataset, LeaseOptions):
    """What either training can be told; `limit` takes the first rows of each split."""

    out: shared.Place = Field(description="a folder, or a name in VAR_DIR/models")
    personas: Annotated[str, Option(choices=lambda: TRAINING_PERSONAS)] = Field(
        default="chosen", description="of which side"
    )
    persona_source: Annotated[str, Option(choices=lambda: PERSONA_SOURCES)] = Field(
        default=GOLD, description="inferred from the pair itself, or retrieved for it"
    )
    persona_quality: Annotated[str, Option(choices=lambda: QUALITIES)] = Field(
        default=ANY, description="which personas are learned from: any, those without flags, or those checked as well"
    )
    system: shared.Name = Field(default="", description="what inferred the personas")
    retriever: shared.Name = Field(default="", description="what retrieved the personas")
    train_split: shared.Name = Field(default="", description="what is trained on")
    val_split: shared.Name = Field(default="", description="what is measured on")
    limit: Annotated[Positive | None, Option(metavar="N")] = Field(
        default=None, description="only the first N pairs of each split"
    )
    allow_missing: bool = Field(default=False, description="leave out rows without a needed persona")
    recipe: Annotated[str, Option(choices=recipe_names)] = Field(default="paper", description="the hyper-parameters")
    config: Annotated[Path | None, Option(metavar="FILE")] = Field(
        default=None, description="a TOML file over the recipe"
    )
    overrides: Annotated[tuple[str, ...], Option(metavar="KEY=VALUE", flag="--set", repeated=True)] = Field(
        default=(), description="over both, such as dpo.beta=0.2"
    )
    seed: Annotated[Seed, Option(metavar="N")] = Field(default=0, description="of the order of rows and of new weights")
    report_to: shared.Names = Field(default=(), description="such as tensorboard")
    registered: Annotated[str, Option(metavar="NAME", flag="--register")] = Field(
        default="", description="register the result as a system"
    )

    def hyper_parameters(self) -> Recipe:
        """Return the recipe as it holds; raise ServiceError naming every unknown key and every wrong value."""
        return load_recipe(self.recipe, config=self.config, settings=self.overrides)


@dataclass(frozen=True)
class Trained:
    """What is trained: its kind, the base, for DPO the SFT adapter, and the recipe as it holds for them."""

    kind: str
    base: str
    recipe: Recipe
    sft: Path | None = None
