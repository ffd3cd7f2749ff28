"""Let a judge say which of two systems' outputs for the same pairs is better, in quality and in personalization.

Each question is put in both orders, so that a judge's liking for the first or the last cannot pass for an opinion.
Source of the measures: Balepur et al., "Whose Boat Does it Float?" (ACL 2025), section on evaluation.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from annotation.errors import ServiceError
from modelhub.engines import IMPORTED
from modelhub.engines.base import GenerationRequest
from modelhub.models import Generation, Judgement, PairOutput, PersonaSource, Run, System
from modelhub.profiles import DatasetProfile
from modelhub.prompting.output_judging import DIRECT, METRICS, PERSONALIZATION, RUBRICS, render_judgement
from modelhub.prompting.persona_text import persona_as_data
from modelhub.prompting.verdicts import parse_verdict
from modelhub.queries.datasets import splits_of, system_named
from modelhub.queries.persona_sources import Origin, persona_key, source_texts
from modelhub.runs.parameters import BatchOptions, Option
from modelhub.runs.rows import Task, engine_stage
from modelhub.runs.stage import Reporting
from modelhub.stages.shared.parameters import OfOrigin, OfSplit
from modelhub.stages.shared.profiles import profile_digest, profile_of
from modelhub.systems.registering import engine_settings, present_fingerprint

# Judges explain themselves before they decide.
DECODING = {"max_new_tokens": 1024, "min_new_tokens": 1, "temperature": 0.0, "stop": []}
ORDERS = tuple(Judgement.Order.values)


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


@dataclass(frozen=True)
class Matchup:
    """The outputs to be judged, pair by pair (base, test), and how many pairs are left out, and why."""

    outputs: Sequence[tuple[PairOutput, PairOutput]]
    excluded: int
    no_base: int
    no_test: int
    no_prompt: int


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
    matchup: Matchup
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

    def tasks(self) -> Iterator[Task]:
        made = Judgement.objects.filter(
            judge=self.system, rubric=self.rubric, base__system=self.base, test__system=self.test
        )
        known = set(made.order_by().values_list("base_id", "test_id", "metric", "order"))
        for base, test in self.matchup.outputs:
            for metric in self.metrics:
                for order in ORDERS:
                    if (base.pk, test.pk, metric, order) not in known:
                        pair = test.pair
                        key = [pair.dataset, pair.split, pair.key, test.persona_key or "none", metric, order]
                        yield Task("/".join(key), (base, test, metric, order))

    def request(self, task: Task) -> GenerationRequest:
        base, test, metric, order = task.row
        first, second = (base, test) if order == Judgement.Order.BASE_FIRST else (test, base)
        persona = persona_as_data(test.persona) if metric == PERSONALIZATION else ""
        prompt = test.pair.prompt
        rendered = render_judgement(
            self.format, metric=metric, profile=self.profile, prompt=prompt, responses=(first.text, second.text),
            persona=persona,
        )  # fmt: skip
        return GenerationRequest(rendered=rendered, prompt=prompt, persona=persona)

    def store(self, *, run: Run, task: Task, generation: Generation) -> None:
        verdict = parse_verdict(generation.text)
        Judgement.objects.create(
            **self._key(task), verdict=verdict.value, reason=verdict.reason, generation=generation, run=run
        )

    def is_stored(self, task: Task) -> bool:
        return Judgement.objects.filter(**self._key(task)).exists()

    def _key(self, task: Task) -> dict[str, Any]:
        base, test, metric, order = task.row
        return {
            "base": base, "test": test, "metric": metric, "order": order, "judge": self.system, "rubric": self.rubric,
        }  # fmt: skip


def judge(
    *, dataset: str, split: str, base: str, base_source: str, test: str, source: str, judge: str,
    metrics: Sequence[str], format: str, origin: Origin, profile: str = "",
) -> Judge:  # fmt: skip
    """Return the stage that compares the outputs of two systems; "" as `base_source` means the source of the test.

    Raises ServiceError for names that are not known, a judge that cannot answer, a system compared with itself for the
    same personas, personalization without a persona to show, a system whose files are others than those that made its
    outputs, and where no pair has both outputs.
    """
    (split,) = splits_of(dataset, [split])
    judging, base_source = system_named(judge), base_source or source
    if judging.engine == IMPORTED:
        raise ServiceError(f"{judging.name} has imported texts only: it can judge nothing. Register a model.")
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
    matchup = _matchup(dataset, split, sides, (base_source, source), chosen_profile, origin)
    if not matchup.outputs:
        raise ServiceError(
            f"No pair of {dataset}/{split} can be judged: {matchup.excluded} excluded, {matchup.no_test} without an "
            f"output of {test} ({source}), {matchup.no_base} without one of {base} ({base_source}); see generate."
        )
    asked = [metric for metric in METRICS if metric in metrics]
    return Judge(
        dataset, split, sides[0], base_source, sides[1], source, judging, asked, format, chosen_profile, matchup
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


def _matchup(
    dataset: str, split: str, systems: tuple[System, System], sources: tuple[str, str], profile: DatasetProfile,
    origin: Origin,
) -> Matchup:  # fmt: skip
    """Return the outputs of the same pairs. Systems given a persona from the same source must have had the same one."""
    base_outputs, test_outputs = (
        _meant(_outputs(dataset, split, system, source), dataset, split, source, profile, origin)
        for system, source in zip(systems, sources, strict=True)
    )
    found, left_out = [], Counter[str]()
    for pair in {**test_outputs, **base_outputs}:
        test, base = test_outputs.get(pair), base_outputs.get(pair)
        if test is None:
            left_out["no_test"] += 1
        elif base is None or (sources[0] == sources[1] and base.persona_key != test.persona_key):
            left_out["no_base"] += 1
        elif base.excluded_reason or test.excluded_reason:
            left_out["excluded"] += 1
        elif not profile.clean_prompt(test.pair.prompt).strip():
            left_out["no_prompt"] += 1
        else:
            found.append((base, test))
    found.sort(key=lambda sides: (sides[1].pair.row, sides[1].pk))
    return Matchup(found, **{name: left_out[name] for name in ("excluded", "no_base", "no_test", "no_prompt")})


def _outputs(dataset: str, split: str, system: System, source: str) -> list[PairOutput]:
    stored = PairOutput.objects.filter(pair__dataset=dataset, pair__split=split, system=system, source=source)
    return list(stored.select_related("pair"))


def _meant(
    outputs: Sequence[PairOutput], dataset: str, split: str, source: str, profile: DatasetProfile, origin: Origin
) -> Mapping[int, PairOutput]:
    """Return one output per pair, by its id: where there are several, that for the persona of `origin`."""
    if len({output.pair_id for output in outputs}) == len(outputs) and origin == Origin():
        return {output.pair_id: output for output in outputs}
    texts = source_texts(dataset, split, source, profile=profile, origin=origin).texts
    return {
        output.pair_id: output
        for output in outputs
        if output.pair_id in texts and output.persona_key == persona_key(texts[output.pair_id])
    }


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
    found = stage.matchup
    reporting.say(
        f"{len(found.outputs)} pairs have both outputs. Left out: {found.excluded} excluded, {found.no_test} without "
        f"an output of the test, {found.no_base} without one of the base for the same persona, {found.no_prompt} "
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
