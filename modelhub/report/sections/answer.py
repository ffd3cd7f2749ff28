"""The answer, on one screen: what was asked, how, of whom, what was found, and what follows from it."""

from modelhub.report.figures.forest import forest_figure
from modelhub.report.sections.document import (
    Block,
    Figure,
    Paragraph,
    Points,
    Section,
    TableBlock,
    TableColumn,
    limits,
    number,
    p_value,
    whole,
    words,
)
from modelhub.report.sections.effects import NET_WINS, POINTS, FoundEffect, effects_of, not_compared
from modelhub.report.sections.names import Names
from modelhub.report.sections.verdicts import conclusions
from modelhub.results.report import Results
from modelhub.stats.numbers import counted, joined, p_equals, reason
from modelhub.stats.paired import LEVEL
from plots.estimates import Estimate


def answer_section(results: Results) -> Section:
    """Return the first screen of a report."""
    effects = effects_of(results, results.study.population)
    blocks: list[Block] = [Paragraph(_question(results)), Paragraph(f"{_design(results)} {_people(results)}")]
    if effects:
        said = Points((*map(_sentence, effects), *not_compared(results)))
        blocks += [_figure(effects, Names.of(results), is_assessment(results)), said]
    else:
        why = not_compared(results) or ["there are no answers to two systems, or to two kinds of persona"]
        blocks.append(Paragraph(f"Nothing was compared: {joined([one.rstrip('.') for one in why])}."))
    if results.primary.contrasts:
        blocks.append(Paragraph(_others(results)))
    blocks += [
        Paragraph("What may and what may not be concluded:"),
        Points(tuple(conclusions(results, effects))),
    ]
    return Section("answer", "The answer", tuple(blocks), "answer")


def numbers_section(results: Results) -> Section | None:
    """Return the numbers behind the figure of the answer; None where nothing was compared."""
    effects = effects_of(results, results.study.population)
    return Section("answer-numbers", "The numbers of the answer", (_table(effects),), "appendix") if effects else None


def is_assessment(results: Results) -> bool:
    """Return whether personas were assessed, not texts compared."""
    return results.study.kind == "persona_assessment"


def _question(results: Results) -> str:
    names = Names.of(results)
    if is_assessment(results):
        return (
            "Question: how do people assess personas that were inferred from chosen responses, against those inferred "
            "from rejected ones?"
        )
    asked = [question.name for question in results.study.questions if question.kind in ("rating", "comparison")]
    text = f"Question: do people rate {names.test} higher or lower than {names.base}, on {joined(asked)}?"
    others = len(results.primary.contrasts)
    return text + (f" The same is asked of {counted(others, 'other pair')} of systems." if others else "")


def _others(results: Results) -> str:
    """Return in one sentence what is shown of the other pairs of systems; the evidence has all their numbers."""
    names, shown, tested = Names.of(results), [], 0
    for contrast in results.primary.contrasts:
        for key, report in contrast.strata[""].comparisons.items():
            if report.holm_p is None or report.mean_difference is None:
                continue
            tested += 1
            if report.holm_p <= LEVEL:
                better, worse = contrast.test, contrast.base
                if report.mean_difference < 0:
                    better, worse = worse, better
                shown.append(f"{names.question(key)}, {better} above {worse}")
    pairs = joined([f"{contrast.test} against {contrast.base}" for contrast in results.primary.contrasts])
    if not tested:
        return f"Also compared, exploratory: {pairs}. Their numbers stand below."
    text = f"Also compared, in the same family of tests: {pairs}. "
    return text + (f"Shown after Holm: {'; '.join(shown)}." if shown else "No difference is shown between them.")


def _design(results: Results) -> str:
    if is_assessment(results):
        return "Design: several people assessed the same personas without being told from which response each came."
    pooled = results.primary.strata.get("")
    reports = list(pooled.comparisons.values()) if pooled else []
    counts = ""
    if reports:
        most = max(reports, key=lambda report: report.n_pairs)
        counts = f" ({counted(most.n_pairs, 'pair')} over {counted(most.n_prompts, 'prompt')})"
    return (
        "Design: within participants and blinded; for each prompt a participant read the texts of all systems on one "
        f"page, in an order drawn anew, and rated them{counts}."
    )


