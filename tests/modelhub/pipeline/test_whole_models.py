"""A pipeline whose arms are trained as whole models, without adapters."""

import json
import shutil
from pathlib import Path

import pytest
from django.conf import settings

from annotation.errors import ServiceError
from modelhub.engines.digests import MANIFEST, model_digest
from modelhub.models import System
from modelhub.pipeline.comparing import RegisterTrained, model_folder
from modelhub.pipeline.config import PLAIN, TAILORED, read_pipeline
from modelhub.runs.stage import Remaining, Reporting
from modelhub.training.job import DPO
from tests.modelhub.pipeline.test_reproduce import gold_only


def test_a_recipe_for_whole_models_that_needs_an_adapter_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    wrong = 'settings = ["lora.enabled=false", "quantization.load_in_4bit=true"]'
    with pytest.raises(ServiceError, match="lora.enabled = false trains all weights of the base, so leave out section"):
        read_pipeline(gold_only(tmp_path, training=wrong), {})


def test_an_arm_whose_model_was_trained_as_a_whole_is_registered_by_its_folder(
    db: None, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "VAR_DIR", tmp_path / "var")
    config = gold_only(tmp_path, training='settings = ["lora.enabled=false"]')
    pipeline = read_pipeline(config, {"training.base": str(tiny_llama)})
    folders = {arm: model_folder(pipeline, DPO, arm) for arm in (PLAIN, TAILORED)}
    for arm, personas in {PLAIN: "none", TAILORED: "chosen"}.items():
        shutil.copytree(tiny_llama, folders[arm])
        manifest = {"kind": DPO, "base": {"name": str(tiny_llama)}, "data": {"personas": personas}}
        manifest["model_digest"] = model_digest(str(folders[arm]))
        (folders[arm] / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    step = RegisterTrained(pipeline)
    step.run(Reporting())
    assert step.remaining() == Remaining(0, 2)
    systems = System.objects.filter(name__in=pipeline.system_names.values())
    assert {(one.model, one.adapter) for one in systems} == {(str(folder), "") for folder in folders.values()}
