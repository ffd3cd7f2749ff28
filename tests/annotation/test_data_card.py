"""An export is one folder that `datasets` and pandas read in one line, with a card of the study's facts."""

import io
import zipfile
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from annotation.export import FORMATS, study_tables
from annotation.models import Item, Output, Persona, Study
from annotation.protocol import protocol_hash
from tests.annotation.exporting import export, rows_of
from tests.annotation.study_rows import add_assignment, add_participant, make_frozen_study

pytestmark = pytest.mark.django_db
AWKWARD = 'NA, "quoted" and\r\n=1+1 🛶'


@pytest.fixture
def answered() -> Study:
    """A study with answers, whose items have ids that look like numbers and a text that looks like nothing."""
    study = make_frozen_study()
    for item in study.items.all():
        Item.objects.filter(pk=item.pk).update(key=f"00{item.ordinal}", stratum="NA")
    Persona.objects.filter(item__study=study).update(text=AWKWARD)
    Study.objects.filter(pk=study.pk).update(
        consent="## Your data\n\nRatings may be **shared** for research.", protocol_hash=protocol_hash(study)
    )
    study = Study.objects.get(pk=study.pk)
    Study.objects.filter(pk=study.pk).update(protocol_hash=protocol_hash(study))
    study = Study.objects.get(pk=study.pk)
    for _ in range(2):
        add_assignment(add_participant(study), study.items.order_by("ordinal")[0].key)
    return study


def front_of(folder: Path) -> dict[str, Any]:
    front: dict[str, Any] = yaml.safe_load((folder / "README.md").read_text("utf-8").split("---\n")[1])
    return front


@pytest.mark.parametrize("format", FORMATS)
def test_every_table_with_rows_loads_as_a_data_set_with_its_values(
    format: str, answered: Study, tmp_path: Path
) -> None:
    counts = export(answered, tmp_path / "out", format)
    filled = {name for name, rows in counts.items() if rows}
    assert {"ratings", "ratings_wide", "ratings_with_texts", "items"} <= filled < set(counts)
    assert set(datasets.get_dataset_config_names(str(tmp_path / "out"))) == filled
    for name in filled:
        loaded = datasets.load_dataset(str(tmp_path / "out"), name, cache_dir=str(tmp_path / "cache"))["train"]
        assert loaded.column_names == [column.name for column in study_tables(answered)[name].columns]
        assert loaded.num_rows == counts[name]
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))["train"]
    expected = rows_of(answered, "ratings")
    for name in ("item", "stratum", "persona_text", "value", "withdrawn", "rate_focused_seconds", "preferred_arm"):
        assert loaded[name][:] == [row[name] for row in expected], name


@pytest.mark.parametrize("format", FORMATS)
def test_pandas_reads_ratings_in_the_line_that_the_card_shows(format: str, answered: Study, tmp_path: Path) -> None:
    export(answered, tmp_path, format)
    (line,) = (line for line in (tmp_path / "README.md").read_text("utf-8").splitlines() if line.startswith("pd."))
    frame = eval(line.replace('"ratings.', f'"{tmp_path}/ratings.'), {"pd": pd})
    expected = rows_of(answered, "ratings")
    assert list(frame["item"]) == [row["item"] for row in expected] and frame["item"][0].startswith("00")
    assert list(frame["persona_text"]) == [AWKWARD] * len(expected) and set(frame["stratum"]) == {"NA"}
    assert list(frame["value"].astype(int)) == [row["value"] for row in expected]


def test_a_file_for_spreadsheets_loads_too(answered: Study, tmp_path: Path) -> None:
    export(answered, tmp_path / "out", "csv", formula_safe=True)
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))["train"]
    assert loaded["study"][0] == answered.slug


