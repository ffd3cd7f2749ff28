"""The pipeline in one go: its file, its plan, stopping with a reason, and going on after a kill."""

import json
import shutil
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from annotation.errors import ServiceError
from annotation.models import Output, Study, User
from modelhub.engines.base import GenerationFailure, GenerationRequest
from modelhub.engines.digests import MANIFEST
from modelhub.engines.scripted import ScriptedEngine
from modelhub.models import (
    Generation,
    InferredPersona,
    Judgement,
    PairOutput,
    PersonaCheck,
    PreferencePair,
    RetrievedPersona,
    Run,
    System,
    TrainingLog,
)
from modelhub.pipeline.comparing import RegisterTrained, filter_step, judge_step, model_folder
from modelhub.pipeline.config import PLAIN, TAILORED, Pipeline, read_pipeline
from modelhub.pipeline.inferring import RegisterSystems, import_step, infer_step
from modelhub.queries.judgements import judged_results
from modelhub.queries.persona_sources import persona_key
from modelhub.runs.stage import Remaining, Reporting
from modelhub.training.job import DPO
from tests.tools import smoke
from tests.tools.processes import ProjectProcess, wait_until

CONFIG = smoke.FOLDER / "smoke.toml"


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create(username="researcher")


@pytest.fixture
def base(tmp_path: Path) -> str:
    """A folder that looks like a base model, as far as anybody looks before training."""
    folder = tmp_path / "base"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_text("{}", encoding="utf-8")
    return str(folder)


def gold_only(folder: Path, **sections: str) -> Path:
    """Write the rehearsal's file without what needs a ColBERT checkpoint, with other lines in some sections."""
    text = CONFIG.read_text(encoding="utf-8")
    text = text.replace('"retrieved_chosen", ', "").replace("retrieved_chosen", "gold_chosen")
    for section, lines in sections.items():
        text = text.replace(f"[{section}]", f"[{section}]\n{lines}")
    for name in ("pairs", "script.yaml", "judge.yaml", "study.yaml"):
        source = smoke.FOLDER / name
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(source, folder / name)
    (folder / "pipeline.toml").write_text(text, encoding="utf-8")
    return folder / "pipeline.toml"


def reproduce(config: Path, **options: Any) -> str:
    out = StringIO()
    call_command("reproduce", config=config, stdout=out, **options)
    return out.getvalue()


def test_every_mistake_in_the_file_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        'name = "Big Name"\ndataset = "d"\nfiles = []\ntypo = 1\n[inferring]\nname = "x"\n[training]\n'
        'personas = "none"\n[generation]\nsources = ["gold"]\n',
        encoding="utf-8",
    )
    with pytest.raises(ServiceError) as error:
        read_pipeline(tmp_path / "p.toml", {})
    told = str(error.value)
    for place in ("name:", "files:", "typo: is not known", "training.base: is missing", "training.personas:"):
        assert f"- {place}" in told, told
    assert "generation.sources.0" in told


@pytest.mark.parametrize(("name", "section"), [("training.base", "training"), ("retrieval.checkpoint", "retrieval")])
@pytest.mark.parametrize("line", ['{} = "b"', "{} = [1]", "[[{}]]\nbase = 'b'"])
def test_what_stands_where_a_table_should_is_named_whatever_is_put_over_it(
    tmp_path: Path, name: str, section: str, line: str
) -> None:
    (tmp_path / "p.toml").write_text(line.format(section) + "\n", encoding="utf-8")
    with pytest.raises(ServiceError, match=f"- {section}: must be a table"):
        read_pipeline(tmp_path / "p.toml", {name: "other"})


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('[generation]\nsources = ["none"]', "generation.sources: both arms are given personas"),
        ('[generation]\nsources = ["gold_chosen"]\n[study]\nfile = "s.yaml"', "retrieved_chosen is not among"),
        (
            '[generation]\nsources = ["system"]\n[study]\nfile = "s.yaml"\nsource = "system"',
            "persona of their own pair",
        ),
        ("[training.sft]\nepochs = 2", "training.sft: is not known"),
        (
            'persona_quality = "checked"\n[judge]\nname = "j"\ncheck_splits = ["test", "sft_train", "sft_val"]',
            "checked needs judge.check_splits with dpo_train, dpo_val too",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(tmp_path: Path, lines: str, told: str) -> None:
    head = 'name = "n"\ndataset = "d"\nfiles = ["f"]\n[inferring]\nname = "x"\n[training]\nbase = "b"\n'
    (tmp_path / "p.toml").write_text(head + lines, encoding="utf-8")
    with pytest.raises(ServiceError, match=told):
        read_pipeline(tmp_path / "p.toml", {})


def test_a_wrong_recipe_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="dpo.typo: is not known"):
        read_pipeline(gold_only(tmp_path, training='settings = ["dpo.typo=1"]'), {})


