"""What the two stages of persona retrieval have in common: which rows search which, and with what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from modelhub.models import System
from modelhub.queries.datasets import inferring_system
from modelhub.retrieval.checkpoint import find_checkpoint
from modelhub.retrieval.lengths import ReadLengths
from modelhub.retrieval.ready import EXACT, INDEX, Preparation
from modelhub.retrieval.rows import ALL, Group, groups_of
from modelhub.retrieval.search import EXACT_BELOW
from modelhub.runs.parameters import LeaseOptions, Option, Positive
from modelhub.runs.stage import Reporting
from modelhub.stages.shared.parameters import Name, Names, OfDataset


def searched_by(value: Any) -> tuple[str, tuple[str, ...]]:
    """Return the split and those it searches, of `dev=train+more`. Raises ValueError."""
    if isinstance(value, tuple):
        return value
    split, _, searched = str(value).partition("=")
    names = tuple(searched.split("+"))
    if not split or not all(names):
        raise ValueError(f"{value!r} does not say what searches what; write dev=train or dev=train+more")
    return split, names


Searched = Annotated[tuple[str, tuple[str, ...]], BeforeValidator(searched_by)]


class RetrievalOptions(OfDataset, LeaseOptions):
    """What both stages can be told."""

    checkpoint: Annotated[str, Option(metavar="PATH")] = Field(
        description="the folder of a ColBERT checkpoint or a sentence encoder, or its Hub name"
    )
    split: Names = Field(default=("test",), description=f"whose rows look for personas, or {ALL}")
    search: Annotated[tuple[Searched, ...], Option(metavar="SPLIT=SPLIT+SPLIT", repeated=True)] = Field(
        default=(), description="which splits the rows of a split search, instead of the usual ones"
    )
    system: Name = Field(default="", description="whose personas; default: the only one")
    mode: Annotated[Literal["auto", "exact", "index"], Option(constants={"--exact": EXACT, "--index": INDEX})] = Field(
        default="auto",
        description=f"compare with every row (default below {EXACT_BELOW:,} rows), or search through an index",
    )
    query_tokens: Annotated[Positive | None, Option(metavar="N")] = Field(
        default=None, description="read of each prompt that searches; default: the checkpoint's number, mostly 32"
    )
    document_tokens: Annotated[Positive | None, Option(metavar="N")] = Field(
        default=None, description="read of each prompt that is searched; default: the checkpoint's number"
    )


@dataclass(frozen=True)
class Prepared:
    """What is searched, with what, and whose personas are meant."""

    preparation: Preparation
    groups: Sequence[Group]
    system: System

    @classmethod
    def of(cls, wanted: RetrievalOptions, reporting: Reporting) -> "Prepared":
        """Return what the options describe, and say what is searched; raise ServiceError for what cannot be."""
        system = inferring_system(wanted.dataset, wanted.system)
        groups = groups_of(wanted.dataset, wanted.split, system, dict(wanted.search))
        files = find_checkpoint(wanted.checkpoint)
        lengths = ReadLengths(files, wanted.query_tokens, wanted.document_tokens)
        preparation = Preparation(wanted.dataset, files, wanted.mode, lengths, say=reporting.say)
        for group in groups:
            how = "through an index" if preparation.search_of(group) == INDEX else "exactly"
            reporting.say(
                f"{group.title}: {len(group.collection.rows)} rows, {len(group.collection.prompts)} different prompts, "
                f"searched {how}. Left out, without both personas of {system.name}: {group.left_out}."
            )
        return cls(preparation, groups, system)

    def arguments(self) -> dict[str, Any]:
        """Return what both stages keep with their runs: the checkpoint, and what is left out."""
        return {
            "system": self.system.name,
            "checkpoint": self.preparation.files.name,
            "checkpoint_sha256": self.preparation.files.digest,
            "query_tokens": self.preparation.read.query,
            "document_tokens": self.preparation.read.document,
            "left_out": {group.title: group.left_out for group in self.groups},
        }

    def conditions(self) -> dict[str, Any]:
        """Return, for every split, what it searches and how."""
        return {split: self.conditions_of(group) for group in self.groups for split in group.splits}

    def conditions_of(self, group: Group) -> dict[str, Any]:
        """Return all that decides, beside the checkpoint, what the rows of a group find."""
        return {
            "system": self.system.name,
            "searched": list(group.searched),
            "collection_sha256": group.collection.digest,
            "rows": len(group.collection.rows),
            "search": self.preparation.search_of(group),
            **self.preparation.read.changed,
        }

    def documents_cut(self, group: Group, reporting: Reporting) -> int:
        """Return how many of the prompts that a group searches are read in part, and say so if there are some."""
        prompts = group.collection.prompts
        cut = self.preparation.read.cut_documents(prompts)
        if cut:
            reporting.say(
                f"{group.title}: {cut} of {len(prompts)} prompts that are searched are longer than "
                f"{self.preparation.read.document} tokens; the rest of them is not read (--document-tokens)."
            )
        return cut
