"""What train_sft and train_dpo have in common: their options, what they print, and how they end."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from annotation.errors import ServiceError
from annotation.management.base import ProjectCommand
from modelhub.management.options import seed
from modelhub.management.stage_command import INTERRUPTED, lease, positive
from modelhub.runs.lifecycle import LEASE_SECONDS
from modelhub.stages.train import (
    GOLD,
    PERSONA_SOURCES,
    TrainingPlan,
    TrainingReport,
    TrainingRequest,
    run_training_stage,
    trained_system_register,
    training_plan,
)
from modelhub.training.config import Recipe, load_recipe, recipe_names
from modelhub.training.data import TRAINING_PERSONAS
from modelhub.training.job import is_main_process
from modelhub.training.trainer import EVALUATION, LogEntry
from personaeval.interrupts import Interruptible

_DRY_RUN_EXAMPLES = 2


def model_folder(name: str) -> Path:
    """Return the folder that is meant: a path as it is, a bare name in VAR_DIR/models."""
    path = Path(name)
    return path if len(path.parts) > 1 or path.is_absolute() else settings.VAR_DIR / "models" / name


def model_name(name: str) -> str:
    """Return a base as the libraries take it: an existing folder as an absolute path, anything else as it is."""
    return str(Path(name).resolve()) if Path(name).is_dir() else name


@dataclass(frozen=True)
class Model:
    """What is trained: the base, for DPO the SFT adapter, and the recipe as it holds for them."""

    base: str
    recipe: Recipe
    sft: Path | None = None


class TrainingCommand(ProjectCommand):
    """A command around one training. It exits with 130 if it was interrupted."""

    kind = ""
    train_split = ""
    validation_split = ""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", required=True, metavar="NAME", help="as given to import_preferences")
        parser.add_argument("--out", required=True, metavar="NAME", help="a folder, or a name in VAR_DIR/models")
        self.add_model_arguments(parser)
        self._add_data_arguments(parser)
        parser.add_argument("--recipe", choices=recipe_names(), default="paper", help="default: paper")
        parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file over the recipe")
        parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="such as dpo.beta=0.2")
        parser.add_argument("--seed", type=seed, default=0, help="default: 0")
        parser.add_argument("--report-to", nargs="+", default=[], metavar="NAME", help="such as tensorboard")
        parser.add_argument("--register", default="", metavar="NAME", help="register the result as a system")
        parser.add_argument("--dry-run", action="store_true", help="show configuration, counts and examples, and end")
        parser.add_argument(
            "--lease-seconds", type=lease, default=LEASE_SECONDS, help="a killed run is taken for lost after this long"
        )

    def _add_data_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--personas", choices=TRAINING_PERSONAS, default="chosen", help="default: chosen")
        parser.add_argument("--persona-source", choices=PERSONA_SOURCES, default=GOLD, help="default: gold")
        parser.add_argument("--system", default="", metavar="NAME", help="what inferred the personas")
        parser.add_argument("--retriever", default="", metavar="NAME", help="what retrieved the personas")
        parser.add_argument("--train-split", default=self.train_split, help=f"default: {self.train_split}")
        parser.add_argument("--val-split", default=self.validation_split, help=f"default: {self.validation_split}")
        parser.add_argument("--limit", type=positive, metavar="N", help="only the first N pairs of each split")
        parser.add_argument("--allow-missing", action="store_true", help="leave out rows without a needed persona")

    def add_model_arguments(self, parser: CommandParser) -> None:
        """Add the options that name what is trained."""
        raise NotImplementedError

    def model(self, options: dict[str, Any], recipe: Recipe) -> Model:
        """Return what is trained; raise ServiceError for what cannot be."""
        raise NotImplementedError

    def _request(self, options: dict[str, Any]) -> TrainingRequest:
        recipe = load_recipe(options["recipe"], config=options["config"], settings=options["set"])
        model = self.model(options, recipe)
        return TrainingRequest(
            kind=self.kind,
            dataset=options["dataset"],
            train_split=options["train_split"],
            validation_split=options["val_split"],
            base=model.base,
            out=model_folder(options["out"]),
            recipe=model.recipe,
            personas=options["personas"],
            source=options["persona_source"],
            system=options["system"],
            retriever=options["retriever"],
            seed=options["seed"],
            limit=options["limit"],
            allow_missing=options["allow_missing"],
            sft=model.sft,
            report_to=tuple(options["report_to"]),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            plan = training_plan(self._request(options))
            if options["dry_run"]:
                self._dry_run(plan)
            else:
                self._train(plan, options)
        except ServiceError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as error:
            raise CommandError(
                "Stopped. The same command goes on from the last checkpoint.", returncode=INTERRUPTED
            ) from error

    def _train(self, plan: TrainingPlan, options: dict[str, Any]) -> None:
        if plan.finished:
            self._say(f"{plan.job.out} holds this training, finished. Nothing was done.")
        else:
            self._say(_counts(plan))
            self._report(self._run(plan, options))
        if options["register"] and is_main_process():
            system = trained_system_register(name=options["register"], out=plan.job.out)
            self._say(f"Registered {system.name} ({system.persona_style}), fingerprint {system.fingerprint[:12]}…")

    def _run(self, plan: TrainingPlan, options: dict[str, Any]) -> TrainingReport:
        shown = sys.stderr.isatty() and is_main_process()
        with Interruptible() as signals, tqdm(unit="step", disable=not shown) as bar:
            signals.arm()

            def started(total: int, done: int) -> None:
                bar.reset(total)
                bar.update(done)
                self._say(f"{total} steps" + (f", of which {done} are done already." if done else "."))

            def logged(entry: LogEntry) -> None:
                bar.update(max(0, entry.step - bar.n))
                if entry.kind == EVALUATION:
                    self._say(f"Epoch {entry.epoch:g}, step {entry.step}: validation loss {_loss(entry)}.")

            return run_training_stage(plan, lease_seconds=options["lease_seconds"], on_start=started, on_log=logged)

    def _report(self, report: TrainingReport) -> None:
        if report.run is None or report.result is None:
            return
        result = report.result
        self._say(
            f"Run {report.run.key}: {result.steps} steps; best is step {result.best_step} (epoch "
            f"{result.best_epoch:g}) with validation loss {result.best_loss:.4f}. It is in {result.out}."
        )

    def _dry_run(self, plan: TrainingPlan) -> None:
        self._say(json.dumps(plan.job.describe()["recipe"], indent=2))
        for row in plan.prepared.train.rows[:_DRY_RUN_EXAMPLES]:
            self._say("\n".join(["---", *(f"[{name}] {text}" for name, text in row.items()), ""]))
        self._say(_counts(plan))
        self._say("Nothing was trained or stored: this was a dry run.")

    def _say(self, text: str) -> None:
        # Of several processes that train together, one talks.
        if is_main_process():
            self.stdout.write(text)


def _loss(entry: LogEntry) -> str:
    value = entry.values.get("eval_loss")
    return "not a number" if value is None else f"{value:.4f}"


def _counts(plan: TrainingPlan) -> str:
    job = plan.job
    lines = [
        f"{job.data.dataset}: {len(job.train)} training and {len(job.validation)} validation examples.",
        f"Personas: {job.data.personas}.",
        f"Training: {plan.prepared.train.shortening}. Validation: {plan.prepared.validation.shortening}.",
    ]
    if plan.left_out:
        lines.append(f"Left out: {len(plan.left_out)} rows without a needed persona or response.")
        lines += plan.left_out
    if plan.shared:
        lines.append(f"{plan.shared} validation pairs are training pairs too.")
    return "\n".join(lines)