def test_paths_are_meant_from_the_file_and_options_go_before_it(tmp_path: Path) -> None:
    pipeline = read_pipeline(gold_only(tmp_path), {"dataset": "other", "training.base": "some/model"})

    assert pipeline.files == (str(tmp_path / "pairs"),)
    assert pipeline.inferring.model == str(tmp_path / "script.yaml")
    assert (pipeline.dataset, pipeline.training.base, pipeline.profile) == ("other", "some/model", "beavertails")


def test_the_example_to_start_from_can_be_read() -> None:
    pipeline = read_pipeline(smoke.FOLDER / "pipeline.toml", {})

    assert pipeline.recipe().dpo.beta == 0.1
    assert pipeline.system_names == {"plain": "beavertails DPO", "tailored": "beavertails PT-DPO"}


def test_the_plan_counts_what_it_can_and_does_nothing(owner: User, base: str, tmp_path: Path) -> None:
    told = reproduce(gold_only(tmp_path), base=base, plan=True)

    assert "1. import the preference pairs: 44 of 44 pairs to make" in told
    assert "3. infer personas: after the steps before" in told
    assert "retrieve" not in told
    assert "draft the study: 1 of 1 studies to make" in told
    assert (PreferencePair.objects.count(), System.objects.count(), Run.objects.count()) == (0, 0, 0)


def test_what_would_stop_a_later_step_is_said_before_the_first(db: None, tmp_path: Path) -> None:
    config = gold_only(tmp_path)
    (tmp_path / "study.yaml").unlink()
    with pytest.raises(CommandError) as error:
        reproduce(config, base="/no/such/folder", plan=True)

    told = str(error.value)
    assert "/no/such/folder" in told
    assert "study.yaml" in told
    assert "--owner" in told
    assert Run.objects.count() == 0


def test_files_without_a_needed_split_are_refused(owner: User, base: str, tmp_path: Path) -> None:
    config = gold_only(tmp_path)
    (tmp_path / "pairs" / "dpo_val.jsonl").unlink()
    with pytest.raises(CommandError, match="there is no split dpo_val"):
        reproduce(config, base=base, plan=True)


def test_a_step_that_cannot_go_on_stops_the_rest_and_what_was_made_stays(
    owner: User, base: str, tmp_path: Path
) -> None:
    config = gold_only(tmp_path)
    with pytest.raises(CommandError, match=r"Step 5 of 13, train the plain arm by SFT: (.|\n)*goes on from here"):
        reproduce(config, base=base)  # a base without weights or a real tokenizer

    assert (InferredPersona.objects.count(), PersonaCheck.objects.count()) == (88, 32)
    assert not PairOutput.objects.exists()
    told = reproduce(config, base=base, plan=True)
    assert "3. infer personas: done (88 personas)" in told
    assert "4. check personas: done (32 verdicts)" in told


def test_an_engine_that_breaks_down_stops_the_pipeline_with_its_reason(owner: User, base: str, tmp_path: Path) -> None:
    config = gold_only(tmp_path)
    config.write_text(
        config.read_text(encoding="utf-8").replace('style = "pick" }', 'style = "pick", fail_on = "melon" }', 1),
        encoding="utf-8",
    )
    with pytest.raises(CommandError, match="infer personas.*this prompt fails"):
        reproduce(config, base=base)

    assert not PersonaCheck.objects.exists()


