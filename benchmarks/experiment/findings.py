"""What the experiment found, as Markdown and as a drawing. Intervals are 95 %, over test pairs as clusters of seeds."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from benchmarks.experiment.answers import SOURCES, Place
from benchmarks.experiment.attribute_judge import TIE, AttributeJudge, agreement
from benchmarks.experiment.design import ARMS, BASELINE, TAILORED
from benchmarks.tailoring import DIFFERENCES, SIDES, Row, cell, differences, interval, report
from modelhub.pipeline_results.judged_text import delta_pq_text
from modelhub.pipeline_results.published import published_name, published_tables
from modelhub.stats.numbers import interval as interval_text
from modelhub.stats.winrate import METRICS, PERSONALIZATION, win_rates
from plots import svg
from plots.palette import colour_of
from plots.scales import scale_over
from tests.tools.smallmodels import FloatArray

Margins = Mapping[int, Mapping[str, Mapping[str, FloatArray]]]
"""By seed, arm and persona: arrays of shape (pairs, 2)."""
Answers = Mapping[int, Mapping[str, Mapping[Place, Mapping[str, str]]]]
"""By seed, arm and place."""

ALIKE = 10  # words: responses that differ by no more are taken for equally long
_ROW, _LEFT = 15.0, 190.0


def over_seeds(margins: Margins) -> dict[str, dict[str, FloatArray]]:
    """Return each pair's mean margins over the seeds, by arm and persona, for the arms that every seed has."""
    seeds = list(margins.values())
    shared = [arm for arm in ARMS if all(arm in one for one in seeds)]
    return {arm: {name: np.mean([one[arm][name] for one in seeds], axis=0) for name in seeds[0][arm]} for arm in shared}


