"""Which rows search which, read from the database: the pairs that look for personas, and those that have them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count

from annotation.errors import ServiceError
from modelhub.models import InferredPersona, PreferencePair, System
from modelhub.queries.datasets import splits_of
from modelhub.retrieval.collection import Collection
from modelhub.retrieval.splits import PromptRow, check_overlap, is_evaluated, searched_splits

ALL = "all"


@dataclass(frozen=True)
class Group:
    """Splits whose rows search the same rows. `ids` are the database's of the collection's rows, in their order.

    `left_out` counts the rows of the searched splits that have not both personas.
    """

    splits: tuple[str, ...]
    searched: tuple[str, ...]
    collection: Collection
    ids: tuple[int, ...]
    left_out: int

    @property
    def title(self) -> str:
        """The group as people read it."""
        return f"{', '.join(self.splits)} in {' and '.join(self.searched)}"


def groups_of(
    dataset: str, splits: Sequence[str], system: System, stated: Mapping[str, Sequence[str]] | None = None
) -> list[Group]:
    """Return the splits grouped by what they search; `splits` may be `all`, `stated` goes before the usual table.

    Raises ServiceError for unknown splits, for nothing to search, and for evaluated rows among those searched.
    """
    wanted = splits_of(dataset, [] if list(splits) == [ALL] else splits)
    by_searched: dict[tuple[str, ...], list[str]] = {}
    for split in wanted:
        by_searched.setdefault(searched_splits(split, stated), []).append(split)
    groups = [_group(dataset, found, searched, system) for searched, found in by_searched.items()]
    for group in groups:
        for split in group.splits:
            if is_evaluated(split, group.searched):
                check_overlap(_prompt_rows(dataset, [split]), group.collection.rows)
    return groups


def _group(dataset: str, splits: Sequence[str], searched: Sequence[str], system: System) -> Group:
    splits_of(dataset, searched)
    pairs = PreferencePair.objects.filter(dataset=dataset, split__in=searched)
    personas = InferredPersona.objects.filter(system=system, pair__in=pairs).exclude(text="").order_by()
    both = personas.values("pair").annotate(directions=Count("direction", distinct=True)).filter(directions=2)
    complete = set(both.values_list("pair", flat=True))
    rows, ids = [], {}
    for pk, split, row, key, prompt in pairs.values_list("pk", "split", "row", "key", "prompt").iterator():
        if pk in complete:
            rows.append(PromptRow(split, row, key, prompt))
            ids[split, key] = pk
    if not rows:
        raise ServiceError(
            f"{' and '.join(searched)} of {dataset} have no row with both personas of {system.name}; see "
            "infer_personas."
        )
    collection = Collection.of(rows)
    return Group(
        tuple(splits),
        tuple(searched),
        collection,
        tuple(ids[row.split, row.key] for row in collection.rows),
        pairs.count() - len(rows),
    )


def _prompt_rows(dataset: str, splits: Sequence[str]) -> list[PromptRow]:
    pairs = PreferencePair.objects.filter(dataset=dataset, split__in=splits)
    return [PromptRow(*values) for values in pairs.values_list("split", "row", "key", "prompt").iterator()]
