"""Reads for the results of persona inference: what judges picked, and the personas whose words are compared."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from modelhub.models import Direction, InferredPersona, PersonaCheck, PersonaComparison, PersonaVerdict, System
from modelhub.pipeline_results.accuracy import Pick, ResultGroup, accuracy_report, comparison_report
from modelhub.stats.lemmas import lemma
from modelhub.stats.texts import salient_words

_AS_IS = PersonaVerdict.Order.AS_IS


@dataclass(frozen=True)
class Words:
    """Salient words with the number of personas they were counted in; see `textstats.salient_words`."""

    rows: list[dict[str, Any]]
    chosen: int
    rejected: int

    def telling_of(self, direction: str) -> list[dict[str, Any]]:
        """Return the words more frequent on this side than on the other, most telling first."""
        if direction == Direction.CHOSEN:
            return [row for row in self.rows if row["share"] is not None and row["share"] > 0.5]
        return [row for row in reversed(self.rows) if row["share"] is not None and row["share"] < 0.5]


def persona_results(dataset: str = "") -> dict[str, Any]:
    """Return `inferred` (how many personas there are), `accuracy` and `comparison` of all data sets, or of one."""
    return {
        "inferred": inferred_counts(dataset),
        "accuracy": accuracy_report(_picks(PersonaCheck.objects.all(), "persona", dataset)),
        "comparison": comparison_report(_picks(PersonaComparison.objects.all(), "chosen", dataset)),
    }


def inferred_counts(dataset: str = "") -> list[dict[str, Any]]:
    """Return the personas by data set, system and direction: `personas`, and how many are `unreadable` or `flagged`.

    Unreadable ones have an empty text and are never judged, so an accuracy is one of the readable.
    """
    personas = InferredPersona.objects.filter(pair__dataset=dataset) if dataset else InferredPersona.objects.all()
    named = personas.order_by("pair__dataset", "system__name", "direction").values(
        "direction", dataset=F("pair__dataset"), system_name=F("system__name")
    )
    counted = named.annotate(
        personas=Count("pk"), unreadable=Count("pk", filter=Q(text="")), flagged=Count("pk", filter=~Q(flags=[]))
    )
    return [{("system" if name == "system_name" else name): value for name, value in row.items()} for row in counted]


def persona_words(dataset: str, system: System, *, min_count: int) -> Words:
    """Return the salient words of a system's readable personas: P(chosen | lemma), text cut before a contrast."""
    texts = {side: _texts(dataset, system, side) for side in (Direction.CHOSEN, Direction.REJECTED)}
    chosen, rejected = texts[Direction.CHOSEN], texts[Direction.REJECTED]
    return Words(salient_words(chosen, rejected, min_count=min_count, lemma=lemma), len(chosen), len(rejected))


def persona_sources() -> list[tuple[str, str]]:
    """Return (data set, name of the inferring system) of all personas."""
    personas = InferredPersona.objects.order_by("pair__dataset", "system__name")
    return list(personas.values_list("pair__dataset", "system__name").distinct())


def _texts(dataset: str, system: System, direction: str) -> list[str]:
    personas = InferredPersona.objects.filter(pair__dataset=dataset, system=system, direction=direction)
    return list(personas.exclude(text="").values_list("text", flat=True))


def _picks(verdicts: "QuerySet[Any]", persona: str, dataset: str) -> Iterator[Pick]:
    """Yield the verdicts as picks. `persona` is the path to the persona that names pair and inferring system."""
    if dataset:
        verdicts = verdicts.filter(**{f"{persona}__pair__dataset": dataset})
    asked = verdicts.order_by().values_list(
        f"{persona}__pair__dataset", f"{persona}__system__name", "judge__name", "rubric", f"{persona}__pair_id",
        F(f"{persona}__direction"), "order", "verdict",
    )  # fmt: skip
    about_one = persona == "persona"
    for *names, pair, direction, order, verdict in asked.iterator():
        yield Pick(ResultGroup(*names), pair, direction if about_one else "", _side(order, verdict))


def _side(order: str, verdict: str) -> str:
    """Return the side picked; as `PersonaVerdict.side`, which would need whole rows."""
    if not verdict:
        return ""
    return Direction.CHOSEN.value if (verdict == "A") == (order == _AS_IS) else Direction.REJECTED.value
