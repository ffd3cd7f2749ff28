"""Exports hold the images of prompts, once each, under the names that their tables give."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import datasets
import pandas as pd
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from lxml import etree

from annotation.errors import ServiceError
from annotation.export import FORMATS
from annotation.export.others import OTHER_FORMATS
from annotation.models import Study
from annotation.protocol import protocol_hash
from modelhub.analysis.unblinded import unblinded_write
from tests.annotation.exporting import export, rows_of
from tests.annotation.study_rows import add_assignment, add_participant, make_frozen_study
from tests.annotation.test_images import ALT, picture
from tests.annotation.test_other_tools import write as write_for

pytestmark = pytest.mark.django_db
SHA256 = hashlib.sha256(picture()).hexdigest()
FILE = f"images/{SHA256}.png"


@pytest.fixture
def study() -> Study:
    """A rated study in which two of four items show one image."""
    study = make_frozen_study()
    image = {"sha256": SHA256, "alt": ALT, "width": 40, "height": 30}
    study.items.filter(key__in=["item-1", "item-2"]).update(image=image)
    study.images.create(sha256=SHA256, media_type="image/png", width=40, height=30, data=picture())
    Study.objects.filter(pk=study.pk).update(protocol_hash=protocol_hash(study))
    study.refresh_from_db()
    add_assignment(add_participant(study))
    return study


def test_items_and_ratings_with_texts_name_the_image(study: Study) -> None:
    shown, _, plain, _ = rows_of(study, "items")
    named = {"image_file": FILE, "image_media_type": "image/png", "image_width": 40, "image_height": 30}
    nothing = {"image_file": "", "image_media_type": "", "image_width": None, "image_height": None}
    assert list(shown)[-4:] == list(named)
    assert named.items() <= shown.items() and nothing.items() <= plain.items()
    assert {(row["image_file"], row["image_alt"]) for row in rows_of(study, "ratings_with_texts")} == {(FILE, ALT)}


@pytest.mark.parametrize("format", FORMATS)
def test_the_folder_holds_each_image_once_and_is_still_read_in_one_line(
    format: str, study: Study, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for _ in range(2):  # the second one replaces the first
        export(study, out, format)
    assert [path.name for path in (out / "images").iterdir()] == [Path(FILE).name]
    assert (out / FILE).read_bytes() == picture() and not [*out.glob(".export-*")]
    loaded = datasets.load_dataset(str(out), "items", cache_dir=str(tmp_path / "cache"))["train"]
    assert loaded["image_file"][:] == [FILE, FILE, *([None, None] if format == "csv" else ["", ""])]
    if format == "csv":
        assert list(pd.read_csv(out / "items.csv", dtype=str, keep_default_na=False)["image_width"][:1]) == ["40"]
    card, codebook = ((out / name).read_text("utf-8") for name in ("README.md", "codebook.md"))
    assert "`images/` holds 1 image that prompts show" in card and "Images of prompts: 1;" in codebook


def test_an_export_without_images_speaks_of_none(tmp_path: Path) -> None:
    export(make_frozen_study(), tmp_path, "csv")
    assert not (tmp_path / "images").exists() and "## Images" not in (tmp_path / "README.md").read_text("utf-8")


def test_the_unblinded_export_holds_them_too(study: Study, tmp_path: Path) -> None:
    unblinded_write(study=study, directory=tmp_path, format="jsonl", command="test")
    assert (tmp_path / FILE).read_bytes() == picture()
    rows = [json.loads(line) for line in (tmp_path / "outputs_unblinded.jsonl").read_text("utf-8").splitlines()]
    assert {row["item"]: row["image_file"] for row in rows} == {
        "item-1": FILE, "item-2": FILE, "item-3": "", "item-4": "",
    }  # fmt: skip


@pytest.mark.parametrize("format", [*FORMATS, *OTHER_FORMATS])
def test_every_archive_holds_the_files(format: str, study: Study, client: Client) -> None:
    client.force_login(study.owner)
    answer = client.get(reverse("annotation:export_zip", args=[study.slug, study.version, format]))
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:  # type: ignore[attr-defined]
        assert archive.read(f"{study.slug}-v1/{FILE}") == picture()


@pytest.mark.parametrize("format", ["csv", "argilla"])
def test_nothing_is_written_where_a_file_is_gone(format: str, study: Study, client: Client, tmp_path: Path) -> None:
    study.images.all().delete()
    with pytest.raises(CommandError, match="The image of item 'item-1' of study v1 is not in the database any more"):
        call_command("export_ratings", study.slug, "--format", format, "--out", str(tmp_path / "out"))
    with pytest.raises(ServiceError):
        unblinded_write(study=study, directory=tmp_path / "out", format="csv", command="test")
    assert not [*(tmp_path / "out").iterdir()]
    client.force_login(study.owner)
    answer = client.get(reverse("annotation:export_zip", args=[study.slug, study.version, format]))
    assert answer.status_code == 409 and "item-1" in answer.content.decode()


def test_argilla_shows_the_image_that_stands_in_the_record(study: Study, tmp_path: Path) -> None:
    write_for(study, tmp_path, "argilla")
    settings = json.loads((tmp_path / ".argilla" / "settings.json").read_text("utf-8"))
    (image,) = (field for field in settings["fields"] if field["settings"]["type"] == "image")
    assert image["name"] == "image" and not image["required"]
    first, *_, last = json.loads((tmp_path / "records.json").read_text("utf-8"))
    assert first["fields"]["image"].startswith("data:image/png;base64,") and first["fields"]["image_alt"] == ALT
    assert "image" not in last["fields"]


def test_label_studio_shows_the_image_from_the_folder(study: Study, tmp_path: Path) -> None:
    write_for(study, tmp_path, "label-studio")
    config = etree.fromstring((tmp_path / "label_config.xml").read_bytes())
    assert [tag.get("value") for tag in config.iter("HyperText")] == ["$image"]
    first, *_, last = json.loads((tmp_path / "tasks.json").read_text("utf-8"))
    assert first["data"]["image"] == f'<img src="/data/local-files/?d={FILE}" alt="{ALT}">'
    assert last["data"]["image"] == ""
    assert "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT" in (tmp_path / "README.md").read_text("utf-8")


def test_potato_says_what_the_image_shows_and_that_the_page_lacks_it(study: Study, tmp_path: Path) -> None:
    write_for(study, tmp_path, "potato")
    first = json.loads((tmp_path / "items.jsonl").read_text("utf-8").splitlines()[0])
    assert f"Image:\n{ALT}" in first["text"] and first["image_file"] == FILE
    assert "Images of prompts on the page" in (tmp_path / "README.md").read_text("utf-8")
