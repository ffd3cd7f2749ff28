"""What a training logged, made readable: curves, the numbers behind them, and what was no number.

Names are the trainer's: what it measures on the validation rows has the name of the training rows' with `eval_`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plots.curves import Curve, Point, curve_plot, smooth, thin, thin_rules
from plots.palette import look_of
from plots.shapes import Plot

TRAIN, EVALUATION = "train", "eval"
VALIDATION_LOSS = "eval_loss"
_PREFIX = "eval_"
_SMOOTHED_FROM = 60  # with fewer points, the line itself is readable
_WINDOWS = 25  # a window of the mean is this part of the line
_STEPS_NAMED = 5


@dataclass(frozen=True)
class Entry:
    """What was measured at a step; `kind` is train or eval. A value that is no finite number is None."""

    kind: str
    step: int
    epoch: float
    values: Mapping[str, Any]

    def number(self, name: str) -> float | None:
        """Return a value, or None where there is none that is a finite number."""
        value = self.values.get(name)
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


@dataclass(frozen=True)
class Measure:
    """What a plot shows: the trainer's name, and the ends of the scale where they are known."""

    name: str
    title: str
    limits: tuple[float, float] | None = None


MEASURES = (
    Measure("loss", "Loss"),
    Measure("rewards/margins", "Reward margins"),
    Measure("rewards/accuracies", "Reward accuracies", (0.0, 1.0)),
)


@dataclass(frozen=True)
class Panel:
    """A plot with its title and a description for those who do not see it. `smoothed` counts the points of a mean."""

    id: str
    title: str
    description: str
    plot: Plot
    trained: bool
    validated: bool
    smoothed: int


@dataclass(frozen=True)
class LastValue:
    """A name with its last numbers in words, on the training and the validation rows."""

    name: str
    train: str
    validation: str


@dataclass(frozen=True)
class EpochLine:
    """A measurement on the validation rows; `values` are in words, in the order of the panels."""

    epoch: str
    step: int
    values: tuple[str, ...]
    is_best: bool


@dataclass(frozen=True)
class TrainingCurves:
    """All that the page shows of a training's log."""

    panels: tuple[Panel, ...]
    last: tuple[LastValue, ...]
    epochs: tuple[EpochLine, ...]
    problems: tuple[str, ...]
    step: int | None
    epoch: str
    best: Entry | None


def training_curves(entries: Sequence[Entry]) -> TrainingCurves:
    """Return what a log of entries by rising step shows; without entries there is nothing in it."""
    best = best_entry(entries)
    found = [(measure, panel) for measure in MEASURES if (panel := _panel(measure, entries, best)) is not None]
    names = [f"{_PREFIX}{measure.name}" for measure, _ in found]
    epochs = tuple(_epoch_line(one, names, one is best) for one in entries if one.kind == EVALUATION)
    last = entries[-1] if entries else None
    return TrainingCurves(
        panels=tuple(panel for _, panel in found),
        last=_last_values(entries),
        epochs=epochs,
        problems=problems_of(entries),
        step=last.step if last else None,
        epoch=epoch_words(last.epoch) if last else "",
        best=best,
    )


def best_entry(entries: Sequence[Entry]) -> Entry | None:
    """Return the entry with the lowest validation loss, the first of equal ones as the trainer takes it, or None."""
    losses = [(loss, entry) for entry in entries if (loss := entry.number(VALIDATION_LOSS)) is not None]
    return min(losses, key=lambda found: found[0])[1] if losses else None