def test_rows_that_fail_stop_the_pipeline_and_are_tried_again(
    owner: User, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def generate(self: ScriptedEngine, requests: Sequence[GenerationRequest]) -> list[Any]:
        made = real(self, requests)
        return [
            GenerationFailure("No answer.") if "melon" in request.prompt else one
            for request, one in zip(requests, made, strict=True)
        ]

    real, config = ScriptedEngine.generate, gold_only(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(ScriptedEngine, "generate", generate)
        with pytest.raises(CommandError, match="(?s)infer personas: 2 rows failed.*better another time.*No answer"):
            reproduce(config, base=base)
        assert (InferredPersona.objects.count(), PersonaCheck.objects.count()) == (86, 0)
        with pytest.raises(CommandError, match="train the plain arm"):
            reproduce(config, base=base, allow_failed=True)
    assert (InferredPersona.objects.count(), PersonaCheck.objects.count()) == (86, 32)

    with pytest.raises(CommandError, match="train the plain arm"):
        reproduce(config, base=base)
    assert (InferredPersona.objects.count(), PersonaCheck.objects.count()) == (88, 32)


def test_finished_steps_are_not_run_again(owner: User, base: str, tmp_path: Path) -> None:
    config = gold_only(tmp_path)
    for _ in range(2):
        with pytest.raises(CommandError, match="train the plain arm"):
            reproduce(config, base=base)

    for stage in ("import_preferences", "infer_personas", "check_personas"):
        assert Run.objects.filter(stage=stage).count() == 1, stage


def test_a_file_that_has_grown_is_imported_again(owner: User, base: str, tmp_path: Path) -> None:
    pipeline = read_pipeline(gold_only(tmp_path), {"training.base": base})
    step = import_step(pipeline)
    step.run(Reporting())
    assert step.remaining() == Remaining(0, 44)

    row = {"prompt": "How do I oil a lock?", "chosen": "With graphite.", "rejected": "Ask a locksmith."}
    with (tmp_path / "pairs" / "test.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    assert step.remaining() == Remaining(1, 44)
    step.run(Reporting())
    assert (step.remaining(), PreferencePair.objects.count()) == (Remaining(0, 45), 45)


def test_loops_are_looked_for_again_once_there_are_new_outputs(owner: User, base: str, tmp_path: Path) -> None:
    pipeline = read_pipeline(gold_only(tmp_path), {"training.base": base})
    import_step(pipeline).run(Reporting())
    _outputs(pipeline, PreferencePair.objects.filter(split="test")[:2])
    pipeline = pipeline.model_copy(update={"generation": pipeline.generation.model_copy(update={"generic": False})})
    step = filter_step(pipeline)
    assert step.remaining() == Remaining(0, 4)

    _outputs(pipeline, PreferencePair.objects.filter(split="test")[2:3], text="round and round it goes " * 20)
    assert step.remaining() == Remaining(2, 4)
    step.run(Reporting())
    assert step.remaining() == Remaining(0, 6)
    assert PairOutput.objects.exclude(excluded_reason="").count() == 2


def test_what_infers_is_registered_anew_when_the_file_names_another_model(
    owner: User, base: str, tmp_path: Path
) -> None:
    config = gold_only(tmp_path)
    step = RegisterSystems(read_pipeline(config, {"training.base": base}))
    step.run(Reporting())
    assert step.remaining() == Remaining(0, 2)

    shutil.copy(tmp_path / "script.yaml", tmp_path / "other.yaml")
    config.write_text(config.read_text(encoding="utf-8").replace('"script.yaml"', '"other.yaml"'), encoding="utf-8")
    step = RegisterSystems(read_pipeline(config, {"training.base": base}))
    assert step.remaining() == Remaining(1, 1)
    step.run(Reporting())
    assert (step.remaining(), System.objects.filter(model__endswith="other.yaml").count()) == (Remaining(0, 2), 1)


def test_trained_systems_that_the_file_describes_otherwise_now_are_refused(
    owner: User, tiny_llama: Path, tiny_adapters: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "VAR_DIR", tmp_path / "var")
    config = gold_only(tmp_path)
    pipeline = read_pipeline(config, {"training.base": str(tiny_llama)})
    for (arm, personas), adapter in zip(
        {PLAIN: "none", TAILORED: "chosen"}.items(), tiny_adapters.values(), strict=True
    ):
        folder = model_folder(pipeline, DPO, arm)
        shutil.copytree(adapter, folder)
        manifest = {"kind": DPO, "base": {"name": str(tiny_llama)}, "data": {"personas": personas}}
        (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    step = RegisterTrained(pipeline)
    assert step.remaining() == Remaining(2, 0)
    step.run(Reporting())
    assert step.remaining() == Remaining(0, 2)

    import_step(pipeline).run(Reporting())
    run = Run.objects.get(stage="import_preferences")
    for system in System.objects.all():
        Generation.objects.create(run=run, system=system, text="x", rendered_prompt="x", finish_reason="stop")
    text = config.read_text(encoding="utf-8").replace("max_new_tokens = 60", "max_new_tokens = 47")
    config.write_text(text, encoding="utf-8")
    step = RegisterTrained(read_pipeline(config, {"training.base": str(tiny_llama)}))
    assert step.remaining() == Remaining(2, 0)
    with pytest.raises(ServiceError, match="this would change: decoding"):
        step.run(Reporting())


def test_both_arms_are_judged_against_the_generic_answers_too(owner: User, base: str, tmp_path: Path) -> None:
    pipeline = read_pipeline(gold_only(tmp_path), {"training.base": base})
    assert pipeline.judge is not None and pipeline.generation.generic
    import_step(pipeline).run(Reporting())
    RegisterSystems(pipeline).run(Reporting())
    infer_step(pipeline).run(Reporting())
    pairs = PreferencePair.objects.filter(split="test")[:3]
    _outputs(pipeline, pairs)
    for output in PairOutput.objects.all():
        inferred = InferredPersona.objects.get(pair=output.pair, direction="chosen").text
        PairOutput.objects.filter(pk=output.pk).update(persona=inferred, persona_key=persona_key(inferred))
    generic = System.objects.get(name=pipeline.system_names[PLAIN])
    run = Run.objects.get(stage="import_preferences")
    for pair, text in zip(pairs, ["Fine.", "Fine.", "round and round it goes " * 20], strict=True):
        PairOutput.objects.create(system=generic, pair=pair, source="none", text=text, run=run)
    assert filter_step(pipeline).remaining() == Remaining(1, 8)
    filter_step(pipeline).run(Reporting())

    step = judge_step(pipeline, pipeline.judge)
    # Four verdicts for each pair of outputs: three pairs between the arms, two that do not loop for each arm.
    assert step.remaining() == Remaining(4 * (3 + 2 + 2), 0)
    step.run(Reporting())
    assert step.remaining() == Remaining(0, 28)
    generic_rows = {row.result.test: row for row in judged_results() if row.result.base_source == "none"}
    assert set(generic_rows) == set(pipeline.system_names.values())
    assert [(generic_rows[name].result.worse or {})["quality"].n for name in pipeline.system_names.values()] == [2, 2]


def _outputs(pipeline: Pipeline, pairs: Any, text: str = "Any answer will do.") -> None:
    run = Run.objects.get(stage="import_preferences")
    for name in pipeline.system_names.values():
        system, _ = System.objects.get_or_create(name=name, defaults={"engine": "imported", "fingerprint": name})
        for pair in pairs:
            PairOutput.objects.create(
                system=system, pair=pair, source="gold_chosen", persona="p", persona_key="0", text=text, run=run
            )


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The rehearsal's base model and ColBERT checkpoint."""
    return smoke.models_ready(tmp_path_factory.mktemp("smoke"))


@pytest.mark.slow
def test_killed_in_training_and_in_generation_it_goes_on_and_makes_nothing_twice(
    transactional_db: None, tiny_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "var").mkdir()
    monkeypatch.setattr(settings, "VAR_DIR", tmp_path / "var")  # the models of other tests are not to be found
    User.objects.create(username="researcher")
    command = ["manage.py", "reproduce", "--config", str(CONFIG), "--base", str(tiny_models["base"]),
               "--checkpoint", str(tiny_models["colbert"]), "--batch-size", "4"]  # fmt: skip
    process = ProjectProcess(command, tmp_path / "log")

    _kill_when(process, lambda: TrainingLog.objects.filter(run__stage="train_dpo").exists(), "DPO")
    trained = set(Run.objects.filter(stage="train_sft", state="finished").values_list("pk", flat=True))
    _kill_when(process, lambda: PairOutput.objects.exists(), "generation")
    made = set(PairOutput.objects.values_list("pk", flat=True))
    assert 0 < len(made) < 40

    process.start()
    assert process.process is not None
    assert process.process.wait(timeout=300) == 0, process.output()
    rows = (PreferencePair, InferredPersona, PersonaCheck, RetrievedPersona, PairOutput, Judgement)
    assert [model.objects.count() for model in rows] == [44, 88, 32, 8, 40, 192]
    assert made <= set(PairOutput.objects.values_list("pk", flat=True))
    # Of every row exactly one answer was asked for and kept: 88 + 32 + 40 + 192, and 16 of them again in the study.
    assert Generation.objects.count() == 352 + 16
    finished = Run.objects.filter(state=Run.State.FINISHED)
    assert finished.filter(stage="infer_personas").count() == 1
    assert trained <= set(finished.filter(stage="train_sft").values_list("pk", flat=True))
    assert (finished.filter(stage="train_sft").count(), finished.filter(stage="train_dpo").count()) == (2, 2)
    assert Run.objects.filter(state=Run.State.LOST).count() == 2
    study = Study.objects.get()
    assert (study.state, Output.objects.filter(arm__study=study).count()) == (Study.State.DRAFT, 16)
    assert {arm.binding.system.engine for arm in study.arms.all()} == {"transformers"}


def _kill_when(process: ProjectProcess, condition: Callable[[], bool], what: str) -> None:
    process.start()
    assert process.process is not None
    running = process.process
    wait_until(lambda: condition() or running.poll() is not None, seconds=240, what=f"The beginning of {what}")
    assert running.poll() is None, process.output()
    process.kill9()
