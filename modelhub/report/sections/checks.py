"""Attention checks, flags, time and repeats by participant."""

from modelhub.report.sections.document import (
    Block,
    Cell,
    Paragraph,
    Section,
    TableBlock,
    TableColumn,
    number,
    share,
    whole,
    words,
)
from modelhub.results.report import Results
from modelhub.results.study import CheckedParticipant, Checks


def checks_section(results: Results, population: str, suffix: str = "") -> Section:
    """Return what the rules flagged. Flags exclude nobody by themselves."""
    checks = results.analysis[population].checks
    blocks: list[Block] = []
    if checks.rules:
        blocks.append(Paragraph("Rules in the study file, fixed when the study opened: " + " ".join(checks.rules)))
    else:
        blocks.append(Paragraph("The study file names no rules for flags."))
    if checks.flags:
        blocks.append(_flags(checks, suffix))
    if checks.participants:
        blocks.append(_people(checks, suffix))
    return Section(f"checks{suffix}", "Checks", tuple(blocks))


def _flags(checks: Checks, suffix: str) -> TableBlock:
    rows = tuple((words(rule.replace("_", " ")), whole(count)) for rule, count in checks.flags.items())
    columns = (TableColumn("rule", "Rule", is_number=False), TableColumn("n", "Participants flagged"))
    caption = f"Participants by flag. Participants who failed an attention check: {checks.failed}."
    return TableBlock(f"flags{suffix}", "Flags", caption, columns, rows)


def _people(checks: Checks, suffix: str) -> TableBlock:
    columns = (
        TableColumn("participant", "Participant", is_number=False),
        TableColumn("checks_failed", "Checks failed"),
        TableColumn("flags", "Flags", is_number=False),
        TableColumn("excluded", "Excluded", is_number=False),
        TableColumn("median_seconds", "Median seconds per part"),
        TableColumn("repeat_exact", "Repeats equal"),
        TableColumn("repeat_n", "Repeated ratings"),
    )
    caption = "Each participant's checks, flags, time in view and in use, and how often a repeated rating was the same."
    rows = tuple(_person(row) for row in checks.participants)
    return TableBlock(f"people{suffix}", "Participants", caption, columns, rows, is_folded=True)


def _person(row: CheckedParticipant) -> tuple[Cell, ...]:
    return (
        words(row.participant),
        whole(row.checks_failed),
        words(", ".join(flag.replace("_", " ") for flag in row.flags)),
        words("yes" if row.excluded else "no"),
        number(row.median_seconds, digits=1),
        share(row.repeat_exact),
        whole(row.repeat_n),
    )
