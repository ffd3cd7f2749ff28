"""Let a judge say which of two systems' outputs for the same pairs is better, in quality and in personalization.

Each question is put in both orders, so that a judge's liking for the first or the last cannot pass for an opinion.
Source of the measures: Balepur et al., "Whose Boat Does it Float?" (ACL 2025), section on evaluation.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from django.db.models import Count, QuerySet
from pydantic import Field

from annotation.errors import ServiceError
from modelhub.engines.base import GenerationRequest
from modelhub.models import Generation, Judgement, PairOutput, PersonaSource, PreferencePair, Run, System
from modelhub.profiles import DatasetProfile
from modelhub.prompting.output_judging import (
    DIRECT,
    METRICS,
    PERSONALIZATION,
    RUBRICS,
    judgement_opening,
    render_judgement,
)
from modelhub.prompting.persona_text import persona_as_data
from modelhub.prompting.verdicts import parse_verdict
from modelhub.queries.datasets import splits_of, system_named
from modelhub.queries.persona_sources import Origin, persona_key, source_texts
from modelhub.queries.portions import portions
from modelhub.runs.engine_stage import Task
from modelhub.runs.parameters import BatchOptions, Option
from modelhub.runs.rows import engine_stage
from modelhub.runs.stage import Reporting
from modelhub.stages.shared.parameters import OfOrigin, OfSplit
from modelhub.stages.shared.profiles import profile_digest, profile_of
from modelhub.systems.registering import engine_settings, present_fingerprint
from modelhub.systems.requests import check_can_be_asked

# Judges explain themselves before they decide.
DECODING = {"max_new_tokens": 1024, "min_new_tokens": 1, "temperature": 0.0, "stop": []}
ORDERS = tuple(Judgement.Order.values)
# Why a pair is left out.
EXCLUDED, NO_BASE, NO_TEST, NO_PROMPT = "excluded", "no base", "no test", "no prompt"


_System = Annotated[str, Option(metavar="SYSTEM")]
_Source = Annotated[str, Option(choices=lambda: PersonaSource.values)]


class JudgeOptions(OfOrigin, OfSplit, BatchOptions):
    """What `judge` can be told."""

    base: _System = Field(description="what is compared with")
    test: _System = Field(description="what is compared; its wins are counted")
    persona: _Source = Field(description="where the test's personas come from")
    base_persona: _Source = Field(default="", description="the base's; default: as the test's")
    judge: _System = Field(description="the system that judges")
    metric: Annotated[tuple[str, ...], Option(choices=lambda: METRICS)] = Field(
        default=tuple(METRICS), description="what is asked"
    )
    rubric: Annotated[str, Option(choices=lambda: list(RUBRICS))] = Field(default=DIRECT, description="how it is asked")


_Sides = tuple[PairOutput, PairOutput]


@dataclass(frozen=True)
class Judge:
    """An `EngineStage`: two rows, one per order, for each pair of outputs and metric. `system` is the judge."""

    dataset: str
    split: str
    base: System
    base_source: str
    test: System
    source: str
    system: System
    metrics: Sequence[str]
    format: str
    profile: DatasetProfile
    origin: Origin = field(default_factory=Origin)
    name: str = "judge"
    defaults: dict[str, Any] = field(default_factory=lambda: dict(DECODING))

    @property
    def rubric(self) -> str:
        """The name and version of the questions."""
        return RUBRICS[self.format]

    @property
    def subject(self) -> str:
        sides = f"{self.base.name} ({self.base_source}) and {self.test.name} ({self.source})"
        return f"{self.dataset} by {sides}, judged by {self.system.name}, {self.rubric}"

    @property
    def selection(self) -> str:
        return f"{self.split} {'+'.join(self.metrics)}"

    @property
    def conditions(self) -> dict[str, Any]:
        return {"profile": self.profile.name, "profile_sha256": profile_digest(self.profile)}

    def matches(self) -> Iterator[tuple[_Sides | None, str]]:
        """Yield, for each pair that either side has an output of, base and test; or None, and why it is left out.

        Systems given a persona from the same source must have had the same one.
        """
        several = [self._has_several(system, source) for system, source in self._sides()]
        pairs = PreferencePair.objects.filter(dataset=self.dataset, split=self.split).order_by("row", "pk")
        for portion in portions(pairs):
            base, test = (
                self._meant(portion, system, source, several=many)
                for (system, source), many in zip(self._sides(), several, strict=True)
            )
            for pair in portion:
                if pair.pk in base or pair.pk in test:
                    yield self._match(pair, base.get(pair.pk), test.get(pair.pk))

    def _sides(self) -> list[tuple[System, str]]:
        return [(self.base, self.base_source), (self.test, self.source)]

    def _match(
        self, pair: PreferencePair, base: PairOutput | None, test: PairOutput | None
    ) -> tuple[_Sides | None, str]:
        if test is None:
            return None, NO_TEST
        if base is None or (self.base_source == self.source and base.persona_key != test.persona_key):
            return None, NO_BASE
        if base.excluded_reason or test.excluded_reason:
            return None, EXCLUDED
        if not self.profile.clean_prompt(pair.prompt).strip():
            return None, NO_PROMPT
        base.pair = test.pair = pair
        return (base, test), ""

    def _has_several(self, system: System, source: str) -> bool:
        """Whether the system has more than one output for some pair, each for another persona."""
        outputs = self._outputs(system, source).filter(pair__dataset=self.dataset, pair__split=self.split)
        counts = outputs.order_by().values("pair").annotate(count=Count("pk"))
        return counts.filter(count__gt=1).exists()

    def _outputs(self, system: System, source: str) -> QuerySet[PairOutput]:
        return PairOutput.objects.filter(system=system, source=source)

    def _meant(
        self, pairs: Sequence[PreferencePair], system: System, source: str, *, several: bool
    ) -> dict[int, PairOutput]:
        """Return one output per pair, by its id: where there are several, that for the persona of the origin."""
        outputs = self._outputs(system, source).filter(pair__in=pairs)
        if not several and self.origin == Origin():
            return {output.pair_id: output for output in outputs}
        texts = source_texts(
            self.dataset, self.split, source, profile=self.profile, origin=self.origin, pairs=pairs
        ).texts  # fmt: skip
        return {
            output.pair_id: output
            for output in outputs
            if output.pair_id in texts and output.persona_key == persona_key(texts[output.pair_id])
        }

    def tasks(self) -> Iterator[Task]:
        for sides, _ in self.matches():
            if sides is not None:
                base, test = sides
                for metric in self.metrics:
                    for order in ORDERS:
                        key = [self.dataset, self.split, test.pair.key, test.persona_key or "none", metric, order]
                        yield Task("/".join(key), (base, test, metric, order))

    def stored(self, tasks: Sequence[Task]) -> set[str]:
        found = Judgement.objects.filter(
            judge=self.system, rubric=self.rubric, test__in={task.row[1].pk for task in tasks}
        )
        known = set(found.order_by().values_list("base_id", "test_id", "metric", "order"))
        rows = ((task.key, *task.row) for task in tasks)
        return {key for key, base, test, metric, order in rows if (base.pk, test.pk, metric, order) in known}

    def request(self, task: Task) -> GenerationRequest:
        base, test, metric, order = task.row
        first, second = (base, test) if order == Judgement.Order.BASE_FIRST else (test, base)
        persona = persona_as_data(test.persona) if metric == PERSONALIZATION else ""
        prompt = test.pair.prompt
        rendered = render_judgement(
            self.format, metric=metric, profile=self.profile, prompt=prompt, responses=(first.text, second.text),
            persona=persona,
        )  # fmt: skip
        shared = len(judgement_opening(self.format, metric=metric, profile=self.profile))
        return GenerationRequest(rendered=rendered, prompt=prompt, persona=persona, shared=shared)

    def store(self, *, run: Run, made: Sequence[tuple[Task, Generation]]) -> None:
        Judgement.objects.bulk_create([self._judgement(run, task, generation) for task, generation in made])

    def _judgement(self, run: Run, task: Task, generation: Generation) -> Judgement:
        base, test, metric, order = task.row
        verdict = parse_verdict(generation.text, is_cut=generation.finish_reason == "length")
        return Judgement(
            base=base, test=test, metric=metric, order=order, judge=self.system, rubric=self.rubric,
            verdict=verdict.value, reason=verdict.reason, generation=generation, run=run,
        )  # fmt: skip


def judge(
    *, dataset: str, split: str, base: str, base_source: str, test: str, source: str, judge: str,
    metrics: Sequence[str], format: str, origin: Origin, profile: str = "",
) -> Judge:  # fmt: skip
    """Return the stage that compares the outputs of two systems; "" as `base_source` means the source of the test.

    Raises ServiceError for names that are not known, a judge that cannot answer, a system compared with itself for the
    same personas, personalization without a persona to show, and a system whose files are others than those that made
    its outputs.
    """
    (split,) = splits_of(dataset, [split])
    judging, base_source = system_named(judge), base_source or source
    check_can_be_asked(judging, task="judge")
    if (base, base_source) == (test, source):
        raise ServiceError(f"{base} with personas {source} would be compared with itself; name another base or source.")
    if source == PersonaSource.NONE and PERSONALIZATION in metrics:
        raise ServiceError(
            "The test system is given no persona, so there is none by which personalization could be judged. Make the "
            "system with personas the test and the other the base, or judge --metric quality alone."
        )
    chosen_profile = profile_of(profile or dataset)
    sides = system_named(base), system_named(test)
    for side in dict.fromkeys(sides):
        _check_made_by(side)
    asked = [metric for metric in METRICS if metric in metrics]
    return Judge(
        dataset, split, sides[0], base_source, sides[1], source, judging, asked, format, chosen_profile, origin
    )


def _check_made_by(system: System) -> None:
    """Raise ServiceError if another model stands now where the one stood that made the stored outputs.

    A model that is gone is no obstacle: its outputs stay, and a machine that judges needs none of the models judged.
    """
    settings = engine_settings(system)
    if present_fingerprint(system) != system.fingerprint and Path(settings.adapter or settings.model).exists():
        raise ServiceError(
            f"The outputs of {system.name} were made under other conditions: its files have changed since it was "
            "registered. Restore them, or register what they are now under another name, and generate and judge that."
        )


def _stages(wanted: JudgeOptions, reporting: Reporting) -> list[Judge]:
    stage = judge(
        dataset=wanted.dataset,
        split=wanted.split,
        base=wanted.base,
        base_source=wanted.base_persona,
        test=wanted.test,
        source=wanted.persona,
        judge=wanted.judge,
        metrics=wanted.metric,
        format=wanted.rubric,
        origin=wanted.origin,
        profile=wanted.profile,
    )
    found = Counter(reason for _, reason in stage.matches())
    if not found[""]:
        raise ServiceError(
            f"No pair of {stage.dataset}/{stage.split} can be judged: {found[EXCLUDED]} excluded, {found[NO_TEST]} "
            f"without an output of {stage.test} ({stage.source}), {found[NO_BASE]} without one of {stage.base} "
            f"({stage.base_source}); see generate."
        )
    reporting.say(
        f"{found['']} pairs have both outputs. Left out: {found[EXCLUDED]} excluded, {found[NO_TEST]} without "
        f"an output of the test, {found[NO_BASE]} without one of the base for the same persona, {found[NO_PROMPT]} "
        "without a prompt."
    )
    return [stage]


STAGE = engine_stage(
    name=Judge.name,
    summary="Ask a judge, in both orders, which of two systems' outputs for the same pairs is better.",
    unit="verdicts",
    parameters=JudgeOptions,
    stages=_stages,
)