def _people(results: Results) -> str:
    flow = results.flow
    text = f"{counted(flow.analysed_all, 'person', 'people')} gave answers that count"
    if flow.excluded:
        out = sum(row.n for row in flow.excluded)
        text += f"; {counted(out, 'person was', 'people were')} excluded, without whom {flow.analysed} remain"
        primary = "everybody" if results.study.population == "all" else "the people who were not excluded"
        text += f". The numbers here are those of {primary}; the appendix has the others"
    else:
        text += "; nobody was excluded"
    if flow.excluded_pairs:
        text += (
            f". {counted(flow.excluded_pairs, 'pair')} of texts "
            f"{'was' if flow.excluded_pairs == 1 else 'were'} excluded"
        )
    return f"{text}."


def _figure(effects: list[FoundEffect], names: Names, is_personas: bool) -> Figure:
    plain = len({(effect.unit, effect.most) for effect in effects}) == 1 and effects[0].unit in (POINTS, NET_WINS)
    estimates = [
        Estimate(
            effect.question,
            _scaled(effect, effect.value, plain),
            None if effect.ci is None else [_scaled(effect, limit, plain) or 0.0 for limit in effect.ci],
            effect.words.replace("95 % CI ", "").replace(",", "", 1),
            series=0 if effect.is_confirmatory else 1,
        )
        for effect in effects
    ]
    sides = ("rejected", "chosen") if is_personas else (names.base, names.test)
    unit = effects[0].unit if plain else "% of the largest possible difference"
    left, right = f"\N{LEFTWARDS ARROW} {sides[0]} higher", f"{sides[1]} higher \N{RIGHTWARDS ARROW}"
    axis = " \N{MIDDLE DOT} ".join((left, unit, right))
    bounds = (-effects[0].most / 4, effects[0].most / 4) if plain else (-25.0, 25.0)
    title = "Difference by question, with its 95 % interval"
    drawing = forest_figure("answer", title, estimates, axis=axis, reference=0, signed=True, bounds=bounds)
    caption = (
        "Circles: confirmatory, declared before the study opened. Squares: exploratory. Dashed: no difference. At the "
        "right, the difference and its interval in the question's own unit"
    )
    caption += "." if plain else "; marks stand where it is in % of the largest difference that the answers allow."
    return Figure("answer", title, caption, drawing, "answer")


def _scaled(effect: FoundEffect, value: float | None, plain: bool) -> float | None:
    return value if value is None or plain else 100 * value / effect.most


def _sentence(effect: FoundEffect) -> str:
    first = f"{effect.question} ({effect.family})"
    if effect.value is None:
        return f"{first}: no difference can be given: {reason(effect.reason)}."
    text = f"{first}: {effect.words}, from {counted(effect.n, effect.of)}"
    if effect.p is None:
        return f"{text}; no test: {reason(effect.reason)}."
    text += f", {p_equals(effect.p)}{' after Holm' if effect.is_adjusted else ''}"
    return f"{text}: {_verdict(effect)}."


def _verdict(effect: FoundEffect) -> str:
    if not effect.is_shown:
        return "no difference is shown"
    return "a difference is shown" if effect.is_confirmatory else "a hint of a difference, to be tested anew"


def _table(effects: list[FoundEffect]) -> TableBlock:
    columns = (
        TableColumn("question", "Question", is_number=False),
        TableColumn("unit", "Unit", is_number=False),
        TableColumn("value", "Difference"),
        TableColumn("ci", "95 % CI", is_interval=True),
        TableColumn("largest", "Largest possible"),
        TableColumn("n", "n"),
        TableColumn("of", "n counts", is_number=False),
        TableColumn("p", "p"),
        TableColumn("family", "Family", is_number=False),
    )
    rows = tuple(
        (
            words(effect.question),
            words(effect.unit),
            number(effect.value, effect.reason, sign=True),
            limits(effect.ci, effect.reason, sign=True),
            number(effect.most, digits=0),
            whole(effect.n),
            words(f"{effect.of}s"),
            p_value(effect.p, effect.reason),
            words(effect.family),
        )
        for effect in effects
    )
    caption = (
        "The numbers of the answer; percentage points as parts of one. p is after Holm for confirmatory questions."
    )
    return TableBlock("answer", "The answer in numbers", caption, columns, rows)
