"""Persona assessments: chosen against rejected personas, and how often people picked the right response."""

from collections.abc import Iterator
from typing import Any

from modelhub.report.figures.forest import forest_figure
from modelhub.report.sections.document import (
    Block,
    Cell,
    Figure,
    Section,
    TableBlock,
    TableColumn,
    limits,
    number,
    p_value,
    share,
    share_limits,
    whole,
    words,
)
from modelhub.report.sections.names import SIDES, Names, why
from modelhub.stats.numbers import decimal, interval, percent, percent_interval, reason
from plots.estimates import Estimate

ALL = "All"
Row = tuple[str, str, dict[str, Any]]
_GROUP = TableColumn("group", "Personas", is_number=False)


def persona_section(results: dict[str, Any], population: str, suffix: str = "") -> Section | None:
    """Return chosen against rejected by question; None where personas were not assessed."""
    names = Names.of(results)
    rows = list(persona_rows(results["analysis"][population]["persona"]))
    if not rows:
        return None
    blocks: tuple[Block, ...] = (
        *(_figure(rows, names, suffix, measure) for measure in ("mean", "share") if _has(rows, measure)),
        _difference_figure(rows, names, suffix),
        _table(rows, names, suffix),
        _tests(rows, names, suffix),
    )
    return Section(f"personas{suffix}", "Chosen against rejected personas", blocks)


def accuracy_section(results: dict[str, Any], population: str, suffix: str = "") -> Section | None:
    """Return the share of correct picks and its agreement with the judge; None where nothing was picked."""
    accuracy = results["analysis"][population]["persona"].get("accuracy")
    if not accuracy:
        return None
    rows = list(_accuracy_rows(accuracy))
    blocks: list[Block] = [_accuracy_figure(rows, suffix), _accuracy_table(accuracy, rows, suffix)]
    if accuracy["judge"]:
        blocks.append(_judge_table(accuracy["judge"], suffix))
    return Section(f"accuracy{suffix}", "Human persona accuracy", tuple(blocks))


def persona_rows(persona: dict[str, Any]) -> Iterator[Row]:
    """Yield (question, group of personas, what was found), all of them first, then by data set and inferring system."""
    for key, found in persona.items():
        if key == "accuracy":
            continue
        yield key, ALL, found
        for kind in ("by_stratum", "by_inferring_system"):
            for name, part in found[kind].items():
                yield key, name, {**part, "measure": found["measure"]}


def _has(rows: list[Row], measure: str) -> bool:
    return any(found["measure"] == measure for _, _, found in rows)


def _figure(rows: list[Row], names: Names, suffix: str, measure: str) -> Figure:
    estimates = [
        Estimate(side, found[side][measure], found[side]["ci"], _words(found[side], measure), names.series(side),
                 heading=names.question(key))
        for key, group, found in rows if found["measure"] == measure and group == ALL
        for side in SIDES
    ]  # fmt: skip
    what = "Mean rating" if measure == "mean" else "Share of the upper of two answers"
    title = f"{what} of chosen and rejected personas"
    key = f"personas-{measure}{suffix}"
    bounds = None if measure == "mean" else (0.0, 1.0)
    svg = forest_figure(key, title, estimates, axis=what, bounds=bounds)
    caption = f"{what} over personas, each first averaged over its raters, with 95 % interval."
    return Figure(key, title, caption, svg, f"personas{suffix}")


def _difference_figure(rows: list[Row], names: Names, suffix: str) -> Figure:
    estimates = [
        Estimate(
            group,
            found["comparison"]["mean_difference"],
            found["comparison"]["ci"],
            _difference_words(found["comparison"]),
            series=0 if group == ALL else 1,
            heading=names.question(key),
        )
        for key, group, found in rows
    ]
    title = "Chosen minus rejected personas"
    key = f"personas-difference{suffix}"
    svg = forest_figure(key, title, estimates, axis="Chosen minus rejected", reference=0, signed=True)
    caption = (
        "Mean difference over preference pairs with 95 % t-interval, in points (for questions with two answers, in "
        "shares): all personas, each data set, each inferring system. n counts pairs."
    )
    return Figure(key, title, caption, svg, f"personas{suffix}")


def _difference_words(compared: dict[str, Any]) -> str:
    if compared["mean_difference"] is None:
        return f"undefined: {reason(why(compared, 'mean_difference'))}"
    shown = f"{decimal(compared['mean_difference'], sign=True)} {interval(compared['ci'], sign=True)}"
    return f"{shown}, n = {compared['n_pairs']}"


def _words(side: dict[str, Any], measure: str) -> str:
    value = side[measure]
    if measure == "share":
        return f"{percent(value)} {percent_interval(side['ci'])}, n = {side['n']}"
    return f"{decimal(value)} {interval(side['ci'])}, n = {side['n']}"


def _table(rows: list[Row], names: Names, suffix: str) -> TableBlock:
    columns = (
        TableColumn("question", "Question", is_number=False),
        _GROUP,
        TableColumn("n_chosen", "n chosen"),
        TableColumn("chosen", "Chosen"),
        TableColumn("chosen_ci", "95 % CI", is_interval=True),
        TableColumn("n_rejected", "n rejected"),
        TableColumn("rejected", "Rejected"),
        TableColumn("rejected_ci", "95 % CI", is_interval=True),
        TableColumn("pairs", "Preference pairs"),
        TableColumn("difference", "Difference"),
        TableColumn("ci", "95 % CI", is_interval=True),
        TableColumn("p", "p"),
        TableColumn("holm_p", "p (Holm)"),
        TableColumn("family", "Family", is_number=False),
    )
    caption = (
        "Chosen and rejected personas: mean rating (for questions with two answers, share of the upper one) over "
        "personas, and the difference chosen minus rejected paired by preference pair, with t-interval and sign-flip "
        "test over preference pairs. The raters are taken as they are (fixed): the interval says nothing "
        "about others."
    )
    cells = tuple((words(names.question(key)), words(group), *_cells(found)) for key, group, found in rows)
    return TableBlock(f"personas{suffix}", "Means and differences", caption, columns, cells)


