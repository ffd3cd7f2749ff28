"""Exemplars of the same kind of person: a split's pairs, frozen with a system, and which of them are nearest.

Profile-based retrieval by BM25: Salemi et al., "LaMP: When Large Language Models Meet Personalization" (ACL 2024),
arXiv 2304.11406; there a user's own past, here what stands for a user, the persona. A pool is known by its digest,
which is part of the fingerprints of the systems that retrieve from it, and stays when the pairs change.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from annotation.errors import ServiceError
from modelhub.engines.digests import digest_of
from modelhub.models import Direction, ExemplarPool
from modelhub.prompting.bm25 import Bm25
from modelhub.queries.persona_sources import named_rows
from modelhub.systems.few_shot import exemplars_of, split_named

POOL_SPLIT = "sft_train"
# What a data set puts around a prompt and a study may not: the speakers' labels.
_LABELS = re.compile(r"^(?:human|user|prompt|question) ?: ?| ?(?:assistant|response|answer) ?:$")


@dataclass(frozen=True)
class FrozenPool:
    """Exemplars that can be retrieved, where they come from, and what to tell of rows that are none."""

    source: str
    persona: str
    exemplars: Sequence[Mapping[str, Any]]
    note: str

    @property
    def sha256(self) -> str:
        """The digest by which a system names them."""
        return digest_of(list(self.exemplars))


@dataclass(frozen=True)
class RetrievedExemplar:
    """An exemplar (row, prompt, persona, response) and its score, greater where its persona is nearer."""

    exemplar: Mapping[str, Any]
    score: float


@dataclass(frozen=True)
class _Searchable:
    exemplars: Sequence[Mapping[str, Any]]
    personas: Bm25
    of_prompt: Mapping[str, Sequence[int]]


def pool_read(*, source: str, shots: int, persona: str = Direction.CHOSEN, inferring: str = "") -> FrozenPool:
    """Return the pairs of a split (`NAME` or `NAME/SPLIT`) with the persona of one response and that response.

    Raises ServiceError for unknown names, and where a prompt would have fewer than `shots` exemplars beside itself.
    """
    dataset, split = split_named(source, default=POOL_SPLIT)
    exemplars: list[dict[str, Any]] = []
    left_out: list[int] = []
    for pair, exemplar in exemplars_of(dataset, split, persona=Direction(persona), inferring=inferring):
        if exemplar is None:
            left_out.append(pair.row)
        else:
            exemplars.append({"row": pair.row, **exemplar})
    same = max(Counter(_same_prompt(one["prompt"]) for one in exemplars).values(), default=0)
    note = f"Passed over, without a persona or a response: {named_rows(left_out)}." if left_out else ""
    if len(exemplars) - same < shots:
        raise ServiceError(
            f"{dataset}/{split} gives {len(exemplars)} exemplars, of which {max(same, 1)} may have the very prompt "
            f"that is asked and are left out then: too few for {shots} shots. {note}".strip()
        )
    return FrozenPool(f"{dataset}/{split}", str(persona), exemplars, note)


def pool_store(pool: FrozenPool) -> None:
    """Keep a pool, once however many systems retrieve from it."""
    ExemplarPool.objects.get_or_create(sha256=pool.sha256, defaults={"exemplars": list(pool.exemplars)})


def nearest_exemplars(*, sha256: str, shots: int, prompt: str, persona: str) -> list[RetrievedExemplar]:
    """Return the `shots` exemplars of a pool whose personas are nearest to this one, the nearest last.

    Those with the prompt itself are left out. Raises ServiceError if the pool is gone, or is not what it was.
    """
    pool = _searchable(sha256)
    found = pool.personas.nearest(persona, count=shots, without=pool.of_prompt.get(_same_prompt(prompt), ()))
    return [RetrievedExemplar(pool.exemplars[place], round(score, 6)) for place, score in reversed(found)]


@lru_cache(maxsize=4)
def _searchable(sha256: str) -> _Searchable:
    stored = ExemplarPool.objects.filter(sha256=sha256).first()
    if stored is None or digest_of(stored.exemplars) != sha256:
        what = "is not in the database" if stored is None else "has changed since the system was registered"
        raise ServiceError(
            f"The exemplar pool {sha256[:12]}… {what}. Restore it from a backup, or register a system with the "
            "exemplars as they are now, under another name."
        )
    of_prompt: defaultdict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(stored.exemplars):
        of_prompt[_same_prompt(one["prompt"])].append(place)
    return _Searchable(stored.exemplars, Bm25([one["persona"] for one in stored.exemplars]), dict(of_prompt))


def _same_prompt(prompt: str) -> str:
    """Return what two writings of one prompt have in common."""
    return _LABELS.sub("", " ".join(prompt.split()).casefold())
