"""Importing preference pairs: every form of source, what is reported, what is kept, and that nothing is half-done."""

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from annotation.rowfiles import RecordError, file_sha256
from modelhub.files.hub import read_hub
from modelhub.files.preferences import pair_sha256, split_digest
from modelhub.models import InferredPersona, PreferencePair, RetrievedPersona, Run, System
from tests.modelhub.preference_files import TAILORING, augmented, jsonl, pair, parquet, persona, public, run

pytestmark = pytest.mark.django_db


def stored() -> list[tuple[Any, ...]]:
    return list(PreferencePair.objects.values_list("dataset", "split", "row", "prompt", "chosen", "rejected"))


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl", ".json"])
def test_pairs_are_read_from_every_format_with_their_place_and_hash(ending: str, tmp_path: Path) -> None:
    path, rows = tmp_path / f"test{ending}", [pair(1, prompt=" What, “about”\n1? "), pair(2)]
    if ending == ".parquet":
        parquet(path, rows)
    elif ending == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text(json.dumps(rows), encoding="utf-8") if ending == ".json" else jsonl(path, rows)
    said = run(str(path))
    assert "test: 2 pairs imported, 0 were there already" in said
    assert stored() == [("Ours", "test", n, *rows[n - 1].values()) for n in (1, 2)]  # texts as they are
    hashes = [pair_sha256(*row.values()) for row in rows]
    assert list(PreferencePair.objects.values_list("sha256", flat=True)) == hashes
    assert split_digest(reversed(hashes)) in said
    made = Run.objects.get(stage="import_preferences")
    assert made.inputs == [{"name": path.name, "sha256": file_sha256(path)}]
    assert (made.state, made.done, made.total, made.arguments["dataset"]) == ("finished", 2, 2, "Ours")


def test_the_same_import_again_changes_nothing(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "sft_train.jsonl", [augmented(1, 2), augmented(2, 1)])
    first = run(file)
    before = [list(model.objects.values()) for model in (PreferencePair, InferredPersona, RetrievedPersona)]
    again = run(file)
    assert "0 pairs imported, 2 were there already" in again and "0 personas imported (0 flagged), 4 were" in again
    assert first.split("SHA-256")[1].split()[0] == again.split("SHA-256")[1].split()[0]
    assert before == [list(model.objects.values()) for model in (PreferencePair, InferredPersona, RetrievedPersona)]


def test_a_changed_row_is_another_pair_and_a_changed_split_has_another_digest(tmp_path: Path) -> None:
    first = run(jsonl(tmp_path / "test.jsonl", [pair(1)]))
    second = run(jsonl(tmp_path / "test.jsonl", [pair(1, chosen="Better.")]))
    assert "1 pairs imported, 0 were there" in second and PreferencePair.objects.count() == 2
    assert first.split("SHA-256")[1].split()[0] != second.split("SHA-256")[1].split()[0]


def test_repeated_rows_are_named_and_stored_once(tmp_path: Path) -> None:
    rows = [pair(1), pair(2), pair(1), pair(2, prompt="What about 2? "), augmented(1)]
    said = run(jsonl(tmp_path / "test.jsonl", rows))
    assert "2 pairs imported" in said and PreferencePair.objects.count() == 2
    assert "3 rows repeat an earlier row and were left out" in said
    assert "test.jsonl line 3: the same pair as test.jsonl line 1.\n" in said
    assert "test.jsonl line 4: the same pair as test.jsonl line 2." in said
    assert "test.jsonl line 5: the same pair as test.jsonl line 1, with other personas, which are left out." in said
    assert not InferredPersona.objects.exists()


def test_the_same_pair_may_stand_in_several_splits_and_data_sets(tmp_path: Path) -> None:
    run(jsonl(tmp_path / "test.jsonl", [pair(1)]))
    run(jsonl(tmp_path / "dev.jsonl", [pair(1)]))
    run(str(tmp_path / "dev.jsonl"), dataset="Others")
    assert PreferencePair.objects.count() == 3


