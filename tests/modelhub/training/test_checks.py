"""Room on the disk and on the GPU is looked at before anything is loaded."""

import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from annotation.errors import ServiceError
from modelhub.training.checks import Sizes, check_disk, check_memory, model_sizes, training_bytes
from modelhub.training.config import load_recipe
from modelhub.training.sft import train_sft
from tests.modelhub.training.making import load, make_job, weights


def test_sizes_come_from_the_configuration_and_are_those_of_the_model(tiny_llama: Path, sft_folder: Path) -> None:
    sizes = model_sizes(str(tiny_llama), load_recipe("tiny"))
    model, _ = load(tiny_llama)
    assert sizes.frozen == sum(one.numel() for one in model.parameters())
    assert sizes.trained == sum(tensor.numel() for tensor in weights(sft_folder).values())


def test_the_estimate_covers_what_is_written(tiny_llama: Path, sft_folder: Path) -> None:
    written = sum(path.stat().st_size for path in sft_folder.iterdir())
    assert training_bytes(model_sizes(str(tiny_llama), load_recipe("tiny"))) > written


def test_a_full_disk_is_noticed_before_anything_is_written(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(ServiceError, match=r"has 0\.0 GB left, and about 0\.1 GB are needed"):
        train_sft(make_job("sft", tiny_llama, tmp_path / "new" / "out"))
    assert not (tmp_path / "new").exists()


def test_enough_disk_is_enough(tmp_path: Path) -> None:
    check_disk(tmp_path / "not" / "there" / "yet", 1)


BILLION = 10**9


@pytest.fixture
def gpu_with_20_gb(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr("modelhub.training.checks.on_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (20 * 2**30, 24 * 2**30))


def check(base: int, *settings: str, precision: str = "bfloat16", linear: int | None = None) -> None:
    """Check a base of so many billions of parameters, nearly all in linear layers."""
    sizes = Sizes(base * BILLION, 10_000_000, base * BILLION if linear is None else linear)
    check_memory(sizes, recipe=load_recipe(settings=settings), precision=precision, reference=True)


def test_a_gpu_too_small_for_the_weights_is_refused(gpu_with_20_gb: None) -> None:
    check(8)
    with pytest.raises(ServiceError, match=r"20\.0 GB left, and weights and optimizer alone need 30\.\d GB"):
        check(16)
    with pytest.raises(ServiceError, match="weights and optimizer"):
        check(8, precision="float32")


def test_a_quantized_base_takes_what_its_linear_layers_take_then(gpu_with_20_gb: None) -> None:
    check(30, "quantization.load_in_4bit=true")
    check(16, "quantization.load_in_8bit=true")
    with pytest.raises(ServiceError, match="need 37"):
        check(70, "quantization.load_in_4bit=true")
    with pytest.raises(ServiceError, match="need"):
        check(30, "quantization.load_in_4bit=true", linear=0)


def test_without_an_adapter_all_weights_their_gradients_and_the_optimizer_are_counted(gpu_with_20_gb: None) -> None:
    whole = load_recipe(settings=("lora.enabled=false",))
    for precision in ("bfloat16", "float32"):  # weights are float32 either way
        check_memory(Sizes(0, BILLION, full=True), recipe=whole, precision=precision, reference=True)
    with pytest.raises(ServiceError, match=r"optimizer alone need 29\.8 GB. Use a smaller base, or an adapter \(lora"):
        check_memory(Sizes(0, 2 * BILLION, full=True), recipe=whole, precision="bfloat16", reference=False)
    with pytest.raises(ServiceError, match=r"optimizer alone need 37\.3 GB"):  # and a frozen copy
        check_memory(Sizes(0, 2 * BILLION, full=True), recipe=whole, precision="bfloat16", reference=True)


def test_without_an_adapter_the_disk_has_to_hold_whole_models(tiny_llama: Path) -> None:
    sizes = model_sizes(str(tiny_llama), load_recipe("tiny", settings=("lora.enabled=false",)))
    assert (sizes.frozen, sizes.trained) == (0, sum(one.numel() for one in load(tiny_llama)[0].parameters()))
    # Two checkpoints with the optimizer's two moments, the best one's weights, and the result.
    assert training_bytes(Sizes(0, BILLION, full=True)) == int(1.2 * (3 + 3 + 1 + 1) * 4 * BILLION) + 100 * 2**20
    assert training_bytes(Sizes(8 * BILLION, BILLION)) == int(1.2 * (3 + 3 + 3 + 1) * 4 * BILLION) + 100 * 2**20


@pytest.mark.parametrize(
    ("launched", "fits"),
    [
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_RESHARD_AFTER_FORWARD": "true"}, True),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_RESHARD_AFTER_FORWARD": "NO_SHARD"}, False),
        ({"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"}, True),
        ({"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "2"}, False),
        ({}, False),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_OFFLOAD_PARAMS": "true", "WORLD_SIZE": "1"}, True),
    ],
)
def test_a_70b_base_fits_on_eight_gpus_that_share_its_weights(
    launched: dict[str, str], fits: bool, gpu_with_20_gb: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ({"WORLD_SIZE": "8"} | launched).items():
        monkeypatch.setenv(name, value)
    with nullcontext() if fits else pytest.raises(ServiceError, match="or several with FSDP"):
        check(70)


def test_a_share_that_is_too_large_is_told_as_a_share(gpu_with_20_gb: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "4", "ACCELERATE_USE_FSDP": "true"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ServiceError, match=r"a 4th of weights and optimizer need 32\.\d GB.*or more GPUs"):
        check(70)


def test_without_a_gpu_there_is_no_gpu_to_be_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelhub.training.checks.on_gpu", lambda: False)
    check(10**6, precision="float32")
