"""The example that runs the whole pipeline on fetched models."""

from pathlib import Path

from modelhub.pipeline.config import read_pipeline
from modelhub.pretrained.catalogue import MODELS
from tests.tools import smoke


def test_the_example_on_a_real_model_takes_what_can_be_fetched() -> None:
    pipeline = read_pipeline(smoke.FOLDER / "real.toml", {})

    assert pipeline.retrieval is not None and pipeline.judge is not None
    models = [pipeline.inferring.model, pipeline.training.base, pipeline.judge.model, pipeline.retrieval.checkpoint]
    assert {Path(model).name for model in models} == set(MODELS)
    assert all(Path(model).parts[-3:-1] == ("var", "models") for model in models)