def test_a_pair_with_its_sides_swapped_is_a_contradiction_within_a_file_and_with_what_is_stored(tmp_path: Path) -> None:
    swapped = augmented(1, chosen="Poor answer 1.", rejected="Good answer 1.")
    said = run(jsonl(tmp_path / "test.jsonl", [pair(1), swapped]))
    assert "1 rows contradict an earlier row and were left out" in said
    assert "test.jsonl line 2: the pair of test.jsonl line 1 with its sides swapped" in said
    said = run(jsonl(tmp_path / "test.jsonl", [swapped, pair(2)]))
    assert "test.jsonl line 1: stored as row 1 with its sides swapped" in said and "1 pairs imported" in said
    assert PreferencePair.objects.get(row=1).chosen == "Good answer 1."
    assert not InferredPersona.objects.exists()  # they would explain the other response


def test_a_response_preferred_to_itself_is_named_and_left_out(tmp_path: Path) -> None:
    said = run(jsonl(tmp_path / "test.jsonl", [pair(1, chosen="Same.", rejected=" Same.\n"), pair(2)]))
    assert "1 pairs imported" in said and PreferencePair.objects.get().prompt == "What about 2?"
    assert "1 rows prefer a response to itself and were left out" in said
    assert "test.jsonl line 1: 'chosen' and 'rejected' say the same." in said


def test_one_column_cannot_be_two_parts_of_a_pair(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="line 1: prompt, chosen and rejected must be three columns, not chosen, "):
        run(jsonl(tmp_path / "test.jsonl", [pair(1)]), prompt_column="chosen")


def test_an_empty_side_is_refused_unless_allowed_and_named_in_any_case(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "test.jsonl", [pair(1, chosen=" ", rejected=None), pair(2, rejected="")])
    with pytest.raises(CommandError) as caught:
        run(file)
    assert "test.jsonl line 1: 'chosen' and 'rejected' are empty; --allow-empty takes such rows" in str(caught.value)
    assert "test.jsonl line 2: 'rejected' is empty" in str(caught.value) and not PreferencePair.objects.exists()
    said = run(file, allow_empty=True)
    assert "2 rows have an empty response" in said and "test.jsonl line 2: 'rejected' is empty." in said
    assert list(PreferencePair.objects.values_list("chosen", "rejected")) == [("", ""), ("Good answer 2.", "")]


def test_an_empty_prompt_is_always_wrong(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="line 1: 'prompt' is empty; every pair needs a prompt"):
        run(jsonl(tmp_path / "test.jsonl", [pair(1, prompt=" ")]), allow_empty=True)


def test_every_mistake_of_every_source_is_listed_and_nothing_is_written(tmp_path: Path) -> None:
    rows = [augmented(1), pair(2, chosen=7), pair(3, rejected="\ud800"), pair(4, prompt="a\x00b"), pair(5, prompt="")]
    other = [{"question": "?", "chosen": "a"}]
    with pytest.raises(CommandError) as caught:
        run(jsonl(tmp_path / "test.jsonl", rows), jsonl(tmp_path / "dev.jsonl", other))
    for part in (
        "Nothing was imported; 6 rows or files need attention",
        "test.jsonl line 2: 'chosen' must be text, not int",
        "test.jsonl line 3: 'rejected' holds a character that cannot be stored",
        "test.jsonl line 4: 'prompt' holds a character that cannot be stored",
        "test.jsonl line 5: 'prompt' is empty",
        "dev.jsonl line 1: no row has a column 'prompt'; there are chosen, question. Name the right one with --prompt-",
        "dev.jsonl line 1: no row has a column 'rejected'",
    ):
        assert part in str(caught.value)
    assert not (PreferencePair.objects.exists() or Run.objects.exists() or System.objects.exists())


