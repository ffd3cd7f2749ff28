"""Two systems compared on each question: what differs, in figures, and the tables of differences and of contrasts."""

from collections.abc import Callable, Iterator, Sequence

from modelhub.report.figures.differences import Differences, Strip
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
    warning_marks,
    whole,
    words,
)
from modelhub.report.sections.names import Names, split_name, stratum_name, why
from modelhub.results.comparison import AspectComparison, Contrast, Interaction
from modelhub.results.report import Results
from modelhub.stats.numbers import decimal, interval, joined
from plots.estimates import Estimate

Found = tuple[str, str, AspectComparison]
WHERE = (TableColumn("data_set", "Data set", is_number=False), TableColumn("question", "Question", is_number=False))
_DIFFERENCE = (
    TableColumn("difference", "Difference"),
    TableColumn("ci", "95 % CI", is_interval=True),
    TableColumn("p", "p"),
    TableColumn("holm_p", "p (Holm)"),
    TableColumn("family", "Family", is_number=False),
    TableColumn("participants", "Participants"),
    TableColumn("pairs", "Pairs"),
    TableColumn("generalises_over", "Holds for other", is_number=False),
    TableColumn("warnings", "Notes", is_number=False),
)
_INTERVAL = (
    "95 % interval: t over participants, or over participants and prompts at once where participants share prompts and "
    "results are to hold for other prompts; the table names which. "
)


def comparison_section(results: Results, population: str, suffix: str = "") -> Section | None:
    """Return the paired comparison by question and data set; None where two systems were not both rated."""
    found = compared(results, population)
    if not found:
        return None
    names, body = Names.of(results), results.analysis[population]
    blocks: list[Block] = [_differences(found, names, suffix), _main(found, names, suffix)]
    if len(body.strata) > 1:
        blocks.append(_by_stratum(found, names, suffix, split_name(results.study)))
    if body.interactions:
        blocks.append(_interactions(body.interactions, names, suffix))
    if body.contrasts:
        blocks += _contrasts(body.contrasts, names, suffix)
    return Section(f"comparison{suffix}", f"{names.test} against {names.base}", tuple(blocks))


def compared(results: Results, population: str) -> list[Found]:
    """Return (stratum, question, comparison) of the main contrast, pooled ones first."""
    strata = results.analysis[population].strata
    return [(stratum, key, report) for stratum, part in strata.items() for key, report in part.comparisons.items()]


def comparison_table(
    key: str, title: str, caption: str, columns: tuple[TableColumn, ...], found: Sequence[Found], names: Names,
    cells: Callable[[AspectComparison], tuple[Cell, ...]],
) -> TableBlock:  # fmt: skip
    """Return a table with a row per comparison, which begins with its data set and question."""
    rows = tuple(
        (words(stratum_name(stratum)), words(names.question(question)), *cells(report))
        for stratum, question, report in found
    )
    return TableBlock(key, title, caption, (*WHERE, *columns), rows)


def _differences(found: Sequence[Found], names: Names, suffix: str) -> Figure:
    strips = tuple(
        Strip(
            names.question(key),
            tuple(row.difference for row in report.participant_means),
            report.mean_difference,
            report.ci,
            f"{decimal(report.mean_difference, sign=True)} {interval(report.ci, sign=True)}, "
            f"n = {report.n_participants}",
        )
        for stratum, key, report in found
        if not stratum
    )
    title = f"Paired differences by participant, {names.test} minus {names.base}"
    sides = (f"\N{LEFTWARDS ARROW} {names.base} higher", "points", f"{names.test} higher \N{RIGHTWARDS ARROW}")
    key = f"differences{suffix}"
    caption = (
        "Each dot is one participant: their mean difference over the pairs they rated. Beneath the dots, the mean over "
        f"participants with its interval; n counts participants. {_INTERVAL}An interval that holds 0 is in agreement "
        "with no difference, and with every other value in it."
    )
    drawing = Differences(key, title, strips, " \N{MIDDLE DOT} ".join(sides))
    return Figure(key, title, caption, drawing, f"participants{suffix}")


