"""A tiny SFT model and the DPO model that goes on from it, trained once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelhub.training.trainer import LogEntry, Watch
from tests.modelhub.training.making import make_job


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """On models as small as these, threads cost more than they save."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def sft_log() -> list[LogEntry]:
    """What the training of `sft_folder` logged."""
    return []


@pytest.fixture(scope="package")
def sft_folder(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory, sft_log: list[LogEntry]) -> Path:
    """The adapter of a finished SFT training."""
    from modelhub.training.sft import train_sft

    out = tmp_path_factory.mktemp("trained") / "sft"
    train_sft(make_job("sft", tiny_llama, out), Watch(logged=sft_log.append))
    return out


@pytest.fixture(scope="package")
def dpo_log() -> list[LogEntry]:
    """What the training of `dpo_folder` logged."""
    return []


@pytest.fixture(scope="package")
def dpo_folder(tiny_llama: Path, sft_folder: Path, dpo_log: list[LogEntry]) -> Path:
    """The adapter of a finished DPO training that started from `sft_folder`."""
    from modelhub.training.dpo import train_dpo

    out = sft_folder.parent / "dpo"
    train_dpo(make_job("dpo", tiny_llama, out, sft=sft_folder), Watch(logged=dpo_log.append))
    return out
