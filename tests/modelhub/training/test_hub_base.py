"""A base that is named on the Hub and lies in its cache."""

import shutil
from io import StringIO
from pathlib import Path

import pytest

from modelhub.models import Run
from modelhub.pipeline_results.training_summary import training_summary
from modelhub.training.job import SFT
from modelhub.training.manifest import hub_revision, read_manifest
from modelhub.training.merge import merge_adapter
from modelhub.training.sft import train_sft
from modelhub.training.trainer import Watch
from tests.modelhub.training.making import make_job
from tests.modelhub.training.stored import store_pairs, train

NAME, COMMIT = "tiny/llama", "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cached(tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Hub's cache with the tiny model in it, as a download leaves it, and no Hub to be reached."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folder = tmp_path / "cache" / "models--tiny--llama"
    shutil.copytree(tiny_llama, folder / "snapshots" / COMMIT)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    return folder


def test_the_commit_of_a_base_on_the_hub_is_kept_with_what_was_trained_and_merged(cached: Path, tmp_path: Path) -> None:
    job = make_job(SFT, Path(NAME), tmp_path / "sft", "sft.epochs=1")
    train_sft(job, Watch())
    merge_adapter(tmp_path / "sft", tmp_path / "merged")
    for folder in ("sft", "merged"):
        base = read_manifest(tmp_path / folder)["base"]
        assert base == {"name": NAME, "digest": f"hub:{NAME}", "revision": COMMIT}


@pytest.mark.django_db
def test_the_run_of_a_training_names_the_commit_of_its_base(cached: Path, tmp_path: Path) -> None:
    store_pairs()
    train("train_sft", base=NAME, out=str(tmp_path / "sft"), set=["sft.epochs=1"], stdout=StringIO())
    arguments = Run.objects.get(stage="train_sft").arguments
    assert (arguments["base"], arguments["base_revision"]) == (NAME, COMMIT)


def test_a_folder_and_a_model_that_was_never_fetched_have_no_commit(cached: Path, tiny_llama: Path) -> None:
    assert hub_revision(NAME) == COMMIT
    assert hub_revision("tiny/other") == hub_revision(str(tiny_llama)) == ""


def test_the_page_of_a_run_names_the_commit_of_its_base() -> None:
    assert dict(training_summary({"base": NAME, "base_revision": COMMIT}, None))["Base"] == f"{NAME} at {COMMIT}"
    assert dict(training_summary({"base": "/models/llama", "base_revision": ""}, None))["Base"] == "/models/llama"
