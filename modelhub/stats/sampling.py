"""Draw a sample that anybody can draw again: by hash, so that what is added later moves little of it. Pure."""

import hashlib
from collections.abc import Sequence
from itertools import groupby


def balanced_draw(names: Sequence[tuple[str, str]], *, limit: int | None, seed: int) -> set[tuple[str, str]]:
    """Return `limit` of the (group, key) names, as many of each group, give or take one, as there are.

    Where a group has too few, the others fill its places. All are returned without a limit, or where there are no more.
    """
    if limit is None or limit >= len(names):
        return set(names)
    ordered = sorted(names, key=lambda name: (name[0], _seeded_hash(seed, *name)))
    ranked = [
        (rank, _seeded_hash(seed, group), name)
        for group, members in groupby(ordered, key=lambda name: name[0])
        for rank, name in enumerate(members)
    ]
    return {name for _, _, name in sorted(ranked)[:limit]}


def _seeded_hash(seed: int, *parts: str) -> str:
    return hashlib.sha256("\n".join([str(seed), *parts]).encode("utf-8")).hexdigest()