def _by_stratum(found: Sequence[Found], names: Names, suffix: str, split: str) -> Figure:
    order = list(names.questions)
    estimates = [
        Estimate(
            stratum_name(stratum),
            report.mean_difference,
            report.ci,
            f"{decimal(report.mean_difference, sign=True)} {interval(report.ci, sign=True)}",
            series=0 if not stratum else 1,
            heading=names.question(key),
        )
        for stratum, key, report in sorted(found, key=lambda one: (order.index(one[1]), one[0]))
    ]
    title = f"Mean difference by {split}"
    widest = max(names.span(key) for _, key, _ in found)
    axis = f"{names.test} minus {names.base}, points"
    key = f"strata{suffix}"
    drawing = forest_figure(key, title, estimates, axis=axis, reference=0, signed=True, most=widest)
    caption = (
        f"For all together and each alone. {_INTERVAL}That one interval holds 0 and another does not is no difference "
        "between them: the table of interactions tests that."
    )
    return Figure(key, title, caption, drawing, f"comparison{suffix}")


def _main(found: Sequence[Found], names: Names, suffix: str) -> TableBlock:
    columns = (TableColumn("mean_base", names.base), TableColumn("mean_test", names.test), *_DIFFERENCE)
    caption = (
        "Means of the paired ratings, and the mean difference over participants (so the means need not subtract to it) "
        "with its 95 % interval, which holds for others of what is named. p: sign-flip test over participants; where "
        "participants share prompts, the largest of that, the sign-flip over prompts and the crossed quasi-t. "
        "Confirmatory: in the family that the study file declared before the study opened; everything else is "
        "exploratory, and its p is not adjusted."
    )

    def cells(report: AspectComparison) -> tuple[Cell, ...]:
        return (
            number(report.mean_base, why(report, "mean_base")),
            number(report.mean_test, why(report, "mean_test")),
            *_difference_cells(report),
        )

    return comparison_table(f"comparison{suffix}", "Comparison", caption, columns, found, names, cells)


def _difference_cells(report: AspectComparison) -> tuple[Cell, ...]:
    return (
        number(report.mean_difference, why(report, "mean_difference"), sign=True),
        limits(report.ci, why(report, "ci"), sign=True),
        p_value(report.headline_p, why(report, "headline_p")),
        p_value(report.holm_p, why(report, "holm_p")),
        words(report.family),
        whole(report.n_participants),
        whole(report.n_pairs),
        words(joined(report.generalises_over)),
        warning_marks(report.warnings),
    )


def _interactions(found: dict[str, Interaction], names: Names, suffix: str) -> TableBlock:
    columns = (
        WHERE[1],
        TableColumn("strata", "Between", is_number=False),
        TableColumn("f", "F"),
        TableColumn("df1", "df 1"),
        TableColumn("df2", "df 2"),
        TableColumn("p", "p"),
    )
    rows = tuple(
        (
            words(names.question(key)),
            words(joined(one.strata)),
            *(number(value, one.reason) for value in (one.f, one.df1, one.df2)),
            p_value(one.p, one.reason),
        )
        for key, one in found.items()
    )
    caption = (
        f"Whether the difference between {names.test} and {names.base} differs between these: an F test of equality. "
        "Exploratory. A large p is no evidence that it is the same everywhere."
    )
    return TableBlock(f"interactions{suffix}", "Interaction with the data set", caption, columns, rows)


def _contrasts(contrasts: Sequence[Contrast], names: Names, suffix: str) -> Iterator[Block]:
    found = [(one, key, report) for one in contrasts for key, report in one.strata[""].comparisons.items()]
    estimates = [
        Estimate(
            f"{one.test} \N{MINUS SIGN} {one.base}",
            report.mean_difference,
            report.ci,
            f"{decimal(report.mean_difference, sign=True)} {interval(report.ci, sign=True)}",
            heading=names.question(key),
        )
        for key in dict.fromkeys(key for _, key, _ in found)
        for one, of, report in found
        if of == key
    ]
    figure, title = f"contrasts{suffix}", "The other pairs of systems"
    drawing = forest_figure(figure, title, estimates, axis="Test minus base, points", reference=0, signed=True)
    yield Figure(figure, title, f"Mean differences over participants. {_INTERVAL}", drawing, figure)
    columns = (
        TableColumn("base", "Base", is_number=False),
        TableColumn("test", "Test", is_number=False),
        TableColumn("data_set", "Data set", is_number=False),
        WHERE[1],
        *_DIFFERENCE,
    )
    rows = tuple(
        (words(one.base), words(one.test), words(stratum_name(stratum)), words(names.question(key)),
         *_difference_cells(report))
        for one in contrasts
        for stratum, part in one.strata.items()
        for key, report in part.comparisons.items()
    )  # fmt: skip
    caption = "Every further pair of systems that is compared, test minus base, read as the table of the main pair."
    yield TableBlock(figure, "Other pairs of systems", caption, columns, rows)
