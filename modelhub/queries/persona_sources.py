"""The persona of each pair of a split that a source gives: none, inferred from the pair, retrieved for it, or one."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from annotation.errors import ServiceError
from modelhub.models import Direction, PersonaSource, PreferencePair
from modelhub.profiles import DatasetProfile
from modelhub.queries.datasets import inferring_system
from modelhub.queries.personas import (
    gold_personas,
    inferred_ids,
    retrieved_personas,
    retrieved_sources,
    retriever_of,
)

_KEY = 12  # hex digits, as in PairOutput.persona_key

GOLD = {PersonaSource.GOLD_CHOSEN: Direction.CHOSEN, PersonaSource.GOLD_REJECTED: Direction.REJECTED}
RETRIEVED = {PersonaSource.RETRIEVED_CHOSEN: Direction.CHOSEN, PersonaSource.RETRIEVED_REJECTED: Direction.REJECTED}


@dataclass(frozen=True)
class Origin:
    """Whose personas are meant where several are stored; an empty name means the only one there is."""

    inferring: str = ""
    retriever: str = ""
    rank: int = 1


@dataclass(frozen=True)
class SourceTexts:
    """A source's personas by the id of the pair ("" for none), and the pairs that it has none for.

    `inferred` has the ids of those personas that were inferred, of their own pair or of the one that was retrieved.
    """

    source: str
    texts: Mapping[int, str]
    missing: Sequence[PreferencePair]
    inferred: Mapping[int, int] = field(default_factory=dict)


def source_texts(
    dataset: str,
    split: str,
    source: str,
    *,
    profile: DatasetProfile,
    origin: Origin,
    pairs: Sequence[PreferencePair] | None = None,
) -> SourceTexts:
    """Return what the source gives the pairs of a stored split, or those of `pairs` alone.

    Raises ServiceError if nothing was inferred or retrieved at all, or if it is not clear whose personas are meant.
    """
    if pairs is None:
        pairs = list(PreferencePair.objects.filter(dataset=dataset, split=split).order_by("row", "pk"))
        ids = None
    else:
        ids = [pair.pk for pair in pairs]
    if source in (PersonaSource.NONE, PersonaSource.SYSTEM):
        text = profile.system_persona if source == PersonaSource.SYSTEM else ""
        return SourceTexts(source, dict.fromkeys((pair.pk for pair in pairs), text), [])
    texts, inferred = _stored(dataset, split, source, origin, ids)
    return SourceTexts(source, texts, [pair for pair in pairs if pair.pk not in texts], inferred)


def persona_key(persona: str) -> str:
    """Return the beginning of the persona's SHA-256, in hex; empty without a persona."""
    return hashlib.sha256(persona.encode("utf-8")).hexdigest()[:_KEY] if persona else ""


def named_rows(rows: Sequence[int], shown: int = 20) -> str:
    """Return rows of one split as a person reads them, the first `shown` of them."""
    more = f" and {len(rows) - shown} more" if len(rows) > shown else ""
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows[:shown]))}{more}"


def _stored(
    dataset: str, split: str, source: str, origin: Origin, pairs: Sequence[int] | None
) -> tuple[dict[int, str], dict[int, int]]:
    """Return the stored personas and their ids, both by the id of the pair that is given them."""
    system = inferring_system(dataset, origin.inferring)
    if source in GOLD:
        direction = GOLD[PersonaSource(source)]
        found = gold_personas(dataset, [split], system, pairs=pairs)
        explained = {pair: pair for pair in found}
    elif source in RETRIEVED:
        retriever = retriever_of(dataset, [split], origin.retriever)
        direction = RETRIEVED[PersonaSource(source)]
        found = retrieved_personas(dataset, [split], system, retriever, rank=origin.rank, pairs=pairs)
        explained = retrieved_sources(dataset, [split], retriever, rank=origin.rank, pairs=pairs)
    else:
        raise ServiceError(f"{source!r} is no source of personas. Known: {', '.join(PersonaSource.values)}.")
    texts = {pair: sides[direction].strip() for pair, sides in found.items() if sides.get(direction, "").strip()}
    ids = inferred_ids(dataset, system, direction, pairs=None if pairs is None else set(explained.values()))
    return texts, {pair: ids[explained[pair]] for pair in texts}
