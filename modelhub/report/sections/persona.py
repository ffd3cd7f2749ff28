"""Persona assessments: chosen against rejected personas, and how often people picked the right response."""

from collections.abc import Iterator
from dataclasses import replace

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
from modelhub.report.sections.names import SIDES, Names
from modelhub.results.comparison import DirectionsCompared
from modelhub.results.judge import JudgedPicks
from modelhub.results.persona import DirectionMean, DirectionsGroup, PersonaAccuracy, PersonaResults, PickShare
from modelhub.results.report import Results
from modelhub.stats.numbers import decimal, interval, percent, percent_interval, reason
from plots.estimates import Estimate

ALL = "All"
Row = tuple[str, str, str, DirectionsGroup]
_GROUP = TableColumn("group", "Personas", is_number=False)


def persona_section(results: Results, population: str, suffix: str = "") -> Section | None:
    """Return chosen against rejected by question; None where personas were not assessed."""
    names = Names.of(results)
    found = results.analysis[population].persona
    if found is None or not found.aspects:
        return None
    rows = list(persona_rows(found))
    blocks: tuple[Block, ...] = (
        *(_figure(rows, names, suffix, measure) for measure in ("mean", "share") if _has(rows, measure)),
        _difference_figure(rows, names, suffix),
        _table(rows, names, suffix, found.caveat),
        _tests(rows, names, suffix),
    )
    return Section(f"personas{suffix}", "Chosen against rejected personas", blocks)


def accuracy_section(results: Results, population: str, suffix: str = "") -> Section | None:
    """Return the share of correct picks and its agreement with the judge; None where nothing was picked."""
    found = results.analysis[population].persona
    if found is None or found.accuracy is None:
        return None
    rows = list(_accuracy_rows(found.accuracy))
    blocks: list[Block] = [_accuracy_figure(rows, suffix), _accuracy_table(found, found.accuracy, rows, suffix)]
    if found.accuracy.judge:
        blocks.append(_judge_table(found.accuracy.judge, suffix))
    return Section(f"accuracy{suffix}", "Human persona accuracy", tuple(blocks))


def persona_rows(persona: PersonaResults) -> Iterator[Row]:
    """Yield (question, measure, group of personas, what was found): all first, by data set, by inferring system."""
    for key, found in persona.aspects.items():
        yield key, found.measure, ALL, found
        for groups in (found.by_stratum, found.by_inferring_system):
            for name, part in groups.items():
                yield key, found.measure, name, part


def _has(rows: list[Row], measure: str) -> bool:
    return any(own == measure for _, own, _, _ in rows)


def _side(found: DirectionsGroup, side: str) -> DirectionMean:
    return found.chosen if side == "chosen" else found.rejected


def _figure(rows: list[Row], names: Names, suffix: str, measure: str) -> Figure:
    estimates = [
        Estimate(side, *_number_of(_side(found, side)), _words(_side(found, side)), names.series(side),
                 heading=names.question(key))
        for key, own, group, found in rows if own == measure and group == ALL
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
            found.comparison.mean_difference,
            found.comparison.ci,
            _difference_words(found.comparison),
            series=0 if group == ALL else 1,
            heading=names.question(key),
        )
        for key, _, group, found in rows
    ]
    title = "Chosen minus rejected personas"
    key = f"personas-difference{suffix}"
    svg = forest_figure(key, title, estimates, axis="Chosen minus rejected", reference=0, signed=True)
    caption = (
        "Mean difference over preference pairs with 95 % t-interval, in points (for questions with two answers, in "
        "shares): all personas, each data set, each inferring system. n counts preference pairs."
    )
    return Figure(key, title, caption, svg, f"personas{suffix}")


def _difference_words(compared: DirectionsCompared) -> str:
    if compared.mean_difference is None:
        return f"undefined: {reason(compared.reasons['mean_difference'])}"
    shown = f"{decimal(compared.mean_difference, sign=True)} {interval(compared.ci, sign=True)}"
    return f"{shown}, n = {compared.n_participants}"


def _number_of(side: DirectionMean) -> tuple[float | None, tuple[float, float] | None]:
    return (side.share if side.mean is None else side.mean), side.ci


def _words(side: DirectionMean) -> str:
    if side.share is not None:
        return f"{percent(side.share)} {percent_interval(side.ci)}, n = {side.n}"
    return f"{decimal(side.mean)} {interval(side.ci)}, n = {side.n}"


def _table(rows: list[Row], names: Names, suffix: str, caveat: str) -> TableBlock:
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
        "personas, and the difference chosen minus rejected (of shares, in shares), with t-interval and test over "
        f"preference pairs. {caveat} n counts personas; where raters are a sample, the p is the largest of the tests "
        "over pairs, over raters and over both."
    )
    cells = tuple(
        (words(names.question(key)), words(group), *_cells(found, measure)) for key, measure, group, found in rows
    )
    return TableBlock(f"personas{suffix}", "Means and differences", caption, columns, cells)


