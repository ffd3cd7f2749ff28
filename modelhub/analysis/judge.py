"""People against a judge that is a language model. The judge is compared with people, never counted as one of them.

Verdicts name a unit by the persona's key in the export, by `item persona`, by the item's id where it has one persona,
or, for inferred personas, by `item:chosen` and `item:rejected`. Base and test are those of the analysis; in a persona
assessment the chosen response is the test. The metric is the key of an aspect; `quality` stands for answerability where
no aspect is called so, and `persona` for the pick.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from annotation.models import Aspect, Assignment
from modelhub.analysis.data import CHOSEN, Answer, Data
from modelhub.analysis.pairs import choices, rated_pairs
from modelhub.analysis.winrates import favoured
from modelhub.files.pairs import RESPONSES
from modelhub.files.tables import TableError, read_verdicts
from modelhub.stats.adjusted import clustered_share
from modelhub.stats.chance import cohen_kappa
from modelhub.stats.winrate import PERSONALIZATION, QUALITY, Verdict, pair_outcomes
from modelhub.stats.wins import BASE, TEST

PERSONA = "persona"
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


def judge_report(data: Data, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return the comparison of people with the judge by metric; for aspects that compare the two systems."""
    units, unmatched = _by_unit(data, verdicts)
    outcomes = pair_outcomes(units)
    people = _people(data)
    asked = {metric: _aspect_of(metric, people) for metric in outcomes if metric != PERSONA}
    return {
        "metrics": {
            metric: {"aspect": aspect, **_compared(people[aspect], outcomes[metric])}
            for metric, aspect in asked.items()
            if aspect is not None
        },
        "unmatched": unmatched,
        "metrics_not_asked": sorted(metric for metric, aspect in asked.items() if aspect is None),
    }


def accuracy_against_judge(data: Data, picks: Sequence[Answer], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return how often people and the judge pick alike for the same persona, and the judge's own accuracy."""
    units, _ = _by_unit(data, [verdict for verdict in verdicts if verdict.metric == PERSONA])
    outcomes = pair_outcomes(units).get(PERSONA, {})
    counts = Counter(outcomes.values())
    decided = {persona: outcome == "win" for persona, outcome in outcomes.items() if outcome in ("win", "loss")}
    right = [prefers_chosen == (data.origins[persona].direction == CHOSEN)
             for persona, prefers_chosen in decided.items() if persona in data.origins]  # fmt: skip
    both = [answer for answer in picks if answer.persona in decided]
    alike = clustered_share(
        [int((answer.preferred == RESPONSES[CHOSEN]) == decided[answer.persona]) for answer in both],
        [answer.item for answer in both],
    )
    return {
        "n": alike["n"],
        "agreement": alike["share"],
        "ci": alike["ci"],
        "judge_accuracy": sum(right) / len(right) if right else None,
        "judged": len(outcomes),
        **{name: counts[name] for name in ("tie_order", "tie_genuine", "invalid")},
        "reason": None if both else "no_common_units" if outcomes else "not_judged",
    }


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
    items = {answer.persona: answer.item for answer in data.answers}
    named: defaultdict[str, set[str]] = defaultdict(set)
    for persona, item in items.items():
        named[persona].add(persona)
        named[f"{item} {persona}"].add(persona)
        named[item].add(persona)
        if persona in data.origins:
            named[f"{item}:{data.origins[persona].direction}"].add(persona)
    return {name: next(iter(found)) for name, found in named.items() if len(found) == 1}


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


def _compared(people: Sequence[tuple[str, str]], outcomes: Mapping[str, str]) -> dict[str, Any]:
    judged = {unit: _OF_THE_JUDGE[outcome] for unit, outcome in outcomes.items() if outcome != "invalid"}
    both = [(unit, human, judged[unit]) for unit, human in people if unit in judged]
    table = Counter((human, judge) for _, human, judge in both)
    decided = [row for row in both if "tie" not in row[1:]]
    alike = clustered_share([int(human == judge) for _, human, judge in both], [unit for unit, _, _ in both])
    consistent = sum(outcome in ("win", "loss", "tie_genuine") for outcome in outcomes.values())
    report: dict[str, Any] = {
        "units": len({unit for unit, _, _ in both}),
        "n": len(both),
        "invalid": len(outcomes) - len(judged),
        "table": {
            f"human {human}": {f"judge {judge}": table[human, judge] for judge in _OUTCOMES} for human in _OUTCOMES
        },
        "agreement_with_ties": alike["share"],
        "agreement_with_ties_ci": alike["ci"],
        "agreement_without_ties": _share([human == judge for _, human, judge in decided]),
        "kappa": _kappa(both),
        **_ceiling(people, judged),
        "judge_order_consistency": consistent / len(judged) if judged else None,
    }
    report["reasons"] = {name: _reason(name, both, judged) for name, value in report.items() if value is None}
    return report


def _kappa(both: Sequence[tuple[str, str, str]]) -> float | None:
    human = np.array([_OUTCOMES.index(row[1]) for row in both], dtype=np.int64)
    judge = np.array([_OUTCOMES.index(row[2]) for row in both], dtype=np.int64)
    return cohen_kappa(human, judge, np.eye(len(_OUTCOMES))).value


def _ceiling(people: Sequence[tuple[str, str]], judged: Mapping[str, str]) -> dict[str, Any]:
    """Return how often two people agree on the same judged unit: the mean over units of their pairs."""
    by_unit: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for unit, outcome in people:
        if unit in judged:
            by_unit[unit][outcome] += 1
    shares = [share for counts in by_unit.values() if (share := _alike(counts)) is not None]
    without = [
        share
        for counts in by_unit.values()
        if (share := _alike(Counter({name: counts[name] for name in ("win", "loss")}))) is not None
    ]
    return {
        "human_ceiling": _share(shares),
        "human_ceiling_without_ties": _share(without),
        "ceiling_units": len(shares),
    }


def _alike(counts: Counter[str]) -> float | None:
    n = counts.total()
    return sum(count * (count - 1) for count in counts.values()) / (n * (n - 1)) if n > 1 else None


def _share(values: Sequence[float]) -> float | None:
    return float(sum(values) / len(values)) if values else None


def _reason(name: str, both: Sequence[Any], judged: Mapping[str, str]) -> str:
    if name == "judge_order_consistency":
        return "no_valid_verdicts"
    if name.startswith("human_ceiling"):
        return "no_overlap"
    if not both:
        return "no_common_units" if judged else "no_valid_verdicts"
    return "no_variation" if name == "kappa" else "no_decided_pairs"
