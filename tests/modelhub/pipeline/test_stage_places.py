"""Where the stages of a pipeline's file are answered."""

from pathlib import Path

import pytest

from annotation.errors import ServiceError
from modelhub.pipeline.config import read_pipeline
from modelhub.pipeline.inferring import infer_step
from tests.tools import smoke

CONFIG = smoke.FOLDER / "smoke.toml"


def test_a_stage_of_the_file_can_be_answered_on_ray_but_not_in_a_folder_that_nobody_waits_for(
    db: None, tmp_path: Path
) -> None:
    head = CONFIG.read_text(encoding="utf-8")
    (tmp_path / "p.toml").write_text(head + '[stages.infer_personas]\non = "ray:10.0.0.1:6379"\n', encoding="utf-8")
    (wanted,) = infer_step(read_pipeline(tmp_path / "p.toml", {})).parameters()
    assert wanted.stored()["on"] == "ray:10.0.0.1:6379"
    (tmp_path / "p.toml").write_text(head + '[stages.infer_personas]\non = "folder"\n', encoding="utf-8")
    with pytest.raises(ServiceError, match=r"stages.infer_personas.on: .* nothing here waits for"):
        infer_step(read_pipeline(tmp_path / "p.toml", {})).parameters()
