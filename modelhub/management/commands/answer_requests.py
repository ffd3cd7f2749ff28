"""Answer the requests that a stage has put into a folder, on a machine without a database."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from tqdm import tqdm

from annotation.errors import ServiceError
from annotation.management.base import ProjectCommand
from modelhub.exchange.answering import answer_parts, load_answering
from modelhub.exchange.folder import Exchange
from modelhub.management.options import shard
from modelhub.runs.parameters import Shard


class Command(ProjectCommand):
    help = "Answer the requests of a folder, made by a stage with --on folder, with the system that they are for."
    stopped = "Stopped. What was answered is in the folder; the same command goes on from here."
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="what the stage was given as --exchange")
        parser.add_argument(
            "--shard", type=shard, default=Shard(), metavar="I/N",
            help="only part I of N of the files, to share the work of machines (default: 1/1)",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        exchange, mine = Exchange(options["folder"].resolve()), options["shard"]
        about = exchange.about()
        parts = [part for number, part in enumerate(exchange.parts()) if number % mine.count == mine.number - 1]
        self.stdout.write(f"{about.stage} for {about.subject}: {len(parts)} files of requests.")
        if not parts:
            return
        engine = load_answering(exchange)
        done = failed = 0
        with tqdm(unit="row", disable=not sys.stderr.isatty()) as bar:
            for written in answer_parts(exchange, engine, parts):
                done, failed = done + written.done, failed + written.failed
                bar.update(written.done + written.failed)
        self.stdout.write(f"{done} rows answered, {failed} failed.")
        if failed:
            raise ServiceError(f"{failed} rows failed; the same command tries them again. The stage says why.")
