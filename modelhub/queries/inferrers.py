"""What inferred the personas that outputs were made for.

An output keeps its persona's text and where that came from (gold, retrieved …), not who inferred it. That is found
again among the stored personas of its pair, by the text.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from django.db.models import QuerySet

from modelhub.models import Direction, InferredPersona, PairOutput, RetrievedPersona
from modelhub.queries.persona_sources import GOLD, RETRIEVED

UNKNOWN = "an unknown system"
Known = Mapping[tuple[str, int, str], set[str]]
"""Who inferred a persona, by its source, the id of the pair that it was given with, and its text."""


@dataclass
class Inferrers:
    """Who inferred the personas of some data sets, read once and only where a source needs it."""

    datasets: Collection[str]

    def of(self, source: str, pair: int, persona: str) -> frozenset[str] | None:
        """Return all who inferred this text for the pair; None where the source's personas are not inferred."""
        if source not in GOLD and source not in RETRIEVED:
            return None
        known = self._gold if source in GOLD else self._retrieved
        return frozenset(known.get((source, pair, persona.strip()), ()))

    @cached_property
    def _gold(self) -> Known:
        return _gold(self.datasets)

    @cached_property
    def _retrieved(self) -> Known:
        return _retrieved(self.datasets)


def surely(candidates: Iterable[frozenset[str] | None]) -> set[str]:
    """Return those who alone have inferred the persona of some unit, of all units that were judged together."""
    return {name for names in candidates if names and len(names) == 1 for name in names}


def told_apart(names: frozenset[str] | None, sure: Collection[str]) -> tuple[str, ...]:
    """Return who inferred a persona, as the results name them; "" where it was not inferred.

    Two systems may have said the same of a pair. Such a unit counts for each of them that has also units of its own
    (`surely`), so that one whose personas were never used does not turn up; if none has, they are named together. A
    persona that is stored nowhere, as imported outputs may bring along, counts with the only one there is.
    """
    if names is None:
        return ("",)
    if not names and len(sure) == 1:
        return tuple(sure)
    return tuple(sorted(names.intersection(sure))) or (" or ".join(sorted(names)) or UNKNOWN,)


def _gold(datasets: Collection[str]) -> Known:
    source_of = {direction: source for source, direction in GOLD.items()}
    answered = PairOutput.objects.filter(pair__dataset__in=datasets, source__in=GOLD)
    found: defaultdict[tuple[str, int, str], set[str]] = defaultdict(set)
    for pair, direction, text, name in _inferred(InferredPersona.objects.filter(pair__in=answered.values("pair"))):
        found[source_of[direction], pair, text].add(name)
    return found


def _retrieved(datasets: Collection[str]) -> Known:
    rows = RetrievedPersona.objects.filter(pair__dataset__in=datasets).order_by()
    retrieved = list(rows.values_list("pair_id", "pair__dataset", "pair__split", "source_id", "retriever", "rank"))
    retrievers: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for _, dataset, split, _, retriever, _ in retrieved:
        retrievers[dataset, split].add(retriever)
    texts: defaultdict[int, list[tuple[Direction, str, str]]] = defaultdict(list)
    for pair, direction, text, name in _inferred(InferredPersona.objects.filter(pair__in=rows.values("source"))):
        texts[pair].append((direction, text, name))
    source_of = {direction: source for source, direction in RETRIEVED.items()}
    found: defaultdict[tuple[str, int, str], set[str]] = defaultdict(set)
    for pair, dataset, split, training, retriever, rank in retrieved:
        several = len(retrievers[dataset, split]) > 1
        how = f"{f', retrieved by {retriever}' if several else ''}{f', rank {rank}' if rank > 1 else ''}"
        for direction, text, name in texts[training]:
            found[source_of[direction], pair, text].add(f"{name}{how}")
    return found


def _inferred(personas: QuerySet[InferredPersona]) -> Iterator[tuple[int, Direction, str, str]]:
    """Yield the pair's id, direction, text and inferring system of every persona that could be read."""
    rows = personas.exclude(text="").order_by().values_list("pair_id", "direction", "text", "system__name")
    for pair, direction, text, name in rows.iterator():
        yield pair, Direction(direction), text.strip(), name
