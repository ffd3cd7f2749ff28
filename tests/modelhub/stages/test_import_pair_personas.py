"""Importing the personas of preference pairs: given ones, and those retrieved for them."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError

from modelhub.models import InferredPersona, PreferencePair, RetrievedPersona, Run, System
from modelhub.runs.stage import Remaining
from modelhub.stages.import_preferences import PreferenceImport, preferences_left
from tests.modelhub.preference_files import TAILORING, augmented, jsonl, pair, parquet, persona, public, run

pytestmark = pytest.mark.django_db
INFERENCE = settings.BASE_DIR.parent / "shared" / "data" / "persona-inference"


def test_gold_personas_become_those_of_an_imported_system_and_are_screened(tmp_path: Path) -> None:
    rows = [
        augmented(1),
        augmented(2, chosen_persona_gold="Good answer 2.", rejected_persona_gold=""),
    ]
    said = run(jsonl(tmp_path / "test.jsonl", rows))
    assert "3 personas imported (1 flagged), 0 were there already, 1 are missing" in said
    system = System.objects.get()
    assert (system.name, system.engine) == ("imported:Ours", "imported")
    texts = {(one.pair.row, one.direction): one.text for one in InferredPersona.objects.select_related("pair")}
    assert texts == {(1, "chosen"): persona("chosen", 1), (1, "rejected"): persona("rejected", 1),
                     (2, "chosen"): "Good answer 2."}  # fmt: skip
    odd = InferredPersona.objects.get(text="Good answer 2.")
    assert {"form", "length"} <= {flag["kind"] for flag in odd.flags} and all(flag["detail"] for flag in odd.flags)
    assert odd.generation is None and odd.run.stage == "import_preferences"


def test_personas_may_come_later_and_those_of_another_model_stand_beside_them(tmp_path: Path) -> None:
    run(jsonl(tmp_path / "test.jsonl", [pair(1)]))
    file = jsonl(tmp_path / "test.jsonl", [pair(1, chosen_persona="The user is one and prefers that.")])
    assert "0 pairs imported, 1 were there" in run(file, system="LLaMA")
    other = jsonl(tmp_path / "test.jsonl", [pair(1, chosen_persona="The user is two and prefers this.")])
    run(other, system="GPT")
    assert set(InferredPersona.objects.values_list("system__name", flat=True)) == {"LLaMA", "GPT"}
    with pytest.raises(CommandError, match="test.jsonl line 1: another chosen persona of this pair is stored; give"):
        run(other, system="LLaMA")
    assert Run.objects.first().state == "failed" and InferredPersona.objects.count() == 2


def test_what_is_left_counts_each_pair_once_whichever_of_its_personas_are_missing(tmp_path: Path) -> None:
    run(jsonl(tmp_path / "test.jsonl", [augmented(1), pair(2)]))
    file = jsonl(tmp_path / "test.jsonl", [augmented(number) for number in (1, 2, 3)])
    assert preferences_left(PreferenceImport(sources=(file,), dataset="Ours")) == Remaining(left=2, done=1)


def test_a_model_that_can_be_run_gets_no_imported_personas(tmp_path: Path) -> None:
    System.objects.create(name="LLaMA", engine="transformers", persona_style="none", fingerprint="f")
    with pytest.raises(CommandError, match="System 'LLaMA' is a model that can be run"):
        run(jsonl(tmp_path / "test.jsonl", [augmented(1)]), system="LLaMA")
    assert not PreferencePair.objects.exists()


def test_retrieved_personas_are_traced_to_the_training_row_with_both_texts(tmp_path: Path) -> None:
    same: dict[str, Any] = {f"{side}_persona_gold": persona(side, 3) for side in ("chosen", "rejected")}
    mixed: dict[str, Any] = {
        "chosen_persona_retr": persona("chosen", 1),
        "rejected_persona_retr": persona("rejected", 2),
    }
    parquet(tmp_path / "data" / "sft_train.parquet", [augmented(1, 2), augmented(2, 2), augmented(3)])
    parquet(tmp_path / "data" / "dpo_train.parquet", [augmented(4), augmented(5, **same)])
    parquet(
        tmp_path / "data" / "test.parquet",
        [
            augmented(11, 1),
            augmented(12, 4),
            augmented(13, 3),
            augmented(14, 99),
            augmented(15),
            augmented(16, **mixed),
        ],
    )
    said = run(str(tmp_path / "data"))
    assert (
        "5 rows bring retrieved personas: 2 were traced to a row of sft_train and dpo_train, 0 were there already, "
        "2 fit none, 1 fit several" in said
    )
    assert "1 of them fit no other row than their own" in said
    found = RetrievedPersona.objects.select_related("pair", "source")
    assert {(one.pair.prompt, one.source.prompt) for one in found} == {
        ("What about 1?", "What about 2?"), ("What about 2?", "What about 2?"),
        ("What about 11?", "What about 1?"), ("What about 12?", "What about 4?"),
    }  # fmt: skip
    assert {(one.retriever, one.rank, one.score) for one in found} == {("imported", 1, None)}


def test_a_row_that_two_training_rows_fit_was_not_given_its_own(tmp_path: Path) -> None:
    same: dict[str, Any] = {f"{side}_persona_gold": persona(side, 1) for side in ("chosen", "rejected")}
    said = run(jsonl(tmp_path / "sft_train.jsonl", [augmented(1, 1), augmented(2, **same)]))
    assert "1 were traced" in said and "no other row than their own" not in said
    found = RetrievedPersona.objects.select_related("pair", "source").get()
    assert (found.pair.row, found.source.row) == (1, 2)


def test_training_rows_that_come_later_are_found_by_another_import(tmp_path: Path) -> None:
    test = jsonl(tmp_path / "test.jsonl", [augmented(11, 1)])
    said = run(test)
    assert "1 fit none" in said and "sft_train and dpo_train must be imported first, or in the same call" in said
    run(jsonl(tmp_path / "sft_train.jsonl", [augmented(1)]))
    assert "1 were traced to a row of" in run(test) and RetrievedPersona.objects.count() == 1


def test_retrieved_personas_of_a_split_that_may_search_anything_are_left_out_and_said_to_be(tmp_path: Path) -> None:
    run(jsonl(tmp_path / "sft_train.jsonl", [augmented(1)]))
    said = run(jsonl(tmp_path / "dev.jsonl", [augmented(11, 1)]))
    assert "1 rows bring retrieved personas, which were left out: those of a split called 'dev'" in said
    assert not RetrievedPersona.objects.exists() and InferredPersona.objects.count() == 4


@pytest.mark.slow
def test_the_public_beavertails_data_is_read_whole_and_retrieved_personas_are_traced() -> None:
    said = run(public(TAILORING / "BeaverTails"), dataset="BeaverTails")
    counts = {split: PreferencePair.objects.filter(split=split).count() for split in ("fewshot", "sft_train", "test")}
    assert counts == {"fewshot": 5, "sft_train": 977, "test": 499}
    assert PreferencePair.objects.count() == 2953 and InferredPersona.objects.count() == 5906
    traced = {
        split: RetrievedPersona.objects.filter(pair__split=split).count()
        for split in ("test", "sft_val", "dpo_val", "sft_train", "dpo_train", "fewshot")
    }
    assert traced == {
        "test": 497, "sft_val": 243, "dpo_val": 246, "sft_train": 976, "dpo_train": 982, "fewshot": 5,
    }  # fmt: skip
    assert (
        "497 were traced to a row of sft_train and dpo_train, 0 were there already, 2 fit none, 0 fit several" in said
    )
    assert said.count("1 of them fit no other row than their own") == 2


@pytest.mark.parametrize("dataset", ["BeaverTails", "Anthropic HHH", "Mnemonic", "SHP"])
def test_pairs_without_personas_of_all_four_data_sets_are_read(dataset: str) -> None:
    said = run(public(INFERENCE / dataset), dataset=dataset)
    assert f"train: {300 if dataset == 'BeaverTails' else 24} pairs imported" in said
    assert not InferredPersona.objects.exists()
