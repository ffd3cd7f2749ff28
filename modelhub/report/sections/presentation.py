"""What may have coloured the ratings: length, the side of the page, and the order of the parts."""

from collections import defaultdict
from collections.abc import Iterator
from statistics import median

from modelhub.report.figures.forest import forest_figure
from modelhub.report.figures.scatter import MOST_POINTS, Scatter
from modelhub.report.sections.document import (
    Block,
    Cell,
    Figure,
    Paragraph,
    Section,
    TableBlock,
    TableColumn,
    limits,
    number,
    p_value,
    whole,
    words,
)
from modelhub.report.sections.names import Names, stratum_name, why
from modelhub.results.comparison import Stratum
from modelhub.results.presentation import OrderEffect, RankCorrelation, RatedWords, SideEffect
from modelhub.results.report import Results
from modelhub.stats.numbers import decimal, interval
from plots.estimates import Estimate

_QUESTION = TableColumn("question", "Question", is_number=False)
_SIDES = (
    _QUESTION,
    TableColumn("left", "Left"),
    TableColumn("right", "Right"),
    TableColumn("difference", "Difference"),
    TableColumn("ci", "95 % CI", is_interval=True),
    TableColumn("p", "p"),
)


def length_section(results: Results, population: str, suffix: str = "") -> Section:
    """Return how long the texts are, and how length goes with ratings."""
    names = Names.of(results)
    body = results.analysis[population]
    length = body.length
    blocks: list[Block] = [_words(body.strata, names, suffix)]
    rows: defaultdict[str, list[RatedWords]] = defaultdict(list)
    for row in length.rows:
        rows[row.aspect].append(row)
    blocks += [_scatter(key, found, names, suffix) for key, found in rows.items() if key in names.questions]
    if length.sampled:
        blocks.append(Paragraph(f"Drawn from a random sample of {len(length.rows)} of {length.of} ratings (seeded)."))
    if rows:
        blocks.append(_medians(rows, names, suffix))
    if length.correlation:
        blocks.append(_correlations(length.correlation, names, suffix))
    return Section(f"length{suffix}", "Length", tuple(blocks))


def position_section(results: Results, population: str, suffix: str = "") -> Section | None:
    """Return the effects of side and order; None where nothing was shown side by side."""
    names = Names.of(results)
    body = results.analysis[population]
    blocks = [*_position(body.position, names, suffix), *_order(body.order, names, suffix)]
    return Section(f"position{suffix}", "Position and order", tuple(blocks)) if blocks else None


def _words(strata: dict[str, Stratum], names: Names, suffix: str) -> TableBlock:
    cells = tuple(
        (
            words(stratum_name(stratum)),
            words(condition),
            whole(found.n),
            number(found.mean, why(found, "mean"), digits=1),
            number(found.sd, why(found, "sd"), digits=1),
        )
        for stratum, part in strata.items()
        for condition, found in names.ordered(part.words)
    )
    columns = (
        TableColumn("data_set", "Data set", is_number=False),
        TableColumn("condition", "Texts of", is_number=False),
        TableColumn("n", "Texts"),
        TableColumn("mean", "Words, mean"),
        TableColumn("sd", "SD"),
    )
    caption = "Length in words of the texts that were rated."
    return TableBlock(f"words{suffix}", "Words by condition", caption, columns, cells)


def _scatter(key: str, rows: list[RatedWords], names: Names, suffix: str) -> Figure:
    conditions = tuple(name for name, _ in names.ordered({_text_of(row): None for row in rows}))
    points = tuple((row.words, names.band(key, row.value), conditions.index(_text_of(row))) for row in rows)
    title = f"{names.question(key)}: length against rating"
    figure = f"length-{key}{suffix}"
    drawing = Scatter(figure, title, points, conditions, tuple(names.labels(key)), "Words")
    caption = (
        f"{names.question(key)}: each point a rating, in the band of its value and spread there to be seen; upright "
        "bars are medians."
    )
    caption += f" Every {-(-len(points) // MOST_POINTS)}th rating is drawn." if len(points) > MOST_POINTS else ""
    return Figure(figure, title, caption, drawing, f"length{suffix}")


def _text_of(row: RatedWords) -> str:
    return row.system or "no system"


def _medians(rows: dict[str, list[RatedWords]], names: Names, suffix: str) -> TableBlock:
    cells: list[tuple[Cell, ...]] = []
    for key, found in rows.items():
        groups: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
        for row in found:
            groups[row.value, _text_of(row)].append(row.words)
        cells += [
            (
                words(names.question(key)),
                whole(value),
                words(system),
                whole(len(group)),
                number(median(group), digits=1),
            )
            for (value, system), group in sorted(groups.items())
        ]
    columns = (
        _QUESTION,
        TableColumn("value", "Rating"),
        TableColumn("condition", "Texts of", is_number=False),
        TableColumn("n", "Ratings"),
        TableColumn("median_words", "Median words"),
    )
    caption = "Median length of the texts that got each rating."
    return TableBlock(f"length{suffix}", "Length by rating", caption, columns, tuple(cells), is_folded=True)


def _correlations(found: dict[str, RankCorrelation], names: Names, suffix: str) -> TableBlock:
    cells = tuple(
        (words(names.question(key)), whole(row.n), number(row.spearman, row.reason)) for key, row in found.items()
    )
    columns = (_QUESTION, TableColumn("n", "Ratings"), TableColumn("spearman", "Spearman"))
    caption = "Rank correlation of words and rating over all ratings; descriptive, since ratings are not independent."
    return TableBlock(f"length-correlation{suffix}", "Length and rating", caption, columns, cells)


def _position(found: dict[str, SideEffect], names: Names, suffix: str) -> Iterator[Block]:
    if not found:
        return
    estimates = [
        Estimate(
            names.question(key),
            row.difference,
            row.ci,
            f"{decimal(row.difference, sign=True)} {interval(row.ci, sign=True)}",
        )
        for key, row in found.items()
    ]
    title = "Position effect"
    drawing = forest_figure(
        f"position{suffix}", title, estimates, axis="Left minus right", reference=0, signed=True, bounds=(-0.5, 0.5)
    )
    caption = (
        "What the text on the left (on narrow screens, on top) got more than the one on the right, in points, with "
        "95 % interval over participants; of comparisons and picks, in shares chosen. Sides were counterbalanced, so "
        "this does not favour a system."
    )
    yield Figure(f"position{suffix}", title, caption, drawing, f"position{suffix}")
    cells = tuple(
        (
            words(names.question(key)),
            number(row.left_mean, row.reason),
            number(row.right_mean, row.reason),
            number(row.difference, row.reason, sign=True),
            limits(row.ci, row.reason, sign=True),
            p_value(row.p, row.reason),
        )
        for key, row in found.items()
    )
    yield TableBlock(f"position{suffix}", "Ratings by side", "Ratings by side of the page.", _SIDES, cells)


def _order(found: dict[str, OrderEffect], names: Names, suffix: str) -> Iterator[Block]:
    if not found:
        return
    cells = tuple(
        (
            words(names.question(key)),
            number(row.slope, row.reason, digits=3, sign=True),
            limits(row.ci, row.reason, digits=3, sign=True),
        )
        for key, row in found.items()
    )
    columns = (_QUESTION, TableColumn("slope", "Points per part"), TableColumn("ci", "95 % CI", is_interval=True))
    caption = "Change of ratings from one part of the study to the next, mean over participants."
    yield TableBlock(f"order{suffix}", "Order effect", caption, columns, cells)