def _cells(found: dict[str, Any]) -> tuple[Cell, ...]:
    compared = found["comparison"]
    sides: list[Cell] = []
    for side in ("chosen", "rejected"):
        part = found[side]
        none = part["reason"]
        shown, spread = (share, share_limits) if found["measure"] == "share" else (number, limits)
        sides += [whole(part["n"]), shown(part[found["measure"]], none), spread(part["ci"], none)]
    return (
        *sides,
        whole(compared["n_pairs"]),
        number(compared["mean_difference"], why(compared, "mean_difference"), sign=True),
        limits(compared["ci"], why(compared, "ci"), sign=True),
        p_value(compared["sign_flip_p"], why(compared, "sign_flip_p")),
        p_value(compared.get("holm_p"), why(compared, "holm_p")),
        words(compared["family"]),
    )


def _tests(rows: list[Row], names: Names, suffix: str) -> TableBlock:
    columns = (
        TableColumn("question", "Question", is_number=False),
        _GROUP,
        TableColumn("smallest_p", "Smallest attainable p"),
        TableColumn("p_superiority", "P(superiority)"),
        TableColumn("rank_biserial", "Rank-biserial"),
        TableColumn("wilcoxon_p", "Wilcoxon (descriptive)"),
        TableColumn("margin", "Margin"),
        TableColumn("equivalence_p", "p (TOST)"),
    )
    cells = tuple(
        (
            words(names.question(key)),
            words(group),
            p_value(compared["smallest_p"], why(compared, "smallest_p")),
            number(compared["p_superiority"], why(compared, "p_superiority")),
            number(compared["rank_biserial"], why(compared, "rank_biserial")),
            p_value(compared["wilcoxon_p"], why(compared, "wilcoxon_p")),
            number((compared["tost"] or {}).get("margin"), why(compared, "tost")),
            p_value((compared["tost"] or {}).get("p"), why(compared, "tost")),
        )
        for key, group, found in rows
        for compared in (found["comparison"],)
    )
    caption = "Effects and further tests over preference pairs. Equivalence is tested with a pre-specified margin only."
    return TableBlock(f"persona-tests{suffix}", "Effects and further tests", caption, columns, cells, is_folded=True)


def _accuracy_rows(accuracy: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in ("overall", "chosen", "rejected"):
        yield name.capitalize(), accuracy[name]
    for kind in ("by_stratum", "by_inferring_system"):
        yield from accuracy[kind].items()


def _accuracy_figure(rows: list[tuple[str, dict[str, Any]]], suffix: str) -> Figure:
    estimates = [
        Estimate(name, row["share"], row["ci"], f"{percent(row['share'])}, {row['correct']} of {row['n']}")
        for name, row in rows
    ]
    title = "Picks that fit the persona's direction"
    svg = forest_figure(
        f"accuracy{suffix}", title, estimates, axis="Share of correct picks", bounds=(0.0, 1.0), reference=0.5
    )
    caption = "Share of picks of the response that the persona was inferred from, with 95 % interval; dashed: chance."
    return Figure(f"accuracy{suffix}", title, caption, svg, f"accuracy{suffix}")


def _accuracy_table(accuracy: dict[str, Any], rows: list[tuple[str, dict[str, Any]]], suffix: str) -> TableBlock:
    cells = [
        (
            words(name),
            whole(row["n"]),
            whole(row["correct"]),
            share(row["share"], row["reason"]),
            share_limits(row["ci"], row["reason"]),
        )
        for name, row in rows
    ]
    none = accuracy["reason"]
    gap = (
        words("Chosen minus rejected"),
        Cell(""),
        Cell(""),
        share(accuracy["gap"], none),
        share_limits(accuracy["gap_ci"], none),
    )
    columns = (
        _GROUP,
        TableColumn("n", "Picks"),
        TableColumn("correct", "Correct"),
        TableColumn("share", "Share"),
        TableColumn("ci", "95 % CI", is_interval=True),
    )
    caption = (
        "A pick is correct when it is the response that the persona was inferred from. Picks of one rater are not "
        "independent."
    )
    return TableBlock(f"accuracy{suffix}", "Correct picks", caption, columns, (*cells, gap))


def _judge_table(judge: dict[str, Any], suffix: str) -> TableBlock:
    none = judge["reason"]
    row = (
        whole(judge["n"]),
        share(judge["agreement"], none),
        share_limits(judge["ci"], none),
        share(judge["judge_accuracy"], none),
        share_limits(judge["judge_accuracy_ci"], none),
        *(whole(judge[name]) for name in ("tie_order", "tie_genuine", "invalid")),
    )
    columns = (
        TableColumn("n", "Picks"),
        TableColumn("agreement", "Agreement"),
        TableColumn("ci", "95 % CI", is_interval=True),
        TableColumn("judge_accuracy", "Judge's accuracy"),
        TableColumn("judge_accuracy_ci", "95 % CI", is_interval=True),
        TableColumn("tie_order", "Orders disagree"),
        TableColumn("tie_genuine", "Judge's ties"),
        TableColumn("invalid", "Unreadable"),
    )
    caption = (
        "Agreement of the people's pick with the LLM judge's, per persona; ties and unreadable verdicts are left out."
    )
    return TableBlock(f"accuracy-judge{suffix}", "People and the LLM judge", caption, columns, (row,))
