"""Reads of the stored personas of preference pairs: inferred from them, or retrieved for them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

from django.db.models import Model, QuerySet

from annotation.errors import ServiceError
from modelhub.models import InferredPersona, RetrievedPersona, System

M = TypeVar("M", bound=Model)
Texts = dict[int, dict[str, str]]
"""Persona texts by the id of the pair and by direction; a persona that could not be read is missing."""


def gold_personas(
    dataset: str, splits: Sequence[str], system: System, *, pairs: Collection[int] | None = None
) -> Texts:
    """Return the personas that the system inferred from the pairs of these splits themselves.

    `pairs`, here and below, restricts that to pairs with these ids.
    """
    rows = InferredPersona.objects.filter(system=system, pair__dataset=dataset, pair__split__in=splits)
    return _by_pair(_of(rows, pairs).values_list("pair_id", "direction", "text").iterator())


def retrieved_personas(
    dataset: str,
    splits: Sequence[str],
    system: System,
    retriever: str,
    *,
    rank: int = 1,
    pairs: Collection[int] | None = None,
) -> Texts:
    """Return, for the pairs of these splits, both personas of the training pair found at this rank, 1 the nearest."""
    sources = retrieved_sources(dataset, splits, retriever, rank=rank, pairs=pairs)
    # Chosen here and not by a subquery: right after an import, when PostgreSQL knows nothing of the tables' sizes yet,
    # it would go through that once for every persona.
    wanted = set(sources.values())
    rows = InferredPersona.objects.filter(system=system, pair__dataset=dataset)
    found = _of(rows, None if pairs is None else wanted).values_list("pair_id", "direction", "text")
    texts = _by_pair(row for row in found.iterator() if row[0] in wanted)
    return {pair: texts[source] for pair, source in sources.items() if source in texts}


def retrieved_sources(
    dataset: str,
    splits: Sequence[str],
    retriever: str,
    *,
    rank: int = 1,
    pairs: Collection[int] | None = None,
) -> dict[int, int]:
    """Return, by the id of the pair, the id of the training pair that was found for it at this rank."""
    found = RetrievedPersona.objects.filter(
        pair__dataset=dataset, pair__split__in=splits, retriever=retriever, rank=rank
    ).order_by()
    return dict(_of(found, pairs).values_list("pair_id", "source_id"))


def inferred_ids(
    dataset: str, system: System, direction: str, *, pairs: Collection[int] | None = None
) -> dict[int, int]:
    """Return the ids of the personas that the system inferred for one response, by the id of their pair."""
    rows = InferredPersona.objects.filter(system=system, pair__dataset=dataset, direction=direction).order_by()
    return dict(_of(rows, pairs).values_list("pair_id", "pk").iterator())


def _of(rows: QuerySet[M], pairs: Collection[int] | None) -> QuerySet[M]:
    return rows if pairs is None else rows.filter(pair__in=pairs)


def retrievers_of(dataset: str, splits: Sequence[str]) -> list[str]:
    """Return what has retrieved personas for pairs of these splits."""
    found = RetrievedPersona.objects.filter(pair__dataset=dataset, pair__split__in=splits).order_by("retriever")
    return list(found.values_list("retriever", flat=True).distinct())


def retriever_of(dataset: str, splits: Sequence[str], name: str = "") -> str:
    """Return the retriever that is meant: the named one, or the only one there is; raise ServiceError otherwise."""
    known = retrievers_of(dataset, splits)
    if not known:
        raise ServiceError(f"Nothing was retrieved for {dataset} {', '.join(splits)}; see retrieve_personas.")
    if name and name not in known:
        raise ServiceError(f"{name!r} has retrieved nothing for {dataset}. Retrievers: {', '.join(known)}.")
    if not name and len(known) > 1:
        raise ServiceError(f"Several retrievers have worked on {dataset}: {', '.join(known)}. Name one, --retriever.")
    return name or known[0]


def _by_pair(rows: Iterable[tuple[int, str, str]]) -> Texts:
    texts: Texts = defaultdict(dict)
    for pair, direction, text in rows:
        if text:
            texts[pair][direction] = text
    return texts
