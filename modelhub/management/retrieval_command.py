"""What the two commands of persona retrieval have in common: which rows search which, and with what."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.errors import ServiceError
from annotation.management.base import ProjectCommand
from modelhub.management.stage_command import INTERRUPTED
from modelhub.models import System
from modelhub.queries.datasets import inferring_system
from modelhub.retrieval.checkpoint import find_checkpoint
from modelhub.retrieval.ready import AUTO, EXACT, INDEX, Preparation
from modelhub.retrieval.rows import ALL, Group, groups_of
from modelhub.retrieval.search import EXACT_BELOW

DEFAULT_SPLIT = "test"


def search(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the split and those it searches, of `dev=train+more`. Raises ArgumentTypeError."""
    split, _, searched = text.partition("=")
    names = tuple(searched.split("+"))
    if not split or not all(names):
        raise ArgumentTypeError(f"{text!r} does not say what searches what; write dev=train or dev=train+more")
    return split, names


class RetrievalCommand(ProjectCommand):
    """A command on training prompts and a ColBERT checkpoint. It exits with 130 if it was interrupted."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", required=True, metavar="NAME", help="as given to import_preferences")
        parser.add_argument(
            "--checkpoint", required=True, metavar="PATH", help="the folder of a ColBERT checkpoint, or its Hub name"
        )
        parser.add_argument(
            "--split", nargs="+", default=[DEFAULT_SPLIT], metavar="NAME",
            help=f"whose rows look for personas, or {ALL} (default: {DEFAULT_SPLIT})",
        )  # fmt: skip
        parser.add_argument(
            "--search", type=search, action="append", default=[], metavar="SPLIT=SPLIT+SPLIT",
            help="which splits the rows of a split search, instead of the usual ones",
        )  # fmt: skip
        parser.add_argument("--system", default="", metavar="NAME", help="whose personas (default: the only one)")
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--exact", dest="mode", action="store_const", const=EXACT, default=AUTO,
            help=f"compare with every row (default below {EXACT_BELOW:,} rows)",
        )  # fmt: skip
        how.add_argument("--index", dest="mode", action="store_const", const=INDEX, help="search through an index")

    def prepared(self, options: dict[str, Any]) -> tuple[Preparation, list[Group], System]:
        """Return what the options describe, and say what is searched; raise ServiceError for what cannot be."""
        system = inferring_system(options["dataset"], options["system"])
        groups = groups_of(options["dataset"], options["split"], system, dict(options["search"]))
        files = find_checkpoint(options["checkpoint"])
        preparation = Preparation(options["dataset"], files, options["mode"], say=self.stdout.write)
        for group in groups:
            how = "through an index" if preparation.search_of(group) == INDEX else "exactly"
            self.stdout.write(
                f"{group.title}: {len(group.collection.rows)} rows, {len(group.collection.prompts)} different prompts, "
                f"searched {how}. Left out, without both personas of {system.name}: {group.left_out}."
            )
        return preparation, groups, system

    def guarded(self, work: Callable[[], None]) -> None:
        """Do the work, with its errors and interruptions as a command ends with them."""
        try:
            work()
        except ServiceError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as error:
            raise CommandError("Stopped. The same command goes on from here.", returncode=INTERRUPTED) from error
