"""What only a GPU can do: a quantized base (QLoRA, Dettmers et al. 2023), and bfloat16."""

from pathlib import Path

import pytest

from modelhub.engines import load_engine
from modelhub.engines.base import EngineSettings, GenerationRequest, GenerationResult
from modelhub.training.config import continue_adapter, load_recipe
from modelhub.training.dpo import train_dpo
from modelhub.training.manifest import read_manifest
from modelhub.training.sft import train_sft
from tests.modelhub.training.making import asked, examples, make_job

QLORA = (
    "quantization.load_in_4bit=true", "quantization.bnb_4bit_quant_type=nf4",
    "quantization.bnb_4bit_compute_dtype=bfloat16", "sft.epochs=1",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("There is no GPU here.")


def _trained(base: Path, folder: Path, *settings: str) -> Path:
    sft = make_job("sft", base, folder / "sft", *settings)
    train_sft(sft)
    recipe = continue_adapter(load_recipe("tiny", settings=["dpo.epochs=1"]), "tiny", read_manifest(sft.out)["recipe"])
    passed = {name: getattr(sft.recipe, name) for name in ("quantization", "model")}
    dpo = make_job("dpo", base, folder / "dpo", sft=sft.out, recipe=recipe.model_copy(update=passed))
    train_dpo(dpo)
    return dpo.out


def test_an_adapter_of_a_quantized_base_is_trained_by_both_and_answers_on_the_whole_base(
    tiny_llama: Path, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    adapter = _trained(tiny_llama, tmp_path, *QLORA)

    assert read_manifest(adapter)["recipe"]["quantization"]["load_in_4bit"] is True
    engine = load_engine("transformers", EngineSettings(str(tiny_llama), str(adapter), decoding={"max_new_tokens": 12}))
    request = GenerationRequest(asked(examples(0, 1)[0]), "", "")
    assert all(isinstance(result, GenerationResult) for _, result in engine.stream(iter([request]), ahead=1))


def test_bfloat16_trains_from_the_same_start_within_its_tolerance(tiny_llama: Path, tmp_path: Path) -> None:
    losses = [
        read_manifest(_trained(tiny_llama, tmp_path / precision, f"sft.precision={precision}", "sft.epochs=1"))["best"][
            "eval_loss"
        ]
        for precision in ("float32", "bfloat16")
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
