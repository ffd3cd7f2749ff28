"""Images of practice items and planted pairs, and images on researchers' pages."""

import hashlib
import html
import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.export import export_refusal
from annotation.models import Study
from annotation.protocol import definition_document, definition_of, protocol_hash
from annotation.services.studies import study_save
from annotation.services.studymaking import study_copy, study_renew
from annotation.studyfile import file_data, read_study_file, study_content
from annotation.studyfile.uploads import read_upload
from tests.annotation.making import form_on, zipped
from tests.annotation.study_rows import make_frozen_study
from tests.annotation.studyfiles import complaints, study_data, write
from tests.annotation.test_images import ALT, made_with_an_image, picture
from tests.factories import make_user
from tests.tools.spots import participant_at_work, path_of

pytestmark = pytest.mark.django_db
PRACTISED = {"prompt": "Which is the cactus?", "persona": "In a hurry.", "responses": ["The left one.", "None."]}
PLANTED = {"part": 1, "id": "trap", "prompt": "How many pots?", "persona": "Counts.", "good": "3.", "bad": "Blue.",
           "aspect": "fit"}  # fmt: skip


def file_with_images_everywhere(folder: Path, **changes: Any) -> Path:
    shown = {"image": "pots.png", "image_alt": ALT}
    (folder / "pots.png").write_bytes(picture())
    (folder / "trap.jpg").write_bytes(picture("JPEG", "red"))
    practice, planted = [{**PRACTISED, **shown}], [{**PLANTED, "image": "trap.jpg", "image_alt": "Three red pots."}]
    return write(folder, study_data(**{"practice": practice, "planted": planted, **changes}))


def test_practice_items_and_planted_pairs_have_images_as_items_have(tmp_path: Path) -> None:
    made = read_study_file(file_with_images_everywhere(tmp_path))
    study = study_save(definition=made, owner=make_user("author"))
    assert definition_document(study) == made.document()
    assert study.practice[0]["image"]["alt"] == ALT and "image_file" not in study.practice[0]
    assert study.items.get(key="trap").image["alt"] == "Three red pots."
    assert sorted(study.images.values_list("media_type", flat=True)) == ["image/jpeg", "image/png"]
    hashed = protocol_hash(study)
    study_save(
        definition=read_study_file(
            file_with_images_everywhere(tmp_path, practice=[{**PRACTISED, "image": "trap.jpg", "image_alt": ALT}])
        ),
        owner=study.owner,
    )
    study.refresh_from_db()
    assert protocol_hash(study) != hashed
    assert [bytes(image.data) for image in study.images.all()] == [picture("JPEG", "red")]  # the other one is gone


@pytest.mark.parametrize("section", ["practice", "planted"])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image": "pots.png"}, "[0].image_alt: is missing; describe in words"),
        ({"image_alt": ALT}, "[0].image_alt: stands without an image"),
        ({"image": "../pots.png", "image_alt": ALT}, "leads out of the folder"),
    ],
)
def test_they_are_held_to_what_items_are_held_to(
    tmp_path: Path, section: str, changes: dict[str, str], said: str
) -> None:
    entry = PRACTISED if section == "practice" else PLANTED
    (found,) = complaints(file_with_images_everywhere(tmp_path, **{section: [{**entry, **changes}]}))
    assert section in found and said in found


def test_an_archive_holds_their_images_too_and_each_language_its_words(tmp_path: Path) -> None:
    words = {"en": "Pots.", "de": "Töpfe."}
    practice = [{**PRACTISED, "image": "pots.png", "image_alt": words}]
    path = file_with_images_everywhere(tmp_path, languages=["en", "de"], practice=practice)
    study = study_save(definition=read_study_file(path), owner=make_user("author"))
    content, ending = study_content(definition_of(study))
    document = definition_document(study)
    assert ending == "zip" and document["translations"]["de"]["practice"][0]["image"]["alt"] == "Töpfe."
    Study.objects.filter(pk=study.pk).update(slug="elsewhere")
    study.images.all().delete()
    again = study_save(definition=read_upload("study.zip", io.BytesIO(content)), owner=make_user("author"))
    assert definition_document(again) == document and again.images.count() == 2
    assert file_data(definition_of(again))["practice"][0]["image_alt"] == words


def test_the_practice_page_shows_the_image(tmp_path: Path) -> None:
    study = study_save(definition=read_study_file(file_with_images_everywhere(tmp_path)), owner=make_user("author"))
    Study.objects.filter(pk=study.pk).update(state="open", protocol_hash="0" * 64, opened_at=timezone.now())
    study.refresh_from_db()
    participant = participant_at_work(study, practised=False)
    sha256 = study.practice[0]["image"]["sha256"]
    address = f"{path_of(participant)}images/{sha256}/"
    assert f'<img src="{address}" alt="{ALT}"' in Client().get(path_of(participant)).content.decode()
    assert Client().get(address).content == picture()


