"""Exporting augmented data: the seven columns, readable by the library that trains; nothing is lost on the way back."""

import io
import json
import os
import signal
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from django.core.management import CommandError, call_command

from modelhub.models import InferredPersona, PreferencePair, RetrievedPersona, Run
from modelhub.stages.export_augmented import COLUMNS
from tests.modelhub.pair_rows import make_pair, make_persona, make_system
from tests.modelhub.preference_files import TAILORING, augmented, jsonl, public
from tests.modelhub.preference_files import run as run_import

pytestmark = pytest.mark.django_db


def export(out: Path, dataset: str = "Ours", **options: Any) -> str:
    said = io.StringIO()
    call_command("export_augmented", dataset=dataset, out=out, stdout=said, **options)
    return said.getvalue()


def rows_of(path: Path) -> list[dict[str, Any]]:
    table = pyarrow.parquet.read_table(path)
    assert tuple(table.schema.names) == COLUMNS and {str(kind) for kind in table.schema.types} == {"string"}
    return table.to_pylist()


def contents() -> list[Any]:
    """Everything stored, without ids."""
    return [
        sorted(PreferencePair.objects.values_list("split", "row", "key", "sha256", "prompt", "chosen", "rejected")),
        sorted(InferredPersona.objects.values_list("pair__split", "pair__row", "direction", "text")),
        sorted(RetrievedPersona.objects.values_list("pair__split", "pair__row", "source__split", "source__row")),
    ]


@pytest.fixture
def data(tmp_path: Path) -> list[list[dict[str, Any]]]:
    """Import two splits and return their rows."""
    train = [augmented(2, 1), augmented(1, 2, prompt=" Zwei\nZeilen, “so”. "), augmented(3, 1, chosen_persona_gold="")]
    test = [augmented(11, 1), augmented(12)]
    run_import(jsonl(tmp_path / "sft_train.jsonl", train), jsonl(tmp_path / "test.jsonl", test))
    return [train, test]


def test_rows_leave_as_they_came_in_the_order_of_their_source(data: list[Any], tmp_path: Path) -> None:
    said = export(tmp_path / "out")
    assert [rows_of(tmp_path / "out" / f"{split}.parquet") for split in ("sft_train", "test")] == data
    assert "sft_train: 3 rows\n  1 without chosen_persona_gold\n" in said
    assert "test: 2 rows\n  1 without chosen_persona_retr\n  1 without rejected_persona_retr" in said
    made = Run.objects.get(stage="export_augmented")
    assert (made.state, made.total, made.done) == ("finished", 5, 5)
    assert made.arguments["system"] == "imported:Ours" and made.arguments["retriever"] == "imported"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md", "sft_train.parquet", "test.parquet",
    ]  # fmt: skip


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_the_training_library_reads_the_folder_split_by_split(format: str, data: list[Any], tmp_path: Path) -> None:
    import datasets

    out = tmp_path / "out"
    export(out, format=format)
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {name: rows.to_list() for name, rows in loaded.items()} == dict(
        zip(("sft_train", "test"), data, strict=True)
    )
    reader = "json" if format == "jsonl" else format
    files = {"test": str(out / f"test.{format}")}
    named = datasets.load_dataset(reader, data_files=files, cache_dir=str(tmp_path / "cache"))
    assert named["test"].to_list() == data[1] and tuple(named["test"].column_names) == COLUMNS


def test_exported_data_imported_again_is_the_same(data: list[Any], tmp_path: Path) -> None:
    export(tmp_path / "one")
    before, files = contents(), {path.name: path.read_bytes() for path in (tmp_path / "one").glob("*.parquet")}
    for model in (RetrievedPersona, InferredPersona, PreferencePair):
        model.objects.all().delete()
    run_import(str(tmp_path / "one"))
    assert contents() == before
    export(tmp_path / "two")
    assert {path.name: path.read_bytes() for path in (tmp_path / "two").glob("*.parquet")} == files


def test_a_folder_with_anything_in_it_is_not_touched_without_force(data: list[Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(out)
    (out / "test.parquet").write_bytes(b"mine")
    with pytest.raises(CommandError, match="is not empty. Name another folder, or give --force"):
        export(out)
    assert (out / "test.parquet").read_bytes() == b"mine"
    export(out, force=True)
    assert rows_of(out / "test.parquet") == data[1]
    with pytest.raises(CommandError, match="is no folder"):
        export(out / "test.parquet")


def test_an_export_that_breaks_leaves_no_file(data: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("modelhub.stages.export_augmented._card", full)
    with pytest.raises(CommandError, match="cannot be written: No space left on device"):
        export(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == [] and Run.objects.first().state == "failed"


def test_an_export_that_is_stopped_leaves_no_file(
    data: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelhub.stages.export_augmented._card", lambda *given: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(CommandError, match="Nothing was written") as caught:
        export(tmp_path / "out")
    assert caught.value.returncode == 130
    assert list((tmp_path / "out").iterdir()) == []
    assert Run.objects.get(stage="export_augmented").state == "stopped"


def test_personas_of_one_system_and_one_retriever_are_written(tmp_path: Path) -> None:
    first, second = make_system("one"), make_system("two")
    pairs = [make_pair("Ours", split, 1) for split in ("sft_train", "test")]
    for system in (first, second):
        for pair in pairs:
            make_persona(pair, "chosen", system, f"The user is {system} in {pair.split}.")
    for retriever in ("imported", "abc"):
        RetrievedPersona.objects.create(pair=pairs[1], source=pairs[0], retriever=retriever, rank=1, run=pairs[1].run)
    with pytest.raises(CommandError, match="Several systems have inferred personas of Ours: one, two"):
        export(tmp_path / "out")
    with pytest.raises(CommandError, match="Several retrievers have worked on Ours: abc, imported"):
        export(tmp_path / "out", system="two")
    export(tmp_path / "out", system="two", retriever="abc", format="jsonl")
    row = json.loads((tmp_path / "out" / "test.jsonl").read_text(encoding="utf-8"))
    assert [row[name] for name in COLUMNS[3:]] == ["The user is two in test.", "", "The user is two in sft_train.", ""]


@pytest.mark.slow
def test_the_public_beavertails_data_leaves_as_it_came_but_for_what_could_not_be_traced(tmp_path: Path) -> None:
    folder = Path(public(TAILORING / "BeaverTails"))
    run_import(str(folder), dataset="BeaverTails")
    export(tmp_path / "out", "BeaverTails")
    untraced = {"test": 2, "sft_val": 1, "sft_train": 1}
    for file in folder.glob("*.parquet"):
        original, written = pyarrow.parquet.read_table(file).to_pylist(), rows_of(tmp_path / "out" / file.name)
        different = [(one, other) for one, other in zip(original, written, strict=True) if one != other]
        assert len(different) == untraced.get(file.stem, 0)
        for one, other in different:
            assert other == {**one, "chosen_persona_retr": "", "rejected_persona_retr": ""}
