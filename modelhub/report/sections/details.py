"""What stands behind a comparison: every test, effects with intervals, margins, length, and each participant."""

from collections.abc import Iterator, Sequence

from modelhub.report.sections.comparison import WHERE, Found, compared, comparison_table
from modelhub.report.sections.document import (
    Block,
    Cell,
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
from modelhub.results.comparison import AspectComparison
from modelhub.results.report import Results
from modelhub.stats.numbers import joined, reason


def details_section(results: Results, population: str, suffix: str = "") -> Section | None:
    """Return the further tables of the comparison; None where two systems were not both rated."""
    found = compared(results, population)
    if not found:
        return None
    names = Names.of(results)
    blocks: tuple[Block, ...] = (
        _effects(found, names, suffix),
        _counts(found, names, suffix),
        _tests(found, names, suffix),
        *_margins(found, names, suffix),
        _adjusted(found, names, suffix),
        _people(found, names, suffix),
    )
    return Section(f"details{suffix}", "The comparison in detail", blocks)


def _effects(found: Sequence[Found], names: Names, suffix: str) -> TableBlock:
    delta = "Cliff's \N{GREEK SMALL LETTER DELTA} (unpaired)"
    titles = {"p_superiority": "P(superiority)", "rank_biserial": "Rank-biserial", "cliffs_delta_unpaired": delta,
              "standardized": "Standardized"}  # fmt: skip
    columns = tuple(
        column
        for key, title in titles.items()
        for column in (TableColumn(key, title), TableColumn(f"{key}_ci", "95 % CI", is_interval=True))
    )
    caption = (
        f"P(superiority): chance that {names.test} gets the higher rating within a pair, ties counting half. "
        "Rank-biserial: matched pairs, from \N{MINUS SIGN}1 to 1. Cliff's \N{GREEK SMALL LETTER DELTA} ignores the "
        "pairing. Standardized: the mean difference in units of the mean of both systems' standard deviations of "
        "single ratings. The intervals hold for others of the same as that of the difference."
    )

    def cells(report: AspectComparison) -> tuple[Cell, ...]:
        values = (
            ("p_superiority", report.p_superiority, report.p_superiority_ci),
            ("rank_biserial", report.rank_biserial, report.rank_biserial_ci),
            ("cliffs_delta_unpaired", report.cliffs_delta_unpaired, report.cliffs_delta_unpaired_ci),
            ("standardized", report.standardized, report.standardized_ci),
        )
        return tuple(
            cell
            for name, value, ci in values
            for cell in (number(value, why(report, name)), limits(ci, why(report, f"{name}_ci")))
        )

    return comparison_table(f"effects{suffix}", "Effects", caption, columns, found, names, cells)


def _counts(found: Sequence[Found], names: Names, suffix: str) -> TableBlock:
    columns = (
        TableColumn("won", "Pairs won"),
        TableColumn("tied", "Tied"),
        TableColumn("lost", "Lost"),
        TableColumn("favouring_test", f"People for {names.test}"),
        TableColumn("favouring_base", f"People for {names.base}"),
        TableColumn("favouring_neither", "Neither"),
    )

    def cells(report: AspectComparison) -> tuple[Cell, ...]:
        counts, people = report.win_tie_loss, report.favouring
        return tuple(whole(n) for n in (counts.win, counts.tie, counts.loss, people.test, people.base, people.neither))

    caption = "Pairs by which text got the higher rating. People are for the system to which they gave the higher mean."
    return comparison_table(f"counts{suffix}", "Pairs and people", caption, columns, found, names, cells)


def _tests(found: Sequence[Found], names: Names, suffix: str) -> TableBlock:
    columns = (
        TableColumn("sign_flip_p", "Sign-flip, participants"),
        TableColumn("sign_flip_method", "Computed", is_number=False),
        TableColumn("smallest_p", "Smallest attainable"),
        TableColumn("prompt_sign_flip_p", "Sign-flip, prompts"),
        TableColumn("prompts", "Prompts"),
        TableColumn("quasi_t_p", "Quasi-t"),
        TableColumn("wilcoxon_p", "Wilcoxon (descriptive)"),
        TableColumn("ci_method", "Interval", is_number=False),
    )
    caption = (
        "p-values of every test, two-sided. No test can give less than the smallest attainable p, which the number of "
        "participants without a tie sets. Wilcoxon's is over participants' means, exact, with Pratt's treatment of "
        "zeros."
    )

    def cells(report: AspectComparison) -> tuple[Cell, ...]:
        return (
            p_value(report.sign_flip_p, why(report, "sign_flip_p")),
            words(report.sign_flip_method or ""),
            p_value(report.smallest_p, why(report, "smallest_p")),
            p_value(report.prompt_sign_flip_p, why(report, "prompt_sign_flip_p")),
            whole(report.n_prompts),
            p_value(report.quasi_t_p, why(report, "quasi_t_p")),
            p_value(report.wilcoxon_p, why(report, "wilcoxon_p")),
            words(report.ci_method),
        )

    return comparison_table(f"tests{suffix}", "Every test", caption, columns, found, names, cells)


def _margins(found: Sequence[Found], names: Names, suffix: str) -> Iterator[Block]:
    tested = [one for one in found if one[2].non_inferiority]
    if not tested:
        codes = dict.fromkeys(why(report, "non_inferiority") for _, _, report in found)
        yield Paragraph(f"Non-inferiority and equivalence were not tested: {joined([reason(code) for code in codes])}.")
        return
    columns = (
        TableColumn("margin", "Margin"),
        TableColumn("lower_bound", "Lower bound"),
        TableColumn("non_inferior", "Non-inferior", is_number=False),
        TableColumn("ci_90", "90 % CI", is_interval=True),
        TableColumn("tost_p", "p (TOST)"),
        TableColumn("equivalent", "Equivalent", is_number=False),
    )
    caption = (
        "Non-inferior: the lower one-sided 95 % bound lies above minus the margin. Equivalent: the 90 % interval lies "
        "within the margin on both sides (two one-sided tests). Margins were fixed in the study file."
    )
    yield comparison_table(
        f"margins{suffix}", "Non-inferiority and equivalence", caption, columns, tested, names, _margin_cells
    )


def _margin_cells(report: AspectComparison) -> tuple[Cell, ...]:
    lower, both = report.non_inferiority, report.tost
    return (
        number(lower.margin if lower else None, why(report, "non_inferiority")),
        number(lower.lower_bound if lower else None, why(report, "non_inferiority"), sign=True),
        words("shown" if lower and lower.non_inferior else "not shown"),
        limits(both.ci_90 if both else None, why(report, "tost"), sign=True),
        p_value(both.p if both else None, why(report, "tost")),
        words("shown" if both and both.equivalent else "not shown"),
    )


def _adjusted(found: Sequence[Found], names: Names, suffix: str) -> TableBlock:
    columns = (
        TableColumn("difference", "Raw"),
        TableColumn("ci", "95 % CI", is_interval=True),
        TableColumn("adjusted_difference", "Length-adjusted"),
        TableColumn("adjusted_ci", "95 % CI", is_interval=True),
        TableColumn("adjusted_p", "p"),
        TableColumn("slope_per_100_words", "Points per 100 words"),
        TableColumn("words_difference", "Words, test minus base"),
    )
    methods = {report.length_adjusted.method.rstrip(".") for _, _, report in found} - {""}
    caption = (
        "The mean difference as rated, and as it would be at equal length: a sensitivity check, not a second result."
    )
    caption += f" Method: {'; '.join(sorted(methods))}." if methods else ""

    def cells(report: AspectComparison) -> tuple[Cell, ...]:
        adjusted = report.length_adjusted
        none = adjusted.reason
        return (
            number(report.mean_difference, why(report, "mean_difference"), sign=True),
            limits(report.ci, why(report, "ci"), sign=True),
            number(adjusted.mean_difference, none, sign=True),
            limits(adjusted.ci, none, sign=True),
            p_value(adjusted.p, none),
            number(adjusted.slope_per_100_words, none, sign=True),
            number(adjusted.words_difference, none, digits=1, sign=True),
        )

    return comparison_table(f"length-adjusted{suffix}", "Adjusted for length", caption, columns, found, names, cells)


def _people(found: Sequence[Found], names: Names, suffix: str) -> TableBlock:
    rows = tuple(
        (
            words(stratum_name(stratum)),
            words(names.question(key)),
            words(row.participant),
            number(row.difference, sign=True),
            whole(row.pairs),
        )
        for stratum, key, report in found
        for row in report.participant_means
    )
    columns = (
        *WHERE,
        TableColumn("participant", "Participant", is_number=False),
        TableColumn("difference", "Mean difference"),
        TableColumn("pairs", "Pairs"),
    )
    caption = f"Each participant's mean difference, {names.test} minus {names.base}, over the pairs they rated."
    return TableBlock(f"participants{suffix}", "Differences by participant", caption, columns, rows, is_folded=True)
