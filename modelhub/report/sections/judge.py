"""People against the LLM judge. The judge is never a rater among people."""

from typing import Any

from modelhub.report.sections.document import (
    Block,
    Cell,
    Paragraph,
    Section,
    TableBlock,
    TableColumn,
    number,
    share,
    share_limits,
    whole,
    words,
)
from modelhub.report.sections.names import Names, why
from modelhub.stats.numbers import counted

_OUTCOMES = ("win", "tie", "loss")


def judge_section(results: dict[str, Any], population: str, suffix: str = "") -> Section | None:
    """Return the 3 by 3 tables and their agreement; None without judgements."""
    judge = results["analysis"][population]["judge"]
    if not judge:
        return None
    names = Names.of(results)
    metrics = judge["metrics"]
    blocks: list[Block] = [_crossed(name, found, names, suffix) for name, found in metrics.items()]
    if metrics:
        blocks.append(_agreement(metrics, suffix))
    if judge["unmatched"]:
        blocks.append(
            Paragraph(f"{counted(judge['unmatched'], 'verdict')} of the file belong to no unit of this study.")
        )
    if judge["metrics_not_asked"]:
        blocks.append(Paragraph(f"People were not asked about: {', '.join(judge['metrics_not_asked'])}."))
    return Section(f"judge{suffix}", "People and the LLM judge", tuple(blocks))


def _crossed(name: str, found: dict[str, Any], names: Names, suffix: str) -> TableBlock:
    rows = tuple(
        (
            words(f"People: {human}"),
            *(whole(found["table"].get(f"human {human}", {}).get(f"judge {judge}", 0)) for judge in _OUTCOMES),
        )
        for human in _OUTCOMES
    )
    columns = (
        TableColumn("people", f"{name.capitalize()}", is_number=False),
        *(TableColumn(f"judge_{outcome}", f"Judge: {outcome}") for outcome in _OUTCOMES),
    )
    aspect = names.question(found["aspect"]) if found["aspect"] else "none"
    caption = (
        f"Units by what people said ({aspect}) and what the judge said, from {names.test}'s side. The judge's tie also "
        "holds verdicts that change with the order. Units with an unreadable verdict are not in the table: "
        f"{found['invalid']}."
    )
    return TableBlock(f"judge-{name}{suffix}", f"{name.capitalize()}: people and judge", caption, columns, rows)


def _agreement(metrics: dict[str, Any], suffix: str) -> TableBlock:
    columns = (
        TableColumn("metric", "Metric", is_number=False),
        TableColumn("n", "Units"),
        TableColumn("with_ties", "Agreement with ties"),
        TableColumn("with_ties_ci", "95 % CI", is_interval=True),
        TableColumn("without_ties", "Without ties"),
        TableColumn("kappa", "\N{GREEK SMALL LETTER KAPPA}"),
        TableColumn("ceiling", "People among themselves"),
        TableColumn("ceiling_without_ties", "Without ties"),
        TableColumn("ceiling_units", "On units"),
        TableColumn("order_consistency", "Judge's order consistency"),
    )
    rows = tuple((words(name.capitalize()), *_cells(found)) for name, found in metrics.items())
    caption = (
        "Agreement of people and judge. What people reach among themselves on the same units is the most a judge can "
        "be expected to reach. Order consistency: share of units whose verdict is the same in both orders."
    )
    return TableBlock(f"judge-agreement{suffix}", "Agreement with the judge", caption, columns, rows)


def _cells(found: dict[str, Any]) -> tuple[Cell, ...]:
    def shown(name: str) -> Cell:
        return share(found[name], why(found, name))

    return (
        whole(found["n"]),
        shown("agreement_with_ties"),
        share_limits(found["agreement_with_ties_ci"], why(found, "agreement_with_ties_ci")),
        shown("agreement_without_ties"),
        number(found["kappa"], why(found, "kappa")),
        shown("human_ceiling"),
        shown("human_ceiling_without_ties"),
        whole(found["ceiling_units"]),
        shown("judge_order_consistency"),
    )
