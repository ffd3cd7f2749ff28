"""Two systems compared on each question, the participant being the unit."""

from collections.abc import Iterator, Sequence
from typing import Any

from modelhub.report.figures.differences import Strip, differences_figure
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
    p_value,
    warning_marks,
    whole,
    words,
)
from modelhub.report.sections.names import Names, split_name, stratum_name, why
from modelhub.stats.numbers import decimal, interval, joined, reason
from plots.estimates import Estimate

Found = tuple[str, str, dict[str, Any]]
_WHERE = (TableColumn("data_set", "Data set", is_number=False), TableColumn("question", "Question", is_number=False))


def comparison_section(results: dict[str, Any], population: str, suffix: str = "") -> Section | None:
    """Return the paired comparison by question and data set; None where two systems were not both rated."""
    names = Names.of(results)
    strata = results["analysis"][population]["strata"]
    found = [(stratum, key, report) for stratum, part in strata.items() for key, report in part["comparisons"].items()]
    if not found:
        return None
    blocks: list[Block] = [_differences(found, names, suffix)]
    if len(strata) > 1:
        blocks.append(_by_stratum(found, names, suffix, split_name(results)))
    blocks += [
        _main(found, names, suffix),
        _tests(found, names, suffix),
        _effects(found, names, suffix),
        *_margins(found, names, suffix),
        _adjusted(found, names, suffix),
        _people(found, names, suffix),
    ]
    title = f"{names.test} against {names.base}"
    return Section(f"comparison{suffix}", title, tuple(blocks))


def _differences(found: Sequence[Found], names: Names, suffix: str) -> Figure:
    strips = [
        Strip(
            names.question(key),
            tuple(row["difference"] for row in report["participant_means"]),
            report["mean_difference"],
            report["ci"],
            f"{decimal(report['mean_difference'], sign=True)} {interval(report['ci'], sign=True)}, "
            f"n = {report['n_participants']}",
        )
        for stratum, key, report in found
        if not stratum
    ]
    title = f"Paired differences by participant, {names.test} minus {names.base}"
    sides = (f"\N{LEFTWARDS ARROW} {names.base} higher", "points", f"{names.test} higher \N{RIGHTWARDS ARROW}")
    axis = " \N{MIDDLE DOT} ".join(sides)
    svg = differences_figure(f"differences{suffix}", title, strips, axis=axis)
    caption = (
        "Each dot is one participant: their mean difference over the pairs they rated. Beneath the dots, the mean "
        "over participants with its 95 % t-interval; n counts participants. An interval that holds 0 is in agreement "
        "with no difference."
    )
    return Figure(f"differences{suffix}", title, caption, svg, f"participants{suffix}")


def _by_stratum(found: Sequence[Found], names: Names, suffix: str, split: str) -> Figure:
    estimates = [
        Estimate(
            stratum_name(stratum),
            report["mean_difference"],
            report["ci"],
            f"{decimal(report['mean_difference'], sign=True)} {interval(report['ci'], sign=True)}",
            series=0 if not stratum else 1,
            heading=names.question(key),
        )
        for stratum, key, report in sorted(found, key=lambda one: (list(names.questions).index(one[1]), one[0]))
    ]
    title = f"Mean difference by {split}"
    widest = max(names.span(key) for _, key, _ in found)
    axis = f"{names.test} minus {names.base}, points"
    svg = forest_figure(f"strata{suffix}", title, estimates, axis=axis, reference=0, signed=True, most=widest)
    caption = (
        "Over participants, with 95 % t-interval, for all together and each alone. An interval without a bar "
        "at its end reaches beyond what the scale allows."
    )
    return Figure(f"strata{suffix}", title, caption, svg, f"comparison{suffix}")


def _main(found: Sequence[Found], names: Names, suffix: str) -> TableBlock:
    columns = (
        TableColumn("mean_base", names.base),
        TableColumn("mean_test", names.test),
        TableColumn("difference", "Difference"),
        TableColumn("ci", "95 % CI", is_interval=True),
        TableColumn("p", "p"),
        TableColumn("holm_p", "p (Holm)"),
        TableColumn("family", "Family", is_number=False),
        TableColumn("participants", "Participants"),
        TableColumn("pairs", "Pairs"),
    )
    caption = (
        "Means of the paired ratings, and the mean difference over participants (so the means need not subtract to it) "
        "with its 95 % t-interval. p: exact sign-flip test over participants; where participants share prompts, the "
        "largest of that, the sign-flip over prompts and the crossed quasi-t. Confirmatory: in the family that the "
        "study file declared before the study opened; everything else is exploratory, and its p is not adjusted."
    )
    return _table(f"comparison{suffix}", "Comparison", caption, columns, found, names, _main_cells)


def _main_cells(report: dict[str, Any]) -> tuple[Cell, ...]:
    no_p = why(report, "sign_flip_p")
    return (
        number(report["mean_base"], why(report, "mean_base")),
        number(report["mean_test"], why(report, "mean_test")),
        number(report["mean_difference"], why(report, "mean_difference"), sign=True),
        limits(report["ci"], why(report, "ci"), sign=True),
        p_value(report["headline_p"], no_p),
        p_value(report["holm_p"], why(report, "holm_p")),
        words(report["family"]),
        whole(report["n_participants"]),
        whole(report["n_pairs"]),
    )


