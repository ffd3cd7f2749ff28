"""Recipes: every hyper-parameter of both trainings, by name, from a file, and set one by one. Pure."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError, model_validator

from annotation.errors import ServiceError

_FOLDER = Path(__file__).parent / "recipes"
# Sections whose keys are those of the libraries: LoraConfig, from_pretrained, BitsAndBytesConfig, SFTConfig, DPOConfig.
PASSED = ("peft", "model", "quantization", "trl_sft", "trl_dpo")

_Module = Annotated[str, StringConstraints(min_length=1)]
_Modules = _Module | Annotated[tuple[_Module, ...], Field(min_length=1, strict=False)]  # TOML has lists


class _Section(BaseModel):
    # Strict: "true" epochs are a slip and not one epoch. Infinity could not be kept as JSON.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class LoraSettings(_Section):
    """The adapter. `target_modules` is "default" (PEFT's choice for the architecture), "all-linear", or names.

    Without `enabled` there is no adapter: all weights of the base are trained, and the other settings say nothing.
    """

    enabled: bool = True
    r: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.05, ge=0.0, lt=1.0)
    bias: Literal["none", "all", "lora_only"] = "none"
    target_modules: _Modules = "default"

    def effective(self) -> dict[str, Any]:
        """Return the settings that shape a training, as they were named before an adapter could be left out."""
        return self.model_dump(exclude={"enabled"}) if self.enabled else {"enabled": False}


class _Settings(_Section):
    """What both trainings have.

    `batch_size` is per process and step; `gradient_accumulation` steps make one update. `warmup` is the share of the
    updates over which the learning rate rises. Lengths are in tokens, labels and special tokens included.
    `precision` auto is bfloat16 where a GPU can do it, else float32.
    """

    epochs: int = Field(default=10, ge=1)
    learning_rate: float = Field(gt=0.0)
    max_length: int = Field(default=512, ge=32)
    max_prompt_length: int | None = Field(default=None, ge=16)
    batch_size: int = Field(default=1, ge=1)
    eval_batch_size: int = Field(default=8, ge=1)
    gradient_accumulation: int = Field(default=1, ge=1)
    scheduler: Literal[
        "linear", "cosine", "constant", "constant_with_warmup", "cosine_with_restarts", "cosine_with_min_lr",
        "polynomial", "inverse_sqrt", "warmup_stable_decay",
    ] = "linear"  # fmt: skip
    warmup: float = Field(default=0.0, ge=0.0, lt=1.0)
    weight_decay: float = Field(default=0.0, ge=0.0)
    max_grad_norm: float = Field(default=1.0, gt=0.0)
    gradient_checkpointing: bool = True
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    logging_steps: int = Field(default=10, ge=1)

    @model_validator(mode="after")
    def _room_for_responses(self) -> Self:
        if self.max_prompt_length is not None and self.max_prompt_length >= self.max_length:
            raise ValueError(
                f"max_prompt_length ({self.max_prompt_length}) leaves no room for responses within max_length "
                f"({self.max_length})"
            )
        return self


class SftSettings(_Settings):
    """Supervised fine-tuning. `packing` puts several short texts into one row of `max_length` tokens."""

    learning_rate: float = Field(default=2e-5, gt=0.0)
    packing: bool = False
    group_by_length: bool = False

    @model_validator(mode="after")
    def _packed_rows_are_alike(self) -> Self:
        if self.packing and self.group_by_length:
            raise ValueError("packing makes rows of one length; leave group_by_length out")
        return self


class DpoSettings(_Settings):
    """Direct preference optimization (Rafailov et al. 2023, arXiv 2305.18290) with the sigmoid loss."""

    learning_rate: float = Field(default=5e-6, gt=0.0)
    max_prompt_length: int | None = Field(default=128, ge=16)
    beta: float = Field(default=0.1, gt=0.0)


_Passed = dict[str, JsonValue]


class LayoutSettings(_Section):
    """How prompt, persona and response are laid out.

    Without `chat` they are the labelled lines that the method's models are trained with. With it they are turns under
    the model's own chat template. `persona` is the style in which systems are registered: on a line of its own, as the
    system message, or in the first person behind the prompt.
    """

    chat: bool = False
    persona: Literal["field", "system_message", "first_person"] = "field"


class Recipe(_Section):
    """All hyper-parameters, whatever the base model.

    The sections of PASSED go to the libraries under their own names; `training/passing.py` has them checked.
    """

    layout: LayoutSettings = LayoutSettings()
    lora: LoraSettings = LoraSettings()
    sft: SftSettings = SftSettings()
    dpo: DpoSettings = DpoSettings()
    peft: _Passed = {}
    model: _Passed = {}
    quantization: _Passed = {}
    trl_sft: _Passed = {}
    trl_dpo: _Passed = {}

    @model_validator(mode="after")
    def _nothing_of_an_adapter_without_one(self) -> Self:
        if problem := self.full_problem():
            raise ValueError(problem)
        return self

    def full_problem(self) -> str:
        """Return what cannot stand beside `lora.enabled = false`; empty where all is well."""
        reasons = {
            "peft": "there is no adapter that it could shape",
            "quantization": "weights of 4 or 8 bits cannot be",
        }
        given = [] if self.lora.enabled else [name for name in reasons if getattr(self, name)]
        wrong = "; ".join(f"section {name}: {reasons[name]}" for name in given)
        return f"lora.enabled = false trains all weights of the base, so leave out {wrong}" if wrong else ""

    def effective(self, kind: str) -> dict[str, Any]:
        """Return what shapes a training of this kind, sft or dpo: our settings, and what is passed on where it is."""
        ours = {"lora": self.lora.effective(), kind: getattr(self, kind).model_dump()}
        if self.layout != LayoutSettings():  # what was trained before there were layouts stays what it was
            ours["layout"] = self.layout.model_dump()
        sections = (name for name in PASSED if name not in {"trl_sft", "trl_dpo"} - {f"trl_{kind}"})
        return ours | {name: passed for name in sections if (passed := getattr(self, name))}


def recipe_names() -> list[str]:
    """Return the names of the built-in recipes."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_recipe(name: str = "paper", *, config: Path | None = None, settings: Sequence[str] = ()) -> Recipe:
    """Return a built-in recipe, with what a TOML file and then single settings (`dpo.beta=0.2`) put in its place.

    Raises ServiceError naming every unknown key and every wrong value.
    """
    if name not in recipe_names():
        raise ServiceError(f"There is no recipe {name!r}. Built in: {', '.join(recipe_names())}.")
    values = _read(_FOLDER / f"{name}.toml")
    if config is not None:
        _overlay(values, _read(config))
    problems = [problem for one in settings if (problem := _set(values, one))]
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        problems += [_problem(one["loc"], one["type"], one["msg"]) for one in error.errors()]
    if problems:
        raise ServiceError("\n".join(["The training configuration cannot be used:", *problems, _known()]))
    return recipe


def continue_adapter(recipe: Recipe, name: str, trained: Mapping[str, Any]) -> Recipe:
    """Return the recipe with the adapter settings of the model that training goes on from, or without an adapter.

    `name` is the built-in recipe it was made from, `trained` the effective one of that model. Raises ServiceError if
    other adapter settings were asked for, or what cannot be where all weights are trained.
    """
    before, peft = LoraSettings.model_validate(trained["lora"]), trained.get("peft", {})
    if not recipe.lora.enabled and before.enabled:
        raise ServiceError(
            "DPO goes on with the adapter of the SFT model. Leave lora.enabled out, or train that model with "
            "lora.enabled=false too."
        )
    if not before.enabled:
        return _continue_whole(recipe, name, trained)
    if recipe.peft not in ({}, peft):
        raise ServiceError(
            f"DPO goes on with the adapter of the SFT model, whose section peft is {peft}. Leave that section out."
        )
    if recipe.lora not in (before, load_recipe(name).lora):
        wrong = [f"{key}={value}" for key, value in recipe.lora.model_dump().items() if value != getattr(before, key)]
        raise ServiceError(
            f"DPO goes on with the adapter of the SFT model, whose settings are {before}; it cannot have "
            f"{', '.join(wrong)}. Leave the lora settings out."
        )
    return recipe.model_copy(update={"lora": before, "peft": peft, "layout": _continued_layout(recipe, trained)})


def _continue_whole(recipe: Recipe, name: str, trained: Mapping[str, Any]) -> Recipe:
    """Return the recipe for a DPO that goes on with all weights of the SFT model."""
    whole = LoraSettings(enabled=False)
    if recipe.lora.enabled and recipe.lora != load_recipe(name).lora:
        raise ServiceError(
            "DPO goes on with the SFT model, all of whose weights were trained: it has no adapter. Leave the lora "
            "settings out."
        )
    continued = recipe.model_copy(update={"lora": whole, "layout": _continued_layout(recipe, trained)})
    if problem := continued.full_problem():
        raise ServiceError(f"DPO goes on with the SFT model: {problem}.")
    return continued


def _continued_layout(recipe: Recipe, trained: Mapping[str, Any]) -> LayoutSettings:
    layout = LayoutSettings.model_validate(trained.get("layout", {}))
    if recipe.layout not in (LayoutSettings(), layout):
        raise ServiceError(f"DPO goes on with the layout of the SFT model, which is {layout}. Leave that section out.")
    return layout


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


def _overlay(values: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(values.get(key), dict):
            _overlay(values[key], value)
        else:
            values[key] = value


def _set(values: dict[str, Any], setting: str) -> str | None:
    """Put `section.key=value` into the values; return what is wrong with its form."""
    path, equals, text = setting.partition("=")
    section, dot, key = path.strip().partition(".")
    if not (equals and dot and section and key):
        return f"- {setting}: write section.key=value, such as dpo.beta=0.2"
    if not isinstance(values.setdefault(section, {}), dict):
        return f"- {setting}: {section} is no section"
    values[section][key] = _value(text.strip())
    return None


def _value(text: str) -> Any:
    """Return the text as a TOML value, or as it is: `--set sft.scheduler=cosine` needs no quotes."""
    if text.lower() in ("none", "null"):
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _problem(place: Iterable[int | str], kind: str, message: str) -> str:
    text = "is not known" if kind == "extra_forbidden" else message.removeprefix("Value error, ")
    where = ".".join(str(part) for part in list(place)[:2])  # further parts are pydantic's
    return f"- {where}: {text}" if where else f"- {text}"


def _known() -> str:
    sections: dict[str, type[BaseModel]] = {
        "layout": LayoutSettings,
        "lora": LoraSettings,
        "sft": SftSettings,
        "dpo": DpoSettings,
    }
    known = [f"Known in {name}: {', '.join(kind.model_fields)}." for name, kind in sections.items()]
    return "\n".join([*known, f"Sections with the libraries' own names: {', '.join(PASSED)}."])
