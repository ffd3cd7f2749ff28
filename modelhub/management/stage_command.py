"""What the commands that ask an engine row by row have in common: their options, progress and endings."""

import re
import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from annotation.errors import ServiceError
from annotation.management.base import ProjectCommand
from modelhub.engines.base import Engine
from modelhub.runs.lifecycle import LEASE_SECONDS
from modelhub.runs.rows import (
    BATCH_SIZE,
    BatchOptions,
    EngineStage,
    Shard,
    StageReport,
    check_conditions,
    run_engine_stage,
    tasks_left,
)
from personaeval.interrupts import Interruptible

MIN_LEASE_SECONDS = 3
MAX_LEASE_SECONDS = 24 * 60 * 60  # a lease tells the dead from the slow, which takes no longer
_LARGEST = 2**31 - 1  # what databases keep as a count
INTERRUPTED = 130  # the exit status of a program that Ctrl-C ended
_DRY_RUN_PROMPTS = 2


def positive(text: str) -> int:
    """Return a whole number from 1 to 2³¹ - 1. Raises ArgumentTypeError."""
    if not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= _LARGEST:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 to {_LARGEST}")
    return int(text)


def shard(text: str) -> Shard:
    """Return the shard that `2/4` names. Raises ArgumentTypeError."""
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ArgumentTypeError(f"{text!r} is no shard; write 2/4 for the second of four parts")
    return Shard(int(match[1]), int(match[2]))


def lease(text: str) -> int:
    """Return the seconds of a lease. Raises ArgumentTypeError."""
    seconds = positive(text)
    if not MIN_LEASE_SECONDS <= seconds <= MAX_LEASE_SECONDS:
        raise ArgumentTypeError(f"a lease takes {MIN_LEASE_SECONDS} to {MAX_LEASE_SECONDS} seconds, not {text}")
    return seconds


def add_batch_arguments(parser: CommandParser) -> None:
    """Add the options that every stage has."""
    parser.add_argument("--limit", type=positive, metavar="N", help="make at most N rows")
    parser.add_argument(
        "--shard", type=shard, default=Shard(), metavar="I/N", help="only part I of N, to share the work of machines"
    )
    parser.add_argument("--dry-run", action="store_true", help="print two prompts and the number of rows, and end")
    parser.add_argument("--batch-size", type=positive, default=BATCH_SIZE, help=f"rows stored at a time ({BATCH_SIZE})")
    parser.add_argument(
        "--lease-seconds", type=lease, default=LEASE_SECONDS, help="a killed run is taken for lost after this long"
    )


def batch_options(options: dict[str, Any]) -> BatchOptions:
    """Return the options of `add_batch_arguments` as given."""
    return BatchOptions(
        limit=options["limit"],
        shard=options["shard"],
        batch_size=options["batch_size"],
        lease_seconds=options["lease_seconds"],
    )


class StageCommand(ProjectCommand):
    """A command around `EngineStage`s. It exits with 1 if rows failed and with 130 if it was interrupted."""

    rows = "rows"
    """What its rows are called in messages."""

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_stage_arguments(parser)
        add_batch_arguments(parser)

    def add_stage_arguments(self, parser: CommandParser) -> None:
        """Add the options of this stage."""
        raise NotImplementedError

    def stage(self, options: dict[str, Any]) -> EngineStage:
        """Return the stage that the options describe; raise ServiceError for what cannot be."""
        raise NotImplementedError

    def stages(self, options: dict[str, Any]) -> Sequence[EngineStage]:
        """Return all stages, one after the other, of a command that has several: as a rule one for each system."""
        return [self.stage(options)]

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            stages = self.stages(options)
            if options["dry_run"]:
                for stage in stages:
                    self._dry_run(stage, batch_options(options))
            else:
                self._run_all(stages, batch_options(options))
        except ServiceError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as error:
            raise CommandError("Stopped. The same command goes on from here.", returncode=INTERRUPTED) from error

    def _dry_run(self, stage: EngineStage, options: BatchOptions) -> None:
        check_conditions(stage)
        tasks = tasks_left(stage, options)
        for task in tasks[:_DRY_RUN_PROMPTS]:
            request = stage.request(task)
            message = f"{request.system_message}\n\n" if request.system_message else ""
            self.stdout.write(f"--- {task.key}\n{message}{request.rendered}\n")
        self.stdout.write(f"{len(tasks)} {self.rows} to make. Nothing was made or stored: this was a dry run.")

    def _run_all(self, stages: Sequence[EngineStage], options: BatchOptions) -> None:
        """Run the stages in turn, then exit with the reasons of rows that failed in any of them."""
        reasons = []
        kept: list[Engine] = []
        for before, stage in zip([None, *stages], stages, strict=False):
            # An engine frees its model when it goes. It stays while the next system stands on the same model, which
            # is loaded once then, and goes before another one is loaded, since memory may not hold two.
            if before is not None and before.system.model != stage.system.model:
                kept.clear()
            report = self._run(stage, options, kept)
            self.stdout.write(
                f"Run {report.run.key}: {report.done} {self.rows} made, {report.failures.count_in_words()}."
            )
            if report.failures.total:
                reasons.append(report.run.message)
        if reasons:
            raise CommandError("\n".join(reasons))

    def _run(self, stage: EngineStage, options: BatchOptions, kept: list[Engine]) -> StageReport:
        # A bar for people; a log file would only fill up with it.
        with Interruptible() as signals, tqdm(unit="row", disable=not sys.stderr.isatty()) as bar:
            signals.arm()
            return run_engine_stage(stage, options, on_start=bar.reset, on_rows=bar.update, on_engine=kept.append)
