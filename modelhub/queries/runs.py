"""Reads for the pages of runs: how far they are, and what they made."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.utils import timezone

from annotation.models import Study, User
from annotation.permissions import visible_studies
from modelhub.models import (
    Generation,
    InferredPersona,
    PairOutput,
    PersonaCheck,
    PersonaComparison,
    PreferencePair,
    RetrievedPersona,
    Run,
)

RUNS_PER_PAGE = 25
ROWS_PER_PAGE = 25
_SHOWN_OF_TEXT = 160  # characters of a prompt or persona in a list


@dataclass(frozen=True)
class RunProgress:
    """A run with how far it is. Rates are units per minute over the run's life so far; None where unknown."""

    run: Run
    now: datetime

    @property
    def is_running(self) -> bool:
        return self.run.state == Run.State.RUNNING

    @property
    def is_silent(self) -> bool:
        """Whether the run should be alive and has given no sign for longer than its lease."""
        return self.is_running and self.run.lease_until < self.now

    @property
    def handled(self) -> int:
        return self.run.done + self.run.failed

    @property
    def seconds(self) -> float:
        """Return how long the run has worked: until its end, or its last sign of life."""
        end = self.run.finished_at or (self.now if self.is_running and not self.is_silent else self.run.heartbeat_at)
        return (end - self.run.started_at).total_seconds()

    @property
    def rate(self) -> float | None:
        return 60 * self.handled / self.seconds if self.handled and self.seconds > 0 else None

    @property
    def rate_in_words(self) -> str:
        """Return the rate as it is read; a dash where it is unknown."""
        if self.rate is None:
            return "–"
        return f"{self.rate:,.0f}" if self.rate >= 100 else f"{self.rate:.1f}"

    @property
    def seconds_left(self) -> float | None:
        """Return the time to go at the rate so far; None unless the run works towards a known total."""
        if self.run.total is None or self.rate is None or not self.is_running or self.is_silent:
            return None
        return 60 * max(0, self.run.total - self.handled) / self.rate

    @property
    def time_left(self) -> str:
        """Return the time to go in words; a dash where it is unknown."""
        if self.seconds_left is None:
            return "–"
        minutes, seconds = divmod(round(self.seconds_left), 60)
        hours, minutes = divmod(minutes, 60)
        return (
            f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
        )


@dataclass(frozen=True)
class RunSearch:
    """Which runs to list; empty values do not restrict. `study` is a primary key."""

    stage: str = ""
    state: str = ""
    study: str = ""


@dataclass(frozen=True)
class MadeRow:
    """Something a run made: the pair it is about with the address of its page, or the study's item, and words."""

    pair: PreferencePair | None
    what: str
    text: str


def visible_runs(user: User) -> QuerySet[Run]:
    """Return the runs that somebody who may see the pipeline may see: those of no study, and of studies of theirs."""
    return Run.objects.filter(Q(study=None) | Q(study__in=visible_studies(user))).select_related("study")


def found_runs(user: User, search: RunSearch, page: str | None) -> Page[Run]:
    """Return a page of the visible runs that match, newest first."""
    runs = visible_runs(user)
    for name, value in vars(search).items():
        if value:
            runs = runs.filter(**{name: value})
    return Paginator(runs.order_by("-pk"), RUNS_PER_PAGE).get_page(page)


def known_stages(user: User) -> list[str]:
    """Return the stages that visible runs are of."""
    return list(visible_runs(user).order_by("stage").values_list("stage", flat=True).distinct())


def studies_with_runs(user: User) -> list[Study]:
    """Return the visible studies that have runs."""
    return list(visible_studies(user).filter(runs__isnull=False).distinct().order_by("slug", "version"))


def progress_of(runs: "Page[Run] | list[Run]") -> list[RunProgress]:
    """Return the runs with how far they are at this moment."""
    now = timezone.now()
    return [RunProgress(run, now) for run in runs]


def made_by(run: Run, user: User) -> dict[str, QuerySet[Any]]:
    """Return what the run made, by kind; of studies only what the user may see."""
    outputs = Generation.objects.filter(run=run, output__arm__study__in=visible_studies(user))
    return {
        "pairs": PreferencePair.objects.filter(run=run).order_by("pk"),
        "personas": InferredPersona.objects.filter(run=run).select_related("pair").order_by("pk"),
        "checks": PersonaCheck.objects.filter(run=run).select_related("persona__pair", "judge").order_by("pk"),
        "comparisons": PersonaComparison.objects.filter(run=run).select_related("chosen__pair", "judge").order_by("pk"),
        "retrieved": RetrievedPersona.objects.filter(run=run).select_related("pair", "source").order_by("pk"),
        "answers": PairOutput.objects.filter(run=run).select_related("pair", "system").order_by("pk"),
        "outputs": outputs.select_related("output__arm__study", "output__persona__item").order_by("pk"),
    }


def made_rows(kind: str, page: "Page[Any]") -> list[MadeRow]:
    """Return the lines of a page of what `made_by` found, without the texts of studies' outputs: those stay there."""
    return [_LINES[kind](row) for row in page]


def _pair_line(pair: PreferencePair) -> MadeRow:
    return MadeRow(pair, "preference pair", _start(pair.prompt))


def _persona_line(persona: InferredPersona) -> MadeRow:
    kinds = ", ".join(flag["kind"] for flag in persona.flags)
    what = f"{persona.direction} persona{f' ({kinds})' if kinds else ''}"
    return MadeRow(persona.pair, what, _start(persona.text) or "unreadable")


def _check_line(check: PersonaCheck) -> MadeRow:
    said = f"picked the {check.side} response" if check.side else f"unscored: {check.reason}"
    return MadeRow(check.persona.pair, f"{check.persona.direction} persona, {check.get_order_display().lower()}", said)


def _comparison_line(comparison: PersonaComparison) -> MadeRow:
    said = f"picked the {comparison.side} persona" if comparison.side else f"unscored: {comparison.reason}"
    return MadeRow(comparison.chosen.pair, f"comparison, {comparison.get_order_display().lower()}", said)


def _retrieved_line(found: RetrievedPersona) -> MadeRow:
    score = "" if found.score is None else f", score {found.score:.3f}"
    return MadeRow(found.pair, f"rank {found.rank}{score}", f"{found.source}: {_start(found.source.prompt)}")


def _answer_line(output: PairOutput) -> MadeRow:
    left_out = ", left out" if output.excluded_reason else ""
    return MadeRow(output.pair, f"{output.get_source_display()}, {output.system}{left_out}", _start(output.text))


def _output_line(generation: Generation) -> MadeRow:
    output = generation.output
    assert output is not None  # that is how they were found
    what = f"{output.arm.study}, item {output.persona.item.key}, arm {output.arm.ordinal}"
    return MadeRow(None, what, f"{output.get_state_display()}, finished by {generation.finish_reason}")


def _start(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_OF_TEXT else f"{line[: _SHOWN_OF_TEXT - 1]}…"


_LINES: dict[str, Any] = {
    "pairs": _pair_line,
    "personas": _persona_line,
    "checks": _check_line,
    "comparisons": _comparison_line,
    "retrieved": _retrieved_line,
    "answers": _answer_line,
    "outputs": _output_line,
}
