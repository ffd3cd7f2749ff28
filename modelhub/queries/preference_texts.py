"""Reads for what preferences reward: texts of pairs, and what judges said of outputs."""

from collections import defaultdict
from collections.abc import Sequence

from modelhub.models import Direction, InferredPersona, Judgement, PairOutput, PreferencePair
from modelhub.results.attributes import AttributeGroup, AttributeReport, TextSide, Weighing
from modelhub.stats.attributes import CI_METHOD, TextPair, WeighedPair, contrasts, weights
from modelhub.stats.winrate import Verdict, pair_outcomes

_SCORES = {"win": 1.0, "loss": -1.0, "tie_order": 0.0, "tie_genuine": 0.0}


def attribute_report(datasets: Sequence[str], people: Sequence[Weighing] = (), *, most: int = 0) -> AttributeReport:
    """Return what the preferences of stored data sets reward, and how judges weigh the same; `people` come after.

    `most` takes so many pairs of each data set, those with the smallest keys, which are digests of their texts: a draw.
    """
    responses = {name: _responses(name, most) for name in datasets}
    personas = {name: _personas(name, responses[name]) for name in datasets}
    sides: tuple[tuple[TextSide, dict[str, list[TextPair]]], ...] = (("responses", responses), ("personas", personas))
    groups = [
        AttributeGroup(dataset=name, texts=texts, attributes=contrasts(pairs))
        for texts, found in sides
        for name, pairs in (*(_all_together(found)), *found.items())
        if pairs
    ]
    chosen = [WeighedPair(pair.cluster, pair.chosen, pair.rejected, 1.0) for pairs in responses.values()
              for pair in pairs]  # fmt: skip
    weighing = [
        Weighing(who="preferences", name=", ".join(datasets), question="chosen", clustered_by=["preference_pairs"],
                 weights=weights(chosen, crossed=False))
    ] if chosen else []  # fmt: skip
    kept = {pair.cluster for pairs in responses.values() for pair in pairs}
    weighing += _judges(datasets, kept if most else None)
    return AttributeReport(
        groups=groups, weighing=[*weighing, *people], ci_method=CI_METHOD, generalises_over=["preference_pairs"]
    )  # fmt: skip


def preference_datasets() -> list[str]:
    """Return the data sets that hold pairs with both responses."""
    pairs = PreferencePair.objects.exclude(chosen="").exclude(rejected="")
    return list(pairs.order_by("dataset").values_list("dataset", flat=True).distinct())


def _all_together(found: dict[str, list[TextPair]]) -> list[tuple[str, list[TextPair]]]:
    together = [pair for pairs in found.values() for pair in pairs]
    return [("", together)] if sum(map(bool, found.values())) > 1 else []


def _responses(dataset: str, most: int) -> list[TextPair]:
    """Return the responses of a data set. A pair that several splits hold is one cluster and counts once."""
    pairs = PreferencePair.objects.filter(dataset=dataset).exclude(chosen="").exclude(rejected="")
    rows = pairs.order_by("key", "pk").values_list("key", "chosen", "rejected")
    once = {key: TextPair((dataset, key), chosen, rejected) for key, chosen, rejected in rows.iterator()}
    return list(once.values())[: most or None]


def _personas(dataset: str, responses: Sequence[TextPair]) -> list[TextPair]:
    """Return the personas of both sides by pair and inferring system; those of one pair are one cluster."""
    kept = {pair.cluster for pair in responses}
    rows = InferredPersona.objects.filter(pair__dataset=dataset).exclude(text="").order_by("pk")
    found: defaultdict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for key, system, direction, text in rows.values_list("pair__key", "system_id", "direction", "text").iterator():
        if (dataset, key) in kept:
            found[key, system][direction] = text
    return [
        TextPair((dataset, key), sides[Direction.CHOSEN], sides[Direction.REJECTED])
        for (key, _), sides in found.items()
        if len(sides) == len(Direction)
    ]


def _judges(datasets: Sequence[str], kept: set[object] | None) -> list[Weighing]:
    """Return how each judge weighs, by rubric and metric; outputs that are left out do not count."""
    made = Judgement.objects.filter(
        test__pair__dataset__in=datasets, base__excluded_reason="", test__excluded_reason=""
    ).order_by("pk")
    names = ("judge__name", "rubric", "metric", "base_id", "test_id", "order", "verdict", "test__pair__dataset",
             "test__pair__key")  # fmt: skip
    said: defaultdict[tuple[str, str, str], list[Verdict]] = defaultdict(list)
    clusters: dict[str, tuple[str, str]] = {}
    for judge, rubric, metric, base, test, order, verdict, dataset, key in made.values_list(*names).iterator():
        if kept is None or (dataset, key) in kept:
            unit = f"{base}:{test}"
            clusters[unit] = (dataset, key)
            said[judge, rubric, metric].append(Verdict(unit, metric, order, verdict or None))
    texts = dict(PairOutput.objects.filter(pk__in={int(one) for unit in clusters for one in unit.split(":")})
                 .values_list("pk", "text"))  # fmt: skip
    found = []
    for (judge, rubric, metric), verdicts in sorted(said.items()):
        rows = []
        for unit, outcome in pair_outcomes(verdicts)[metric].items():
            base, test = (int(one) for one in unit.split(":"))
            if outcome in _SCORES:
                rows.append(WeighedPair(clusters[unit], texts[test], texts[base], _SCORES[outcome]))
        found.append(Weighing(who="judge", name=f"{judge}, {rubric}", question=metric,
                              clustered_by=["preference_pairs"], weights=weights(rows, crossed=False)))  # fmt: skip
    return found
