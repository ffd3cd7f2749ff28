"""However a stage ends, short of a kill, its run is closed with the state and the reason; nothing else starts one."""

import ast
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command

from annotation.models import Study
from annotation.services.studies import study_save
from annotation.studyfile import read_study_file
from modelhub.models import PreferencePair, Run, System
from modelhub.runs.recording import Execution
from modelhub.stages import stage_commands, stage_names
from modelhub.systems.registering import arms_bind, system_register
from tests.annotation.studyfiles import assessment_data, study_data, write
from tests.factories import make_study, make_user
from tests.modelhub.analysis.studies import own_persona_study
from tests.modelhub.live import make_live_study, write_persona
from tests.modelhub.output_rows import make_output
from tests.modelhub.pair_rows import make_pair, make_persona, make_system, picking_script
from tests.modelhub.preference_files import augmented, jsonl
from tests.modelhub.training.stored import store_pairs
from tests.tools.tinycolbert import prompts

pytestmark = pytest.mark.django_db

DATASET = "BeaverTails"
OF_DATASET = ["--dataset", DATASET]
COMMAND_OF = {stage: command for command, stage in stage_commands().items()}
MODELS = {"train_sft", "train_dpo", "index_personas", "retrieve_personas"}  # they train or load a real model


def pairs_with_all_before(folder: Path) -> list[PreferencePair]:
    """Store two pairs with personas, outputs of A and B, of which one loops, and systems that infer and judge."""
    given = make_system("given")
    systems = [make_system(name) for name in "AB"]
    System.objects.filter(name__in="AB").update(persona_style="field")
    script = str(picking_script(folder, "The user is kind and prefers jokes.", "[[A]]"))
    for name in ("scripted", "judge"):
        system_register(name=name, engine="scripted", model=script, persona_style="none", decoding={"style": "pick"})
    pairs = [make_pair(DATASET, "test", row) for row in (1, 2)]
    for pair in pairs:
        text = make_persona(pair, "chosen", given).text
        make_persona(pair, "rejected", given)
        for system in systems:
            loops = "round and round it goes " * 20 if pair.row == 2 else ""
            make_output(pair, system, "gold_chosen", persona=text, text=loops)
    return pairs


def draft(folder: Path, data: dict[str, Any]) -> Study:
    return study_save(definition=read_study_file(write(folder, data)), owner=make_user())


def assessment(folder: Path) -> Study:
    return draft(
        folder,
        assessment_data(preset="persona_assessment_with_pick", show_responses=True, items="imported"),
    )


def rating(folder: Path) -> Study:
    return draft(
        folder,
        study_data(items="imported", design={"given_personas_per_participant": 2, "raters_per_item": 1}, arms=2),
    )


def of_pairs(*options: str) -> Callable[[Path, Any], list[str]]:
    def prepare(folder: Path, request: Any) -> list[str]:
        pairs_with_all_before(folder)
        return [*OF_DATASET, *options]

    return prepare


def importing(folder: Path, request: Any) -> list[str]:
    return [jsonl(folder / "test.jsonl", [augmented(1)]), "--dataset", "Ours"]


def importing_pair_outputs(folder: Path, request: Any) -> list[str]:
    pair = pairs_with_all_before(folder)[0]
    rows = [{"key": pair.key, "text": "An answer from elsewhere."}]
    (folder / "o.jsonl").write_text(json.dumps(rows), encoding="utf-8")
    return [str(folder / "o.jsonl"), *OF_DATASET, "--persona", "none", "--system", "elsewhere", "--allow-unmatched"]


def importing_personas(folder: Path, request: Any) -> list[str]:
    return [assessment(folder).slug, jsonl(folder / "personas.jsonl", [augmented(1)]), "--system", "x"]


def importing_outputs(folder: Path, request: Any) -> list[str]:
    study = make_study(state="draft", given_items=1)
    study.arms.first().outputs.all().delete()
    (folder / "o.jsonl").write_text(
        json.dumps([{"item": study.items.get().key, "text": "Made elsewhere."}]), encoding="utf-8"
    )
    return [study.slug, str(folder / "o.jsonl"), "--arm", "1", "--system", "elsewhere"]


def exporting(folder: Path, request: Any) -> list[str]:
    pairs_with_all_before(folder)
    return [*OF_DATASET, "--out", str(folder / "out")]


def filling_assessment(folder: Path, request: Any) -> list[str]:
    pairs_with_all_before(folder)
    return [assessment(folder).slug, *OF_DATASET]


def filling_rating(folder: Path, request: Any) -> list[str]:
    pairs_with_all_before(folder)
    return [rating(folder).slug, *OF_DATASET]


def analysing(folder: Path, request: Any) -> list[str]:
    return [own_persona_study(participants=3, items=2).slug, "--out", str(folder / "report")]


def bringing_outputs(folder: Path, request: Any) -> list[str]:
    pairs_with_all_before(folder)
    study = rating(folder)
    arms_bind(study=study, bindings={"1": "A", "2": "B"})
    return [study.slug, *OF_DATASET, "--persona", "gold_chosen"]


def making(folder: Path, request: Any) -> list[str]:
    study = make_study(state="draft", given_items=1)
    for arm in study.arms.all():
        arm.outputs.all().delete()
    pairs_with_all_before(folder)
    system_register(
        name="other", engine="scripted", model=str(folder / "picks.yaml"), persona_style="field", decoding={}
    )
    arms_bind(study=study, bindings={"1": "scripted", "2": "other"})
    return [study.slug]


