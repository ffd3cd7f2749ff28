"""Systems compared: descriptives, paired comparisons and win rates of one population and stratum."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from annotation.models import Aspect
from modelhub.analysis.answers import Answer, Question
from modelhub.analysis.data import POOLED, Data
from modelhub.analysis.length import length_adjusted
from modelhub.analysis.pairs import Preference, RatedPair, choices, rated_pairs
from modelhub.analysis.winrates import human_win_rates
from modelhub.results.comparison import (
    AspectComparison,
    Contrast,
    ContrastStratum,
    Described,
    Interaction,
    ParticipantMean,
    Stratum,
    WordCounts,
)
from modelhub.stats.interaction import interaction
from modelhub.stats.paired import paired_report


@dataclass(frozen=True)
class Compared:
    """What people gave to the two compared systems: rated pairs and choices, by aspect."""

    pairs: Mapping[str, Sequence[RatedPair]]
    chosen: Mapping[str, Sequence[Preference]]

    @classmethod
    def of(cls, data: Data) -> "Compared":
        """Return the pairs and choices of the main comparison."""
        main = data.main
        return cls(rated_pairs(data, main), choices(data, main))

    def stratum(self, data: Data, name: str) -> "Compared":
        """Return those of one stratum."""
        return Compared(
            {key: data.of_stratum(name, rows) for key, rows in self.pairs.items()},
            {key: data.of_stratum(name, rows) for key, rows in self.chosen.items()},
        )


def stratum_report(data: Data, name: str, compared: Compared, *, seed: int) -> Stratum:
    """Return the part of the results that stands under `strata` for one stratum."""
    answers = data.stratum(name).main
    return Stratum(
        descriptives=descriptives(data, answers),
        words=words(data, answers),
        **dict(contrast_stratum(data, compared.stratum(data, name), seed=seed)),
    )


def contrast_stratum(data: Data, compared: Compared, *, seed: int) -> ContrastStratum:
    """Return the two compared systems on these pairs and choices."""
    return ContrastStratum(
        comparisons={key: comparison(data, key, rows, seed=seed) for key, rows in compared.pairs.items()},
        win_rates=human_win_rates(data, compared.pairs, compared.chosen, seed=seed),
    )


def contrast_report(data: Data, *, seed: int) -> Contrast:
    """Return the two compared systems of `data`, all together and by stratum."""
    assert data.base is not None
    assert data.test is not None
    compared = Compared.of(data)
    return Contrast(
        base=data.base,
        test=data.test,
        strata={
            name: contrast_stratum(data, compared.stratum(data, name), seed=seed)
            for name in (POOLED, *data.strata, *data.writings)
        },
        interactions=interactions(data, compared),
    )


def interactions(data: Data, compared: Compared) -> dict[str, Interaction]:
    """Return by aspect whether the difference between the systems differs between data sets, where there are two."""
    if not data.strata:
        return {}
    return {
        key: interaction(
            [row.as_pair() for row in rows], [row.stratum for row in rows], prompts_fixed=data.prompts_fixed
        )
        for key, rows in compared.pairs.items()
    }


def comparison(data: Data, key: str, rows: Sequence[RatedPair], *, seed: int) -> AspectComparison:
    """Return the paired report of one aspect with its length-adjusted result and the participants' means."""
    question = data.questions[key]
    span = float(question.score(question.maximum) - question.score(question.minimum))
    margins: Mapping[str, float] = data.declared.get("margin", {})
    fixed = data.prompts_fixed
    report = paired_report(
        [row.as_pair() for row in rows], margin=margins.get(key), span=span, prompts_fixed=fixed, seed=seed
    )
    own: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        own[row.participant].append(row.difference)
    return AspectComparison(
        **dict(report),
        length_adjusted=length_adjusted(rows, span=span, prompts_fixed=fixed),
        participant_means=[
            ParticipantMean(participant=name, difference=sum(values) / len(values), pairs=len(values))
            for name, values in sorted(own.items())
        ],
    )


def descriptives(data: Data, answers: Iterable[Answer]) -> dict[str, dict[str, Described]]:
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


def words(data: Data, answers: Iterable[Answer]) -> dict[str, WordCounts]:
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


def _described(question: Question, counts: Counter[int]) -> Described:
    spread = _spread([question.score(value) for value in counts.elements()] if question.has_mean else [])
    if counts and not question.has_mean:
        spread.reasons = {"mean": "not_ordered", "sd": "not_ordered"}
    spread.n = counts.total()
    values = range(question.minimum, question.maximum + 1)
    return Described(**dict(spread), counts={str(value): counts[value] for value in values})


def _spread(values: Sequence[int]) -> WordCounts:
    reasons = {} if len(values) > 1 else {"sd": "single_value"} if values else {"mean": "no_data", "sd": "no_data"}
    array = np.array(values, dtype=float)
    return WordCounts(
        n=len(values),
        mean=float(array.mean()) if len(values) else None,
        sd=float(array.std(ddof=1)) if len(values) > 1 else None,
        reasons=reasons,
    )
