"""DPO starts from the matching SFT model, or not at all."""

import json
import shutil
from pathlib import Path

import pytest

from annotation.errors import ServiceError
from modelhub.training.job import check_start
from tests.modelhub.training.making import described, make_job


def test_the_matching_sft_model_is_accepted(tiny_llama: Path, sft_folder: Path) -> None:
    check_start(sft_folder, base=str(tiny_llama), data=described("dpo"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"personas": "rejected"}, 'personas: "chosen" there, "rejected" here'),
        ({"persona_source": "retrieved", "retriever": "r"}, 'persona_source: "gold" there, "retrieved" here'),
        ({"inferring_system": "other"}, 'inferring_system: "inferrer" there, "other" here'),
        (
            {"personas": "none", "persona_source": "", "inferring_system": ""},
            'personas: "chosen" there, "none" here',
        ),
    ],
)
def test_another_arms_sft_model_is_refused_with_what_disagrees(
    tiny_llama: Path, sft_folder: Path, changed: dict[str, str], said: str
) -> None:
    with pytest.raises(ServiceError) as caught:
        check_start(sft_folder, base=str(tiny_llama), data=described("dpo", **changed))
    assert said in str(caught.value)


def test_another_base_and_data_set_are_named_together(tiny_llama: Path, sft_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_llama, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"rope_theta": 1.0}))
    data = described("dpo")
    with pytest.raises(ServiceError) as caught:
        check_start(sft_folder, base=str(other), data=type(data)(**{**vars(data), "dataset": "another"}))
    assert "base_digest: " in str(caught.value)
    assert 'dataset: "tiny" there, "another" here' in str(caught.value)


def test_dpo_models_and_unfinished_folders_are_no_start(tiny_llama: Path, dpo_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="no sft model but a dpo one"):
        check_start(dpo_folder, base=str(tiny_llama), data=described("dpo"))
    with pytest.raises(ServiceError, match=r"has no training\.json"):
        check_start(tmp_path, base=str(tiny_llama), data=described("dpo"))


def test_the_description_of_a_job_holds_no_text_of_its_rows(tiny_llama: Path, tmp_path: Path) -> None:
    job = make_job("sft", tiny_llama, tmp_path / "out")
    told = json.dumps(job.describe())
    assert not any(one.prompt in told or one.response in told or one.persona in told for one in job.train)
