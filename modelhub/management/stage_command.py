"""The command of a stage, derived from its declaration; found without a file of its own."""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from django.core.management import get_commands
from django.core.management.base import CommandParser
from tqdm import tqdm

from annotation.management.base import ProjectCommand
from modelhub.runs.parameters import add_options
from modelhub.runs.stage import Reporting, Stage
from modelhub.stages import stage_commands, stage_named

_COMMANDS = "modelhub.management.commands"


class StageCommand(ProjectCommand):
    """A command around a stage: its options, a bar for people, its lines. It exits with 130 if it was interrupted."""

    stage: Stage[Any]

    def add_arguments(self, parser: CommandParser) -> None:
        add_options(parser, self.stage.parameters)
        if self.stage.dry_run:
            parser.add_argument("--dry-run", action="store_true", help="show what would be made, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        parameters = self.stage.parameters.of_options(options)
        if self.stage.dry_run and options["dry_run"]:
            self.stage.dry_run(parameters, Reporting(self.stdout.write))
            return
        # A bar for people; a log file would only fill up with it.
        with tqdm(unit=_one(self.stage.unit), disable=not sys.stderr.isatty()) as bar:
            self.stage.run(parameters, Reporting(self._say, bar.reset, bar.update))

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def stage_command(stage: Stage[Any]) -> type[StageCommand]:
    """Return the command of a stage."""
    stopped = f"Stopped. {stage.leaves}"
    return type("Command", (StageCommand,), {"stage": stage, "help": stage.summary, "stopped": stopped})


def _one(unit: str) -> str:
    """Return a unit in the singular."""
    return unit.removesuffix("s")


class _StageCommands(MetaPathFinder, Loader):
    """Finds `modelhub.management.commands.NAME` for a stage that has no such file: Django imports commands by name."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        room, _, command = name.rpartition(".")
        return ModuleSpec(name, self) if room == _COMMANDS and command in stage_commands() else None

    def exec_module(self, module: ModuleType) -> None:
        command = module.__name__.rpartition(".")[2]
        vars(module)["Command"] = stage_command(stage_named(stage_commands()[command]))


def stage_commands_register() -> None:
    """Let Django know the command of every stage; a stage is imported when its command is."""
    if not any(isinstance(finder, _StageCommands) for finder in sys.meta_path):
        sys.meta_path.append(_StageCommands())
    get_commands().update(dict.fromkeys(stage_commands(), "modelhub"))
