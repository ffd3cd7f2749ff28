"""Trace retrieved personas that a file brings to the training row they were taken from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from annotation.errors import ServiceError
from modelhub.engines import IMPORTED
from modelhub.files.pairs import DIRECTIONS
from modelhub.files.preferences import Personas, PreferenceRow
from modelhub.files.problems import refusal
from modelhub.models import InferredPersona, PreferencePair, RetrievedPersona, Run, System
from modelhub.retrieval.splits import SEARCHED, searched_splits

BATCH = 1000


@dataclass
class RetrievedReport:
    """Of `given` rows with retrieved personas: what became of them. `own` were traced to themselves.

    `searched` are the splits they can come from, none where that is not known; `absent` are those of them that are not
    imported.
    """

    given: int = 0
    stored: int = 0
    unchanged: int = 0
    unmatched: int = 0
    ambiguous: int = 0
    own: int = 0
    searched: Sequence[str] = ()
    absent: Sequence[str] = ()


@dataclass
class RetrievedRows:
    """Which training rows (ids) pairs (ids) were given, as far as they are known and not stored, and what is wrong."""

    report: RetrievedReport
    found: dict[int, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def retrieved_store(
    *, dataset: str, split: str, rows: Sequence[PreferenceRow], ids: Mapping[str, int], system: System | None, run: Run
) -> RetrievedReport:
    """Store, for each row that brings retrieved personas, the one training row with exactly these two texts.

    A row with none or several such training rows is counted, not stored. `ids` are those of the stored pairs by key.
    Raises ServiceError where another training row is stored already.
    """
    traced = retrieved_rows(dataset, split, rows, ids, system)
    if traced.problems:
        raise ServiceError(refusal(traced.problems))
    stored = [
        RetrievedPersona(pair_id=pair, source_id=source, retriever=IMPORTED, rank=1, run=run)
        for pair, source in traced.found.items()
    ]
    traced.report.stored = len(RetrievedPersona.objects.bulk_create(stored, batch_size=BATCH))
    return traced.report


def retrieved_rows(
    dataset: str, split: str, rows: Sequence[PreferenceRow], ids: Mapping[str, int], system: System | None
) -> RetrievedRows:
    """Return what `retrieved_store` would store; nothing is written."""
    given = [row for row in rows if any(row.retrieved)]
    traced = RetrievedRows(RetrievedReport(given=len(given)))
    if not given:
        return traced
    report = traced.report
    report.searched = searched_splits(split) if split in SEARCHED else ()
    report.absent = _absent(dataset, report.searched)
    sources = _sources(dataset, report.searched, system)
    stored = RetrievedPersona.objects.filter(pair__dataset=dataset, pair__split=split, retriever=IMPORTED, rank=1)
    known = dict(stored.values_list("pair_id", "source_id"))
    for row in given:
        pair = ids[row.key]
        every = sources.get(row.retrieved, [])
        # Where a row of the file itself and another one fit, retrieval cannot have meant the row itself.
        fitting = [source for source in every if source != pair] or every
        if pair in known:
            report.unchanged += 1
            if known[pair] not in fitting:
                traced.problems.append(f"{row.place}: another training row is stored as retrieved for this pair.")
        elif len(fitting) == 1:
            report.own += fitting[0] == pair
            traced.found[pair] = fitting[0]
        else:
            report.ambiguous += len(fitting) > 1
            report.unmatched += not fitting
    return traced


def _absent(dataset: str, splits: Sequence[str]) -> list[str]:
    """Return those of the splits that are not imported."""
    pairs = PreferencePair.objects.filter(dataset=dataset, split__in=splits)
    there = set(pairs.order_by().values_list("split", flat=True).distinct())
    return [name for name in splits if name not in there]


def _sources(dataset: str, splits: Sequence[str], system: System | None) -> dict[Personas, list[int]]:
    """Return the training rows by their two personas."""
    texts: dict[int, dict[str, str]] = defaultdict(dict)
    training = InferredPersona.objects.filter(system=system, pair__dataset=dataset, pair__split__in=splits)
    for pair, direction, text in training.order_by("pk").values_list("pair_id", "direction", "text").iterator():
        texts[pair][direction] = text
    sources: dict[Personas, list[int]] = defaultdict(list)
    for pair, sides in texts.items():
        chosen, rejected = (sides.get(direction, "") for direction in DIRECTIONS)
        sources[chosen, rejected].append(pair)
    return sources
