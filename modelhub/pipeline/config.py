"""What a pipeline is made of, read from a TOML file; docs/pipeline.md describes every key."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from annotation.errors import ServiceError
from annotation.fields import Name
from modelhub.models import PersonaSource
from modelhub.prompting.layouts import PersonaStyle
from modelhub.prompting.procedures import Procedure
from modelhub.queries.persona_sources import GOLD, RETRIEVED
from modelhub.runs.parameters import Lease, Positive, message_of
from modelhub.runs.stage import P, Stage
from modelhub.screening.scan import LOOP_SHARE
from modelhub.stages import stage_names
from modelhub.systems.few_shot import SHOTS
from modelhub.training.config import Recipe, load_recipe

Place = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]  # a path or a Hub name
TRAINING_SPLITS = ("sft_train", "sft_val", "dpo_train", "dpo_val")
_GIVEN = tuple(str(source) for source in (*RETRIEVED, *GOLD))
TAILORED, PLAIN = "tailored", "plain"


class _PipelineSection(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SystemSettings(_PipelineSection):
    """A system by its name; with `engine`, it is registered so, without, it is known already."""

    name: Name
    engine: str = ""
    model: str = ""
    endpoint: str = ""
    decoding: dict[str, Any] = {}
    options: dict[str, Any] = {}


class Prompted(SystemSettings):
    """A system that answers untrained, beside the two that are trained; registered on their base unless told otherwise.

    `exemplars` is the split of the data set that `retrieved-exemplars` retrieves `shots` of.
    """

    persona_style: PersonaStyle = PersonaStyle.FIELD
    procedure: Procedure | Literal[""] = ""
    exemplars: str = "sft_train"
    shots: Positive = SHOTS


class Retrieval(_PipelineSection):
    """The ColBERT checkpoint or sentence encoder, a folder or a Hub name."""

    checkpoint: Place


class Training(_PipelineSection):
    """What both arms have in common, and the personas that the tailored one is trained with."""

    base: Place
    recipe: str = "paper"
    recipe_file: str = ""
    settings: tuple[str, ...] = ()
    personas: Literal["chosen", "rejected", "all"] = "chosen"
    persona_quality: Literal["any", "unflagged", "checked"] = "any"
    seed: int = Field(default=0, ge=0)


class Generated(_PipelineSection):
    """What the trained systems answer, by which engine. `generic` adds answers of the plain one without personas."""

    split: str = "test"
    sources: Annotated[tuple[PersonaSource, ...], Field(min_length=1)] = (
        PersonaSource.RETRIEVED_CHOSEN,
        PersonaSource.GOLD_CHOSEN,
    )
    generic: bool = False
    engine: Literal["transformers", "vllm"] = "transformers"
    decoding: dict[str, Any] = {}
    options: dict[str, Any] = {}
    loop_share: float = Field(default=LOOP_SHARE, gt=0.0, lt=1.0)


class Judging(SystemSettings):
    """The judge of outputs, and of personas in the splits to be checked."""

    format: Literal["direct", "prometheus"] = "direct"
    check_splits: tuple[str, ...] = ("test",)


class StudyPart(_PipelineSection):
    """The study file, and which outputs go into it: those for personas of `source`, of at most `limit` pairs."""

    file: Place
    source: PersonaSource = PersonaSource.RETRIEVED_CHOSEN
    limit: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)


class Pipeline(_PipelineSection):
    """All of it. Without a judge nothing is checked or judged, without a study none is made."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=40)]
    dataset: Name
    files: Annotated[tuple[str, ...], Field(min_length=1)]
    profile: str = ""
    inferring: SystemSettings
    retrieval: Retrieval | None = None
    training: Training
    generation: Generated = Generated()
    prompted: tuple[Prompted, ...] = ()
    judge: Judging | None = None
    study: StudyPart | None = None
    batch_size: Positive | None = None
    lease_seconds: Lease | None = None
    stages: dict[str, dict[str, Any]] = {}

    def told(self, stage: Stage[P], **given: Any) -> P:
        """Return the parameters of a stage: what the pipeline gives, and what the file adds under [stages.NAME].

        Raises ServiceError naming every wrong value, and what the file may not change.
        """
        added = self.stages.get(stage.name, {})
        if taken := sorted(given.keys() & added.keys()):
            raise ServiceError(f"stages.{stage.name}: {', '.join(taken)} follow from other sections; leave them out.")
        shared = {"batch_size": self.batch_size, "lease_seconds": self.lease_seconds}
        known = {name: value for name, value in shared.items() if value and name in stage.parameters.model_fields}
        if added.get("on") == "folder":
            raise ServiceError(
                f"stages.{stage.name}.on: a folder is answered by another command, which nothing here waits for. Say "
                '"ray", or run the stage by itself.'
            )
        try:
            return stage.parameters.model_validate(known | given | added)
        except ValidationError as error:
            problems = [
                f"stages.{stage.name}.{'.'.join(map(str, one['loc']))}: {message_of(one)}" for one in error.errors()
            ]
            raise ServiceError("\n".join(problems)) from error

    @property
    def system_names(self) -> dict[str, str]:
        """The names of the two systems: the plain one and the tailored one."""
        return {PLAIN: f"{self.name} DPO", TAILORED: f"{self.name} PT-DPO"}

    @property
    def answering(self) -> list[str]:
        """The names of all systems that answer for personas: the two trained ones, and those that are prompted."""
        return [*self.system_names.values(), *(one.name for one in self.prompted)]

    @property
    def needs_retrieval(self) -> bool:
        """Whether anything is generated or shown for retrieved personas."""
        wanted = [*self.generation.sources, *([self.study.source] if self.study else [])]
        return any(source in RETRIEVED for source in wanted)

    def recipe(self) -> Recipe:
        """Return the hyper-parameters; raise ServiceError naming every unknown key and every wrong value."""
        training = self.training
        config = Path(training.recipe_file) if training.recipe_file else None
        return load_recipe(training.recipe, config=config, settings=training.settings)


