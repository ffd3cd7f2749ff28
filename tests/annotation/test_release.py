"""E-mail addresses and telephone numbers in what people typed: told with every export, and left out of a release."""

import io
import json
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from annotation.contacts import contacts_in, contacts_marked
from annotation.export import study_tables
from annotation.models import ElicitationAnswer, Followup, Persona, PersonaFinding, QuestionnaireAnswer, Study
from annotation.protocol import protocol_hash
from tests.annotation.leaving import live_study, walked

REGIONS = settings.PHONE_REGIONS
FOUND = [
    ("Write to jo.doe+x@mail.example.org, please.", "Write to [e-mail], please."),
    ("jo@example.org; or ann_b@sub-domain.example.co.uk.", "[e-mail]; or [e-mail]."),
    ("jo (at) example (dot) org", "[e-mail]"),
    ("jo[at]example.org", "[e-mail]"),
    ("ＪO＠example.org", "[e-mail]"),
    ("jörg@müller.example", "[e-mail]"),
    ("<jo@example.org>", "<[e-mail]>"),
    ("call +49 30 1234567 now", "call [telephone] now"),
    ("My number is (415) 555-2671.", "My number is [telephone]."),
    ("0176 12345678, evenings", "[telephone], evenings"),
    ("+1-415-555-2671", "[telephone]"),
    ("020 7946 0018", "[telephone]"),
    ("jo@example.org or +44 20 7946 0018", "[e-mail] or [telephone]"),
]
FREE = [
    "The user is 42 and prefers lists.", "Between 1998 and 2004 I lived abroad.", "@someone said so", "me @ home",
    "3.14159265358979", "2026-03-01 12:30:15", "1 2 3 4 5 6 7", "10,000,000 people", "look at (at) home",
    "192.168.100.200", "a@b", "at the shop. dot", "", "v1.2.3@latest",
]  # fmt: skip


@pytest.mark.parametrize(("text", "marked"), FOUND)
def test_addresses_and_numbers_are_found_in_the_forms_in_which_people_type_them(text: str, marked: str) -> None:
    assert contacts_marked(text, REGIONS) == marked


@pytest.mark.parametrize("text", FREE)
def test_what_is_neither_stays(text: str) -> None:
    assert contacts_in(text, REGIONS) == () and contacts_marked(text, REGIONS) == text


def test_a_number_without_a_country_code_is_found_where_its_country_is_named() -> None:
    assert contacts_marked("0176 12345678", ["US"]) == "0176 12345678"
    assert contacts_marked("0176 12345678", ["US", "DE"]) == "[telephone]"


@given(st.text(st.sampled_from("ab@.(at)dot +-0123456789\n"), max_size=60))
def test_nothing_that_was_marked_is_found_again_and_the_rest_is_as_it_was(text: str) -> None:
    found = contacts_in(text, REGIONS)
    marked = contacts_marked(text, REGIONS)
    assert all(one.end <= other.start for one, other in zip(found, found[1:], strict=False))
    kept = len(text) - sum(one.end - one.start for one in found)
    assert len(marked) == kept + sum(len(one.kind) + 2 for one in found)


# --- In exports ---


@pytest.fixture
def study(db: None) -> Study:
    """A study in which an address stands wherever people type."""
    study, mail = live_study(), "jo@example.org"
    walker = walked(study)
    persona = Persona.objects.filter(submitted_at__isnull=False).get()
    Persona.objects.filter(pk=persona.pk).update(text=f"The user is {mail}.", offered_text=mail)
    persona.outputs.update(text=f"Dear {mail}, call +49 30 1234567.")
    Followup.objects.update(text=mail)
    QuestionnaireAnswer.objects.update(value=mail)
    ElicitationAnswer.objects.create(persona=persona, key="q", text=mail)
    PersonaFinding.objects.create(
        persona=persona, kind="identifying", detail=f"“{mail}”", source="rule", action="advised"
    )
    asked = {"key": "why", "type": "text", "question": "Why?", "required": False, "options": [], "labels": []}
    Study.objects.filter(pk=study.pk).update(questionnaires={"before": [asked]})
    walker.participant.assignments.filter(state="completed").update(skip_reason=mail)
    study.refresh_from_db()
    Study.objects.filter(pk=study.pk).update(protocol_hash=protocol_hash(study))
    return Study.objects.get(pk=study.pk)


def export(study: Study, folder: Path, *options: str) -> str:
    said = io.StringIO()
    call_command("export_ratings", study.slug, "--out", str(folder), *options, stdout=said, stderr=io.StringIO())
    return said.getvalue()


def files_of(folder: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in folder.iterdir())


def test_an_export_says_where_addresses_and_numbers_are_and_leaves_them(study: Study, tmp_path: Path) -> None:
    said = export(study, tmp_path)
    assert (
        "outputs.text: a telephone number in 2 cells" in said and "personas.text: an e-mail address in 1 cell" in said
    )
    assert "Left as they are; --release" in said and "jo@example.org" in files_of(tmp_path)
    codebook = json.loads((tmp_path / "codebook.json").read_text(encoding="utf-8"))
    assert codebook["free_text"]["released"] is False and len(codebook["free_text"]["found"]) > 8


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_a_release_holds_marks_in_their_places_in_every_table(study: Study, tmp_path: Path, format: str) -> None:
    said = export(study, tmp_path, "--release", "--format", format)
    text = files_of(tmp_path)
    assert "Replaced by marks" in said and "jo@example.org" not in text and "1234567" not in text
    assert "Dear [e-mail], call [telephone]." in text


def test_no_column_of_text_that_people_type_is_left_unread(study: Study) -> None:
    """Whatever an address was typed into is marked as typed; else a release would hold it."""
    for table in study_tables(study, include_bots=True).values():
        typed = {column.name for column in table.columns if column.typed}
        for row in table.rows():
            assert not {name for name, cell in row.items() if "jo@example.org" in str(cell)} - typed, table.name


def test_a_release_takes_no_ids_from_outside(study: Study, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="A release tells nobody"):
        export(study, tmp_path, "--release", "--include-external-ids")


def test_the_page_says_what_was_found_and_its_downloads_are_without(study: Study, client: Client) -> None:
    client.force_login(study.owner)
    page = client.get(reverse("annotation:release", args=[study.slug, study.version])).content.decode()
    assert "personas.text: an e-mail address in 1 cell" in page and "?release=on" in page
    address = reverse("annotation:export_download", args=[study.slug, study.version, "personas", "jsonl"])
    plain, released = (client.get(address, data).getvalue().decode() for data in ({}, {"release": "on"}))
    assert "jo@example.org" in plain and "jo@example.org" not in released and "[e-mail]" in released
