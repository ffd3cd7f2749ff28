"""Exports for Argilla, Label Studio and Potato hold the texts and who chose what, in the form that each tool reads.

The forms were held to argilla 2.8.0, label-studio-sdk 2.1.2 and potato-annotation 2.12.1.
"""

import io
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from lxml import etree

from annotation.export.others import OTHER_FORMATS, other_write
from annotation.export.others.units import plain
from annotation.models import Item, Participant, Study
from annotation.protocol import protocol_hash
from tests.annotation.study_rows import add_assignment, add_participant, make_frozen_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def rated_study() -> Study:
    """Two people rated one item, on other sides; a bot and somebody excluded did, too."""
    study = make_frozen_study()
    add_assignment(add_participant(study), values=((4, 5), (2, 1)), choice=1)
    add_assignment(add_participant(study), values=((3, 3), (5, 4)), choice=3, swapped=True)
    add_assignment(add_participant(study, excluded_at=study.opened_at, excluded_reason="test"))
    add_assignment(add_participant(study, kind=Participant.Kind.BOT))
    return study


def write(study: Study, folder: Path, format: str, **options: Any) -> int:
    return other_write(study=study, directory=folder, format=format, command="test", **options)["records"]


def arms(study: Study) -> tuple[str, str]:
    first, second = study.arms.order_by("ordinal").values_list("code", flat=True)
    return first, second


def expected(study: Study) -> dict[str, dict[str, str]]:
    """What each person chose, by question: arms stand for sides."""
    first, second = arms(study)
    return {
        "P-001": {
            f"answerability_{plain(first)}": "4", f"personalization_{plain(first)}": "5",
            f"answerability_{plain(second)}": "2", f"personalization_{plain(second)}": "1", "preference": first,
        },
        "P-002": {
            f"answerability_{plain(second)}": "3", f"personalization_{plain(second)}": "3",
            f"answerability_{plain(first)}": "5", f"personalization_{plain(first)}": "4", "preference": "tie",
        },
    }  # fmt: skip


def value_of(words: str) -> str:
    """A scale's point as it stands in the words of a choice; arms and "tie" are words alone."""
    return words.split(" ")[0]


def test_argilla_gets_records_whose_answers_fit_its_settings(rated_study: Study, tmp_path: Path) -> None:
    count = write(rated_study, tmp_path, "argilla")
    records = json.loads((tmp_path / "records.json").read_text("utf-8"))
    settings = json.loads((tmp_path / ".argilla" / "settings.json").read_text("utf-8"))
    assert json.loads((tmp_path / ".argilla" / "dataset.json").read_text("utf-8"))["name"] == "study-v1"
    assert count == len(records) == rated_study.items.count()
    users = {user["id"]: user["username"].upper() for user in json.loads((tmp_path / "users.json").read_text("utf-8"))}
    (answered,) = (record for record in records if record["responses"])
    assert set(answered["fields"]) == {field["name"] for field in settings["fields"]}
    options = {
        question["name"]: {option["value"] for option in question["settings"]["options"]}
        for question in settings["questions"]
    }
    given: dict[str, dict[str, str]] = {}
    for name, responses in answered["responses"].items():
        for response in responses:
            assert response["value"] in options[name]
            given.setdefault(users[response["user_id"]], {})[name] = response["value"]
    assert given == expected(rated_study)


def test_label_studio_gets_tasks_whose_annotations_fit_its_configuration(rated_study: Study, tmp_path: Path) -> None:
    write(rated_study, tmp_path, "label-studio")
    tasks = json.loads((tmp_path / "tasks.json").read_text("utf-8"))
    config = etree.fromstring((tmp_path / "label_config.xml").read_bytes())
    choices = {
        tag.get("name"): (tag.get("toName"), {choice.get("value") for choice in tag}) for tag in config.iter("Choices")
    }
    shown = {tag.get("name"): tag.get("value") for tag in config.iter("Text")}
    given, first_shown = dict[str, dict[str, str]](), dict[str, str]()
    for task in tasks:
        assert {value.removeprefix("$") for value in shown.values()} <= set(task["data"])
        for annotation in task["annotations"]:
            texts = {
                one["from_name"]: one["value"]["text"][0] for one in annotation["result"] if one["type"] == "textarea"
            }
            first_shown[texts["participant"]] = texts["shown_first"]
            for one in annotation["result"]:
                if one["type"] == "choices":
                    about, options = choices[one["from_name"]]
                    (chosen,) = one["value"]["choices"]
                    assert one["to_name"] == about in shown and chosen in options
                    given.setdefault(texts["participant"], {})[one["from_name"]] = value_of(chosen)
    assert given == expected(rated_study)
    assert first_shown == dict(zip(("P-001", "P-002"), arms(rated_study), strict=True))


