"""People against the LLM judge. The judge is never a rater among people."""

from collections.abc import Iterator

from modelhub.report.sections.document import (
    Block,
    Cell,
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
from modelhub.report.sections.names import Names
from modelhub.results.judge import JudgeAgreement
from modelhub.results.report import Results
from modelhub.stats.numbers import counted

_OUTCOMES = ("win", "tie", "loss")


def judge_section(results: Results, population: str, suffix: str = "") -> Section | None:
    """Return the 3 by 3 tables and their agreement; None without judgements."""
    report = results.analysis[population].judge
    if report is None:
        return None
    names = Names.of(results)
    metrics = report.metrics
    blocks: list[Block] = [_crossed(name, found, names, suffix) for name, found in metrics.items()]
    if metrics:
        blocks.append(_agreement(metrics, suffix))
    if report.unmatched:
        blocks.append(Paragraph(f"{counted(report.unmatched, 'verdict')} of the file belong to no unit of this study."))
    if report.metrics_not_asked:
        blocks.append(Paragraph(f"People were not asked about: {', '.join(report.metrics_not_asked)}."))
    return Section(f"judge{suffix}", "People and the LLM judge", tuple(blocks))


def _crossed(name: str, found: JudgeAgreement, names: Names, suffix: str) -> TableBlock:
    rows = tuple(
        (
            words(f"People: {human}"),
            *(whole(found.table[f"human {human}"][f"judge {judge}"]) for judge in _OUTCOMES),
        )
        for human in _OUTCOMES
    )
    columns = (
        TableColumn("people", f"{name.capitalize()}", is_number=False),
        *(TableColumn(f"judge_{outcome}", f"Judge: {outcome}") for outcome in _OUTCOMES),
    )
    caption = (
        f"Judgements of people ({names.question(found.aspect)}) by what the judge said of the same unit, from "
        f"{names.test}'s side: {counted(found.n, 'judgement')} of {counted(found.units, 'unit')}. The judge's tie also "
        f"holds verdicts that change with the order. Units with an unreadable verdict are not in the table: "
        f"{found.invalid}."
    )
    return TableBlock(f"judge-{name}{suffix}", f"{name.capitalize()}: people and judge", caption, columns, rows)


def _agreement(metrics: dict[str, JudgeAgreement], suffix: str) -> TableBlock:
    columns = (
        TableColumn("metric", "Metric", is_number=False),
        TableColumn("measure", "Measure", is_number=False),
        TableColumn("n", "n"),
        TableColumn("value", "Value"),
        TableColumn("value_ci", "95 % CI", is_interval=True),
        TableColumn("warnings", "", is_number=False),
    )
    rows = tuple(
        (words(name.capitalize()), words(measure), *cells)
        for name, found in metrics.items()
        for measure, cells in _measures(found)
    )
    caption = (
        "Agreement of people and judge; n counts judgements of people, for people among themselves the units that "
        "several people judged, and for order consistency the units with two readable verdicts. What people reach "
        "among themselves on the same units is the most a judge can be expected to reach. Order consistency: share of "
        "units whose verdict is the same in both orders. Intervals speak of other items, not of other "
        "people or judges."
    )
    return TableBlock(f"judge-agreement{suffix}", "Agreement with the judge", caption, columns, rows)


def _measures(found: JudgeAgreement) -> Iterator[tuple[str, tuple[Cell, ...]]]:
    judged = found.n_judged
    for measure, name, n in (
        ("Agreement, ties counted", "agreement_with_ties", found.n),
        ("Agreement, both decided", "agreement_without_ties", found.n_without_ties),
        ("\N{GREEK SMALL LETTER KAPPA}", "kappa", found.n),
        ("People among themselves, ties counted", "human_ceiling", found.ceiling_units),
        ("People among themselves, both decided", "human_ceiling_without_ties", found.ceiling_units_without_ties),
        ("Judge's order consistency", "judge_order_consistency", judged),
    ):
        shown, limited = (number, limits) if name == "kappa" else (share, share_limits)
        yield (
            measure,
            (
                whole(n),
                shown(getattr(found, name), found.reasons.get(name)),
                limited(getattr(found, f"{name}_ci"), found.reasons.get(f"{name}_ci")),
                warning_marks(found.warnings.get(name, [])),
            ),
        )