def serving(folder: Path, request: Any) -> list[str]:
    write_persona(make_live_study(folder))
    return ["--once"]


def retrieving(folder: Path, request: Any) -> list[str]:
    request.getfixturevalue("settings").VAR_DIR = folder / "var"
    given = make_system("given")
    for number, text in enumerate(prompts(3), start=1):
        pair = make_pair(DATASET, "sft_train", number, prompt=text)
        for direction in ("chosen", "rejected"):
            make_persona(pair, direction, given)
    make_pair(DATASET, "test", 1, prompt=prompts(1)[0].replace("quickly", "quickly alone"))
    checkpoint = str(request.getfixturevalue("tiny_colbert"))
    return [*OF_DATASET, "--checkpoint", checkpoint, "--search", "test=sft_train"]


def training_sft(folder: Path, request: Any) -> list[str]:
    store_pairs()
    base = str(request.getfixturevalue("tiny_llama"))
    return ["--dataset", "tiny", "--recipe", "tiny", "--base", base, "--out", str(folder / "sft")]


def training_dpo(folder: Path, request: Any) -> list[str]:
    call_command("train_sft", *training_sft(folder, request))
    sft, dpo = str(folder / "sft"), str(folder / "dpo")
    return ["--dataset", "tiny", "--recipe", "tiny", "--sft", sft, "--out", dpo]


PREPARED: dict[str, Callable[[Path, Any], list[str]]] = {
    "add_inferred_personas": filling_assessment,
    "add_outputs_to_rate": bringing_outputs,
    "add_personas_to_rate": filling_rating,
    "analyze": analysing,
    "check_personas": of_pairs("--judge", "judge"),
    "compare_personas": of_pairs("--judge", "judge"),
    "export_augmented": exporting,
    "filter_outputs": of_pairs("--system", "A", "B", "--persona", "gold_chosen"),
    "generate": of_pairs("--system", "scripted", "--persona", "none"),
    "import_outputs": importing_outputs,
    "import_pair_outputs": importing_pair_outputs,
    "import_personas": importing_personas,
    "import_preferences": importing,
    "index_personas": retrieving,
    "infer_personas": of_pairs("--system", "scripted"),
    "judge": of_pairs("--base", "A", "--test", "B", "--persona", "gold_chosen", "--judge", "judge"),
    "make_outputs": making,
    "retrieve_personas": retrieving,
    "serve_outputs": serving,
    "train_dpo": training_dpo,
    "train_sft": training_sft,
}


def test_every_stage_is_tried_below() -> None:
    assert set(PREPARED) == set(stage_names())


def interrupted_by(number: int) -> Callable[..., None]:
    return lambda *given, **named: os.kill(os.getpid(), number)


def broken(*given: Any, **named: Any) -> None:
    raise RuntimeError("broken")


@pytest.mark.usefixtures("unheeded_signals")
@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM", "error"])
@pytest.mark.parametrize(
    "stage", [pytest.param(name, marks=[pytest.mark.slow] if name in MODELS else []) for name in sorted(PREPARED)]
)
def test_a_stage_that_ends_early_closes_its_run_with_the_reason(
    stage: str, ending: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = PREPARED[stage](tmp_path, request)
    monkeypatch.setattr(Execution, "advance", broken if ending == "error" else interrupted_by(signal.Signals[ending]))

    if ending == "error":
        with pytest.raises(RuntimeError, match="broken"):
            call_command(COMMAND_OF[stage], *arguments)
    elif stage in ("serve_outputs", "make_outputs"):
        call_command(COMMAND_OF[stage], *arguments)  # a worker is meant to be stopped so
    else:
        with pytest.raises(CommandError, match="^Stopped") as caught:
            call_command(COMMAND_OF[stage], *arguments)
        assert caught.value.returncode == 130

    run = Run.objects.filter(stage=stage).latest("pk")
    assert run.finished_at is not None
    if ending == "error":
        assert (run.state, run.message.startswith("It ended with an error")) == (Run.State.FAILED, True)
    else:
        assert (run.state, run.message.startswith("Stopped by a signal.")) == (Run.State.STOPPED, True)


@pytest.mark.usefixtures("unheeded_signals")
def test_a_signal_that_comes_while_a_run_is_being_closed_waits_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelhub.runs import recording

    def finish_interrupted(**given: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        finish(**given)

    finish = recording.run_finish
    monkeypatch.setattr(recording, "run_finish", finish_interrupted)
    with pytest.raises(CommandError, match="Stopped"):
        call_command("import_preferences", *importing(tmp_path, None))
    assert Run.objects.get().state == Run.State.FINISHED


def test_runs_are_started_and_finished_by_the_context_manager_alone() -> None:
    allowed = {"modelhub/runs/lifecycle.py", "modelhub/runs/recording.py"}
    offenders = []
    for path in sorted(django_settings.BASE_DIR.glob("modelhub/**/*.py")):
        name = str(path.relative_to(django_settings.BASE_DIR))
        names = {
            node.id for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)
        }
        if names & {"run_start", "run_finish"} and name not in allowed:
            offenders.append(name)
    assert offenders == []
