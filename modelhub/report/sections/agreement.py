"""How far raters agree, by design, question and condition."""

from collections.abc import Callable, Iterator
from dataclasses import replace
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
    share_limits,
    warning_marks,
    whole,
    words,
)
from modelhub.report.sections.names import DESIGNS, Names
from modelhub.results.agreement import AgreementReport, DesignAgreement, MeasureInterval, RaterLine
from modelhub.results.report import Results
from modelhub.stats.iteminterval import ITEMS_ONLY
from modelhub.stats.numbers import counted, decimal, interval, percent, percent_interval, reason, warning
from plots.estimates import Estimate

Row = tuple[str, str, str, AgreementReport]
_WHERE = (
    TableColumn("design", "Design", is_number=False),
    TableColumn("question", "Question", is_number=False),
    TableColumn("condition", "Condition", is_number=False),
)
_COLUMNS = {
    "percent_agreement": "Equal",
    "percent_within_1": "Within 1",
    "krippendorff_alpha": "\N{GREEK SMALL LETTER ALPHA}",
    "gwet": "AC1/AC2",
}
_FURTHER = {
    "fleiss_kappa": "Fleiss' \N{GREEK SMALL LETTER KAPPA}",
    "conger_kappa": "Conger's \N{GREEK SMALL LETTER KAPPA}",
    "brennan_prediger": "Brennan-Prediger",
    "icc_a1": "ICC(A,1)",
    "icc_c1": "ICC(C,1)",
}
_SHARES = ("percent_agreement", "percent_within_1")
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


def agreement_section(results: Results, population: str, suffix: str = "") -> Section:
    """Return agreement with intervals, or in words why there is none."""
    names = Names.of(results)
    agreement = results.analysis[population].agreement
    blocks: list[Block] = [Paragraph(agreement.note, is_notice=True)] if agreement.note else []
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


def agreement_rows(agreement: DesignAgreement) -> Iterator[Row]:
    """Yield (design, question, condition, report), pooled first."""
    for design, questions in agreement.designs.items():
        for key, found in questions.items():
            yield design, key, "All", found.pooled
            for reports in (found.by_system, found.by_condition, found.by_stratum):
                for name, report in reports.items():
                    yield design, key, name, report


def _field(report: AgreementReport, measure: str) -> str:
    """Return the field of a measure; that of Gwet's coefficient is AC1 for categories, AC2 otherwise."""
    if measure != "gwet":
        return measure
    return "gwet_ac1" if report.level == "nominal" else "gwet_ac2"


def _value(report: AgreementReport, field: str) -> float | None:
    value: float | None = getattr(report, field)
    return value


def _cells(report: AgreementReport, measure: str) -> tuple[Cell, Cell]:
    """Return a measure and its interval; those of shares in percent."""
    field = _field(report, measure)
    value, why, found = _value(report, field), report.reasons.get(field), report.intervals[field]
    if field in _SHARES:
        return share(value, why), share_limits(found.ci, found.reason)
    return number(value, why, digits=3), _limits(found)


def _limits(found: MeasureInterval) -> Cell:
    return replace(limits(found.ci, found.reason, digits=3), warnings=tuple(found.warnings))