def test_ratings_with_texts_hold_what_was_read_before_each_answer(answered: Study) -> None:
    plain, full = rows_of(answered, "ratings"), rows_of(answered, "ratings_with_texts")
    assert [{name: row[name] for name in plain[0]} for row in full] == plain
    outputs = dict(Output.objects.values_list("key", "text"))
    prompts = dict(Item.objects.filter(study=answered).values_list("key", "prompt"))
    for row in full:
        assert row["prompt"] == prompts[row["item"]] and row["question"]
        assert row["output_text"] == (outputs[row["output"]] if row["output"] else None)
    pairs = [row for row in full if row["aspect_kind"] == "comparison"]
    assert len(pairs) == 2
    for row in pairs:
        sides = {one["position"]: one["output_text"] for one in full if one["assignment"] == row["assignment"]}
        assert (row["left_text"], row["right_text"]) == (sides[1], sides[2])
        assert row["left_text"] != row["right_text"]
    assert {row["left_text"] for row in full if row["aspect_kind"] == "rating"} == {None}


def test_the_card_tells_facts_of_the_study_and_makes_none_up(answered: Study, tmp_path: Path) -> None:
    call_command("export_ratings", answered.slug, "--out", tmp_path, "--license", "cc-by-4.0", stderr=io.StringIO())
    text = (tmp_path / "README.md").read_text("utf-8")
    assert front_of(tmp_path)["license"] == "cc-by-4.0" and "Licence: `cc-by-4.0`" in text
    assert "> Ratings may be **shared** for research." in text and "sets no limit" in text
    assert answered.protocol_hash in text and "Bots and previews: left out" in text
    assert "ratings" in text and f"`{answered.slug}`" in text
    Study.objects.filter(pk=answered.pk).update(retention={"free_text_days": 90})
    Study.objects.filter(pk=answered.pk).update(protocol_hash=protocol_hash(Study.objects.get(pk=answered.pk)))
    export(Study.objects.get(pk=answered.pk), tmp_path)
    text = (tmp_path / "README.md").read_text("utf-8")
    assert "Erased 90 days after closing: what participants wrote" in text and "sets no limit" not in text
    assert front_of(tmp_path)["license"] == "unknown" and "No licence was named" in text


def test_a_study_without_rows_has_a_card_too(tmp_path: Path) -> None:
    export(make_frozen_study(), tmp_path)
    front = front_of(tmp_path)
    assert front["size_categories"] == ["n<1K"]
    assert [config["config_name"] for config in front["configs"]] == ["personas", "outputs", "items"]


def test_the_command_says_whether_bots_are_in_the_tables(tmp_path: Path) -> None:
    make_frozen_study()
    for options, says in (([], "are left out; --include-bots"), (["--include-bots"], "are in them")):
        said = io.StringIO()
        call_command("export_ratings", "study", *options, "--out", tmp_path, stdout=said, stderr=io.StringIO())
        assert f"Bots and previews {says}" in said.getvalue()


@pytest.mark.parametrize("format", FORMATS)
def test_the_page_sends_everything_as_one_file_that_is_the_commands_folder(
    format: str, answered: Study, client: Client, tmp_path: Path
) -> None:
    client.force_login(answered.owner)
    address = reverse("annotation:export_zip", args=[answered.slug, answered.version, format])
    content = client.get(address, {"formula_safe": "on"}).getvalue()
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        assert zipped.testzip() is None
        zipped.extractall(tmp_path / "zip")
    (folder,) = (tmp_path / "zip").iterdir()
    assert folder.name == f"{answered.slug}-v1"
    export(answered, tmp_path / "written", format, formula_safe=format == "csv")
    for path in (tmp_path / "written").iterdir():
        if path.suffix == f".{format}":
            assert (folder / path.name).read_bytes() == path.read_bytes(), path.name
    assert {path.name for path in folder.iterdir()} == {path.name for path in (tmp_path / "written").iterdir()}


def test_a_changed_study_is_not_sent_and_no_other_format_is_there(answered: Study, client: Client) -> None:
    client.force_login(answered.owner)
    address = reverse("annotation:export_zip", args=[answered.slug, answered.version, "csv"])
    assert client.get(address.replace("csv.zip", "xlsx.zip")).status_code == 404
    Study.objects.filter(pk=answered.pk).update(title="Another")
    assert client.get(address).status_code == 409
