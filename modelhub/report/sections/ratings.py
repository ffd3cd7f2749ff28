"""Ratings by system, and the comparison of two systems."""

from typing import Any

from modelhub.report.figures.distribution import Shares, distribution_figure
from modelhub.report.sections.document import (
    Block,
    Cell,
    Figure,
    Section,
    TableBlock,
    TableColumn,
    number,
    whole,
    words,
)
from modelhub.report.sections.names import Names, stratum_name, why
from modelhub.stats.numbers import decimal

RATED = ("rating", "persona")


def ratings_section(results: dict[str, Any], population: str, suffix: str = "") -> Section:
    """Return how often each value was given, by system, or by chosen and rejected."""
    names = Names.of(results)
    strata = results["analysis"][population]["strata"]
    blocks: list[Block] = [
        _distribution(key, described, names, suffix)
        for key, described in strata.get("", {}).get("descriptives", {}).items()
        if key in names.questions
    ]
    blocks.append(_descriptives(strata, names, suffix))
    return Section(f"ratings{suffix}", "Ratings", tuple(blocks))


def _distribution(key: str, described: dict[str, Any], names: Names, suffix: str) -> Figure:
    scale = names.labels(key)
    bars = [
        Shares(
            condition,
            tuple(count_of(found["counts"], value) for value, _ in scale),
            f"mean {decimal(found['mean'])}, n = {found['n']}",
        )
        for condition, found in names.ordered(described)
    ]
    name = names.question(key)
    title = f"{name}: ratings"
    figure = distribution_figure(f"distribution-{key}{suffix}", title, bars, [f"{v} {text}" for v, text in scale])
    caption = (
        f"{name}: share of each answer, from the lowest (light) to the highest (dark). n counts ratings; "
        "ratings of one participant are not independent. Shares under 7 % carry no figure."
    )
    return Figure(f"distribution-{key}{suffix}", title, caption, figure, f"descriptives{suffix}")


def _descriptives(strata: dict[str, Any], names: Names, suffix: str) -> TableBlock:
    values = sorted({v for key in names.questions for v, _ in names.labels(key) if _is_rated(names, key)})
    rows = tuple(
        (
            words(stratum_name(stratum)),
            words(names.question(key)),
            words(condition),
            whole(found["n"]),
            number(found["mean"], why(found, "mean")),
            number(found["sd"], why(found, "sd")),
            *(_count(found, value, names, key) for value in values),
        )
        for stratum, part in strata.items()
        for key, described in part["descriptives"].items()
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


def _is_rated(names: Names, key: str) -> bool:
    return names.questions[key]["kind"] in RATED


def _count(found: dict[str, Any], value: int, names: Names, key: str) -> Cell:
    if key in names.questions and value not in [known for known, _ in names.labels(key)]:
        return Cell("")
    return whole(count_of(found["counts"], value))


def count_of(counts: dict[str, int], value: int) -> int:
    """Return how often a value was given. JSON has turned the values into text."""
    return counts.get(str(value), 0)
