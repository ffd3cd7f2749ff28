"""Supervised fine-tuning of a real, tiny model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from annotation.errors import ServiceError
from modelhub.training.job import FolderState, TrainingJob, folder_state
from modelhub.training.manifest import read_manifest
from modelhub.training.sft import make_sft_trainer, train_sft
from modelhub.training.trainer import EVALUATION, TRAIN, LogEntry, PreparedTraining, Watch, prepare, run_training
from tests.modelhub.engines.spoiling import spoiled, without
from tests.modelhub.training.making import examples, load, make_job, margins, weights


def test_the_loss_falls_on_training_and_on_held_out_rows(sft_folder: Path, sft_log: list[LogEntry]) -> None:
    training = [entry.values["loss"] or 0 for entry in sft_log if entry.kind == TRAIN]
    validation = [entry.values["eval_loss"] or 0 for entry in sft_log if entry.kind == EVALUATION]
    assert training[-1] < 0.5 * training[0]
    assert validation == sorted(validation, reverse=True)
    assert len(validation) == 3
    assert read_manifest(sft_folder)["best"]["eval_loss"] == validation[-1]


def test_the_adapter_answers_as_it_was_trained_to(sft_folder: Path, tiny_llama: Path) -> None:
    before = margins(*load(tiny_llama), examples(12, 16))
    after = margins(*load(tiny_llama, sft_folder), examples(12, 16))
    assert sum(after) > sum(before) + 10


def test_only_the_response_and_its_end_are_learned(tiny_llama: Path, tmp_path: Path) -> None:
    job = make_job("sft", tiny_llama, tmp_path / "out")
    prepared = prepare(job)
    trainer = make_sft_trainer(job, prepared)
    batch = next(iter(trainer.get_eval_dataloader()))
    for row, ids, labels in zip(prepared.validation.rows, batch["input_ids"], batch["labels"], strict=True):
        prompt = prepared.tokenizer(row["prompt"])["input_ids"]
        learned = [int(one) for one in labels if one != -100]
        assert ids[: len(prompt)].tolist() == prompt
        assert set(labels[: len(prompt)].tolist()) == {-100}
        assert prepared.tokenizer.decode(learned) == row["completion"] + prepared.tokenizer.eos_token


def test_a_prompt_in_another_wording_costs_nothing_while_the_response_does(tiny_llama: Path, tmp_path: Path) -> None:
    # With all of the text in the loss, the loss of a row would depend on how likely its prompt is.
    rows = [replace(one, response="Yes.") for one in examples(12, 16)]
    job = make_job("sft", tiny_llama, tmp_path / "out", validation=rows)
    trainer = make_sft_trainer(job, prepare(job))
    loss = trainer.evaluate()["eval_loss"]
    expected = margins_to_loss(tiny_llama, rows)
    assert loss == pytest.approx(expected, abs=1e-3)


def margins_to_loss(base: Path, rows: list) -> float:
    """Return the mean negative log-probability per token of the responses and their ends."""
    from tests.modelhub.training.making import asked, response_log_probability

    model, tokenizer = load(base)
    total, tokens = 0.0, 0
    for row in rows:
        prompt = asked(row)
        total -= response_log_probability(model, tokenizer, prompt, row.response)
        tokens += len(tokenizer(f" {row.response}{tokenizer.eos_token}", add_special_tokens=False)["input_ids"])
    return total / tokens


def test_packed_rows_give_the_loss_of_the_same_rows_one_by_one(tiny_llama: Path, tmp_path: Path) -> None:
    losses, rows = [], []
    for packing in ("false", "true"):
        job = make_job("sft", tiny_llama, tmp_path / packing, f"sft.packing={packing}", "sft.batch_size=64")
        trainer = make_sft_trainer(job, prepare(job))
        batch = next(iter(trainer.get_train_dataloader()))
        loss = trainer.compute_loss(trainer.model, batch, num_items_in_batch=(batch["labels"] != -100).sum())
        losses.append(loss.item())
        rows.append(len(trainer.train_dataset))
    assert rows[0] == 12 and rows[1] < 12
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_long_rows_are_trained_on_and_none_vanishes(tiny_llama: Path, tmp_path: Path) -> None:
    long = [replace(one, prompt=f"{'I have tried it all. ' * 60}{one.prompt}") for one in examples(0, 4)]
    wordy = [replace(one, response=f"{one.response} " * 60) for one in examples(4, 8)]
    job = make_job("sft", tiny_llama, tmp_path / "out", "sft.epochs=1", train=[*long, *wordy, *examples(8, 12)])
    result = train_sft(job)
    manifest = read_manifest(job.out)
    assert manifest["data"]["train"]["examples"] == 12
    shortened = manifest["shortening"]["train"]
    assert (shortened["prompts"], shortened["responses"]) == (4, 4)
    assert result.steps == 3


def test_the_same_seed_gives_the_same_adapter_and_another_seed_another(
    sft_folder: Path, tiny_llama: Path, tmp_path: Path
) -> None:
    again, other = (
        make_job("sft", tiny_llama, tmp_path / "again"),
        make_job("sft", tiny_llama, tmp_path / "other", seed=1),
    )
    train_sft(again)
    train_sft(other)
    first = weights(sft_folder)
    assert all((tensor == first[name]).all() for name, tensor in weights(again.out).items())
    assert any((tensor != first[name]).any() for name, tensor in weights(other.out).items())


def test_the_best_epoch_is_kept_not_the_last(tiny_llama: Path, tmp_path: Path) -> None:
    # The longer it learns to say yes, the less it expects anything else.
    yes = [replace(one, response="Yes, do.") for one in examples(0, 12)]
    never = [replace(one, response="Never!") for one in examples(12, 16)]
    job = make_job("sft", tiny_llama, tmp_path / "out", "sft.learning_rate=0.02", train=yes, validation=never)
    result = train_sft(job)
    assert result.best_step < result.steps
    kept = replace(job, out=tmp_path / "check")
    trainer = make_sft_trainer(kept, prepare(kept))
    trainer.model.load_adapter(str(job.out), "default")
    assert trainer.evaluate()["eval_loss"] == pytest.approx(result.best_loss, rel=1e-4)


def test_a_finished_folder_holds_the_adapter_and_its_manifest_and_no_checkpoints(sft_folder: Path) -> None:
    names = {path.name for path in sft_folder.iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "training.json"} <= names
    assert not {"checkpoints", "training_args.bin"} & names
    manifest = read_manifest(sft_folder)
    assert (manifest["kind"], manifest["parent"], manifest["seed"]) == ("sft", None, 0)
    assert manifest["recipe"]["sft"]["learning_rate"] == 5e-3
    assert manifest["data"]["train"]["examples"] == 12
    assert manifest["versions"]["trl"]


def test_a_tokenizer_without_padding_pads_with_its_end_and_still_learns_to_stop(
    tiny_llama: Path, tmp_path: Path
) -> None:
    import shutil

    from transformers import AutoTokenizer

    base = tmp_path / "base"
    shutil.copytree(tiny_llama, base)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(base)
    job = make_job("sft", base, tmp_path / "out")
    prepared = prepare(job)
    assert prepared.tokenizer.pad_token == prepared.tokenizer.eos_token == "</s>"
    batch = next(iter(make_sft_trainer(job, prepared).get_eval_dataloader()))
    ends = (batch["labels"] == prepared.tokenizer.eos_token_id).sum(dim=1)
    assert ends.tolist() == [1, 1, 1, 1]


def test_a_tokenizer_without_an_end_of_text_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    import shutil

    from transformers import AutoTokenizer

    base = tmp_path / "base"
    shutil.copytree(tiny_llama, base)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(base)
    with pytest.raises(ServiceError, match="no end-of-text token"):
        train_sft(make_job("sft", base, tmp_path / "out"))


def test_an_adapter_given_as_base_is_told_apart(sft_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="It is an adapter: give its base"):
        train_sft(make_job("sft", sft_folder, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("setting", "said"),
    [("sft.max_length=4096", "reads 1024 tokens"), ('lora.target_modules="no_such"', "target_modules=all-linear")],
)
def test_settings_the_base_cannot_have_are_refused_before_anything_is_written(
    tiny_llama: Path, tmp_path: Path, setting: str, said: str
) -> None:
    with pytest.raises(ServiceError, match=said):
        train_sft(make_job("sft", tiny_llama, tmp_path / "out", setting))
    assert not (tmp_path / "out").exists()


def test_an_unknown_place_to_report_to_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="nowhere"):
        train_sft(make_job("sft", tiny_llama, tmp_path / "out", report_to=("nowhere",)))


def test_an_adapter_that_was_not_written_whole_is_no_finished_training(tiny_llama: Path, tmp_path: Path) -> None:
    def losing(job: TrainingJob, prepared: PreparedTraining) -> Any:
        trainer = make_sft_trainer(job, prepared)
        save = trainer.save_model

        def half(folder: str, **named: Any) -> None:
            save(folder, **named)
            if folder == str(job.out):
                (job.out / "adapter_model.safetensors").rename(job.out / "model.safetensors")
                spoiled(job.out, tmp_path / "half", without("layers.1"))
                (tmp_path / "half" / "model.safetensors").rename(job.out / "adapter_model.safetensors")

        trainer.save_model = half
        return trainer

    job = make_job("sft", tiny_llama, tmp_path / "out", "sft.epochs=1")
    with pytest.raises(ServiceError, match="does not fit this base as a whole"):
        run_training(job, prepare(job), losing, Watch())
    assert folder_state(job) == FolderState.UNFINISHED
