"""Room on the disk and on the GPU is looked at before anything is loaded."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from annotation.errors import ServiceError
from modelhub.training.checks import Sizes, check_disk, check_memory, model_sizes, training_bytes
from modelhub.training.config import load_recipe
from modelhub.training.sft import train_sft
from tests.modelhub.training.making import load, make_job, weights


def test_sizes_come_from_the_configuration_and_are_those_of_the_model(tiny_llama: Path, sft_folder: Path) -> None:
    sizes = model_sizes(str(tiny_llama), load_recipe("tiny").lora)
    model, _ = load(tiny_llama)
    assert sizes.base == sum(one.numel() for one in model.parameters())
    assert sizes.adapter == sum(tensor.numel() for tensor in weights(sft_folder).values())


def test_the_estimate_covers_what_is_written(tiny_llama: Path, sft_folder: Path) -> None:
    written = sum(path.stat().st_size for path in sft_folder.iterdir())
    assert training_bytes(model_sizes(str(tiny_llama), load_recipe("tiny").lora)) > written


def test_a_full_disk_is_noticed_before_anything_is_written(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(ServiceError, match=r"has 0\.0 GB left, and about 0\.1 GB are needed"):
        train_sft(make_job("sft", tiny_llama, tmp_path / "new" / "out"))
    assert not (tmp_path / "new").exists()


def test_enough_disk_is_enough(tmp_path: Path) -> None:
    check_disk(tmp_path / "not" / "there" / "yet", 1)


def test_a_gpu_too_small_for_the_weights_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr("modelhub.training.checks.on_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (20 * 2**30, 24 * 2**30))
    small, large = Sizes(8_000_000_000, 10_000_000), Sizes(16_000_000_000, 10_000_000)
    check_memory(small, precision="bfloat16", reference=True)
    with pytest.raises(ServiceError, match=r"20\.0 GB left, and weights and optimizer alone need 30\.\d GB"):
        check_memory(large, precision="bfloat16", reference=True)
    with pytest.raises(ServiceError, match="weights and optimizer"):
        check_memory(small, precision="float32", reference=False)


def test_without_a_gpu_there_is_no_gpu_to_be_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelhub.training.checks.on_gpu", lambda: False)
    check_memory(Sizes(10**15, 1), precision="float32", reference=False)
