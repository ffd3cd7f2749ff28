"""The stages there are, found by their files: `modelhub/stages/NAME.py` declares the stage NAME as `STAGE`."""

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

from modelhub.runs.stage import Stage

_COMMANDS = {"serve_outputs": "run_worker"}  # stages whose command goes by another name


@cache
def stage_names() -> tuple[str, ...]:
    """Return the names of all stages, sorted; no stage is imported for it."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.ispkg))


@cache
def stage_named(name: str) -> Stage[Any]:
    """Return the stage of this name. Raises KeyError if there is none."""
    if name not in stage_names():
        raise KeyError(name)
    stage: Stage[Any] = import_module(f"{__name__}.{name}").STAGE
    return stage


def unit_of(name: str) -> str:
    """Return what the runs of a stage count, in the plural; of a stage that is no more, "rows"."""
    return stage_named(name).unit if name in stage_names() else "rows"


@cache
def stage_commands() -> dict[str, str]:
    """Return the name of each stage by that of its command."""
    return {_COMMANDS.get(name, name): name for name in stage_names()}
