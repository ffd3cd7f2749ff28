"""People against a judge that is a language model. The judge is compared with people, never counted as one of them.

Verdicts name a unit by the persona's key in the export, by `item persona`, by the item's id where it has one persona,
or, for inferred personas, by `item:chosen` and `item:rejected`. Base and test are those of the analysis; in a persona
assessment the chosen response is the test. The metric is the key of an aspect; `quality` stands for answerability where
no aspect is called so, and `persona` for the pick.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from annotation.models import Aspect, Assignment
from modelhub.analysis.answers import Answer
from modelhub.analysis.data import CHOSEN, Data
from modelhub.analysis.pairs import choices, rated_pairs
from modelhub.analysis.winrates import favoured
from modelhub.files.pairs import RESPONSES
from modelhub.files.tables import TableError, read_verdicts
from modelhub.results.base import Interval
from modelhub.results.judge import JudgeAgreement, JudgedPicks, JudgeReport
from modelhub.stats.crossed import Cells, ratio, spread_of
from modelhub.stats.ratings import FloatArray
from modelhub.stats.scores import SCORE_METHOD, BoundedMean, bounded_mean
from modelhub.stats.winrate import ONE_SIDED, PERSONALIZATION, QUALITY, SINGLE, Verdict, pair_outcomes
from modelhub.stats.wins import BASE, TEST

PERSONA = "persona"
_FEWEST_ITEMS = 10
_OUTCOMES = ("win", "tie", "loss")
_OF_A_PERSON = {TEST: "win", BASE: "loss"}
_OF_THE_JUDGE = {"win": "win", "loss": "loss", "tie_order": "tie", "tie_genuine": "tie"}


def read_judgements(path: Path, aspects: Sequence[str]) -> list[Verdict]:
    """Return the verdicts of a JSONL file; `aspects` are the keys of the study's questions, which may be metrics.

    Raises:
        TableError: a line is not as described, or the verdicts are of several sets.
    """
    sets = read_verdicts(path, metrics=tuple(dict.fromkeys((PERSONALIZATION, QUALITY, PERSONA, *aspects))))
    if len(sets) > 1:
        raise TableError(f"{path}: holds the sets {', '.join(sorted(sets))}; a study is compared with one, so split it")
    return next(iter(sets.values()), [])


def judge_report(data: Data, verdicts: Sequence[Verdict]) -> JudgeReport:
    """Return the comparison of people with the judge by metric; for aspects that compare the two systems.

    Intervals are over the study's items: all that is said of one, by however many people and for however many personas,
    is one cluster.
    """
    units, unmatched = _by_unit(data, verdicts)
    outcomes = pair_outcomes(units)
    people = _people(data)
    asked = {metric: _aspect_of(metric, people) for metric in outcomes if metric != PERSONA}
    items = _items(data)
    return JudgeReport(
        metrics={
            metric: _compared(aspect, people[aspect], outcomes[metric], items)
            for metric, aspect in asked.items()
            if aspect is not None
        },
        unmatched=unmatched,
        metrics_not_asked=sorted(metric for metric, aspect in asked.items() if aspect is None),
    )


def accuracy_against_judge(data: Data, picks: Sequence[Answer], verdicts: Sequence[Verdict]) -> JudgedPicks:
    """Return how often people and the judge pick alike for a persona, and the judge's own accuracy, over items."""
    units, _ = _by_unit(data, [verdict for verdict in verdicts if verdict.metric == PERSONA])
    outcomes = pair_outcomes(units).get(PERSONA, {})
    counts = Counter(outcomes.values())
    decided = {persona: outcome == "win" for persona, outcome in outcomes.items() if outcome in ("win", "loss")}
    items = _items(data)
    known = [persona for persona in decided if persona in data.origins]
    right = bounded_mean([float(decided[persona] == (data.origins[persona].direction == CHOSEN)) for persona in known],
                         [items[persona] for persona in known])  # fmt: skip
    both = [answer for answer in picks if answer.persona in decided]
    alike = bounded_mean(
        [float((answer.preferred == RESPONSES[CHOSEN]) == decided[answer.persona]) for answer in both],
        [answer.item for answer in both],
    )
    missing = "no_common_units" if outcomes else "not_judged"
    return JudgedPicks(
        n=len(both),
        agreement=alike.estimate if alike else None,
        ci=alike.ci if alike else None,
        judge_accuracy=right.estimate if right else None,
        judge_accuracy_ci=right.ci if right else None,
        judged=len(outcomes),
        tie_order=counts["tie_order"],
        tie_genuine=counts["tie_genuine"],
        invalid=counts["invalid"],
        reason=None if alike and alike.ci else SINGLE if alike else missing,
    )


