"""How far raters agree, by design, question and condition."""

from collections.abc import Iterator
from typing import Any

from modelhub.report.figures.forest import forest_figure
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
    share,
    warning_marks,
    whole,
    words,
)
from modelhub.report.sections.names import DESIGNS, Names, why
from modelhub.stats.numbers import counted, decimal, interval, percent, reason, warning
from plots.estimates import Estimate

Row = tuple[str, str, str, dict[str, Any]]
_WHERE = (
    TableColumn("design", "Design", is_number=False),
    TableColumn("question", "Question", is_number=False),
    TableColumn("condition", "Condition", is_number=False),
)
_SHORT = {"overlap": "Overlap", "shared_personas": "Shared personas", "repeat": "Repeat"}
_BETWEEN = {
    "overlap": "between two people who rated the same persona",
    "shared_personas": "between people who rated the same personas",
    "repeat": "within people who rated the same part twice",
}
CUSTOM = (
    "Some fields ask for an alpha of .800, or .667 where tentative conclusions will do (Krippendorff, 2004). These are "
    "customs, not properties of the coefficient, and no label is put on its size here."
)


def agreement_section(results: dict[str, Any], population: str, suffix: str = "") -> Section:
    """Return agreement with intervals, or in words why there is none."""
    names = Names.of(results)
    agreement = results["analysis"][population]["agreement"]
    blocks: list[Block] = [Paragraph(agreement["note"], is_notice=True)] if agreement["note"] else []
    rows = list(agreement_rows(agreement))
    if rows:
        blocks += [
            _figure(rows, names, suffix),
            _main(rows, names, suffix),
            Paragraph(CUSTOM),
            _coefficients(rows, names, suffix),
            _shape(rows, names, suffix),
            _raters(rows, names, suffix),
            _pairs(rows, names, suffix),
        ]
    else:
        blocks.append(Paragraph("No item was rated twice, by two people or by one: there is nothing to estimate from."))
    return Section(f"agreement{suffix}", "Agreement", tuple(blocks))


def agreement_rows(agreement: dict[str, Any]) -> Iterator[Row]:
    """Yield (design, question, condition, report), pooled first."""
    for design, questions in agreement["designs"].items():
        for key, found in questions.items():
            yield design, key, "All", found["pooled"]
            for kind in ("by_system", "by_condition", "by_stratum"):
                for name, report in found.get(kind, {}).items():
                    yield design, key, name, report


def _gwet(report: dict[str, Any]) -> tuple[str, float | None]:
    """Return the key and value of Gwet's coefficient: AC1 for categories, AC2 otherwise."""
    key = "gwet_ac1" if "gwet_ac1" in report else "gwet_ac2"
    return key, report[key]


def _figure(rows: list[Row], names: Names, suffix: str) -> Figure:
    estimates = [
        Estimate(
            condition,
            report["krippendorff_alpha"],
            report["alpha_ci"],
            _words(report),
            names.series(condition) + 1 if condition != "All" else 0,
            heading=f"{names.question(key)}, {_SHORT.get(design, design).lower()}",
        )
        for design, key, condition, report in rows
    ]
    title = "Krippendorff's alpha"
    svg = forest_figure(f"alpha{suffix}", title, estimates, axis=title, bounds=(0.0, 1.0), reference=0)
    caption = (
        "Alpha with its 95 % bootstrap interval over items (raters fixed). 1 is full agreement, 0 what "
        "chance would give, less than 0 systematic disagreement. Under 10 items with two ratings there is no interval; "
        "from 10 to 39 it undercovers."
    )
    return Figure(f"alpha{suffix}", title, caption, svg, f"agreement{suffix}")


def _words(report: dict[str, Any]) -> str:
    alpha = report["krippendorff_alpha"]
    if alpha is None:
        return f"undefined: {reason(why(report, 'krippendorff_alpha'))}"
    shown = (
        f"{decimal(alpha)} {interval(report['alpha_ci'])}" if report["alpha_ci"] else f"{decimal(alpha)}, no interval"
    )
    return f"{shown}, {report['pairable_items']} items"


