"""Study files: what a right one says, and that every mistake in a wrong one is found, at its line."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.conf import settings
from pydantic import BaseModel

from annotation.studyfile import read_study_file, schema
from tests.annotation.studyfiles import complaints, definition, rating_aspect, study_data, write

FOLDER_OF_DATA = settings.BASE_DIR.parent / "shared" / "data" / "persona-tailoring" / "BeaverTails"


def test_a_complete_file_becomes_a_definition_with_every_default(tmp_path: Path) -> None:
    study = definition(tmp_path)

    assert study.slug == "small"
    assert (study.raters_per_item, study.assignment_hours, study.seed) == (1, 24, 5)
    assert study.arms == [False, False]
    assert (study.contact, study.content_warning, study.practice) == ("", "", [])
    aspect = study.aspects[0]
    assert aspect.question_for_others == aspect.question
    assert (aspect.level, aspect.minimum, aspect.maximum, aspect.labels) == ("ordinal", 1, 3, ["No.", "Half", "Yes."])
    assert [item.key for item in study.items] == ["tea", "soup", "rest"]
    assert study.items[2].persona is None
    assert study.items[2].stratum == "health"


def test_every_mistake_of_a_file_is_reported_at_once_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(
        """\
slug: Not A Slug
title: 5
tilte: x
kind: ranking
consent: ""
instructions: a
debrief:
aspects:
  - key: a
    name: A
    question: q?
    scale: {1: No, 2: B}
    colour: 3
  - key: a
    name: A
    type: compare
    question: q?
    scale: {1: B, 3: C}
  - key: pref
    name: P
    type: comparison
    question: q
    option: {left: s}
arms: 3
design: {given_personas_per_particpant: 3, raters_per_item: 0}
practice:
  - prompt: p
    persona: p
    responses: [a]
items:
  - prompt: x
    persona: y
  - prompt: x
    persona: y
  - promt: z
  - 5