def _by_unit(data: Data, verdicts: Sequence[Verdict]) -> tuple[list[Verdict], int]:
    """Return the verdicts with the persona's key as their pair id, and how many name no unit of the study."""
    names = _names(data)
    known = [
        Verdict(names[verdict.pair_id], verdict.metric, verdict.order, verdict.verdict)
        for verdict in verdicts
        if verdict.pair_id in names
    ]
    return known, len(verdicts) - len(known)


def _names(data: Data) -> dict[str, str]:
    """Return the personas by every name that means exactly one of them."""
    items = _items(data)
    named: defaultdict[str, set[str]] = defaultdict(set)
    for persona, item in items.items():
        named[persona].add(persona)
        named[f"{item} {persona}"].add(persona)
        named[item].add(persona)
        if persona in data.origins:
            named[f"{item}:{data.origins[persona].direction}"].add(persona)
    return {name: next(iter(found)) for name, found in named.items() if len(found) == 1}


def _items(data: Data) -> dict[str, str]:
    return {answer.persona: answer.item for answer in data.answers}


def _people(data: Data) -> dict[str, list[tuple[str, str]]]:
    """Return (persona, outcome) of every person who compared the two systems, by aspect; repetitions left out."""
    answers = [answer for answer in data.answers if answer.kind != Assignment.Kind.REPEAT]
    found = {key: [(row.persona, _outcome(favoured(row.difference))) for row in rows]
             for key, rows in rated_pairs(data, answers).items()}  # fmt: skip
    comparisons = {question.key for question in data.of_kind(Aspect.Kind.COMPARISON)}
    for key, rows in choices(data, answers).items():
        if key in comparisons:
            found[key] = [(row.persona, _outcome(row.preferred)) for row in rows]
    return found


def _outcome(preferred: str) -> str:
    return _OF_A_PERSON.get(preferred, "tie")


def _aspect_of(metric: str, people: Mapping[str, Any]) -> str | None:
    candidates = (metric, "answerability") if metric == QUALITY else (metric,)
    return next((key for key in candidates if key in people), None)


@dataclass(frozen=True)
class _Both:
    """What one person and the judge say of the same unit, and the item that the unit belongs to."""

    unit: str
    item: str
    human: str
    judge: str


@dataclass(frozen=True)
class _Kappa:
    value: float | None
    ci: Interval | None = None
    varies: bool = True


def _compared(
    aspect: str, people: Sequence[tuple[str, str]], outcomes: Mapping[str, str], items: Mapping[str, str]
) -> JudgeAgreement:
    judged = {unit: _OF_THE_JUDGE[outcome] for unit, outcome in outcomes.items() if outcome != "invalid"}
    both = [_Both(unit, items[unit], human, judged[unit]) for unit, human in people if unit in judged]
    decided = [row for row in both if "tie" not in (row.human, row.judge)]
    ceilings = [_ceiling(people, judged, items, names) for names in (_OUTCOMES, ("win", "loss"))]
    means = {
        "agreement_with_ties": _alike_share(both),
        "agreement_without_ties": _alike_share(decided),
        "human_ceiling": ceilings[0][0],
        "human_ceiling_without_ties": ceilings[1][0],
        "judge_order_consistency": _consistency(judged, outcomes, items),
    }
    kappa = _kappa(both)
    values = _values(means, kappa)
    missing = {name: _reason(name, both, judged) for name in (*means, "kappa") if values[name] is None}
    alone = {
        f"{name}_ci": missing.get(name, "few_judged_items" if name == "kappa" else SINGLE)
        for name in (*means, "kappa") if values[f"{name}_ci"] is None
    }  # fmt: skip
    warned = {name: [ONE_SIDED] for name, mean in means.items() if mean and mean.ci and not mean.varies}
    return JudgeAgreement(
        aspect=aspect,
        units=len({row.unit for row in both}),
        n=len(both),
        n_judged=len(judged),
        n_without_ties=len(decided),
        items=len({row.item for row in both}),
        invalid=len(outcomes) - len(judged),
        table=_table(both),
        ceiling_units=ceilings[0][1],
        ceiling_units_without_ties=ceilings[1][1],
        ci_method=f"{SCORE_METHOD}; kappa: jackknife_score",
        generalises_over=["prompts"],
        reasons={**missing, **alone},
        warnings={**warned, **({"kappa": [ONE_SIDED]} if kappa.ci and not kappa.varies else {})},
        **values,
    )