def problems_of(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Return a sentence for each value that was measured and was no finite number: it stands in no curve."""
    steps: dict[str, list[int]] = {}
    for entry in entries:
        for name in entry.values:
            if entry.number(name) is None:
                steps.setdefault(name, []).append(entry.step)
    return tuple(f"{name} was no finite number at {_steps(found)}." for name, found in steps.items())


def comparison_plot(runs: Sequence[Sequence[Entry]]) -> Plot | None:
    """Return the validation losses of several trainings over their epochs, in the looks `run-1` and on."""
    curves = []
    for number, entries in enumerate(runs):
        points = [(entry.epoch, entry.number(VALIDATION_LOSS)) for entry in entries if VALIDATION_LOSS in entry.values]
        best = best_entry(entries)
        curves.append(Curve(thin(points), run_look(number), best.epoch if best else None))
    return curve_plot(curves, x_name="epoch")


def run_look(number: int) -> str:
    """Return the look of a compared run, counted from 0: its line, and its key in the table."""
    return f"run-{look_of(number)}"


def number_words(value: float | None) -> str:
    """Return a number to four digits, with a true minus sign; a dash for None."""
    return "–" if value is None else f"{value:.4g}".replace("-", "\N{MINUS SIGN}")


def epoch_words(epoch: float) -> str:
    """Return an epoch to two decimals, whole ones without."""
    return f"{round(epoch, 2):g}"


def _panel(measure: Measure, entries: Sequence[Entry], best: Entry | None) -> Panel | None:
    trained = _points(entries, TRAIN, measure.name)
    validated = _points(entries, EVALUATION, f"{_PREFIX}{measure.name}")
    mean = thin(smooth(trained, _window(trained))) if len(trained) >= _SMOOTHED_FROM else []
    curves = [
        Curve(thin(trained), "train", plain=bool(mean)),
        Curve(mean, "mean", plain=True),
        Curve(thin(validated), "validation", best.step if best else None),
    ]
    plot = curve_plot([one for one in curves if one.points], rules=_epoch_rules(entries), limits=measure.limits)
    if plot is None:
        return None
    return Panel(
        id=measure.name.replace("/", "-"),
        title=measure.title,
        description=_description(measure, trained, validated, best),
        plot=plot,
        trained=bool(trained),
        validated=bool(validated),
        smoothed=_window(trained) if mean else 0,
    )


def _epoch_line(entry: Entry, names: Sequence[str], is_best: bool) -> EpochLine:
    values = tuple(number_words(entry.number(name)) for name in names)
    return EpochLine(epoch_words(entry.epoch), entry.step, values, is_best)


def _points(entries: Sequence[Entry], kind: str, name: str) -> list[Point]:
    return [(entry.step, entry.number(name)) for entry in entries if entry.kind == kind and name in entry.values]


def _window(points: Sequence[Point]) -> int:
    """Return the odd number of neighbours that a mean is taken over."""
    return len(points) // _WINDOWS | 1


def _epoch_rules(entries: Sequence[Entry]) -> list[tuple[float, str]]:
    """Return the ends of epochs, where they were validated, as rules with their numbers."""
    ends = [
        (float(entry.step), f"{entry.epoch:.0f}")
        for entry in entries
        if entry.kind == EVALUATION and abs(entry.epoch - round(entry.epoch)) < 0.005
    ]
    return [(step, label if number else f"epoch {label}") for number, (step, label) in enumerate(thin_rules(ends))]


def _description(measure: Measure, trained: list[Point], validated: list[Point], best: Entry | None) -> str:
    parts = [_from_to(words, points) for words, points in (("Training", trained), ("Validation", validated))]
    if best is not None:
        value = number_words(best.number(f"{_PREFIX}{measure.name}"))
        parts.append(f"At step {best.step:,}, where the validation loss is lowest: {value}.")
    return " ".join(part for part in parts if part)


def _from_to(words: str, points: list[Point]) -> str:
    numbers = [(x, y) for x, y in points if y is not None]
    if not numbers:
        return ""
    (first, began), (last, ended) = numbers[0], numbers[-1]
    if first == last:
        return f"{words}: {number_words(began)} at step {first:,}."
    return f"{words}: from {number_words(began)} at step {first:,} to {number_words(ended)} at step {last:,}."


def _last_values(entries: Sequence[Entry]) -> tuple[LastValue, ...]:
    last: dict[str, dict[str, str]] = {}
    for entry in entries:
        for name in entry.values:
            plain = name.removeprefix(_PREFIX) if entry.kind == EVALUATION else name
            last.setdefault(plain, {})[entry.kind] = number_words(entry.number(name))
    return tuple(LastValue(name, found.get(TRAIN, "–"), found.get(EVALUATION, "–")) for name, found in last.items())


def _steps(steps: Sequence[int]) -> str:
    named = ", ".join(f"{step:,}" for step in steps[:_STEPS_NAMED])
    more = len(steps) - _STEPS_NAMED
    return f"step{'s' if len(steps) > 1 else ''} {named}{f' and {more:,} more' if more > 0 else ''}"