def _cells(found: DirectionsGroup, measure: str) -> tuple[Cell, ...]:
    compared = found.comparison
    sides: list[Cell] = []
    for part in (found.chosen, found.rejected):
        shown, spread = (share, share_limits) if measure == "share" else (number, limits)
        value, ci = _number_of(part)
        sides += [whole(part.n), shown(value, part.reason), spread(ci, part.reason)]
    why = compared.reasons.get
    return (
        *sides,
        whole(compared.n_participants),
        number(compared.mean_difference, why("mean_difference"), sign=True),
        replace(limits(compared.ci, why("ci"), sign=True), warnings=_cautions(compared)),
        p_value(compared.headline_p, why("headline_p")),
        p_value(compared.holm_p, why("holm_p")),
        words(compared.family),
    )


def _cautions(compared: DirectionsCompared) -> tuple[str, ...]:
    """Return the warnings but for those that the caption gives, or the cell by its reason."""
    return tuple(code for code in compared.warnings if code != "raters_fixed" and code not in compared.reasons.values())


def _tests(rows: list[Row], names: Names, suffix: str) -> TableBlock:
    columns = (
        TableColumn("question", "Question", is_number=False),
        _GROUP,
        TableColumn("smallest_p", "Smallest attainable p"),
        TableColumn("p_superiority", "P(superiority)"),
        TableColumn("p_superiority_ci", "95 % CI", is_interval=True),
        TableColumn("rank_biserial", "Rank-biserial"),
        TableColumn("rank_biserial_ci", "95 % CI", is_interval=True),
        TableColumn("wilcoxon_p", "Wilcoxon (descriptive)"),
        TableColumn("margin", "Margin"),
        TableColumn("equivalence_p", "p (TOST)"),
    )
    cells = tuple(
        (
            words(names.question(key)),
            words(group),
            p_value(compared.smallest_p, why("smallest_p")),
            number(compared.p_superiority, why("p_superiority")),
            limits(compared.p_superiority_ci, why("p_superiority_ci")),
            number(compared.rank_biserial, why("rank_biserial")),
            limits(compared.rank_biserial_ci, why("rank_biserial_ci")),
            p_value(compared.wilcoxon_p, why("wilcoxon_p")),
            number(compared.tost.margin if compared.tost else None, why("tost")),
            p_value(compared.tost.p if compared.tost else None, why("tost")),
        )
        for key, _, group, found in rows
        for compared in (found.comparison,)
        for why in (compared.reasons.get,)
    )
    caption = (
        "Effects and further tests over preference pairs; their intervals generalise as that of the difference does. "
        "Equivalence is tested with a pre-specified margin only."
    )
    return TableBlock(f"persona-tests{suffix}", "Effects and further tests", caption, columns, cells, is_folded=True)


def _accuracy_rows(accuracy: PersonaAccuracy) -> Iterator[tuple[str, PickShare]]:
    yield from (("Overall", accuracy.overall), ("Chosen", accuracy.chosen), ("Rejected", accuracy.rejected))
    for groups in (accuracy.by_stratum, accuracy.by_inferring_system):
        yield from groups.items()


def _accuracy_figure(rows: list[tuple[str, PickShare]], suffix: str) -> Figure:
    estimates = [
        Estimate(name, row.share, row.ci, f"{percent(row.share)}, {row.correct} of {row.n}") for name, row in rows
    ]
    title = "Picks that fit the persona's direction"
    svg = forest_figure(
        f"accuracy{suffix}", title, estimates, axis="Share of correct picks", bounds=(0.0, 1.0), reference=0.5
    )
    caption = "Share of picks of the response that the persona was inferred from, with 95 % interval; dashed: chance."
    return Figure(f"accuracy{suffix}", title, caption, svg, f"accuracy{suffix}")


def _accuracy_table(
    found: PersonaResults, accuracy: PersonaAccuracy, rows: list[tuple[str, PickShare]], suffix: str
) -> TableBlock:
    cells = [
        (words(name), whole(row.n), whole(row.correct), share(row.share, row.reason), share_limits(row.ci, row.reason))
        for name, row in rows
    ]
    gap = (
        words("Chosen minus rejected"),
        Cell(""),
        Cell(""),
        share(accuracy.gap, accuracy.reason),
        share_limits(accuracy.gap_ci, accuracy.reason),
    )
    columns = (
        _GROUP,
        TableColumn("n", "Picks"),
        TableColumn("correct", "Correct"),
        TableColumn("share", "Share"),
        TableColumn("ci", "95 % CI", is_interval=True),
    )
    caption = (
        "A pick is correct when it is the response that the persona was inferred from. Picks on one preference pair "
        f"are not independent, and the intervals heed that. {found.caveat} The last row is in percentage points."
    )
    return TableBlock(f"accuracy{suffix}", "Correct picks", caption, columns, (*cells, gap))


def _judge_table(judge: JudgedPicks, suffix: str) -> TableBlock:
    none = judge.reason
    row = (
        whole(judge.n),
        share(judge.agreement, none),
        share_limits(judge.ci, none),
        share(judge.judge_accuracy, none),
        share_limits(judge.judge_accuracy_ci, none),
        *(whole(count) for count in (judge.tie_order, judge.tie_genuine, judge.invalid)),
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