""",
        encoding="utf-8",
    )

    found = [re.match(r"study.yaml:(\d+): ([\w.\[\]]+): ", line) for line in complaints(path)]

    assert [(int(match[1]), match[2]) for match in found if match] == [
        (1, "slug"),
        (2, "title"),
        (3, "tilte"),
        (4, "kind"),
        (5, "consent"),
        (7, "debrief"),
        (12, "aspects[0].scale"),
        (13, "aspects[0].colour"),
        (14, "aspects[1].key"),
        (16, "aspects[1].type"),
        (18, "aspects[1].scale"),
        (21, "aspects[2].type"),
        (23, "aspects[2].option"),
        (25, "design.raters_per_item"),
        (25, "design.given_personas_per_particpant"),
        (29, "practice[0].responses"),
        (33, "items[1].prompt"),
        (35, "items[2].promt"),
        (36, "items[3]"),
    ]
    assert all(found)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"arms": 0}, "arms: 0 is out of range; at least 1 is right"),
        ({"arms": 6}, "arms: 6 is out of range; at most 5 is right"),
        ({"arms": True}, "arms: expected a whole number, found True"),
        ({"arms": [{"control": True}, {"control": True}]}, "arms: every arm is a control"),
        ({"aspects": []}, "aspects: has 0 entries; at least 1 is right"),
        ({"aspects": [{"key": "p", "name": "P", "type": "comparison", "question": "q"}]}, "aspects: holds no rating"),
        ({"aspects": [rating_aspect(scale={1: "A"})]}, "aspects[0].scale: has 1 point"),
        ({"aspects": [rating_aspect(scale={1: "A", 2: "A"})]}, "gives two points the same label"),
        ({"aspects": [rating_aspect(scale=[{"value": 1}])]}, "is not a point; write `- {value: 1, label: Not at all}`"),
        ({"aspects": [rating_aspect(scale={1: "A", 2: None})]}, "the label of 2 is None, not text"),
        ({"aspects": [rating_aspect(question="q" * 301)]}, "aspects[0].question: is 301 characters long; 300 fit"),
        ({"design": {}}, "design: gives participants nothing to do"),
        (
            {"design": {"given_personas_per_participant": 3, "written_personas_per_participant": 1}},
            "design.given_personas_per_participant: is 3, but the number of items with a persona is 2",
        ),
        (
            {"design": {"given_personas_per_participant": 1}},
            "design.written_personas_per_participant: is 0, so items without a persona (1) would never be shown",
        ),
        ({"kind": "survey"}, "kind: 'survey' is not one of the values it can have: output_rating"),
        ({"title": "two\nlines"}, "title: holds a line break"),
        ({"title": "t" * 201}, "title: is 201 characters long; 200 fit"),
        ({"consent": "nul \0 inside"}, "consent: holds a character that cannot be stored (NUL)"),
        ({"items": []}, "items: has 0 entries"),
        ({"items": "items.csv"}, "items: expected a list, found 'items.csv'"),
        ({"items": [{"prompt": "x", "id": "i" * 81}]}, "items[0].id: is 81 characters long; 80 fit"),
        ({"items": [{"prompt": "x", "id": "a"}, {"prompt": "y", "id": "a"}]}, "items[1].id: 'a' is the id of line"),
        ({"items": [{"id": "a"}]}, "items[0].prompt: is empty; every item needs a prompt"),
        ({"items": {"file": "missing.csv"}}, "items.file: 'missing.csv' does not exist"),
    ],
)
def test_a_mistake_is_named_with_what_would_be_right(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    found = complaints(write(tmp_path, study_data(**changes)))

    assert any(expected in line for line in found), found


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    data = study_data()
    del data["consent"]

    assert complaints(write(tmp_path, data)) == [
        "study.yaml:1: consent: this key is missing; docs/study-file.md shows how to write it"
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"slug: a\ntitle: [open\n", "study.yaml:3: is not valid YAML"),
        (
            b"slug: a\ntitle: caf\xe9\n",
            "study.yaml:2: byte 0xe9 is not UTF-8 here; save the file in the encoding UTF-8",
        ),
        (b"slug: a\ntitle: bell\x07\n", "study.yaml:2: holds the control character U+0007"),
        (b"slug: a\ntitle: !!python/object:os.system x\n", "study.yaml:2: is not valid YAML"),
        (b"- just\n- a list\n", "study.yaml:1: must hold keys"),
        (b"", "study.yaml:1: must hold keys"),
    ],
)
def test_a_file_that_is_no_yaml_mapping_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(content)

    assert expected in complaints(path)[0]


def test_a_key_that_stands_twice_is_a_mistake(tmp_path: Path) -> None:
    path = write(tmp_path, study_data())
    path.write_text(path.read_text(encoding="utf-8") + "title: Another\n", encoding="utf-8")

    last = len(path.read_text(encoding="utf-8").splitlines())
    assert complaints(path) == [f"study.yaml:{last}: title: this key stands on line 2 already; keep one of the two"]


def test_a_missing_study_file_is_named(tmp_path: Path) -> None:
    assert complaints(tmp_path / "none.yaml") == ["none.yaml: there is no such file; check the path"]


def test_a_scale_may_be_a_list_and_begin_below_one(tmp_path: Path) -> None:
    scale = [{"value": 0, "label": "Same"}, {"value": -1, "label": "Worse"}, {"value": 1, "label": "Better"}]

    aspect = definition(tmp_path, aspects=[rating_aspect(scale=scale)]).aspects[0]

    assert (aspect.minimum, aspect.maximum, aspect.labels) == (-1, 1, ["Worse", "Same", "Better"])


def test_a_comparison_has_four_options_whose_words_can_be_changed(tmp_path: Path) -> None:
    comparison = {"key": "p", "name": "P", "type": "comparison", "question": "q", "options": {"tie": "No difference"}}

    aspect = definition(tmp_path, aspects=[rating_aspect(), comparison]).aspects[1]

    assert (aspect.kind, aspect.level, aspect.minimum, aspect.maximum) == ("comparison", "nominal", 1, 4)
    assert aspect.labels == ["Response A is better", "Response B is better", "No difference", "Both are bad"]


def test_arms_can_be_marked_as_controls(tmp_path: Path) -> None:
    assert definition(tmp_path, arms=[{"control": True}, {}, {}]).arms == [True, False, False]


def items_from(folder: Path, name: str, content: str, **options: Any) -> Path:
    (folder / name).write_text(content, encoding="utf-8")
    design = {"given_personas_per_participant": 1}
    return write(folder, study_data(items={"file": name, **options}, design=design))


def test_files_saved_on_windows_are_read_as_any_others(tmp_path: Path) -> None:
    design = {"given_personas_per_participant": 0, "written_personas_per_participant": 1, "seed": 5}
    path = write(tmp_path, study_data(items={"file": "items.csv"}, design=design))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    rows = 'id,prompt\r\ntea,"How do I make tea?\r\nFor two."\r\n'
    (tmp_path / "items.csv").write_bytes(b"\xef\xbb\xbf" + rows.encode())
    study = read_study_file(path)
    assert [(item.key, item.prompt) for item in study.items] == [("tea", "How do I make tea?\nFor two.")]
    assert study.consent == "Taking part is voluntary."


QUOTE_THEM = "quote cells that hold the separator, quotes or line breaks, and write empty cells too"


def test_bad_rows_of_a_csv_file_are_reported_with_their_first_line(tmp_path: Path) -> None:
    content = 'id,prompt,persona\na,"two\nlines",p\nb,,p\na,x,p\nc,x\nd,"x, y",p\n'

    assert complaints(items_from(tmp_path, "items.csv", content)) == [
        "items.csv:4: prompt: is empty; every item needs a prompt",
        "items.csv:5: id: 'a' is the id of line 2 too; ids must differ",
        f"items.csv:6: has 2 cells, the header 3; {QUOTE_THEM}",
    ]


def test_bad_rows_of_a_jsonl_file_are_reported_with_their_line(tmp_path: Path) -> None:
    content = '{"prompt": "a", "persona": "p"}\n\n{"prompt": 5}\nnot json\n[1]\n'

    found = complaints(items_from(tmp_path, "items.jsonl", content))

    assert found[0] == "items.jsonl:3: prompt: expected text, found 5; put it in quotes"
    assert found[1].startswith("items.jsonl:4: not valid JSON")
    assert found[2].startswith("items.jsonl:5: must be an object")


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    path = items_from(tmp_path, "items.csv", "text,who\na,p\n", columns={"prompt": "question", "persona": "who"})

    assert complaints(path) == ["items.csv:1: question: there is no such column; the file has text, who"]


def test_columns_stratum_warning_prefix_and_limit_apply_to_every_row(tmp_path: Path) -> None:
    rows = '{"nr": 7, "q": "a", "who": "p", "stratum": "unread"}\n{"nr": 8, "q": "b", "who": "p"}\n'
    columns = {"id": "nr", "prompt": "q", "persona": "who"}
    options = {"stratum": "set", "warning": "careful", "id_prefix": "x-", "limit": 1}
    path = items_from(tmp_path, "items.jsonl", rows, columns=columns, **options)

    (item,) = read_study_file(path).items

    assert (item.key, item.prompt, item.persona, item.stratum, item.warning) == ("x-7", "a", "p", "set", "careful")


def test_an_item_file_with_another_ending_or_encoding_is_refused(tmp_path: Path) -> None:
    assert "items.txt: files must end in .csv, .tsv" in complaints(items_from(tmp_path, "items.txt", "prompt\n"))[0]
    path = items_from(tmp_path, "items.csv", "")
    (tmp_path / "items.csv").write_bytes(b"prompt,persona\ncaf\xe9,p\n")
    assert "items.csv:2: byte 0xe9 is not UTF-8" in complaints(path)[0]
    path = items_from(tmp_path, "items.parquet", "no parquet")
    assert "items.parquet: not a valid Parquet file" in complaints(path)[0]


def test_rows_of_a_parquet_file_are_items_and_blank_cells_count_as_missing(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"prompt": ["a", "b"], "persona": ["p", "q"], "id": [None, "named"]}), tmp_path / "i.parquet"
    )
    path = write(tmp_path, study_data(items={"file": "i.parquet"}, design={"given_personas_per_participant": 2}))

    first, second = read_study_file(path).items

    assert second.key == "named"
    assert re.fullmatch(r"[0-9a-f]{12}", first.key)


def test_an_id_made_from_the_content_does_not_depend_on_the_order(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "persona": "p"}, {"prompt": "a", "persona": "q"}, {"prompt": "b"}]

    keys = {(item.prompt, item.persona): item.key for item in definition(tmp_path, items=rows).items}
    again = {(item.prompt, item.persona): item.key for item in definition(tmp_path, items=rows[::-1]).items}

    assert keys == again
    assert len(set(keys.values())) == 3


def test_the_example_studies_are_right(tmp_path: Path) -> None:
    demo = read_study_file(settings.BASE_DIR / "examples" / "demo" / "study.yaml")
    assert sum(item.persona is not None for item in demo.items) == 12
    assert len(demo.items) == 20
    elicited = read_study_file(settings.BASE_DIR / "examples" / "elicitation" / "study.yaml")
    assert elicited.elicitation["condition"] == "both"

    text = (settings.BASE_DIR / "examples" / "beavertails" / "study.yaml").read_text(encoding="utf-8")
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    if not FOLDER_OF_DATA.is_dir():
        pytest.skip(f"The BeaverTails data is not at {FOLDER_OF_DATA}; its study file is checked only with it.")
    (tmp_path / "data").symlink_to(FOLDER_OF_DATA)
    assert len(read_study_file(tmp_path / "study.yaml").items) == 499


def test_the_documentation_names_every_key_of_the_schema_and_its_example_is_right(tmp_path: Path) -> None:
    page = (settings.BASE_DIR / "docs" / "study-file.md").read_text(encoding="utf-8")
    # Of the project alone: tests make sections of their own.
    sections = [part for part in schema.FileSection.__subclasses__() if part.__module__.startswith("annotation.")]
    names = {name for part in sections for name in part.model_fields}

    assert issubclass(schema.FileSection, BaseModel)
    assert "given_personas_per_participant" in names
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []

    example = next(block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if block.startswith("slug:"))
    (tmp_path / "study.yaml").write_text(example, encoding="utf-8")
    assert read_study_file(tmp_path / "study.yaml").slug == "garden-advice"
