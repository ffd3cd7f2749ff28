"""Ratings by system: how often each value was given."""

from collections import Counter

from modelhub.report.figures.distribution import Distribution, Shares
from modelhub.report.sections.document import (
    Block,
    Cell,
    Figure,
    Paragraph,
    Section,
    TableBlock,
    TableColumn,
    number,
    whole,
    words,
)
from modelhub.report.sections.effects import not_compared
from modelhub.report.sections.names import Names, stratum_name, why
from modelhub.results.comparison import Described, Stratum
from modelhub.results.report import Results
from modelhub.stats.numbers import decimal

_RATED = ("rating", "persona")


def ratings_section(results: Results, population: str, suffix: str = "") -> Section:
    """Return how often each value was given, by system, or by chosen and rejected."""
    names = Names.of(results)
    strata = results.analysis[population].strata
    pooled = strata[""].descriptives if "" in strata else {}
    blocks: list[Block] = [
        _distribution(key, described, names, suffix) for key, described in pooled.items() if key in names.questions
    ]
    blocks += [_descriptives(strata, names, suffix), *(Paragraph(text) for text in not_compared(results))]
    return Section(f"ratings{suffix}", "Ratings", tuple(blocks))


def _distribution(key: str, described: dict[str, Described], names: Names, suffix: str) -> Figure:
    scale = names.labels(key)
    bars = tuple(
        Shares(
            condition,
            tuple(_counted(found, names, key)[value] for value, _ in scale),
            f"mean {decimal(found.mean)}, n = {found.n}",
        )
        for condition, found in names.ordered(described)
    )
    name = names.question(key)
    title = f"{name}: ratings"
    figure = f"distribution-{key}{suffix}"
    caption = (
        f"{name}: share of each answer, from the lowest (light) to the highest (dark). n counts ratings; "
        "ratings of one participant are not independent. Shares under 7 % carry no figure."
    )
    labels = tuple(f"{value} {text}".strip() for value, text in scale)
    return Figure(figure, title, caption, Distribution(figure, title, bars, labels), f"descriptives{suffix}")


def _counted(found: Described, names: Names, key: str) -> Counter[int]:
    """Return how often each value was given, or each band of values."""
    counts: Counter[int] = Counter()
    for value, count in found.counts.items():
        counts[names.band(key, int(value))] += count
    return counts


def _descriptives(strata: dict[str, Stratum], names: Names, suffix: str) -> TableBlock:
    scales = [key for key, one in names.questions.items() if one.kind in _RATED and one.level != "interval"]
    values = sorted({value for key in scales for value, _ in names.labels(key)})
    rows = tuple(
        (
            words(stratum_name(stratum)),
            words(names.question(key)),
            words(condition),
            whole(found.n),
            number(found.mean, why(found, "mean")),
            number(found.sd, why(found, "sd")),
            *(_count(found, value, names, key) for value in values),
        )
        for stratum, part in strata.items()
        for key, described in part.descriptives.items()
        for condition, found in names.ordered(described)
    )
    columns = (
        TableColumn("data_set", "Data set", is_number=False),
        TableColumn("question", "Question", is_number=False),
        TableColumn("condition", "Condition", is_number=False),
        TableColumn("n", "n"),
        TableColumn("mean", "Mean"),
        TableColumn("sd", "SD"),
        *(TableColumn(f"value_{value}", str(value)) for value in values),
    )
    caption = "Ratings by condition: how many, their mean and standard deviation, and how often each value was given."
    return TableBlock(f"descriptives{suffix}", "Answers by condition", caption, columns, rows)


def _count(found: Described, value: int, names: Names, key: str) -> Cell:
    question = names.questions.get(key)
    if question and (question.level == "interval" or value not in [known for known, _ in names.labels(key)]):
        return Cell("")
    return whole(found.counts.get(str(value), 0))
