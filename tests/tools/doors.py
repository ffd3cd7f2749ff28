"""Every way by which a value comes in from outside, and odd values to try them with.

A door brings a value in and returns what is kept of it; it raises Refused where the value is refused with words.
"""

import csv
import io
import re
from collections.abc import Callable
from typing import Any

from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from annotation.errors import ServiceError
from annotation.fields import is_blank, plain_lines
from annotation.models import Item, Output, Participant, Persona, Study
from annotation.peoplefiles import read_invitations, read_submissions
from annotation.services.participants import participant_create
from annotation.studyfile import StudyFileError, read_study_file
from modelhub.models import PreferencePair
from tests.annotation.study_rows import make_frozen_study
from tests.annotation.studyfiles import study_data, write
from tests.annotation.walking import Walker
from tests.factories import make_study
from tests.tools.oddvalues import FORMAT_FILES, CannotCarry, Refused, file_of, folder, study_of

# --- Texts ---------------------------------------------------------------------------------------------------------


def items_with(prompt: str, **more: Any) -> list[dict[str, Any]]:
    return [{"id": "one", "prompt": prompt, "persona": "The user is new.", **more}]


DESIGN = {"given_personas_per_participant": 1, "seed": 5}


def text_inline(value: str) -> str:
    with folder() as path:
        return study_of(path, items=items_with(value), design=DESIGN).items.get().prompt


def text_in_the_study(value: str) -> str:
    with folder() as path:
        return study_of(path, consent=value).consent


def text_of_practice(value: str) -> str:
    practice = [{"prompt": value, "persona": "The user is new.", "responses": ["A", "B"]}]
    with folder() as path:
        return str(study_of(path, practice=practice).practice[0]["prompt"])


def text_of_items(format: str) -> Callable[[str], str]:
    def door(value: str) -> str:
        with folder() as path:
            file_of(path / "items", format, items_with(value))
            return study_of(path, items={"file": f"items.{format}"}, design=DESIGN).items.get().prompt

    return door


def text_of_pairs(format: str) -> Callable[[str], str]:
    def door(value: str) -> str:
        with folder() as path:
            rows = [{"prompt": value, "chosen": "Good.", "rejected": "Poor."}]
            call("import_preferences", str(file_of(path / "test", format, rows)), dataset="odd")
        return plain_lines(PreferencePair.objects.get(dataset="odd").prompt)  # pairs keep their texts to the letter

    return door


def call(name: str, *arguments: str, **options: Any) -> None:
    try:
        call_command(name, *arguments, stdout=io.StringIO(), **options)
    except (CommandError, ServiceError) as error:
        assert re.search(r"(test|rows)\.\w+ (line|row) \d+: ", str(error)), error
        raise Refused(str(error)) from error


TEXT_DOORS: dict[str, Callable[[str], str]] = {
    "study file": text_in_the_study,
    "items in the study file": text_inline,
    "practice": text_of_practice,
    **{f"items as {format}": text_of_items(format) for format in FORMAT_FILES},
    **{f"pairs as {format}": text_of_pairs(format) for format in FORMAT_FILES},
}


# --- What participants send ----------------------------------------------------------------------------------------


def posted(value: str) -> str:
    """A browser sends UTF-8: half a character never leaves it."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise CannotCarry from error
    return value


def text_written(value: str) -> str:
    study = make_study(
        slug="writing", given_items=0, given_per_participant=0, written_items=1, written_per_participant=1
    )
    walker = Walker(study).begin()
    response = walker.write(posted(value))
    return kept(response, lambda: Persona.objects.get(item__study=study).text)


def kept(response: Any, read: Callable[[], str]) -> str:
    if response.status_code == 422:
        assert re.search(
            r"This [^.]*\.|[Ww]rite |Say |This field|Null characters|Give a reason", response.content.decode()
        )
        raise Refused(response.content.decode())
    assert response.status_code in (200, 302), response.status_code
    return read()


def outputs_import(format: str) -> Callable[[str], str]:
    """A model's answer may be empty; the scan says so. All else is as for any text."""

    def door(value: str) -> str:
        study = make_study(slug="outputs", state="draft", given_items=1)
        Output.objects.filter(arm__study=study).delete()
        with folder() as path:
            rows = [{"item": "item-1", "text": value}]
            call("import_outputs", study.slug, str(file_of(path / "rows", format, rows)), system="odd")
        return plain_lines(Output.objects.get(arm__study=study).text)

    return door


# --- Reasons -------------------------------------------------------------------------------------------------------


def researcher(study: Study) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(study.owner)
    return client


def reason_to_exclude(value: str) -> str:
    study = make_frozen_study(slug="reasons")
    participant = participant_create(study=study)
    address = reverse("annotation:participant_exclude", args=[study.slug, study.version, participant.number])
    response = researcher(study).post(address, {"reason": posted(value)})
    return kept(response, lambda: Participant.objects.get(pk=participant.pk).excluded_reason)


