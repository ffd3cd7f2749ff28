"""Systems compared: descriptives, paired comparisons and win rates of one population and stratum."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from annotation.models import Aspect
from modelhub.analysis.data import Answer, Data, Question
from modelhub.analysis.length import length_adjusted
from modelhub.analysis.pairs import RatedPair, choices, rated_pairs
from modelhub.analysis.winrates import human_win_rates
from modelhub.stats.paired import paired_report


def stratum_report(data: Data, *, seed: int) -> dict[str, Any]:
    """Return the part of the results that stands under `strata` for the answers of `data`."""
    main = data.main
    pairs = rated_pairs(data, main)
    margins: Mapping[str, float] = data.study.analysis.get("margin", {})
    return {
        "descriptives": descriptives(data, main),
        "comparisons": {key: comparison(rows, margin=margins.get(key), seed=seed) for key, rows in pairs.items()},
        "win_rates": human_win_rates(data, pairs, choices(data, main), seed=seed),
        "words": words(data, main),
    }


def comparison(rows: Sequence[RatedPair], *, margin: float | None, seed: int) -> dict[str, Any]:
    """Return the paired report of one aspect with its length-adjusted result and the participants' means."""
    report = paired_report([row.as_pair() for row in rows], margin=margin, seed=seed)
    own: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        own[row.participant].append(row.difference)
    report["length_adjusted"] = length_adjusted(rows)
    report["participant_means"] = [
        {"participant": name, "difference": sum(values) / len(values), "pairs": len(values)}
        for name, values in sorted(own.items())
    ]
    return report


def descriptives(data: Data, answers: Iterable[Answer]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return counts by value, mean and SD of every scale, by system or by the persona's direction."""
    scales = data.of_kind(Aspect.Kind.RATING, Aspect.Kind.PERSONA)
    counts: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for answer in answers:
        group = answer.system or direction(data, answer.persona)
        if group is not None:
            counts[answer.aspect, group][answer.value] += 1
    return {
        question.key: {group: _described(question, counts[question.key, group]) for group in _groups(data, question)}
        for question in scales
    }


def direction(data: Data, persona: str) -> str | None:
    """Return what a persona explains (chosen, rejected), or None for one that is no inferred persona."""
    origin = data.origins.get(persona)
    return origin.direction if origin else None


def words(data: Data, answers: Iterable[Answer]) -> dict[str, dict[str, Any]]:
    """Return words per rated output by system, and per assessed persona by direction; each text counts once."""
    found: dict[str, dict[str, int]] = {system.name: {} for system in data.systems}
    for answer in answers:
        group = direction(data, answer.persona)
        if answer.output and answer.system and answer.output in data.output_words:
            found[answer.system][answer.output] = data.output_words[answer.output]
        elif not answer.output and group and answer.persona in data.persona_words:
            found.setdefault(group, {})[answer.persona] = data.persona_words[answer.persona]
    return {group: _spread(list(of_text.values())) for group, of_text in found.items()}


def _groups(data: Data, question: Question) -> list[str]:
    if question.kind == Aspect.Kind.RATING:
        return [system.name for system in data.systems]
    return sorted({origin.direction for origin in data.origins.values()})


def _described(question: Question, counts: Counter[int]) -> dict[str, Any]:
    values = [question.score(value) for value in counts.elements()] if question.has_mean else []
    result = _spread(values)
    if counts and not question.has_mean:
        result["reasons"] = {"mean": "not_ordered", "sd": "not_ordered"}
    return {
        **result,
        "n": counts.total(),
        "counts": {str(value): counts[value] for value in range(question.minimum, question.maximum + 1)},
    }


def _spread(values: Sequence[int]) -> dict[str, Any]:
    reasons = {} if len(values) > 1 else {"sd": "single_value"} if values else {"mean": "no_data", "sd": "no_data"}
    array = np.array(values, dtype=float)
    return {
        "n": len(values),
        "mean": float(array.mean()) if len(values) else None,
        "sd": float(array.std(ddof=1)) if len(values) > 1 else None,
        "reasons": reasons,
    }
