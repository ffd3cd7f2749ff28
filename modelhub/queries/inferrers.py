"""What inferred the personas that outputs were made for.

An output keeps which inferred personas it was made for. One that has none, such as an imported one whose file brought
a persona along, is looked up among the stored personas of its pair by the text.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from django.db.models import QuerySet

from modelhub.models import Direction, InferredPersona, PairOutput, RetrievedPersona
from modelhub.queries.persona_sources import GOLD, RETRIEVED

UNKNOWN = "an unknown system"
InferredBy = tuple[int, str]
"""An inferred persona: the id of the pair that it was inferred from, and the name of what inferred it."""
Known = Mapping[tuple[str, int, str], set[str]]
"""Who inferred a persona, by its source, the id of the pair that it was given with, and its text."""


@dataclass
class Inferrers:
    """Who inferred the personas of some data sets' outputs, read once and only as far as it is needed."""

    datasets: Collection[str]

    def of(self, source: str, pair: int, persona: str, made_for: Collection[InferredBy]) -> frozenset[str] | None:
        """Return all whose persona an output was made for; None where the source's personas are not inferred.

        `made_for` are the personas that the output keeps, `persona` is the text that tells where it keeps none.
        """
        if source not in GOLD and source not in RETRIEVED:
            return None
        if made_for and source in GOLD:
            return frozenset(name for _, name in made_for)
        if made_for:
            return frozenset(
                said for explained, name in made_for for said in self._retrieved_names(pair, explained, name)
            )
        known = self._gold if source in GOLD else self._retrieved
        return frozenset(known.get((source, pair, persona.strip()), ()))

    def _retrieved_names(self, pair: int, training: int, name: str) -> set[str]:
        return {f"{name}{how}" for how in self._retrievals.get((pair, training), [""])}

    @cached_property
    def _retrievals(self) -> Mapping[tuple[int, int], list[str]]:
        """How a training pair was retrieved for a pair, by the ids of both: what names add to that of the system."""
        rows = RetrievedPersona.objects.filter(pair__dataset__in=self.datasets).order_by()
        retrieved = list(rows.values_list("pair_id", "pair__dataset", "pair__split", "source_id", "retriever", "rank"))
        retrievers: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for _, dataset, split, _, retriever, _ in retrieved:
            retrievers[dataset, split].add(retriever)
        found: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
        for pair, dataset, split, training, retriever, rank in retrieved:
            several = len(retrievers[dataset, split]) > 1
            how = f"{f', retrieved by {retriever}' if several else ''}{f', rank {rank}' if rank > 1 else ''}"
            found[pair, training].append(how)
        return found

    @cached_property
    def _gold(self) -> Known:
        source_of = {direction: source for source, direction in GOLD.items()}
        answered = PairOutput.objects.filter(pair__dataset__in=self.datasets, source__in=GOLD)
        found: defaultdict[tuple[str, int, str], set[str]] = defaultdict(set)
        for pair, direction, text, name in _inferred(InferredPersona.objects.filter(pair__in=answered.values("pair"))):
            found[source_of[direction], pair, text].add(name)
        return found

    @cached_property
    def _retrieved(self) -> Known:
        rows = RetrievedPersona.objects.filter(pair__dataset__in=self.datasets).order_by()
        texts: defaultdict[int, list[tuple[Direction, str, str]]] = defaultdict(list)
        for pair, direction, text, name in _inferred(InferredPersona.objects.filter(pair__in=rows.values("source"))):
            texts[pair].append((direction, text, name))
        source_of = {direction: source for source, direction in RETRIEVED.items()}
        found: defaultdict[tuple[str, int, str], set[str]] = defaultdict(set)
        for pair, training in self._retrievals:
            for direction, text, name in texts[training]:
                found[source_of[direction], pair, text] |= self._retrieved_names(pair, training, name)
        return found


def unambiguous(candidates: Iterable[frozenset[str] | None]) -> set[str]:
    """Return those who are the only candidate for some pair of outputs, of all that were judged together."""
    return {name for names in candidates if names and len(names) == 1 for name in names}


def attributed(names: frozenset[str] | None, known: Collection[str]) -> tuple[str, ...]:
    """Return to whom the results attribute a persona, by its candidates; "" where it was not inferred.

    Two systems may have said the same of a pair. It counts for each of them that is the only candidate elsewhere
    (`known`, see `unambiguous`), so that one whose personas were never used does not turn up; if none is, they are
    named together. A persona that is stored nowhere, as imported outputs may bring along, counts with the only one.
    """
    if names is None:
        return ("",)
    if not names and len(known) == 1:
        return tuple(known)
    return tuple(sorted(names.intersection(known))) or (" or ".join(sorted(names)) or UNKNOWN,)


def _inferred(personas: QuerySet[InferredPersona]) -> Iterator[tuple[int, Direction, str, str]]:
    """Yield the pair's id, direction, text and inferring system of every persona that could be read."""
    rows = personas.exclude(text="").order_by().values_list("pair_id", "direction", "text", "system__name")
    for pair, direction, text, name in rows.iterator():
        yield pair, Direction(direction), text.strip(), name