def _figure(rows: list[Row], names: Names, suffix: str) -> Figure:
    estimates = [
        Estimate(
            condition,
            report.krippendorff_alpha,
            report.alpha_ci,
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


def _words(report: AgreementReport) -> str:
    if report.krippendorff_alpha is None:
        return f"undefined: {reason(report.reasons['krippendorff_alpha'])}"
    spread = f" {interval(report.alpha_ci)}" if report.alpha_ci else ", no interval"
    return f"{decimal(report.krippendorff_alpha)}{spread}, {counted(report.pairable_items, 'item')}"


def _main(rows: list[Row], names: Names, suffix: str) -> TableBlock:
    columns = (
        TableColumn("raters", "Raters"),
        TableColumn("pairable_items", "Items with two ratings"),
        *_with_intervals(_COLUMNS),
        TableColumn("warnings", "Notes", is_number=False),
    )

    def cells(report: AgreementReport) -> tuple[Cell, ...]:
        return (
            whole(report.raters),
            whole(report.pairable_items),
            *(cell for measure in _COLUMNS for cell in _cells(report, measure)),
            warning_marks(report.warnings),
        )

    designs = "; ".join(f"{_SHORT[name]}: {DESIGNS[name][0].lower()}{DESIGNS[name][1:]}" for name in _SHORT)
    caption = (
        f"{designs}; there, the two times count as raters. Equal and Within 1: mean share of agreeing pairs of ratings "
        "over items with two ratings or more. AC1 for categories, AC2 with quadratic weights otherwise. All intervals "
        "are over items, with the raters as they are: bootstrap for \N{GREEK SMALL LETTER ALPHA}, Clopper-Pearson at "
        "the effective number of items for shares, jackknife for AC1/AC2."
    )
    return _table(f"agreement{suffix}", "Coefficients", caption, columns, rows, names, cells)


def _with_intervals(measures: dict[str, str]) -> Iterator[TableColumn]:
    for key, title in measures.items():
        yield TableColumn(key, title)
        name = "alpha_ci" if key == "krippendorff_alpha" else f"{key}_ci"
        yield TableColumn(name, "95 % CI", is_interval=True)


def _coefficients(rows: list[Row], names: Names, suffix: str) -> TableBlock:
    def cells(report: AgreementReport) -> tuple[Cell, ...]:
        return tuple(cell for measure in _FURTHER for cell in _cells(report, measure))

    caption = (
        "Further coefficients, for comparison with other work, with jackknife intervals over items (raters fixed); "
        "that of Brennan-Prediger follows from the share of agreement. Quadratic weights where values are ordered."
    )
    columns = tuple(_with_intervals(_FURTHER))
    return _table(f"coefficients{suffix}", "Further coefficients", caption, columns, rows, names, cells, is_folded=True)


def _shape(rows: list[Row], names: Names, suffix: str) -> TableBlock:
    columns = (
        TableColumn("level", "Level", is_number=False),
        TableColumn("items", "Items"),
        TableColumn("ratings", "Ratings"),
        TableColumn("distribution", "Value: ratings", is_number=False),
        TableColumn("overlap_histogram", "Ratings per item: items", is_number=False),
    )

    def counts(found: dict[Any, int]) -> Cell:
        return words(", ".join(f"{name}: {count}" for name, count in found.items()) or "none")

    def cells(report: AgreementReport) -> tuple[Cell, ...]:
        level, items, ratings = words(report.level), whole(report.items), whole(report.ratings)
        return level, items, ratings, counts(report.distribution), counts(report.overlap_histogram)

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

    def measured(line: RaterLine, name: str) -> Cell:
        return number(getattr(line, name), line.reasons.get(name), sign=name in ("bias", "alpha_change"))

    cells = tuple(
        (
            words(_SHORT.get(design, design)),
            words(names.question(key)),
            words(line.rater),
            whole(line.ratings),
            *(measured(line, name) for name in list(measures)[1:]),
        )
        for design, key, condition, report in rows
        if condition == "All"
        for line in report.rater_diagnostics
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
            words(" and ".join(pair.raters)),
            whole(pair.items),
            number(pair.kappa, pair.reason, digits=3),
            _limits(pair.interval),
        )
        for design, key, condition, report in rows
        if condition == "All"
        for pair in report.pairwise_kappa
    )
    columns = (
        *_WHERE[:2],
        TableColumn("raters", "Raters", is_number=False),
        TableColumn("items", "Common items"),
        TableColumn("kappa", "\N{GREEK SMALL LETTER KAPPA}"),
        TableColumn("ci", "95 % CI", is_interval=True),
    )
    caption = (
        "Cohen's kappa of each pair of raters with common items, with jackknife interval over these; quadratic weights "
        "unless the values are categories."
    )
    return TableBlock(f"rater-pairs{suffix}", "Pairs of raters", caption, columns, cells, is_folded=True)


def _table(
    key: str,
    title: str,
    caption: str,
    columns: tuple[TableColumn, ...],
    rows: list[Row],
    names: Names,
    cells: Callable[[AgreementReport], tuple[Cell, ...]],
    *,
    is_folded: bool = False,
) -> TableBlock:
    body = tuple(
        (words(_SHORT.get(design, design)), words(names.question(question)), words(condition), *cells(report))
        for design, question, condition, report in rows
    )
    return TableBlock(key, title, caption, (*_WHERE, *columns), body, is_folded)


def agreement_sentences(agreement: DesignAgreement, names: Names) -> Iterator[str]:
    """Yield the note on the designs, and a sentence for each of them."""
    if agreement.note:
        yield agreement.note
    for design, questions in agreement.designs.items():
        parts = [_one_agreement(names.question(key), one.pooled, one.people) for key, one in questions.items()]
        if parts:
            yield f"Agreement {_BETWEEN.get(design, design)} (intervals: {ITEMS_ONLY}): {'; '.join(parts)}."


def _one_agreement(name: str, report: AgreementReport, people: int) -> str:
    if report.percent_agreement is None:
        return f"on {name}, undefined because {reason(report.reasons['percent_agreement'])}"
    rated = (
        f"{counted(report.pairable_items, 'item')} with two ratings or more by {counted(people, 'person', 'people')}"
    )
    text = f"on {name}, {rated}, {_shown(report, 'percent_agreement')} equal"
    if report.percent_within_1 is not None:
        text += f" and {_shown(report, 'percent_within_1')} within one point"
    if report.krippendorff_alpha is None:
        text += f", Krippendorff's alpha undefined ({reason(report.reasons['krippendorff_alpha'])})"
    else:
        text += f", Krippendorff's alpha ({report.level}) {_shown(report, 'krippendorff_alpha')}"
    gwet = _field(report, "gwet")
    if _value(report, gwet) is not None:
        text += f", Gwet's {'AC1' if gwet == 'gwet_ac1' else 'AC2'} {_shown(report, gwet)}"
    return text + "".join(f" ({warning(code)})" for code in report.warnings)


def _shown(report: AgreementReport, field: str) -> str:
    value, found = _value(report, field), report.intervals[field]
    is_share = field in _SHARES
    shown = percent(value) if is_share else decimal(value)
    if found.ci is None:
        return f"{shown} (no interval: {reason(found.reason)})"
    return f"{shown} (95 % CI {percent_interval(found.ci) if is_share else interval(found.ci)})"