def reason_to_leave_out(value: str) -> str:
    study = make_study(slug="left-out", state="draft", given_items=1)
    persona = Persona.objects.get(item__study=study)
    persona.outputs.update(text="")  # flagged, so that it stands on the page
    address = reverse("modelhub:scan_exclude", args=[study.slug, study.version, persona.key])
    response = researcher(study).post(address, {"reason": posted(value)})
    return kept(response, lambda: str(persona.outputs.first().excluded_reason))


def reason_to_skip(value: str) -> str:
    study = make_study(slug="skipping")
    Study.objects.filter(pk=study.pk).update(skip_reasons=["Too hard"])
    study.refresh_from_db()
    walker = Walker(study).begin()
    assignment = walker.assignment
    response = walker.post(f"parts/{assignment.key}/skip/", reason="own", own=posted(value))
    return kept(response, lambda: str(participant_skips(walker)))


def participant_skips(walker: Walker) -> str:
    return walker.participant.assignments.get(state="skipped").skip_reason


def reason_in_the_study(value: str) -> str:
    with folder() as path:
        return str(study_of(path, skip_reasons=[value]).skip_reasons[0])


REASON_DOORS: dict[str, Callable[[str], str]] = {
    "study file": reason_in_the_study,
    "excluding a participant": reason_to_exclude,
    "leaving a pair out": reason_to_leave_out,
    "skipping a part": reason_to_skip,
}


# --- Ids -----------------------------------------------------------------------------------------------------------


def id_of_items(format: str) -> Callable[[str], str]:
    def door(value: str) -> str:
        with folder() as path:
            file_of(path / "items", format, [{**items_with("Why?")[0], "id": value}])
            study = study_of(path, items={"file": f"items.{format}"}, design=DESIGN)
        return id_kept(study.items.get(), value)

    return door


def id_inline(value: str) -> str:
    with folder() as path:
        study = study_of(path, items=items_with("Why?", id=value), design=DESIGN)
    return id_kept(study.items.get(), value)


def id_kept(item: Item, value: str) -> str:
    if is_blank(value):  # an item without an id gets one; a person without one cannot be invited
        raise Refused("blank")
    return item.key


def id_of_people(value: str) -> str:
    return people(value, lambda content: read_invitations(content)[0], "id")


def id_of_submissions(value: str) -> str:
    def read(content: bytes) -> str:
        return read_submissions(content)[0].person

    return people(value, read, "Participant id", status="APPROVED")


def people(value: str, read: Callable[[bytes], str], column: str, **more: str) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerows([[column, *more, "x"], [value, *more.values(), "y"]])
    try:
        return read(posted(buffer.getvalue()).encode())
    except ServiceError as error:
        assert "row 2: the id" in str(error)
        raise Refused(str(error)) from error


ID_DOORS: dict[str, Callable[[str], str]] = {
    "items in the study file": id_inline,
    **{f"items as {format}": id_of_items(format) for format in FORMAT_FILES},
    "invitations": id_of_people,
    "submissions": id_of_submissions,
}


# --- Whole numbers -------------------------------------------------------------------------------------------------


def count_of_links(value: str) -> str:
    study = make_frozen_study(slug="links")
    address = reverse("annotation:participants_create", args=[study.slug, study.version])
    response = researcher(study).post(address, {"count": posted(value)})
    return kept_number(response, lambda: study.participants.count())


def cap_of_a_link(value: str) -> str:
    study = make_frozen_study(slug="caps")
    address = reverse("annotation:open_link_create", args=[study.slug, study.version])
    response = researcher(study).post(address, {"cap": posted(value)})
    return kept_number(response, lambda: study.open_links.get().cap)


def kept_number(response: Any, read: Callable[[], int]) -> str:
    if response.status_code in (400, 422):
        raise Refused(response.content.decode())
    assert response.status_code == 302
    return str(read())


def number_in_the_study(value: str) -> str:
    """As it stands in the file, not quoted: what YAML makes of it."""
    if is_blank(value) or not value.isascii() or not value.isprintable():
        raise CannotCarry
    with folder() as path:
        file = path / "study.yaml"
        text = write(path, study_data()).read_text(encoding="utf-8")
        file.write_text(text.replace("given_personas_per_participant: 1", f"raters_per_item: {value}\n  "
                                     "given_personas_per_participant: 1"), encoding="utf-8")  # fmt: skip
        try:
            return str(read_study_file(file).raters_per_item)
        except StudyFileError as error:
            raise Refused(str(error)) from error


NUMBER_DOORS: dict[str, Callable[[str], str]] = {
    "study file": number_in_the_study,
    "links": count_of_links,
    "cap": cap_of_a_link,
}
