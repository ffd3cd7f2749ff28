"""A key that a study file does not have is named with the nearest one that it has, at every level of the schema."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from annotation.studyfile import schema, schema_aspects, schema_elicitation, schema_options
from annotation.studyfile.items import FIELDS
from annotation.studyfile.schema_base import FileSection
from tests.annotation.studyfiles import complaints, rating_aspect, study_data, write

# Where each section may stand: what to give there, and how to come to the mapping of this section.
PLACES: dict[type[FileSection], tuple[dict[str, Any], tuple[str | int, ...]]] = {
    schema.StudyFile: ({}, ()),
    schema_aspects.RatingAspect: ({"aspects": [rating_aspect()]}, ("aspects", 0)),
    schema_aspects.ComparisonAspect: ({"aspects": [{"type": "comparison"}]}, ("aspects", 0)),
    schema_aspects.ComparisonOptions: ({"aspects": [{"type": "comparison", "options": {}}]}, ("aspects", 0, "options")),
    schema_aspects.PickAspect: ({"aspects": [rating_aspect(), {"type": "pick"}]}, ("aspects", 1)),
    schema_aspects.PickOptions: ({"aspects": [{"type": "pick", "options": {}}]}, ("aspects", 0, "options")),
    schema_aspects.Condition: ({"aspects": [rating_aspect(only_if={})]}, ("aspects", 0, "only_if")),
    schema_aspects.SliderAspect: ({"aspects": [{"type": "slider"}]}, ("aspects", 0)),
    schema_aspects.SliderEnds: ({"aspects": [{"type": "slider", "ends": {}}]}, ("aspects", 0, "ends")),
    schema_aspects.OrderAspect: ({"aspects": [{"type": "ranking"}]}, ("aspects", 0)),
    schema_aspects.OrderOptions: ({"aspects": [{"type": "best_worst", "options": {}}]}, ("aspects", 0, "options")),
    schema_aspects.SpanAspect: ({"aspects": [{"type": "span"}]}, ("aspects", 0)),
    schema.Preset: ({"preset": {"name": "persona_assessment"}}, ("preset",)),
    schema.ArmOptions: ({"arms": [{}, {}]}, ("arms", 1)),
    schema.Design: ({"design": {}}, ("design",)),
    schema.PracticeItem: ({"practice": [{}]}, ("practice", 0)),
    schema.ItemFile: ({"items": {"file": "a.csv"}}, ("items",)),
    schema.ItemColumns: ({"items": [{"file": "a.csv", "columns": {}}]}, ("items", 0, "columns")),
    schema_options.Quiz: ({"quiz": {}}, ("quiz",)),
    schema_options.QuizQuestion: ({"quiz": {"questions": [{}]}}, ("quiz", "questions", 0)),
    schema_options.Check: ({"checks": [{}]}, ("checks", 0)),
    schema_options.PlantedPair: ({"planted": [{}]}, ("planted", 0)),
    schema_options.Questionnaires: ({"questionnaires": {}}, ("questionnaires",)),
    schema_options.SurveyQuestion: ({"questionnaires": {"after": [{}]}}, ("questionnaires", "after", 0)),
    schema_options.FollowupOptions: ({"followup": {}}, ("followup",)),
    schema_options.ExclusionRules: ({"exclusion_rules": {}}, ("exclusion_rules",)),
    schema_options.Analysis: ({"analysis": {}}, ("analysis",)),
    schema_options.ScreeningSection: ({"screening": {}}, ("screening",)),
    schema_options.ScreenedPersonas: ({"screening": {"personas": {}}}, ("screening", "personas")),
    schema_elicitation.Elicitation: ({"elicitation": {}}, ("elicitation",)),
    schema_elicitation.ElicitationQuestion: ({"elicitation": {"questions": [{}]}}, ("elicitation", "questions", 0)),
    schema_options.Prolific: ({"recruitment": {"prolific": {}}}, ("recruitment", "prolific")),
    schema_options.Retention: ({"retention": {}}, ("retention",)),
    schema_options.Formats: ({"formats": {}}, ("formats",)),
    schema_options.Recruitment: ({"recruitment": {}}, ("recruitment",)),
}


def sections(kind: type[FileSection] = FileSection) -> Iterator[type[FileSection]]:
    for one in kind.__subclasses__():
        if one.__module__.startswith(schema.__name__):
            yield from (one, *sections(one))


def spoilt(section: type[FileSection], *keys: str) -> tuple[dict[str, Any], str]:
    """Return a study with these keys in a section, and how the place of the section is written."""
    data, there, written = opened(section)
    there.update(dict.fromkeys(keys, "x"))
    return data, written


def opened(section: type[FileSection]) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return a study, the mapping of a section in it, and how the place of the section is written."""
    changes, steps = deepcopy(PLACES[section])
    data = study_data(**changes)
    there: Any = data
    written = ""
    for step in steps:
        there = there[step]
        written += f"[{step}]" if isinstance(step, int) else f"{'.' if written else ''}{step}"
    return data, there, f"{written}." if written else ""


def test_every_section_of_the_schema_is_tested_here() -> None:
    assert set(sections()) == set(PLACES)


@pytest.mark.parametrize("section", PLACES, ids=lambda section: section.__name__)
def test_a_key_that_is_nearly_one_is_told_the_right_one(section: type[FileSection], tmp_path: Path) -> None:
    names = list(section.model_fields)
    data, place = spoilt(section, *(f"{name}q" for name in names))
    found = complaints(write(tmp_path, data))
    for name in names:
        wanted = f"{place}{name}q: is not a key that a study file has here; did you mean `{name}`?"
        assert any(line.endswith(wanted) for line in found), wanted


@pytest.mark.parametrize("section", PLACES, ids=lambda section: section.__name__)
def test_a_key_like_none_is_told_all_that_are_known_and_no_other(section: type[FileSection], tmp_path: Path) -> None:
    data, place = spoilt(section, "xxxxxxxxxxxx", "<so>")
    names = ", ".join(sorted(section.model_fields))
    found = complaints(write(tmp_path, data))
    for key in ("xxxxxxxxxxxx", "<so>"):
        wanted = f"{place}{key}: is not a key that a study file has here; known here: {names}"
        assert any(line.endswith(wanted) for line in found), found


@pytest.mark.parametrize("section", PLACES, ids=lambda section: section.__name__)
def test_a_key_of_a_section_is_never_called_unknown(section: type[FileSection], tmp_path: Path) -> None:
    data, there, _ = opened(section)
    for name in section.model_fields:
        there.setdefault(name, "x")
    assert not [line for line in complaints(write(tmp_path, data)) if "is not a key" in line]


def test_a_row_of_items_has_the_fields_that_columns_of_a_file_can_be_named_for() -> None:
    assert set(FIELDS) == set(schema.ItemColumns.model_fields)
