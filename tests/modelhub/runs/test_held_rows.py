"""Stages hold some rows at a time, however many there are."""

import gc
from pathlib import Path

import pytest

from modelhub.models import InferredPersona, Judgement, PairOutput, PreferencePair, Run, System
from modelhub.queries.persona_sources import Origin, persona_key
from modelhub.runs.engine_stage import EngineStage, Task
from modelhub.runs.lifecycle import run_start
from modelhub.runs.parameters import BatchOptions
from modelhub.runs.rows import run_engine_stage
from modelhub.runs.stage import Reporting
from modelhub.stages.generate import generate
from modelhub.stages.infer_personas import infer_personas
from modelhub.stages.judge import judge
from modelhub.systems.registering import system_register
from tests.modelhub.pair_rows import make_system, picking_script

pytestmark = pytest.mark.django_db
ROWS = 5000
PORTION = 100
HELD = (Task, PreferencePair, InferredPersona, PairOutput, Judgement)


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelhub.queries.portions.PORTION", PORTION)
    monkeypatch.setattr("modelhub.runs.engine_stage._LOOKED_UP", PORTION)


@pytest.fixture
def system(tmp_path: Path) -> System:
    script = picking_script(tmp_path, "The user is busy and prefers brevity. Verdict: A")
    return system_register(
        name="asked", engine="scripted", model=str(script), persona_style="field", decoding={"style": "pick"}
    )


def many_pairs(count: int) -> list[PreferencePair]:
    run = run_start(stage="import_preferences", arguments={})
    return PreferencePair.objects.bulk_create([
        PreferencePair(
            dataset="BeaverTails", split="test", row=row, key=f"{row:012x}", prompt=f"How do I cook {row}?",
            chosen="Slowly.", rejected="Quickly.", sha256=f"{row:064x}", run=run,
        )
        for row in range(1, count + 1)
    ])  # fmt: skip


def persona(pair: PreferencePair, run: Run, system: System) -> InferredPersona:
    text = f"The user is {pair.row} and prefers order."
    return InferredPersona(pair=pair, direction="chosen", system=system, text=text, run=run)


def output(pair: PreferencePair, run: Run, system: System) -> PairOutput:
    text = f"The user is {pair.row} and prefers order."
    return PairOutput(
        pair=pair, system=system, source="gold_chosen", persona=text, persona_key=persona_key(text), text="So.", run=run
    )


def most_held(stage: EngineStage) -> int:
    """Run the stage and return the largest number of rows of all kinds that were held at once, between writes."""
    seen: list[int] = []
    batches = iter(range(ROWS))

    def look(count: int) -> None:
        if next(batches) % 8 == 0:
            gc.collect()
            seen.append(sum(type(one) in HELD for one in gc.get_objects()))

    report = run_engine_stage(stage, BatchOptions(batch_size=50), Reporting(advance=look))
    assert report.done == ROWS and len(seen) > 10
    return max(seen)


def test_inferring_personas_holds_a_bounded_number_of_rows(system: System) -> None:
    many_pairs(ROWS // 2)
    assert most_held(infer_personas(
        dataset="BeaverTails", splits=[], system="asked", directions=["chosen", "rejected"], shots=0
    )) < 10 * PORTION  # fmt: skip


def test_generating_holds_a_bounded_number_of_rows_and_links_every_persona(system: System) -> None:
    inferring, run = make_system(), run_start(stage="infer_personas", arguments={})
    InferredPersona.objects.bulk_create([persona(pair, run, inferring) for pair in many_pairs(ROWS // 2)])
    (stage,) = generate(
        dataset="BeaverTails", split="test", systems=["asked"], sources=["none", "gold_chosen"], origin=Origin()
    )
    assert most_held(stage) < 10 * PORTION
    linked = PairOutput.inferred_personas.through.objects.values_list("pairoutput__pair", "inferredpersona__pair")
    assert len(linked) == ROWS // 2 and all(one == other for one, other in linked)
    assert not PairOutput.objects.filter(source="none", inferred_personas__isnull=False).exists()


def test_judging_holds_a_bounded_number_of_rows(system: System) -> None:
    run, sides = run_start(stage="generate", arguments={}), [make_system(name) for name in ("base", "test")]
    pairs = many_pairs(ROWS // 4)
    PairOutput.objects.bulk_create([output(pair, run, side) for side in sides for pair in pairs])
    del pairs
    assert most_held(judge(
        dataset="BeaverTails", split="test", base="base", base_source="gold_chosen", test="test", source="gold_chosen",
        judge="asked", metrics=["quality", "personalization"], format="direct", origin=Origin(),
    )) < 10 * PORTION  # fmt: skip
