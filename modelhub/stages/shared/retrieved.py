"""Trace retrieved personas that a file brings to the training row they were taken from."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from annotation.errors import ServiceError
from modelhub.engines import IMPORTED
from modelhub.files.pairs import DIRECTIONS
from modelhub.files.preferences import Personas, PreferenceRow
from modelhub.files.problems import refusal
from modelhub.models import InferredPersona, PreferencePair, RetrievedPersona, Run
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

    def lines(self, split: str) -> Iterator[str]:
        """Yield what to tell of the rows of a split, nothing if none brings retrieved personas."""
        if not self.given:
            return
        if not self.searched:
            yield (
                f"  {self.given} rows bring retrieved personas, which were left out: those of a split called "
                f"{split!r} can come from anywhere. Known: {', '.join(SEARCHED)}; name the split with --split"
            )
            return
        yield (
            f"  {self.given} rows bring retrieved personas: {self.stored} were traced to a row of "
            f"{' and '.join(self.searched)}, {self.unchanged} were there already, {self.unmatched} fit none, "
            f"{self.ambiguous} fit several"
        )
        if self.own:
            yield f"  {self.own} of them fit no other row than their own: retrieval had not left the row itself out"
        if self.absent:
            absent = " and ".join(self.absent)
            yield f"  {absent} must be imported first, or in the same call; then import this split again"


@dataclass
class RetrievedRows:
    """Which training rows (ids) pairs (ids) were given, as far as they are known and not stored, and what is wrong."""

    report: RetrievedReport
    found: dict[int, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def retrieved_store(
    *, dataset: str, split: str, rows: Sequence[PreferenceRow], ids: Mapping[str, int], run: Run
) -> RetrievedReport:
    """Store, for each row that brings retrieved personas, the one training row with exactly these two texts.

    A row with none or several such training rows is counted, not stored. `ids` are those of the stored pairs by key.
    Raises ServiceError where another training row is stored already.
    """
    traced = retrieved_rows(dataset, split, rows, ids)
    if traced.problems:
        raise ServiceError(refusal(traced.problems))
    stored = [
        RetrievedPersona(pair_id=pair, source_id=source, retriever=IMPORTED, rank=1, run=run)
        for pair, source in traced.found.items()
    ]
    traced.report.stored = len(RetrievedPersona.objects.bulk_create(stored, batch_size=BATCH))
    return traced.report


def retrieved_rows(dataset: str, split: str, rows: Sequence[PreferenceRow], ids: Mapping[str, int]) -> RetrievedRows:
    """Return what `retrieved_store` would store; nothing is written."""
    given = [(row, *row.retrieved) for row in rows if row.of("retrieved")]
    traced = RetrievedRows(RetrievedReport(given=len(given)))
    if not given:
        return traced
    report = traced.report
    report.searched = searched_splits(split) if split in SEARCHED else ()
    report.absent = _absent(dataset, report.searched)
    sources = {name: _sources(dataset, report.searched, name) for name in {system for _, system, _ in given}}
    stored = RetrievedPersona.objects.filter(pair__dataset=dataset, pair__split=split, retriever=IMPORTED, rank=1)
    known = dict(stored.values_list("pair_id", "source_id"))
    for row, system, personas in given:
        pair = ids[row.key]
        every = sources[system].get(personas, [])
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


def _sources(dataset: str, splits: Sequence[str], system: str) -> dict[Personas, list[int]]:
    """Return the training rows by the two personas that the system of this name inferred."""
    texts: dict[int, dict[str, str]] = defaultdict(dict)
    training = InferredPersona.objects.filter(system__name=system, pair__dataset=dataset, pair__split__in=splits)
    for pair, direction, text in training.order_by("pk").values_list("pair_id", "direction", "text").iterator():
        texts[pair][direction] = text
    sources: dict[Personas, list[int]] = defaultdict(list)
    for pair, sides in texts.items():
        chosen, rejected = (sides.get(direction, "") for direction in DIRECTIONS)
        sources[chosen, rejected].append(pair)
    return sources
