"""What was asked, of which systems, and who took part."""

from modelhub.report.figures.flow import FlowChart
from modelhub.report.sections.document import Block, Figure, Paragraph, Section, TableBlock, TableColumn, whole, words
from modelhub.results.report import Results
from modelhub.results.study import ParticipantFlow, StudyResult, SystemResult


def study_section(results: Results) -> Section:
    """Return the questions in their exact words, and the systems behind the arms."""
    return Section("questions", "Questions and systems", (_questions(results.study), _systems(results.study)))


def flow_section(results: Results) -> Section:
    """Return how many people reached each step, who left, and why people were excluded."""
    flow = results.flow
    blocks: list[Block] = [_figure(flow), _steps(flow)]
    if flow.excluded:
        blocks.append(_excluded(flow))
    else:
        blocks.append(Paragraph("Nobody was excluded."))
    if flow.excluded_pairs:
        blocks.append(Paragraph(f"Pairs of outputs excluded from the study: {flow.excluded_pairs}."))
    return Section("flow", "Participants", tuple(blocks))


def _questions(study: StudyResult) -> TableBlock:
    rows = tuple(
        (
            words(question.name + (" (asked before the persona was shown)" if question.before_persona else "")),
            words(question.question),
            words(question.question_for_others),
            words("; ".join(f"{value} = {text}" for value, text in question.points)),
            words(question.level),
        )
        for question in study.questions
    )
    titles = ("Question", "Asked of the persona's author", "Asked of everybody else", "Scale", "Level")
    columns = tuple(
        TableColumn(key, title, is_number=False)
        for key, title in zip(("question", "asked_of_author", "asked_of_others", "scale", "level"), titles, strict=True)
    )
    caption = "The questions, verbatim, as the study file defines them."
    return TableBlock("questions", "Questions", caption, columns, rows)


def _adapter_words(system: SystemResult) -> str:
    if system.has_adapter is None:
        return "unknown"
    if not system.has_adapter:
        return "no adapter"
    return "not probed" if system.adapter_difference is None else f"{system.adapter_difference:.3g}"


def _systems(study: StudyResult) -> TableBlock:
    roles = {study.base: "base", study.test: "test"}
    rows = tuple(
        (
            words(system.name or "no system"),
            words(system.arm),
            words(system.code or "unknown"),
            words(roles.get(system.name, "not in the main contrast") + (", control" if system.is_control else "")),
            words(system.engine or "unknown"),
            words(system.persona_style or "unknown"),
            words(system.procedure or "none"),
            words((system.fingerprint or "none")[:16]),
            words(_adapter_words(system)),
        )
        for system in study.systems
    )
    columns = (
        TableColumn("system", "System", is_number=False),
        TableColumn("arm", "Arm", is_number=False),
        TableColumn("code", "Its code in exports", is_number=False),
        TableColumn("role", "Role", is_number=False),
        TableColumn("engine", "Engine", is_number=False),
        TableColumn("persona_style", "Persona in the prompt", is_number=False),
        TableColumn("procedure", "Procedure without training", is_number=False),
        TableColumn("fingerprint", "Fingerprint (first 16 characters)", is_number=False),
        TableColumn("adapter", "Logits that its adapter changes, by up to", is_number=False),
    )
    caption = "The systems behind the arms. Every difference in this report is test minus base."
    return TableBlock("systems", "Systems", caption, columns, rows)


def _figure(flow: ParticipantFlow) -> Figure:
    excluded = next((step.n for step in flow.steps if step.key == "excluded"), 0)
    steps = tuple((step.label, step.n) for step in flow.steps if step.key != "excluded")
    leaving = [(left.label, left.n) for left in flow.left if left.n]
    leaving += [("Withdrawn", flow.withdrawn)] if flow.withdrawn else []
    leaving += [(f"Excluded: {row.reason}", row.n) for row in flow.excluded]
    if not flow.excluded and excluded:
        leaving.append(("Excluded", excluded))
    title = "Participant flow"
    caption = "The box at the side holds everybody who left or was excluded, at whatever step."
    return Figure("flow", title, caption, FlowChart("flow", title, steps, tuple(leaving)), "flow")


def _steps(flow: ParticipantFlow) -> TableBlock:
    steps = [(step.label, step.n) for step in (*flow.steps, *flow.left)]
    steps += [("Withdrawn", flow.withdrawn), ("Erased on request", flow.erased)]
    rows = tuple((words(name), whole(count)) for name, count in steps)
    columns = (TableColumn("step", "Step", is_number=False), TableColumn("n", "People"))
    caption = (
        "People at each step, and those who left. Bots and previews are left out unless this report says otherwise. "
        "Analysed: without the excluded people."
    )
    return TableBlock("flow", "Steps", caption, columns, rows)


def _excluded(flow: ParticipantFlow) -> TableBlock:
    rows = tuple(
        (words(row.reason), whole(row.n), words("yes" if row.rule_fixed_beforehand else "no")) for row in flow.excluded
    )
    columns = (
        TableColumn("reason", "Reason", is_number=False),
        TableColumn("n", "People"),
        TableColumn("rule_fixed_beforehand", "Rule fixed before the study opened", is_number=False),
    )
    caption = "Excluded participants. Results are given with and without them."
    return TableBlock("excluded", "Exclusions", caption, columns, rows)
