"""What inferred the personas that outputs were made for.

An output keeps its persona's text and where that came from (gold, retrieved …), not who inferred it. That is found
again among the stored personas of its pair, by the text.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from modelhub.models import InferredPersona, PersonaSource, RetrievedPersona
from modelhub.personas.sources import GOLD, RETRIEVED

UNKNOWN = "an unknown system"
Known = Mapping[tuple[int, str], set[str]]
"""Who inferred a persona, by the id of the pair that it was given with, and its text."""


@dataclass
class Inferrers:
    """Who inferred personas; what is stored of a data set, split and source is read once."""

    _known: dict[tuple[str, str, str], Known] = field(default_factory=dict)

    def of(self, dataset: str, split: str, source: str, pair: int, persona: str) -> frozenset[str] | None:
        """Return all who inferred this text for the pair; None where the source's personas are not inferred."""
        if source not in GOLD and source not in RETRIEVED:
            return None
        place = (dataset, split, source)
        if place not in self._known:
            self._known[place] = _gold(*place) if source in GOLD else _retrieved(*place)
        return frozenset(self._known[place].get((pair, persona.strip()), ()))


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


def _gold(dataset: str, split: str, source: str) -> Known:
    found: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    rows = InferredPersona.objects.filter(
        pair__dataset=dataset, pair__split=split, direction=GOLD[PersonaSource(source)]
    ).exclude(text="")
    for pair, text, name in rows.order_by().values_list("pair_id", "text", "system__name").iterator():
        found[pair, text.strip()].add(name)
    return found


def _retrieved(dataset: str, split: str, source: str) -> Known:
    found: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    rows = RetrievedPersona.objects.filter(pair__dataset=dataset, pair__split=split).order_by()
    retrieved = list(rows.values_list("pair_id", "source_id", "retriever", "rank"))
    several = len({retriever for _, _, retriever, _ in retrieved}) > 1
    wanted = {training for _, training, _, _ in retrieved}
    texts: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    inferred = InferredPersona.objects.filter(
        pair__dataset=dataset, direction=RETRIEVED[PersonaSource(source)]
    ).exclude(text="")
    for pair, text, name in inferred.order_by().values_list("pair_id", "text", "system__name").iterator():
        if pair in wanted:
            texts[pair].append((text.strip(), name))
    for pair, training, retriever, rank in retrieved:
        how = f"{f', retrieved by {retriever}' if several else ''}{f', rank {rank}' if rank > 1 else ''}"
        for text, name in texts[training]:
            found[pair, text].add(f"{name}{how}")
    return found
