"""Systems that answer untrained beside those that a pipeline trains: registered, asked, judged and bound."""

import re
import shutil
from pathlib import Path

import pytest

from annotation.errors import ServiceError
from annotation.models import Study, User
from modelhub.models import ArmBinding, ExemplarPool, Judgement, PairOutput, System
from modelhub.pipeline.comparing import DraftStudy, RegisterPrompted, filter_step, generate_step, judge_step
from modelhub.pipeline.config import Pipeline, read_pipeline
from modelhub.pipeline.inferring import RegisterSystems, import_step, infer_step
from modelhub.pipeline.plan import pipeline_steps
from modelhub.runs.stage import Remaining, Reporting
from modelhub.systems.registering import system_register
from tests.modelhub.pair_rows import picking_script
from tests.tools import smoke

pytestmark = pytest.mark.django_db
PROMPTED = """
[[prompted]]
name = "rubric"
engine = "scripted"
model = "picks.yaml"
procedure = "rubric"
decoding = { style = "pick" }

[[prompted]]
name = "near"
engine = "scripted"
model = "picks.yaml"
procedure = "retrieved-exemplars"
exemplars = "dpo_train"
shots = 2
decoding = { style = "pick" }
"""


def read(folder: Path, prompted: str = PROMPTED) -> Pipeline:
    """Return the rehearsal's pipeline without retrieved personas, with prompted systems and a study of four arms."""
    text = (smoke.FOLDER / "smoke.toml").read_text(encoding="utf-8")
    text = text.replace('"retrieved_chosen", ', "").replace("retrieved_chosen", "gold_chosen")
    for name in ("script.yaml", "judge.yaml"):
        shutil.copy(smoke.FOLDER / name, folder / name)
    shutil.copytree(smoke.FOLDER / "pairs", folder / "pairs", dirs_exist_ok=True)
    study = (smoke.FOLDER / "study.yaml").read_text(encoding="utf-8")
    study = re.sub(r"(?ms)^practice:.*?(?=^\w|\Z)", "", re.sub(r"(?m)^arms: 2$", "arms: 4", study))
    (folder / "study.yaml").write_text(study, encoding="utf-8")
    picking_script(folder, "Fine.", "Short and kind, as you like it.", "First, breathe.")
    (folder / "pipeline.toml").write_text(text + prompted, encoding="utf-8")
    return read_pipeline(folder / "pipeline.toml", {"training.base": "some/model"})


def inferred(pipeline: Pipeline) -> None:
    """Do what comes before, and register something in the place of the trained systems."""
    for step in (import_step(pipeline), RegisterSystems(pipeline), infer_step(pipeline)):
        step.run(Reporting())
    for name in pipeline.system_names.values():
        system_register(
            name=name, engine="scripted", model=pipeline.prompted[0].model, persona_style="field",
            decoding={"style": "pick"},
        )  # fmt: skip


def test_prompted_systems_are_registered_once_and_anew_when_the_file_says_otherwise(tmp_path: Path) -> None:
    pipeline = read(tmp_path)
    inferred(pipeline)
    step = RegisterPrompted(pipeline)
    assert step.remaining() == Remaining(2, 0)
    assert not ExemplarPool.objects.exists()
    step.run(Reporting())
    assert step.remaining() == Remaining(0, 2)
    near = System.objects.get(name="near")
    assert near.procedure | {"pool": ""} == {
        "name": "retrieved-exemplars", "version": "1", "from": "smoke/dpo_train", "persona": "chosen", "shots": 2,
        "pool": "",
    }  # fmt: skip
    assert RegisterPrompted(read(tmp_path, PROMPTED.replace("shots = 2", "shots = 3"))).remaining() == Remaining(1, 1)


def test_they_answer_are_judged_against_the_plain_arm_and_stand_behind_arms(tmp_path: Path) -> None:
    pipeline = read(tmp_path)
    inferred(pipeline)
    RegisterPrompted(pipeline).run(Reporting())
    for step in (generate_step(pipeline), filter_step(pipeline)):
        step.run(Reporting())
        assert step.remaining().left == 0
    made = PairOutput.objects.filter(source="gold_chosen")
    assert {made.filter(system__name=name).count() for name in pipeline.answering} == {8}
    assert pipeline.judge is not None and pipeline.study is not None
    judge_step(pipeline, pipeline.judge).run(Reporting())
    plain = pipeline.system_names["plain"]
    judged = Judgement.objects.filter(base__system__name=plain, base__source="gold_chosen")
    assert set(judged.values_list("test__system__name", flat=True)) == set(pipeline.answering) - {plain}
    DraftStudy(pipeline, pipeline.study, User.objects.create(username="researcher")).run(Reporting())
    bound = ArmBinding.objects.filter(arm__study=Study.objects.get()).order_by("arm__ordinal")
    assert list(bound.values_list("system__name", flat=True)) == pipeline.answering


def test_the_step_is_there_only_where_systems_are_prompted(tmp_path: Path) -> None:
    def names(prompted: str) -> list[str]:
        return [step.name for step in pipeline_steps(read(tmp_path, prompted), owner=None)]

    with_them, without = names(PROMPTED), names("")
    assert with_them.index("register the prompted systems") < with_them.index("generate outputs")
    assert set(with_them) - set(without) == {"register the prompted systems"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('procedure = "rubric"', 'procedure = "magic"'), "prompted.0.procedure"),
        (('name = "near"', 'name = "rubric"'), "two systems have one name among"),
        (('procedure = "rubric"', 'procedure = "rubric"\npersona_style = "none"'), "rubric: rubric starts from the"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    with pytest.raises(ServiceError, match=says):
        read(tmp_path, PROMPTED.replace(*change))