def _alike_share(rows: Sequence[_Both]) -> BoundedMean | None:
    return bounded_mean([float(row.human == row.judge) for row in rows], [row.item for row in rows])


def _consistency(judged: Iterable[str], outcomes: Mapping[str, str], items: Mapping[str, str]) -> BoundedMean | None:
    """Return the share of judged units whose verdict is the same in both orders."""
    consistent = {unit: float(outcomes[unit] != "tie_order") for unit in judged}
    return bounded_mean(list(consistent.values()), [items.get(unit, unit) for unit in consistent])


def _table(both: Sequence[_Both]) -> dict[str, dict[str, int]]:
    table = Counter((row.human, row.judge) for row in both)
    return {f"human {human}": {f"judge {judge}": table[human, judge] for judge in _OUTCOMES} for human in _OUTCOMES}


def _values(means: Mapping[str, BoundedMean | None], kappa: _Kappa) -> dict[str, Any]:
    """Return every coefficient and its interval by the names they have in the results."""
    values: dict[str, Any] = {"kappa": kappa.value, "kappa_ci": kappa.ci}
    for name, mean in means.items():
        values |= {name: mean.estimate if mean else None, f"{name}_ci": mean.ci if mean else None}
    return values


def _kappa(both: Sequence[_Both]) -> _Kappa:
    """Return Cohen's kappa with the score interval of its jackknife over items, from ten of them on."""
    if not both:
        return _Kappa(None)
    counts = np.zeros((len(both), len(_OUTCOMES) ** 2))
    cells = [_OUTCOMES.index(row.human) * len(_OUTCOMES) + _OUTCOMES.index(row.judge) for row in both]
    counts[np.arange(len(both)), cells] = 1
    value = float(_kappas(counts.sum(axis=0)[None, :])[0])
    if np.isnan(value):
        return _Kappa(None)
    items = Cells([row.item for row in both], None)
    spread = spread_of(items.sums(counts), _kappas) if items.n_people >= _FEWEST_ITEMS else None
    return _Kappa(value, spread.bounded_interval(-1.0, 1.0), spread.varies) if spread else _Kappa(value)


def _kappas(rows: FloatArray) -> FloatArray:
    """Return kappa of rows of the table's counts, shape (k, 9) -> (k,); NaN where it is undefined."""
    tables = rows.reshape(-1, len(_OUTCOMES), len(_OUTCOMES))
    n = rows.sum(axis=1)
    chance = (tables.sum(axis=2) * tables.sum(axis=1)).sum(axis=1)
    return ratio(n * np.trace(tables, axis1=1, axis2=2) - chance, n**2 - chance)


def _ceiling(
    people: Sequence[tuple[str, str]], judged: Mapping[str, str], items: Mapping[str, str], names: Sequence[str]
) -> tuple[BoundedMean | None, int]:
    """Return how often two people agree on the same judged unit, the mean over units of their pairs, and the units."""
    by_unit: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for unit, outcome in people:
        if unit in judged and outcome in names:
            by_unit[unit][outcome] += 1
    shares = {unit: share for unit, counts in by_unit.items() if (share := _alike(counts)) is not None}
    return bounded_mean(list(shares.values()), [items[unit] for unit in shares]), len(shares)


def _alike(counts: Counter[str]) -> float | None:
    n = counts.total()
    return sum(count * (count - 1) for count in counts.values()) / (n * (n - 1)) if n > 1 else None


def _reason(name: str, both: Sequence[Any], judged: Mapping[str, str]) -> str:
    if name == "judge_order_consistency":
        return "no_valid_verdicts"
    if name.startswith("human_ceiling"):
        return "no_overlap"
    if not both:
        return "no_common_units" if judged else "no_valid_verdicts"
    return "no_variation" if name == "kappa" else "no_decided_pairs"
