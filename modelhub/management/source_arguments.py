"""The options by which commands name the pairs and the personas that systems answer."""

from typing import Any

from django.core.management.base import CommandParser

from modelhub.management.stage_command import positive
from modelhub.models import PersonaSource
from modelhub.queries.persona_sources import Origin


def add_source_arguments(parser: CommandParser, *, from_names: bool = False) -> None:
    """Add the options for data set, split, profile, and where personas come from: any sources.

    With `from_names`, files may say by their names where personas come from, and one source holds for the others.
    """
    add_split_arguments(parser)
    if from_names:
        parser.add_argument("--persona", choices=PersonaSource.values, help="where personas come from, if no name says")
    else:
        add_persona_argument(parser)
    add_origin_arguments(parser)


def add_origin_arguments(parser: CommandParser) -> None:
    """Add the options for whose personas are meant, and for the profile."""
    parser.add_argument("--inferring-system", default="", metavar="NAME", help="whose personas (default: the only one)")
    parser.add_argument("--retriever", default="", metavar="NAME", help="what retrieved (default: the only one)")
    parser.add_argument("--rank", type=positive, default=1, metavar="N", help="of what was retrieved (default: 1)")
    parser.add_argument(
        "--profile", default="", metavar="NAME", help="or a YAML file, for how answers start; default: the data set"
    )


def add_persona_argument(parser: CommandParser) -> None:
    """Add the option for any sources of personas."""
    parser.add_argument(
        "--persona", nargs="+", choices=PersonaSource.values, required=True, metavar="SOURCE",
        help=f"where personas come from: {', '.join(PersonaSource.values)}",
    )  # fmt: skip


def add_split_arguments(parser: CommandParser) -> None:
    """Add the options for data set and split."""
    parser.add_argument("--dataset", required=True, metavar="NAME", help="as given to import_preferences")
    parser.add_argument("--split", default="test", metavar="NAME", help="default: test")


def origin_of(options: dict[str, Any]) -> Origin:
    """Return whose personas the options of `add_source_arguments` mean."""
    return Origin(inferring=options["inferring_system"], retriever=options["retriever"], rank=options["rank"])