def read_pipeline(path: Path, changes: Mapping[str, str | None]) -> Pipeline:
    """Return the pipeline of a TOML file, with `changes` (`training.base`: value; None changes nothing) put over it.

    Paths in the file are meant from its folder, those in `changes` from the working directory. Raises ServiceError
    naming every mistake at once.
    """
    values = _read(path)
    _make_absolute(values, path.resolve().parent)
    for name, value in changes.items():
        if value is not None:
            _set(values, name.split("."), value)
    try:
        pipeline = Pipeline.model_validate(values)
    except ValidationError as error:
        problems = [f"- {'.'.join(map(str, one['loc'])) or 'the file'}: {message_of(one)}" for one in error.errors()]
        raise ServiceError("\n".join([f"{path} cannot be used:", *problems])) from error
    problems = _contradictions(pipeline)
    if problems:
        raise ServiceError("\n".join([f"{path} cannot be used:", *problems]))
    pipeline.recipe()
    return pipeline


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ServiceError(f"{path}: the file cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ServiceError(f"{path}: the file is not UTF-8 (byte {error.start}). Save it as UTF-8.") from error
    except RecursionError as error:
        raise ServiceError(f"{path}: not valid TOML: brackets are nested too deeply.") from error
    except tomllib.TOMLDecodeError as error:
        raise ServiceError(f"{path}: not valid TOML: {error}.") from error


def _make_absolute(values: dict[str, Any], folder: Path) -> None:
    """Turn what is a file or folder beside the pipeline's file into an absolute path; Hub names stay as they are."""
    places = [(values, "profile")]
    for section, keys in (
        ("inferring", ("model",)), ("judge", ("model",)), ("retrieval", ("checkpoint",)), ("study", ("file",)),
        ("training", ("base", "recipe_file")),
    ):  # fmt: skip
        if isinstance(values.get(section), dict):
            places += [(values[section], key) for key in keys]
    if isinstance(values.get("prompted"), list):
        places += [(one, "model") for one in values["prompted"] if isinstance(one, dict)]
    for table, key in places:
        if isinstance(table.get(key), str):
            table[key] = _place(table[key], folder)
    if isinstance(values.get("files"), list):
        values["files"] = [_place(one, folder) if isinstance(one, str) else one for one in values["files"]]


def _place(name: str, folder: Path) -> str:
    place = folder / Path(name).expanduser()
    return str(place) if name and place.exists() else name


def _set(values: dict[str, Any], path: Sequence[str], value: str) -> None:
    """Put a value at its place; what stands where a table should is left for the check of the whole to name."""
    table: Any = values
    for name in path[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            return
    table[path[-1]] = value


def _contradictions(pipeline: Pipeline) -> list[str]:
    problems = [f"- stages.{name}: there is no such stage." for name in pipeline.stages if name not in stage_names()]
    if PersonaSource.NONE in pipeline.generation.sources:
        problems.append("- generation.sources: both arms are given personas; `generic = true` adds answers without.")
    if len({*pipeline.answering}) < len(pipeline.answering):
        problems.append(f"- prompted: two systems have one name among {', '.join(pipeline.answering)}.")
    problems += [
        f"- prompted: {one.name}: {one.procedure} starts from the persona, which persona_style none does not show."
        for one in pipeline.prompted if one.procedure and one.persona_style == PersonaStyle.NONE
    ]  # fmt: skip
    if pipeline.study and pipeline.study.source not in pipeline.generation.sources:
        problems.append(f"- study.source: {pipeline.study.source} is not among generation.sources.")
    if pipeline.study and pipeline.study.source not in _GIVEN:
        problems.append(f"- study.source: raters need a persona of their own pair: {', '.join(_GIVEN)}.")
    if pipeline.study and not re.search(r"\.ya?ml$", pipeline.study.file):
        problems.append(f"- study.file: {pipeline.study.file} is no .yaml file.")
    checked = pipeline.judge.check_splits if pipeline.judge else ()
    if pipeline.training.persona_quality == "checked" and (unchecked := sorted({*TRAINING_SPLITS} - {*checked})):
        problems.append(
            f"- training.persona_quality: checked needs judge.check_splits with {', '.join(unchecked)} too."
        )
    return problems
