"""Loss curves of fixed trainings, pinned: a change in a library that alters training is noticed, whatever its cause.

A curve that has changed on purpose is pinned anew with the values the failure shows.
"""

from pathlib import Path

import pytest

from modelhub.training.dpo import train_dpo
from modelhub.training.sft import train_sft
from modelhub.training.trainer import LogEntry, Watch
from tests.modelhub.training.making import make_job
from tests.tools.tinymodels import make_llama

pytestmark = pytest.mark.invariant

# Every training loss and, after each third, the validation loss.
SFT_CURVE = [6.3201, 6.23846, 6.1357, 6.08179, 6.07688, 6.06171, 6.04499, 6.0317, 6.02646, 6.02753, 6.03339, 6.01768]
DPO_CURVE = [
    0.69315, 0.67207, 0.65034, 0.63594, 0.62726, 0.61584, 0.60299, 0.59451, 0.58621, 0.58033, 0.56549, 0.57601,
]  # fmt: skip


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama as its seed made it: no training of its own that could drift."""
    folder = tmp_path_factory.mktemp("invariant") / "llama"
    make_llama(folder, steps=0)
    return folder


def losses(entries: list[LogEntry]) -> list[float | None]:
    return [entry.values.get("eval_loss", entry.values.get("loss")) for entry in entries]


def test_loss_curves_are_what_they_were(untrained: Path) -> None:
    sft, dpo = untrained.parent / "sft", untrained.parent / "dpo"
    entries: list[LogEntry] = []
    train_sft(make_job("sft", untrained, sft), Watch(logged=entries.append))
    assert losses(entries) == pytest.approx(SFT_CURVE, rel=1e-3)
    entries.clear()
    train_dpo(make_job("dpo", untrained, dpo, sft=sft), Watch(logged=entries.append))
    assert losses(entries) == pytest.approx(DPO_CURVE, rel=1e-3)