def test_potato_gets_a_project_with_a_state_for_each_participant(rated_study: Study, tmp_path: Path) -> None:
    write(rated_study, tmp_path, "potato")
    project = yaml.safe_load((tmp_path / "config.yaml").read_text("utf-8"))
    items = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text("utf-8").splitlines()]
    assert len({item["id"] for item in items}) == rated_study.items.count()
    assert all(item["prompt"] in item["text"] and item["persona"] in item["text"] for item in items)
    labels = {scheme["name"]: scheme["labels"] for scheme in project["annotation_schemes"]}
    given: dict[str, dict[str, str]] = {}
    for path in (tmp_path / "annotation_output").glob("*/user_state.json"):
        state = json.loads(path.read_text("utf-8"))
        assert state["current_phase_and_page"] == ["annotation", project["annotation_task_name"]]
        (answers,) = state["instance_id_to_label_to_value"].values()
        for label, _ in answers:
            assert label["name"] in labels[label["schema"]]
            given.setdefault(state["user_id"], {})[label["schema"]] = value_of(label["name"])
    assert given == expected(rated_study)


@pytest.mark.parametrize("format", OTHER_FORMATS)
def test_bots_come_only_when_asked_for_and_what_is_lost_is_told(
    format: str, rated_study: Study, tmp_path: Path
) -> None:
    for options, has_bots in ((dict[str, bool](), False), ({"include_bots": True}, True)):
        folder = tmp_path / str(has_bots)
        write(rated_study, folder, format, **options)
        said = "".join(f"{path} {path.read_text('utf-8')}" for path in folder.rglob("*") if path.is_file())
        assert ("b-004" in said.lower()) == has_bots and "p-003" not in said.lower()
        assert "What is not in it" in (folder / "README.md").read_text("utf-8")


@pytest.mark.parametrize("format", OTHER_FORMATS)
def test_a_release_has_marks_in_every_file(format: str, rated_study: Study, tmp_path: Path) -> None:
    Item.objects.filter(study=rated_study).update(prompt="Write to jo@example.org")
    Study.objects.filter(pk=rated_study.pk).update(protocol_hash=protocol_hash(rated_study))
    found = Counter[tuple[str, str, str]]()
    write(Study.objects.get(pk=rated_study.pk), tmp_path, format, release=True, found=found)
    text = "".join(path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file())
    assert "jo@example.org" not in text and "Write to [e-mail]" in text
    assert found["items", "prompt", "e-mail"] == rated_study.items.count()


def test_the_command_writes_them_and_refuses_what_stands_there(rated_study: Study, tmp_path: Path) -> None:
    said = io.StringIO()
    call_command("export_ratings", "study", "--format", "potato", "--out", tmp_path / "new", stdout=said)
    assert "4 records" in said.getvalue() and "Bots and previews are left out" in said.getvalue()
    with pytest.raises(CommandError, match="is not empty"):
        call_command("export_ratings", "study", "--format", "potato", "--out", tmp_path / "new")
    with pytest.raises(CommandError, match="leave --include-external-ids out"):
        call_command(
            "export_ratings", "study", "--format", "argilla", "--include-external-ids", "--out", tmp_path / "other",
            stderr=io.StringIO(),
        )  # fmt: skip


def test_the_page_sends_them_as_a_zip(rated_study: Study, client: Client) -> None:
    client.force_login(rated_study.owner)
    content = client.get(reverse("annotation:export_zip", args=["study", 1, "argilla"])).getvalue()
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        assert {"study-v1/records.json", "study-v1/.argilla/settings.json"} <= set(zipped.namelist())
