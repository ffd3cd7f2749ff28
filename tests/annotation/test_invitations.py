"""Inviting people from a list, by command and on the links page."""

import csv
import io
import stat
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from annotation.errors import ServiceError
from annotation.models import AuditLog, Participant, Study
from annotation.peoplefiles import read_invitations
from annotation.services.recruitment import participants_invite
from tests.factories import make_study, make_user

pytestmark = pytest.mark.django_db


def invite(folder: Path, content: str, name: str = "people.csv") -> list[list[str]]:
    (folder / name).write_text(content, encoding="utf-8")
    out = folder / "links.csv"
    call_command("invite", "study", str(folder / name), "--out", str(out), "--url", "https://study.example/")
    return list(csv.reader(io.StringIO(out.read_text(encoding="utf-8"))))


def test_each_id_gets_a_link_of_its_own(tmp_path: Path) -> None:
    study = make_study()
    header, *rows = invite(tmp_path, "name,ID\nAda,a-1\nGrace, g-2 \n\n,h-3\n")
    people = list(study.participants.all())
    assert header == ["id", "code", "link"]
    assert [row[:2] for row in rows] == [["a-1", "P-001"], ["g-2", "P-002"], ["h-3", "P-003"]]
    assert [row[2] for row in rows] == [f"https://study.example/p/{person.token}/" for person in people]
    assert {person.origin for person in people} == {Participant.Origin.INVITED}


def test_the_same_list_again_makes_nothing_new_and_a_longer_one_adds(tmp_path: Path) -> None:
    make_study()
    first = invite(tmp_path, "label\none\ntwo\n")
    assert invite(tmp_path, "label\none\ntwo\n") == first
    longer = invite(tmp_path, "label\nthree\ntwo\none\n")
    assert longer[2:] == [first[2], first[1]]
    assert Participant.objects.count() == 3


def test_only_the_owner_of_the_file_can_read_the_links(tmp_path: Path) -> None:
    make_study()
    invite(tmp_path, "id\na\n")
    assert stat.S_IMODE((tmp_path / "links.csv").stat().st_mode) == 0o600


def test_every_mistake_is_named_by_its_row_and_nothing_is_made(tmp_path: Path) -> None:
    make_study()
    with pytest.raises(CommandError) as caught:
        invite(tmp_path, f"id,x\na,\n ,b\na,\n{'l' * 101},\nok,\n")
    lines = str(caught.value).splitlines()
    assert lines[1:] == [
        "row 3: the id is empty; write some text",
        "row 4: the same id stands in row 2",
        "row 5: the id is 101 characters long; at most 100 can be kept",
    ]
    assert not Participant.objects.exists() and not (tmp_path / "links.csv").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name\nAda\n", "no column `id` or `label`"),
        (b"", "no column `id` or `label`"),
        (b"id\n", "names nobody"),
        (b"id,id\na,b\n", "same name"),
        (b"id\n\xff\xfe\n", "no CSV file in UTF-8"),
        (b'id\n"a\n', "no CSV file in UTF-8"),
        (b"id\n" + b"x\n" * 20_001, "at most 20000"),
    ],
)
def test_a_file_that_is_no_list_is_refused_with_the_reason(content: bytes, message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        read_invitations(content)


def test_a_file_that_a_spreadsheet_saved_is_read() -> None:
    assert read_invitations("\ufefflabel;\r\nä-1\r\n".replace(";", "").encode()) == ["ä-1"]


def test_a_closed_study_invites_nobody_and_an_id_cannot_be_given_twice() -> None:
    with pytest.raises(ServiceError, match="closed is final"):
        participants_invite(study=make_study(slug="over", state="closed"), ids=["a"], user=None)
    with pytest.raises(ServiceError, match="more than once"):
        participants_invite(study=make_study(), ids=["a", "a"], user=None)


def test_a_file_that_is_missing_or_cannot_be_written_is_named(tmp_path: Path) -> None:
    make_study()
    with pytest.raises(CommandError, match=r"nothing\.csv"):
        call_command("invite", "study", str(tmp_path / "nothing.csv"), "--out", str(tmp_path / "links.csv"))
    (tmp_path / "people.csv").write_text("id\na\n", encoding="utf-8")
    with pytest.raises(CommandError, match="no-folder"):
        call_command(
            "invite", "study", str(tmp_path / "people.csv"), "--out", str(tmp_path / "no-folder" / "links.csv")
        )
    assert not Participant.objects.exists()


# --- the links page ---


@pytest.fixture
def study() -> Study:
    return make_study()


@pytest.fixture
def researcher(study: Study) -> Client:
    study.owner.groups.add(Group.objects.get_or_create(name="researchers")[0])
    client = Client(headers={"host": "localhost"})
    client.force_login(study.owner)
    return client


def upload(client: Client, content: str) -> Any:
    people = SimpleUploadedFile("people.csv", content.encode(), content_type="text/csv")
    return client.post(reverse("annotation:participants_invite", args=["study", 1]), {"people": people}, follow=True)


def test_a_list_can_be_uploaded_and_is_logged_without_ids(study: Study, researcher: Client) -> None:
    page = upload(researcher, "id\nada\ngrace\n").content.decode()
    assert "People of the list who have a link: 2." in page and "<td>ada</td>" in page
    assert upload(researcher, "id\nada\nhedy\n").status_code == 200
    entries = AuditLog.objects.filter(action="participants_invite").order_by("pk")
    assert [entry.data for entry in entries] == [{"made": 2, "known": 0}, {"made": 1, "known": 1}]
    assert {entry.user for entry in entries} == {study.owner}
    links = researcher.get(reverse("annotation:participant_links_csv", args=["study", 1])).content.decode()
    rows = list(csv.reader(io.StringIO(links)))
    assert [row[0] for row in rows] == ["id", "ada", "grace", "hedy"]


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        ("id\nada\nada\n", 422, "row 3: the same id stands in row 2"),
        ("name\nx\n", 422, "no column"),
        ("", 422, "empty"),
    ],
)
def test_an_upload_with_mistakes_names_them_and_makes_nobody(
    researcher: Client, content: str, status: int, message: str
) -> None:
    response = upload(researcher, content)
    assert response.status_code == status and message in response.content.decode()
    assert not Participant.objects.exists()


def test_a_stranger_cannot_invite(study: Study) -> None:
    other = make_user("other")
    other.groups.add(Group.objects.get_or_create(name="researchers")[0])
    client = Client(headers={"host": "localhost"})
    client.force_login(other)
    assert upload(client, "id\nada\n").status_code == 404
    assert not Participant.objects.exists()


def test_ids_leave_in_an_export_only_when_asked_for_and_that_is_logged(tmp_path: Path) -> None:
    participants_invite(study=make_study(state="draft"), ids=["ada"], user=None)
    for name, extra in (("plain", []), ("with", ["--include-external-ids"])):
        call_command("export_ratings", "study", "--out", str(tmp_path / name), *extra)
    tables = {name: (tmp_path / name / "participants.csv").read_text(encoding="utf-8") for name in ("plain", "with")}
    assert "ada" not in tables["plain"] and "external_id" not in tables["plain"]
    assert "ada" in tables["with"] and "external_id" in tables["with"]
    assert "external_id" in (tmp_path / "with" / "codebook.md").read_text(encoding="utf-8")
    log = AuditLog.objects.filter(action="export").order_by("pk").values_list("data__external_ids", flat=True)
    assert list(log) == [False, True]