def _main(rows: list[Row], names: Names, suffix: str) -> TableBlock:
    columns = (
        TableColumn("level", "Level", is_number=False),
        TableColumn("raters", "Raters"),
        TableColumn("items", "Items"),
        TableColumn("pairable_items", "With two ratings"),
        TableColumn("ratings", "Ratings"),
        TableColumn("percent_agreement", "Equal"),
        TableColumn("percent_within_1", "Within 1"),
        TableColumn("krippendorff_alpha", "\N{GREEK SMALL LETTER ALPHA}"),
        TableColumn("alpha_ci", "95 % CI", is_interval=True),
        TableColumn("gwet", "AC1/AC2"),
        TableColumn("warnings", "Notes", is_number=False),
    )

    def cells(report: dict[str, Any]) -> tuple[Cell, ...]:
        key, gwet = _gwet(report)
        return (
            words(report["level"]),
            *(whole(report[name]) for name in ("raters", "items", "pairable_items", "ratings")),
            *(share(report[name], why(report, name)) for name in ("percent_agreement", "percent_within_1")),
            number(report["krippendorff_alpha"], why(report, "krippendorff_alpha"), digits=3),
            limits(report["alpha_ci"], why(report, "alpha_ci"), digits=3),
            number(gwet, why(report, key), digits=3),
            warning_marks(report["warnings"]),
        )

    designs = "; ".join(f"{_SHORT[name]}: {DESIGNS[name][0].lower()}{DESIGNS[name][1:]}" for name in _SHORT)
    caption = (
        f"{designs}. Equal and Within 1: mean share of agreeing pairs of ratings over items with two ratings or "
        "more. AC1 for categories, AC2 with quadratic weights otherwise."
    )
    return _table(f"agreement{suffix}", "Coefficients", caption, columns, rows, names, cells)


def _coefficients(rows: list[Row], names: Names, suffix: str) -> TableBlock:
    titles = {
        "fleiss_kappa": "Fleiss' \N{GREEK SMALL LETTER KAPPA}",
        "conger_kappa": "Conger's \N{GREEK SMALL LETTER KAPPA}",
        "brennan_prediger": "Brennan-Prediger",
        "icc_a1": "ICC(A,1)",
        "icc_c1": "ICC(C,1)",
    }
    columns = tuple(TableColumn(key, title) for key, title in titles.items())

    def cells(report: dict[str, Any]) -> tuple[Cell, ...]:
        return tuple(number(report[name], why(report, name), digits=3) for name in titles)

    caption = "Further coefficients, for comparison with other work. Quadratic weights where values are ordered."
    return _table(f"coefficients{suffix}", "Further coefficients", caption, columns, rows, names, cells, is_folded=True)


def _shape(rows: list[Row], names: Names, suffix: str) -> TableBlock:
    columns = (
        TableColumn("distribution", "Value: ratings", is_number=False),
        TableColumn("overlap_histogram", "Ratings per item: items", is_number=False),
    )

    def cells(report: dict[str, Any]) -> tuple[Cell, ...]:
        return tuple(
            words(", ".join(f"{name}: {count}" for name, count in report[key].items()) or "none")
            for key in ("distribution", "overlap_histogram")
        )

    caption = "How the ratings behind these coefficients are distributed, and how many ratings items have."
    return _table(
        f"overlap{suffix}", "What agreement was computed from", caption, columns, rows, names, cells, is_folded=True
    )


