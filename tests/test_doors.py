"""One kind of value, one verdict: what one way in refuses, no other takes; what is taken comes back as it was given.

A door brings a value in and returns what an export then says, or what it was refused with.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import ServiceError
from annotation.export import FORMATS
from annotation.fields import LONGEST_TEXT, id_key, is_blank, plain_lines
from annotation.models import Output, Participant
from annotation.peoplefiles import read_invitations
from annotation.protocol import protocol_hash
from annotation.studyfile import StudyFileError, read_study_file
from tests.annotation.exporting import export
from tests.annotation.study_rows import make_frozen_study
from tests.annotation.studyfiles import study_data, write
from tests.annotation.test_export_files import read_rows
from tests.annotation.walking import Walker
from tests.factories import make_study
from tests.tools.doors import (
    DESIGN,
    ID_DOORS,
    NUMBER_DOORS,
    REASON_DOORS,
    TEXT_DOORS,
    call,
    items_with,
    outputs_import,
    posted,
    text_in_the_study,
    text_written,
)
from tests.tools.oddvalues import ANY, FORMAT_FILES, NUMBERS, CannotCarry, Refused, file_of, folder, study_of, values
from tests.tools.state import database_state, logged

pytestmark = pytest.mark.django_db


# --- The rule ------------------------------------------------------------------------------------------------------


def verdicts(doors: Mapping[str, Callable[[str], str]], value: str) -> dict[str, str | None]:
    """Return what each door that can carry the value kept of it, None where it refused; and nothing else is changed."""
    found: dict[str, str | None] = {}
    for name, door in doors.items():
        before = database_state()
        with logged() as log, transaction.atomic():
            try:
                found[name] = door(value)
            except Refused:
                found[name] = None
            except CannotCarry:
                pass
            transaction.set_rollback(True)
        assert "Traceback" not in log.getvalue(), name
        assert database_state() == before
    return found


def assert_alike(doors: Mapping[str, Callable[[str], str]], value: str, expected: str) -> None:
    found = verdicts(doors, value)
    assert len(set(found.values())) <= 1, (value, found)
    assert set(found.values()) <= {None, expected}, (value, found)


@values
@given(ANY)
def test_a_text_is_taken_everywhere_or_nowhere(value: str) -> None:
    assert_alike(TEXT_DOORS, value, plain_lines(value))


@values
@given(ANY)
def test_what_participants_write_is_held_to_the_same(value: str) -> None:
    doors = {"study file": text_in_the_study, "persona": text_written}
    assert_alike(doors, value, plain_lines(value))


@values
@given(ANY)
def test_an_answer_of_a_model_is_taken_in_every_format_or_in_none(value: str) -> None:
    found = verdicts({format: outputs_import(format) for format in FORMAT_FILES}, value)
    assert len({one is None for one in found.values()}) <= 1, (value, found)


@values
@given(ANY)
def test_a_reason_is_taken_everywhere_or_nowhere(value: str) -> None:
    assert_alike(REASON_DOORS, value, plain_lines(value).strip())


@values
@given(ANY)
def test_an_id_is_taken_everywhere_or_nowhere(value: str) -> None:
    assert_alike(ID_DOORS, value, value.strip())


@pytest.mark.parametrize("value", NUMBERS)
def test_a_number_is_taken_everywhere_or_nowhere(value: str) -> None:
    found = verdicts(NUMBER_DOORS, value)
    assert len(set(found.values())) == 1, (value, found)


@pytest.mark.parametrize("doors", [TEXT_DOORS, {"persona": text_written}], ids=["files", "persona"])
def test_a_text_without_an_end_is_taken_nowhere(doors: dict[str, Callable[[str], str]]) -> None:
    assert set(verdicts(doors, "x" * (LONGEST_TEXT + 1)).values()) == {None}


# --- Ids that look alike -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "other"), [("Ada", "ada"), ("a b", "a\u00a0b"), ("ab", "a\u200bb"), ("ﬀ", "ff")])
def test_ids_that_people_cannot_tell_apart_are_refused_together(one: str, other: str, tmp_path: Path) -> None:
    assert id_key(one) == id_key(other)
    if one.isprintable() and other.isprintable():
        with pytest.raises(ServiceError, match="row 3: the same id stands in row 2"):
            read_invitations(f"id\n{one}\n{other}\n".encode())
        with pytest.raises(Refused, match="in nothing that is seen but case"):
            study_of(tmp_path, items=[*items_with("A?", id=one), *items_with("B?", id=other)], design=DESIGN)


def test_an_item_is_found_by_its_id_whatever_its_case() -> None:
    study = make_study(slug="outputs", state="draft", given_items=1)
    Output.objects.filter(arm__study=study).delete()
    with folder() as path:
        rows = [{"item": "ITEM-1", "text": "Yes."}]
        call("import_outputs", study.slug, str(file_of(path / "rows", "csv", rows)), system="odd")
    assert Output.objects.get(arm__study=study).text == "Yes."


@pytest.mark.parametrize("written", ["010", "0x1F", "1:30", "1_000"])
def test_an_id_that_yaml_rewrites_is_refused_with_what_to_do(written: str, tmp_path: Path) -> None:
    text = write(tmp_path, study_data()).read_text(encoding="utf-8").replace("id: tea", f"id: {written}")
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(StudyFileError, match=f"YAML reads {written} as another number; .* put it in quotes"):
        read_study_file(tmp_path / "study.yaml")


@pytest.mark.parametrize("written", ["no", "1.10", "2026-01-31", "12:30:45.5", "[1]"])
def test_an_id_that_yaml_takes_for_something_else_is_refused_with_what_to_do(written: str, tmp_path: Path) -> None:
    text = write(tmp_path, study_data()).read_text(encoding="utf-8").replace("id: tea", f"id: {written}")
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(StudyFileError, match=r"\.id: expected text, found .*; put it in quotes"):
        read_study_file(tmp_path / "study.yaml")


# --- Out again -----------------------------------------------------------------------------------------------------


@values
@given(st.lists(ANY, min_size=1, max_size=5))
def test_what_was_taken_comes_out_of_every_format_to_the_letter(texts: list[str]) -> None:
    with transaction.atomic(), folder() as path:
        study = make_frozen_study(slug="out", given_items=1, given_per_participant=1, raters_per_item=10)
        study.followup = {"chips": [], "text": "Why?"}
        study.protocol_hash = protocol_hash(study)
        study.save(update_fields=["followup", "protocol_hash"])
        kept_texts = []
        for number, text in enumerate(texts):
            walker = Walker(study, Participant.objects.create(study=study, number=number + 1))
            with transaction.atomic():
                try:
                    kept_texts.append(exported_text(walker, posted(text)))
                except (Refused, CannotCarry):
                    continue
        for format in FORMATS:
            export(study, path / format, format)
            found = [row["text"] for row in read_rows(path / format / f"followups.{format}")]
            assert sorted(found) == sorted(kept_texts), format
        transaction.set_rollback(True)


def exported_text(walker: Walker, text: str) -> str:
    walker.begin()
    slot = walker.assignment.slots.filter(kind="output").first()
    response = walker.post(f"reasons/{slot.key}/", version="", **{f"words-{slot.key}": text})
    if response.status_code == 422 or is_blank(text):
        raise Refused
    assert response.status_code == 200
    return plain_lines(text)