def test_sources_that_cannot_be_read_are_listed_together(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CommandError) as caught:
        run(str(tmp_path / "none.jsonl"), str(tmp_path / "empty"), jsonl(tmp_path / "my data.jsonl", [pair(1)]))
    for part in ("none.jsonl: the file cannot be read", "empty: holds no .csv", "'my data' is no name of a split"):
        assert part in str(caught.value)
    assert "1 pairs imported" in run(str(tmp_path / "my data.jsonl"), split="test")
    with pytest.raises(CommandError, match="1 rows or files") as caught:
        run(str(tmp_path / "my data.jsonl"), split="my data")
    assert str(caught.value).count("is no name of a split") == 1


@pytest.mark.parametrize(("dataset", "system"), [("", ""), ("d" * 81, "short"), ("d" * 75, ""), ("short", "s" * 81)])
def test_names_have_to_fit(dataset: str, system: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="give the data set a name|characters long; at most 80"):
        run(jsonl(tmp_path / "test.jsonl", [pair(1)]), dataset=dataset, system=system)


@pytest.mark.parametrize("dataset", ["a\nb", "a\udcffb", "a\x1bb"])
def test_a_name_that_cannot_be_read_or_told_from_another_is_refused(dataset: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="line break|cannot be stored|cannot be printed"):
        run(jsonl(tmp_path / "test.jsonl", [pair(1)]), dataset=dataset)


@pytest.mark.parametrize("dataset", [" a", "a ", "\u00a0a"])
def test_blanks_around_a_name_are_no_part_of_it(dataset: str, tmp_path: Path) -> None:
    run(jsonl(tmp_path / "test.jsonl", [pair(1)]), dataset=dataset)
    assert PreferencePair.objects.get().dataset == "a"


def test_rows_with_one_persona_each_are_joined_to_pairs_and_not_taken_for_repeated_ones(tmp_path: Path) -> None:
    sides = ("chosen", "rejected")
    rows = [pair(n, direction=side, persona=persona(side, n)) for n in (1, 2) for side in sides]
    said = run(jsonl(tmp_path / "test.jsonl", rows))
    assert "2 pairs imported" in said and "4 personas imported" in said and "left out" not in said
    known = InferredPersona.objects.values_list("pair__prompt", "direction", "text")
    assert list(known) == [(f"What about {n}?", side, persona(side, n)) for n in (1, 2) for side in sides]


def test_a_row_may_name_what_inferred_its_personas(tmp_path: Path) -> None:
    rows = [augmented(1, inferring_system="one"), augmented(1, inferring_system="two"), augmented(2)]
    run(jsonl(tmp_path / "test.jsonl", rows))
    known = InferredPersona.objects.values_list("pair__prompt", "system__name").distinct().order_by("system__name")
    assert list(known) == [
        ("What about 2?", "imported:Ours"), ("What about 1?", "one"), ("What about 1?", "two"),
    ]  # fmt: skip


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "test.jsonl", [{"question": "How?", "good": "So.", "bad": "No."}])
    run(file, prompt_column="question", chosen_column="good", rejected_column="bad")
    assert stored() == [("Ours", "test", 1, "How?", "So.", "No.")]