@pytest.mark.parametrize("section", ["practice", "checks"])
def test_an_image_is_sent_on_the_form_of_a_section(client: Client, tmp_path: Path, section: str) -> None:
    study = study_save(definition=read_study_file(file_with_images_everywhere(tmp_path)), owner=make_user("author"))
    client.force_login(study.owner)
    address = reverse("annotation:make_edit", args=[study.slug, study.version, section])
    name = "practice.0.image" if section == "practice" else "planted.0.image"
    sent = form_on(client, address)
    file = SimpleUploadedFile("new.gif", picture("GIF", "blue"))
    answer = client.post(address, {**sent, f"{name}.file": file, f"{name}_alt": "Blue.", "do": "save"})
    assert answer.status_code == 302, answer.content.decode()
    assert "image/gif" in study.images.values_list("media_type", flat=True)
    file.seek(0)
    refused = client.post(address, {**sent, f"{name}.file": file, f"{name}_alt": "", "do": "save", "seen": "x"})
    assert refused.status_code == 422


def test_researchers_see_the_image_on_their_pages_and_others_do_not(client: Client, tmp_path: Path) -> None:
    study = made_with_an_image(tmp_path)
    here = [study.slug, study.version]
    address = reverse("annotation:study_image", args=[*here, hashlib.sha256(picture()).hexdigest()])
    assert client.get(address).status_code == 302
    client.force_login(make_user("stranger"))
    assert client.get(address).status_code == 404
    client.force_login(study.owner)
    assert client.get(address).content == picture()
    pages = [reverse(f"annotation:{name}", args=here) for name in ("items", "study_outputs", "make_items")]
    pages += [reverse("annotation:make_item", args=[*here, 1])]
    for page in pages:
        assert f'<img src="{address}" alt="{ALT}"' in client.get(page).content.decode(), page
    frame = client.get(reverse("annotation:study_texts", args=here), {"shows": "rate"}).content.decode()
    assert html.escape(f'<img src="{address}" alt="{ALT}"', quote=True) in frame


def test_a_wave_brings_its_images_in_an_archive_or_beside_the_file(client: Client, tmp_path: Path) -> None:
    study = make_frozen_study()
    study.arms.update(fingerprint="")
    Study.objects.filter(pk=study.pk).update(protocol_hash=protocol_hash(Study.objects.get(pk=study.pk)))
    rows = "id,prompt,persona,response_1,response_2,image,image_alt\nnew,Which?,Busy.,One.,Two.,pots.png,Pots.\n"
    client.force_login(study.owner)
    address = reverse("annotation:wave_add", args=[study.slug, study.version])
    alone = SimpleUploadedFile("more.csv", rows.encode())
    refused = client.post(address, {"items": alone, "reason": "A wave"})
    assert refused.status_code == 422 and "send both as .zip" in refused.content.decode()
    packed = SimpleUploadedFile("more.zip", zipped({"more.csv": rows, "pots.png": picture()}))
    assert client.post(address, {"items": packed, "reason": "A wave"}).status_code == 302
    (tmp_path / "more.csv").write_text(rows.replace("new,", "newer,"))
    (tmp_path / "pots.png").write_bytes(picture(colour="red"))
    call_command("add_wave", study.slug, str(tmp_path / "more.csv"), reason="Another", stdout=io.StringIO())
    shown = {key: study.items.get(key=key).image["sha256"] for key in ("new", "newer")}
    assert {image.sha256: bytes(image.data) for image in study.images.all()} == {
        shown["new"]: picture(), shown["newer"]: picture(colour="red"),
    }  # fmt: skip
    assert export_refusal(Study.objects.get(pk=study.pk)) == ""


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"pots.png": picture()}, "must hold one file with items"),
        ({"a.csv": "prompt\nWhich?\n", "b.csv": "prompt\nWhich?\n"}, "found: a.csv, b.csv"),
    ],
)
def test_an_archive_of_a_wave_holds_one_file_with_items(
    client: Client, files: dict[str, str | bytes], said: str
) -> None:
    study = make_frozen_study()
    client.force_login(study.owner)
    address = reverse("annotation:wave_add", args=[study.slug, study.version])
    sent = SimpleUploadedFile("more.zip", zipped(files))
    answer = client.post(address, {"items": sent, "reason": "A wave"})
    assert answer.status_code == 422 and said in answer.content.decode()


def test_a_new_version_and_a_copy_keep_all_images(tmp_path: Path) -> None:
    study = study_save(definition=read_study_file(file_with_images_everywhere(tmp_path)), owner=make_user("author"))
    copy = study_copy(study=study, slug="copied", title="Copied", owner=study.owner)
    renewed = study_renew(study=study, user=study.owner)
    stored = set(study.images.values_list("sha256", "media_type"))
    assert len(stored) == 2
    for made in (copy, renewed):
        assert set(made.images.values_list("sha256", "media_type")) == stored
        assert made.practice == study.practice