def margin_tables(margins: Margins) -> str:
    """Return the tables of margins and of their differences, and those differences by seed.

    Where some arms were measured with fewer seeds, there are tables of what those seeds share as well: an arm is set
    beside others of the same seeds alone.
    """
    seeds_of = _seeds_of(margins)
    lines = []
    for seeds in sorted(set(seeds_of.values()), key=lambda seeds: (-len(seeds), seeds)):
        found = over_seeds({seed: margins[seed] for seed in seeds})
        lines += [f"Seeds {', '.join(map(str, seeds))}:", "", report(found, ARMS), ""]
    lines += ["| model | difference | " + " | ".join(f"seed {one}" for one in margins) + " |",
              "|---|---|" + "---:|" * len(margins)]  # fmt: skip
    for arm in seeds_of:
        for name in (f"{one} − {other}" for one, other in DIFFERENCES):
            cells = [_mean_difference(one, arm, name) for one in margins.values()]
            lines.append(f"| {ARMS[arm]} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _over_own_seeds(margins: Margins) -> dict[str, dict[str, FloatArray]]:
    """Return each pair's mean margins by arm and persona, every arm's over its own seeds."""
    return {arm: over_seeds({seed: margins[seed] for seed in seeds})[arm] for arm, seeds in _seeds_of(margins).items()}


def _seeds_of(margins: Margins) -> dict[str, tuple[int, ...]]:
    """Return the seeds with which each arm was measured, without arms that were not."""
    measured = {arm: tuple(seed for seed, one in margins.items() if arm in one) for arm in ARMS}
    return {arm: seeds for arm, seeds in measured.items() if seeds}


def _mean_difference(measured: Mapping[str, Mapping[str, FloatArray]], arm: str, name: str) -> str:
    return f"{differences(measured[arm])[name][:, 0].mean():+.2f}" if arm in measured else "—"


def by_length_table(margins: Margins, rows: Sequence[Row]) -> str:
    """Return the differences apart for pairs whose responses are about as long as each other and for the others."""
    lengths = np.array([[len(row[side].split()) for side in SIDES] for row in rows])
    alike = np.abs(lengths[:, 0] - lengths[:, 1]) <= ALIKE
    parts = {f"up to {ALIKE} words apart": alike, f"more than {ALIKE} words apart": ~alike}
    lines = ["| model | difference | responses | pairs | nats | pairs above 0 |", "|---|---|---|---:|---:|---:|"]
    for arm, by_persona in _over_own_seeds(margins).items():
        for name, shift in differences(by_persona).items():
            for part, values in ((part, shift[which, 0]) for part, which in parts.items() if which.any()):
                lines.append(
                    f"| {ARMS[arm]} | {name} | {part} | {len(values)} | {cell(interval(values), 2)} | "
                    f"{(values > 0).mean():.0%} |"
                )
    return "\n".join(lines)


def judge_table(judge: AttributeJudge, rows: Sequence[Row]) -> str:
    """Return how often the judge agrees with the people of the data, on pairs that neither it nor a model has seen."""
    lines = ["| asked | agrees, of the decided | ties | pairs |", "|---|---:|---:|---:|"]
    lines += [f"| {name} | {right:.0%} | {ties:.0%} | {n} |" for name, right, ties, n in agreement(judge, rows)]
    return "\n".join([*lines, "", f"A tie is a preference of less than {TIE} logits."])


def judged_table(judge: AttributeJudge, answers: Answers, dataset: str) -> str:
    """Return win, tie and loss of each tailored arm against DPO, and Delta-PQ beside the published one."""
    published = published_tables().with_persona
    lines = ["| model | persona | Personalization W/T/L | Quality W/T/L | ΔPQ | 95 % | published |",
             "|---|---|---|---|---:|---|---:|"]  # fmt: skip
    for arm in TAILORED:
        for source in SOURCES:
            judged = _judged(judge, answers, arm, source)
            if not judged:
                continue
            rates = win_rates(*judged)
            shares = [_shares(judged[0][metric].values()) for metric in METRICS]
            theirs = published.get((published_name(dataset), source))
            lines.append(
                f"| {ARMS[arm]} | {source.replace('_', ', ')} | {' | '.join(shares)} | "
                f"{delta_pq_text(rates.delta_pq)} | {interval_text(rates.delta_pq_ci, digits=1, sign=True)} | "
                f"{delta_pq_text(theirs.delta_pq if theirs else None)} |"
            )
    return "\n".join(lines)


def _judged(
    judge: AttributeJudge, answers: Answers, arm: str, source: str
) -> tuple[dict[str, dict[str, str]], dict[str, str]] | None:
    """Return the outcomes by metric and unit (seed and row), and the units' pairs; None where there are none."""
    outcomes: dict[str, dict[str, str]] = {metric: {} for metric in METRICS}
    clusters: dict[str, str] = {}
    for seed, by_arm in answers.items():
        places = [place for place in by_arm.get(arm, {}) if place[0] == source and place in by_arm.get(BASELINE, {})]
        for metric in METRICS if places else ():
            found = judge.outcomes(
                metric,
                [by_arm[arm][place]["persona"] for place in places],
                [by_arm[arm][place]["response"] for place in places],
                [by_arm[BASELINE][place]["response"] for place in places],
            )
            outcomes[metric] |= {f"{seed} {row}": one for (_, row), one in zip(places, found, strict=True)}
        clusters |= {f"{seed} {row}": str(row) for _, row in places}
    return (outcomes, clusters) if outcomes[PERSONALIZATION] else None


def _shares(outcomes: Iterable[str]) -> str:
    counts = Counter(outcomes)
    total = counts.total()
    return "/".join(f"{100 * counts[one] / total:.1f}" for one in ("win", "tie_genuine", "loss"))


def length_table(answers: Answers) -> str:
    """Return the mean words of the answers by arm and source of the personas, and the share that was cut off."""
    lines = ["| model | " + " | ".join(one.replace("_", ", ") for one in SOURCES) + " | cut off |",
             "|---|" + "---:|" * (len(SOURCES) + 1)]  # fmt: skip
    for arm in ARMS:
        made = [one for by_arm in answers.values() for one in by_arm.get(arm, {}).values()]
        if made:
            means = [np.mean([len(one["response"].split()) for one in made if one["source"] == of]) for of in SOURCES]
            cut = np.mean([one["finish_reason"] == "length" for one in made])
            lines.append(f"| {ARMS[arm]} | {' | '.join(f'{mean:.1f}' for mean in means)} | {cut:.0%} |")
    return "\n".join(lines)


def figure(margins: Margins) -> str:
    """Return the differences between personas by model as SVG: estimates with their intervals, in nats.

    Each arm is drawn over its own seeds: all compared in it are personas, within one arm.
    """
    seeds_of, found = _seeds_of(margins), _over_own_seeds(margins)
    rows = [
        (number, name, interval(shift[:, 0]))
        for name in (f"{one} − {other}" for one, other in DIFFERENCES)
        for number, arm in enumerate(found)
        for shift in [differences(found[arm])[name]]
    ]
    scale = scale_over([0.0, *(end for _, _, values in rows for end in values)], _LEFT, svg.WIDTH - svg.MARGIN)
    parts, y = [], 14.0
    for number, name, (mean, low, high) in rows:
        if number == 0:
            y += 6
            parts.append(svg.label(0, y + 4, name, bold=True))
        parts += svg.interval((low, high), scale, y, colour=colour_of(number))
        parts.append(svg.mark(scale.at(mean), y, number))
        y += _ROW
    axis = svg.bottom_axis(scale, y, 8, name="difference of the margin in nats", signed=True)
    zero = svg.line(scale.at(0), 8, scale.at(0), y, colour=svg.INK)
    entries = [
        (svg.mark(0, 0, number), f"{ARMS[arm]} (seeds: {len(seeds_of[arm])})") for number, arm in enumerate(found)
    ]
    under, height = svg.legend(entries, y + 46)
    description = "; ".join(f"{list(found)[number]}, {name}: {mean:+.2f} nats, {low:+.2f} to {high:+.2f}"
                            for number, name, (mean, low, high) in rows)  # fmt: skip
    title = "How much the preference for the chosen response moves with the persona"
    return svg.picture("paper-margins", title, description, y + 44 + height, [*axis, zero, *parts, *under])
