"""Images of prompts: read with the study file, kept by hash, and served under a participant's link alone."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from annotation.models import Output, Study, StudyImage
from annotation.protocol import definition_document, definition_of, protocol_hash
from annotation.services.studies import study_save
from annotation.studyfile import file_data, read_study_data, read_study_file
from annotation.studyfile.images import MOST_BYTES
from annotation.studyfile.uploads import read_upload
from tests.annotation.making import form_on
from tests.annotation.studyfiles import complaints, study_data, write
from tests.annotation.walking import Walker
from tests.factories import make_study, make_user

ALT = "Three pots on a window sill."
ITEM = {"id": "tea", "prompt": "Which of these?", "persona": "The user is busy.", "image": "pots.png", "image_alt": ALT}
REST = {"id": "rest", "prompt": "How do I rest?"}


def picture(kind: str = "PNG", colour: str = "green") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, kind)
    return file.getvalue()


def study_with(folder: Path, content: bytes, **changes: Any) -> Path:
    (folder / "pots.png").write_bytes(content)
    return write(folder, study_data(items=[{**ITEM, **changes}, REST]))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_an_image_is_known_by_its_content_whatever_its_name(tmp_path: Path, kind: str) -> None:
    made = read_study_file(study_with(tmp_path, picture(kind)))
    assert made.items[0].image_file and made.items[0].image_file.media_type == f"image/{kind.lower()}"
    sha256 = hashlib.sha256(picture(kind)).hexdigest()
    first, second = made.document()["items"]
    assert first["image"] == {"sha256": sha256, "alt": ALT, "width": 40, "height": 30}
    assert "image" not in second and "image_file" not in first


@pytest.mark.parametrize(
    ("content", "changes", "said"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", {}, "items[0].image: 'pots.png' is no image that browsers show"),
        (picture()[:60], {}, "items[0].image: 'pots.png' is no image that browsers show"),
        (b"x" * (MOST_BYTES + 1), {}, f"at most {MOST_BYTES} are shown"),
        (picture(), {"image": "there-is-none.png"}, "'there-is-none.png' does not exist"),
        (picture(), {"image": "../../etc/hostname"}, "leads out of the folder"),
        (picture(), {"image_alt": ""}, "items[0].image_alt: is missing; describe in words"),
        (picture(), {"image": ""}, "items[0].image_alt: stands without an image"),
    ],
)
def test_what_is_no_image_or_lacks_its_description_is_refused(
    tmp_path: Path, content: bytes, changes: dict[str, str], said: str
) -> None:
    assert any(said in told for told in complaints(study_with(tmp_path, content, **changes)))


def test_a_table_of_items_has_images_only_where_its_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "pots.png").write_bytes(picture())
    (tmp_path / "items.csv").write_text("prompt,persona,image,words\nWhich?,Busy.,pots.png,Pots.\n", encoding="utf-8")
    entry = {"file": "items.csv"}
    columns = {"prompt": "prompt", "persona": "persona", "image": "image", "image_alt": "words"}
    plain, shown = (
        read_study_file(write(tmp_path, study_data(items=[one, REST]))).items[0]
        for one in (entry, {**entry, "columns": columns})
    )
    assert plain.image == {} and shown.image["alt"] == "Pots."


@pytest.mark.django_db
def test_a_stored_image_is_part_of_the_protocol_and_another_one_makes_outputs_obsolete(tmp_path: Path) -> None:
    made = read_study_file(study_with(tmp_path, picture()))
    study = study_save(definition=made, owner=make_user())
    assert definition_document(study) == made.document()
    assert bytes(StudyImage.objects.get().data) == picture()
    before, kept = protocol_hash(study), study.items.get(key="tea").pk
    study = study_save(definition=made, owner=make_user())
    assert (protocol_hash(study), study.items.get(key="tea").pk) == (before, kept)
    other = read_study_file(study_with(tmp_path, picture(colour="red")))
    study = study_save(definition=other, owner=make_user())
    assert protocol_hash(study) != before and study.items.get(key="tea").pk != kept
    assert bytes(StudyImage.objects.get().data) == picture(colour="red")


@pytest.fixture
def walker(db: None) -> Walker:
    study = make_study(given_items=1, given_per_participant=1)
    sha256 = hashlib.sha256(picture()).hexdigest()
    study.items.update(image={"sha256": sha256, "alt": ALT, "width": 40, "height": 30})
    study.images.create(sha256=sha256, media_type="image/png", width=40, height=30, data=picture())
    assert Output.objects.filter(arm__study=study).exists()
    return Walker(study).begin()


def test_the_page_shows_the_image_with_its_description_and_the_site_serves_it(walker: Walker) -> None:
    address = f"images/{hashlib.sha256(picture()).hexdigest()}/"
    assert f'<img src="{walker.base}{address}" alt="{ALT}" width="40" height="30">' in walker.get().content.decode()
    answer = walker.get(address)
    assert answer.content == picture()
    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == ("image/png", "nosniff")
    assert answer["Cache-Control"] == "private, max-age=31536000, immutable"
    assert answer["Content-Security-Policy"].startswith("default-src 'none';")


def test_an_image_is_not_for_strangers_nor_for_participants_of_other_studies(walker: Walker) -> None:
    address = f"images/{hashlib.sha256(picture()).hexdigest()}/"
    assert Client().get(f"/p/nobody/{address}").status_code == 404
    assert Walker(make_study(slug="another")).get(address).status_code == 404
    assert walker.get(f"images/{'0' * 64}/").status_code == 404
    assert Study.objects.count() == 2


def made_with_an_image(folder: Path) -> Study:
    return study_save(definition=read_study_file(study_with(folder, picture())), owner=make_user("author"))


def downloaded(client: Client, study: Study) -> bytes:
    client.force_login(study.owner)
    response = client.get(reverse("annotation:make_file", args=[study.slug, study.version]))
    assert response["Content-Type"] == "application/zip"
    return response.content


@pytest.mark.django_db
def test_a_study_with_images_is_downloaded_as_an_archive_that_makes_the_same_study_elsewhere(
    client: Client, tmp_path: Path
) -> None:
    study = made_with_an_image(tmp_path)
    archive = downloaded(client, study)
    before = definition_document(study)
    Study.objects.update(slug="elsewhere")
    StudyImage.objects.all().delete()
    again = study_save(definition=read_upload("study.zip", io.BytesIO(archive)), owner=study.owner)
    assert definition_document(again) == before
    assert bytes(again.images.get().data) == picture()


@pytest.mark.django_db
def test_another_section_that_is_edited_and_a_new_version_keep_the_image(client: Client, tmp_path: Path) -> None:
    study = made_with_an_image(tmp_path)
    changed = replace(definition_of(study), debrief="Another end.")
    study_save(definition=read_study_data(file_data(changed)), owner=study.owner)
    assert bytes(study.images.get().data) == picture()
    client.force_login(study.owner)
    client.post(reverse("annotation:make_renew", args=[study.slug, study.version]))
    assert StudyImage.objects.filter(study__slug=study.slug).count() == 2


@pytest.mark.django_db
def test_an_image_is_added_to_an_item_on_its_page_with_its_description(client: Client, tmp_path: Path) -> None:
    study = made_with_an_image(tmp_path)
    client.force_login(study.owner)
    address = reverse("annotation:make_item", args=[study.slug, study.version, 2])
    sent = form_on(client, address) | {"do": "save"}
    image = SimpleUploadedFile("../pots two.png", picture(colour="blue"))
    assert client.post(address, {**sent, "new_image": image}).status_code == 422  # what does it show?
    image.seek(0)
    described = {name: "A blue pot." if name.endswith("image_alt") else value for name, value in sent.items()}
    assert client.post(address, {**described, "new_image": image}).status_code == 302
    item = study.items.get(key="rest")
    stored = study.images.get(sha256=item.image["sha256"])
    assert (bytes(stored.data), item.image["alt"]) == (picture(colour="blue"), "A blue pot.")


@pytest.mark.django_db
def test_a_form_cannot_name_an_image_that_lies_on_the_server(client: Client, tmp_path: Path) -> None:
    study = made_with_an_image(tmp_path)
    client.force_login(study.owner)
    address = reverse("annotation:make_item", args=[study.slug, study.version, 1])
    sent = form_on(client, address) | {"do": "save"}
    for name in ("docs/pictures/rate-phone.png", str(tmp_path / "pots.png"), "images/" + "0" * 64 + ".png"):
        named = {key: name if key.endswith(".image") else value for key, value in sent.items()}
        assert client.post(address, named).status_code == 422, name
