"""Win, tie and loss as people judged them."""

from typing import Any

from modelhub.report.figures.forest import forest_figure
from modelhub.report.sections.document import (
    Block,
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
from modelhub.stats.numbers import decimal, interval, reason
from plots.estimates import Estimate

_SOURCES = {"comparison": "asked", "ratings": "from the ratings"}
_COLUMNS = (
    TableColumn("data_set", "Data set", is_number=False),
    TableColumn("question", "Question", is_number=False),
    TableColumn("source", "Judged", is_number=False),
    TableColumn("n", "Pairs"),
    TableColumn("win", "Win"),
    TableColumn("tie", "Tie"),
    TableColumn("both_bad", "Both bad"),
    TableColumn("loss", "Loss"),
    TableColumn("net_win", "Net win, pairs"),
    TableColumn("net_win_mean", "Net win, people"),
    TableColumn("net_win_ci", "95 % CI", is_interval=True),
    TableColumn("p", "p"),
    TableColumn("holm_p", "p (Holm)"),
    TableColumn("family", "Family", is_number=False),
    TableColumn("win_share", "W/(W+L)"),
    TableColumn("win_share_ci", "95 % CI", is_interval=True),
)


def preferences_section(results: dict[str, Any], population: str, suffix: str = "") -> Section | None:
    """Return win, tie and loss by question; None where there are none."""
    names = Names.of(results)
    strata = results["analysis"][population]["strata"]
    found = [
        (stratum, key, wins) for stratum, part in strata.items() for key, wins in part["win_rates"]["aspects"].items()
    ]
    if not found:
        return None
    blocks: list[Block] = [_figure(found, names, suffix), _table(found, names, suffix)]
    for stratum, part in strata.items():
        blocks += _delta(stratum, part["win_rates"], names)
    return Section(f"preferences{suffix}", "Wins, ties and losses", tuple(blocks))


def _figure(found: list[tuple[str, str, dict[str, Any]]], names: Names, suffix: str) -> Figure:
    estimates = [
        Estimate(
            names.question(key),
            wins["net_win_mean"],
            wins["net_win_ci"],
            f"{decimal(wins['net_win_mean'], sign=True)} {interval(wins['net_win_ci'], sign=True)}, "
            f"{wins['win']}/{wins['tie'] + wins['both_bad']}/{wins['loss']}",
            heading=stratum_name(stratum) if len({one[0] for one in found}) > 1 else "",
        )
        for stratum, key, wins in found
    ]
    title = f"Net wins of {names.test} over {names.base}"
    axis = "(wins \N{MINUS SIGN} losses) / pairs, mean over participants"
    svg = forest_figure(f"net-wins{suffix}", title, estimates, axis=axis, bounds=(-0.5, 0.5), reference=0, signed=True)
    caption = (
        "Net wins with 95 % t-interval over participants; at the right also wins/ties/losses in pairs, where a tie is "
        "also what was judged bad on both sides."
    )
    return Figure(f"net-wins{suffix}", title, caption, svg, f"wins{suffix}")


def _table(found: list[tuple[str, str, dict[str, Any]]], names: Names, suffix: str) -> TableBlock:
    rows = tuple(
        (
            words(stratum_name(stratum)),
            words(names.question(key)),
            words(_SOURCES.get(wins["source"], wins["source"])),
            *(whole(wins[name]) for name in ("n", "win", "tie", "both_bad", "loss")),
            number(wins["net_win"], why(wins, "net_win"), sign=True),
            number(wins["net_win_mean"], why(wins, "net_win_mean"), sign=True),
            limits(wins["net_win_ci"], why(wins, "net_win_ci"), sign=True),
            p_value(wins["headline_p"], why(wins, "headline_p")),
            p_value(wins["holm_p"], why(wins, "holm_p")),
            words(wins["family"]),
            number(wins["win_share"], why(wins, "win_share")),
            limits(wins["win_share_ci"], why(wins, "win_share_ci")),
        )
        for stratum, key, wins in found
    )
    caption = (
        f"Win: {names.test} preferred over {names.base} in a pair. Net win is (W \N{MINUS SIGN} L)/n over pairs, and "
        "as a mean over participants with its t-interval. p: exact sign-flip test over participants; where "
        "participants share prompts, the larger of that and the one over prompts. Ties are in n, but not in W/(W+L)."
    )
    return TableBlock(f"wins{suffix}", "Counts and net wins", caption, _COLUMNS, rows)


def _delta(stratum: str, wins: dict[str, Any], names: Names) -> list[Block]:
    if not wins["delta_pq_aspects"]:
        return []
    between = " and ".join(names.question(key) for key in wins["delta_pq_aspects"])
    where = f" ({stratum})" if stratum else ""
    delta = "\N{GREEK CAPITAL LETTER DELTA}PQ"
    if wins["delta_pq"] is None:
        return [Paragraph(f"{delta}{where} is undefined: {reason(why(wins, 'delta_pq'))}.")]
    shown = f"{decimal(wins['delta_pq'], digits=1, sign=True)} points"
    ci = wins["delta_pq_ci"]
    spread = f", 95 % CI {interval(ci, digits=1, sign=True)}" if ci else f" ({reason(why(wins, 'delta_pq_ci'))})"
    return [Paragraph(f"{delta}{where}, from {between}: {shown}{spread}. It ignores ties.")]