def _raters(rows: list[Row], names: Names, suffix: str) -> TableBlock:
    measures = {
        "ratings": "Ratings",
        "bias": "Bias",
        "mean_absolute_deviation": "Mean absolute deviation",
        "sd": "SD",
        "modal_share": "Modal share",
        "alpha_without": "\N{GREEK SMALL LETTER ALPHA} without",
        "alpha_change": "Change",
        "correlation": "Correlation",
    }
    cells = tuple(
        (
            words(_SHORT.get(design, design)),
            words(names.question(key)),
            words(line["rater"]),
            whole(line["ratings"]),
            *(
                number(line[name], why(line, name), sign=name in ("bias", "alpha_change"))
                for name in list(measures)[1:]
            ),
        )
        for design, key, condition, report in rows
        if condition == "All"
        for line in report["rater_diagnostics"]
    )
    columns = (
        *_WHERE[:2],
        TableColumn("rater", "Rater", is_number=False),
        *(TableColumn(k, t) for k, t in measures.items()),
    )
    caption = (
        "Each rater against the others on the same items: bias is the mean of own value minus the others' mean, and "
        "\N{GREEK SMALL LETTER ALPHA} without leaves the rater out. These numbers flag; they exclude nobody."
    )
    return TableBlock(f"raters{suffix}", "Raters", caption, columns, cells, is_folded=True)


def _pairs(rows: list[Row], names: Names, suffix: str) -> TableBlock:
    cells = tuple(
        (
            words(_SHORT.get(design, design)),
            words(names.question(key)),
            words(" and ".join(pair["raters"])),
            whole(pair["items"]),
            number(pair["kappa"], pair["reason"], digits=3),
        )
        for design, key, condition, report in rows
        if condition == "All"
        for pair in report["pairwise_kappa"]
    )
    columns = (
        *_WHERE[:2],
        TableColumn("raters", "Raters", is_number=False),
        TableColumn("items", "Common items"),
        TableColumn("kappa", "Weighted \N{GREEK SMALL LETTER KAPPA}"),
    )
    caption = (
        "Cohen's kappa of each pair of raters with common items; quadratic weights unless the values are categories."
    )
    return TableBlock(f"rater-pairs{suffix}", "Pairs of raters", caption, columns, cells, is_folded=True)


def _table(
    key: str,
    title: str,
    caption: str,
    columns: tuple[TableColumn, ...],
    rows: list[Row],
    names: Names,
    cells: Any,
    *,
    is_folded: bool = False,
) -> TableBlock:
    body = tuple(
        (words(_SHORT.get(design, design)), words(names.question(question)), words(condition), *cells(report))
        for design, question, condition, report in rows
    )
    return TableBlock(key, title, caption, (*_WHERE, *columns), body, is_folded)


def agreement_sentences(agreement: dict[str, Any], names: Names) -> Iterator[str]:
    """Yield the note on the designs, and a sentence for each of them."""
    if agreement["note"]:
        yield agreement["note"]
    for design, questions in agreement["designs"].items():
        parts = [_one_agreement(names.question(key), found["pooled"]) for key, found in questions.items()]
        if parts:
            yield f"Agreement {_BETWEEN.get(design, design)}: {'; '.join(parts)}."


def _one_agreement(name: str, report: dict[str, Any]) -> str:
    if report["percent_agreement"] is None:
        return f"on {name}, undefined because {reason(why(report, 'percent_agreement'))}"
    text = (
        f"on {name}, {counted(report['pairable_items'], 'item')} with two ratings or more, "
        f"{percent(report['percent_agreement'])} equal"
    )
    if report["percent_within_1"] is not None:
        text += f" and {percent(report['percent_within_1'])} within one point"
    alpha = report["krippendorff_alpha"]
    if alpha is None:
        text += f", Krippendorff's alpha undefined ({reason(why(report, 'krippendorff_alpha'))})"
    else:
        ci = report["alpha_ci"]
        spread = (
            f"95 % bootstrap CI {interval(ci)}, item sampling only, raters fixed"
            if ci
            else f"no interval: {reason(why(report, 'alpha_ci'))}"
        )
        text += f", Krippendorff's alpha ({report['level']}) {decimal(alpha)} ({spread})"
    key, gwet = _gwet(report)
    text += f", Gwet's {'AC1' if key == 'gwet_ac1' else 'AC2'} {decimal(gwet)}" if gwet is not None else ""
    return text + "".join(f" ({warning(code)})" for code in report["warnings"])