def test_a_folder_holds_a_file_per_split_and_large_splits_several(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    parquet(folder / "test.parquet", [pair(1)])
    parquet(folder / "train-00001-of-00002.parquet", [pair(3)])
    parquet(folder / "train-00000-of-00002.parquet", [pair(2)])
    (folder / "README.md").write_text("Not data.", encoding="utf-8")
    run(str(folder))
    assert [row[1:4] for row in stored()] == [
        ("test", 1, "What about 1?"), ("train", 1, "What about 2?"), ("train", 2, "What about 3?"),
    ]  # fmt: skip
    run(str(folder), dataset="One", split="test")
    assert PreferencePair.objects.filter(dataset="One").count() == 1
    with pytest.raises(CommandError, match="has no split 'dev'; it has test, train"):
        run(str(folder), split="dev")


def test_of_a_data_set_there_is_one_import_at_a_time(tmp_path: Path) -> None:
    run(jsonl(tmp_path / "test.jsonl", [pair(1)]))
    Run.objects.update(state="running", provenance={})
    with pytest.raises(CommandError, match="works on this already"):
        run(str(tmp_path / "test.jsonl"))
    assert "1 pairs imported" in run(str(tmp_path / "test.jsonl"), dataset="Others")


def test_an_import_that_breaks_leaves_nothing_but_a_failed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**kwargs: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("modelhub.stages.import_preferences.retrieved_store", broken)
    with pytest.raises(RuntimeError, match="broken"):
        run(jsonl(tmp_path / "test.jsonl", [augmented(1)]))
    assert not (PreferencePair.objects.exists() or InferredPersona.objects.exists() or System.objects.exists())
    assert Run.objects.get().state == "failed"


def test_an_import_that_is_stopped_leaves_nothing_but_a_stopped_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = "modelhub.stages.import_preferences"
    monkeypatch.setattr(f"{stage}._store_personas", lambda *given: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(CommandError, match="Nothing was imported") as caught:
        run(jsonl(tmp_path / "test.jsonl", [augmented(1)]))
    assert caught.value.returncode == 130
    assert not PreferencePair.objects.exists() and not System.objects.exists()
    assert Run.objects.get().state == "stopped"


def test_names_on_the_hub_are_read_by_the_library_with_all_splits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library takes a folder of that name for the data set, which stands in for the network here."""
    monkeypatch.chdir(tmp_path)
    parquet(tmp_path / "owner" / "name" / "one" / "test.parquet", [pair(1)])
    parquet(tmp_path / "owner" / "name" / "one" / "train.parquet", [pair(2), pair(3)])
    parquet(tmp_path / "owner" / "name" / "two" / "test.parquet", [pair(4)])
    card = ["---", "configs:"]
    for name, splits in (("one", ("test", "train")), ("two", ("test",))):
        card += [f"- config_name: {name}", "  data_files:"]
        card += [line for split in splits for line in (f"  - split: {split}", f"    path: {name}/{split}.parquet")]
    (tmp_path / "owner" / "name" / "README.md").write_text("\n".join([*card, "---", ""]), encoding="utf-8")
    run("hub:owner/name:one")
    assert [row[1:4] for row in stored()] == [
        ("test", 1, "What about 1?"), ("train", 1, "What about 2?"), ("train", 2, "What about 3?"),
    ]  # fmt: skip
    run("hub:owner/name:one", dataset="Part", split="train")
    assert PreferencePair.objects.filter(dataset="Part").count() == 2
    with pytest.raises(CommandError, match="hub:owner/name:two: has no split 'dev'; it has test"):
        run("hub:owner/name:two", split="dev")
    with pytest.raises(RecordError, match="hub:owner/none: cannot be loaded"):
        read_hub("owner/none")
    with pytest.raises(RecordError, match="hub:owner/name: cannot be loaded"):  # which configuration?
        read_hub("owner/name")


@pytest.mark.parametrize("name", ["", "/", ":one", "owner/name/more", "../owner", "a b"])
def test_what_is_no_name_on_the_hub_is_refused_with_the_form_of_one(name: str) -> None:
    with pytest.raises(RecordError, match="write hub:owner/name"):
        read_hub(name)


def test_the_mnemonic_test_set_holds_prompts_alone() -> None:
    source = public(TAILORING / "Mnemonic")
    with pytest.raises(CommandError, match="test.parquet row 1: 'chosen' and 'rejected' are empty"):
        run(source, dataset="Mnemonic")
    run(source, dataset="Mnemonic", allow_empty=True)
    assert PreferencePair.objects.filter(split="test", chosen="", rejected="").count() == 24