def _tests(found: Sequence[Found], names: Names, suffix: str) -> TableBlock:
    columns = (
        TableColumn("sign_flip_p", "Sign-flip, participants"),
        TableColumn("smallest_p", "Smallest attainable"),
        TableColumn("prompt_sign_flip_p", "Sign-flip, prompts"),
        TableColumn("quasi_t_p", "Quasi-t"),
        TableColumn("wilcoxon_p", "Wilcoxon (descriptive)"),
        TableColumn("warnings", "Notes", is_number=False),
    )
    caption = (
        "p-values of every test, two-sided. No test can give less than the smallest attainable p, which the number of "
        "participants sets. Wilcoxon's is over participants' means, exact, with Pratt's treatment of zeros."
    )

    def cells(report: dict[str, Any]) -> tuple[Cell, ...]:
        tests = ("sign_flip_p", "smallest_p", "prompt_sign_flip_p", "quasi_t_p", "wilcoxon_p")
        return (*(p_value(report[name], why(report, name)) for name in tests), warning_marks(report["warnings"]))

    return _table(f"tests{suffix}", "Every test", caption, columns, found, names, cells, is_folded=True)


def _effects(found: Sequence[Found], names: Names, suffix: str) -> TableBlock:
    columns = (
        TableColumn("p_superiority", "P(superiority)"),
        TableColumn("rank_biserial", "Rank-biserial"),
        TableColumn("cliffs_delta_unpaired", "Cliff's \N{GREEK SMALL LETTER DELTA} (unpaired)"),
        TableColumn("won", "Pairs won"),
        TableColumn("tied", "Tied"),
        TableColumn("lost", "Lost"),
        TableColumn("favouring_test", f"People for {names.test}"),
        TableColumn("favouring_base", f"People for {names.base}"),
        TableColumn("favouring_neither", "Neither"),
    )
    caption = (
        f"P(superiority): chance that {names.test} gets the higher rating within a pair, ties counting half. "
        "Rank-biserial: matched pairs, from \N{MINUS SIGN}1 to 1. Cliff's \N{GREEK SMALL LETTER DELTA} ignores the "
        "pairing. People are for the system to which they gave the higher mean."
    )

    def cells(report: dict[str, Any]) -> tuple[Cell, ...]:
        counts, people = report["win_tie_loss"], report["favouring"]
        return (
            *(number(report[name], why(report, name)) for name in ("p_superiority", "rank_biserial")),
            number(report["cliffs_delta_unpaired"], why(report, "p_superiority")),
            *(whole(counts[name]) for name in ("win", "tie", "loss")),
            *(whole(people[name]) for name in ("test", "base", "neither")),
        )

    return _table(f"effects{suffix}", "Effects", caption, columns, found, names, cells)


def _margins(found: Sequence[Found], names: Names, suffix: str) -> Iterator[Block]:
    tested = [one for one in found if one[2]["non_inferiority"]]
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

    def cells(report: dict[str, Any]) -> tuple[Cell, ...]:
        lower, both = report["non_inferiority"], report["tost"]
        return (
            number(lower["margin"]),
            number(lower["lower_bound"], sign=True),
            words("shown" if lower["non_inferior"] else "not shown"),
            limits(both["ci_90"], sign=True),
            p_value(both["p"]),
            words("shown" if both["equivalent"] else "not shown"),
        )

    yield _table(f"margins{suffix}", "Non-inferiority and equivalence", caption, columns, tested, names, cells)


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
    methods = {str(report["length_adjusted"]["method"] or "").rstrip(".") for _, _, report in found} - {""}
    caption = (
        "The mean difference as rated, and as it would be at equal length: a sensitivity check, not a second result."
    )
    caption += f" Method: {'; '.join(sorted(methods))}." if methods else ""

    def cells(report: dict[str, Any]) -> tuple[Cell, ...]:
        adjusted = report["length_adjusted"]
        none = adjusted["reason"]
        return (
            number(report["mean_difference"], why(report, "mean_difference"), sign=True),
            limits(report["ci"], why(report, "ci"), sign=True),
            number(adjusted["mean_difference"], none, sign=True),
            limits(adjusted["ci"], none, sign=True),
            p_value(adjusted["p"], none),
            number(adjusted["slope_per_100_words"], none, sign=True),
            number(adjusted["words_difference"], none, digits=1, sign=True),
        )

    return _table(f"length-adjusted{suffix}", "Adjusted for length", caption, columns, found, names, cells)


def _people(found: Sequence[Found], names: Names, suffix: str) -> TableBlock:
    rows = tuple(
        (
            words(stratum_name(stratum)),
            words(names.question(key)),
            words(row["participant"]),
            number(row["difference"], sign=True),
            whole(row["pairs"]),
        )
        for stratum, key, report in found
        for row in report["participant_means"]
    )
    columns = (
        *_WHERE,
        TableColumn("participant", "Participant", is_number=False),
        TableColumn("difference", "Mean difference"),
        TableColumn("pairs", "Pairs"),
    )
    caption = f"Each participant's mean difference, {names.test} minus {names.base}, over the pairs they rated."
    return TableBlock(f"participants{suffix}", "Differences by participant", caption, columns, rows, is_folded=True)


def _table(
    key: str,
    title: str,
    caption: str,
    columns: tuple[TableColumn, ...],
    found: Sequence[Found],
    names: Names,
    cells: Any,
    *,
    is_folded: bool = False,
) -> TableBlock:
    rows = tuple(
        (words(stratum_name(stratum)), words(names.question(question)), *cells(report))
        for stratum, question, report in found
    )
    return TableBlock(key, title, caption, (*_WHERE, *columns), rows, is_folded)
