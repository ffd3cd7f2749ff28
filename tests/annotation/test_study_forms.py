"""Every key of the study file has an input with words of its own, and an input leads back to what stood there."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings

from annotation.studyfile import file_data, read_study_data, read_study_file
from annotation.studyfile.schema import ItemFile, StudyFile
from annotation.studyfile.schema_base import FileSection
from annotation.studyforms.bound import Bound
from annotation.studyforms.editing import SectionForm, languages_in
from annotation.studyforms.labels import CHOICES, LABELS
from annotation.studyforms.sections import NEVER_ASKED, FormSection, form_sections
from annotation.studyforms.shapes import Shape, shape_of
from tests.annotation.studyfiles import study_data
from tests.annotation.test_study_keys import sections

EXAMPLES = (
    "controls",
    "demo",
    "elicitation",
    "languages",
    "marking",
    "paper_persona_study",
    "two_steps",
    "ways_to_ask",
)
ASKED_ELSEWHERE = {ItemFile, StudyFile}  # files of items are brought on another page
SAID_ANYWHERE = {"en", "de", "es", "ar", "zh-hans", *("plausibility", "applicability", "harm", "overfitting")}


def shapes(shape: Shape) -> Iterator[Shape]:
    yield shape
    inside = [*shape.fields.values(), *shape.variants.values(), *filter(None, (shape.inner, shape.key))]
    for one in inside:
        yield from shapes(one)


def asked() -> list[Shape]:
    return [one for section in form_sections() for shape in section.shapes.values() for one in shapes(shape)]


def test_every_key_of_every_section_of_the_schema_has_an_input() -> None:
    keys = [key for section in form_sections() for key in section.keys]
    assert sorted(keys) == sorted(set(StudyFile.model_fields) - set(NEVER_ASKED))
    found = {one.name: set(one.fields) for one in asked() if one.kind == "section"}
    missing = {model.__name__: set(model.model_fields) - found.get(model.__name__, set())
               for model in sections() if model not in ASKED_ELSEWHERE and model.__name__ != "ItemColumns"}  # fmt: skip
    assert not {model: keys for model, keys in missing.items() if keys}


def test_every_key_and_every_choice_is_said_in_words() -> None:
    models = [model for model in sections() if model is not ItemFile]
    unsaid = [f"{model.__name__}.{key}" for model in models for key in model.model_fields
              if key not in LABELS and f"{model.__name__}.{key}" not in LABELS and key not in NEVER_ASKED]  # fmt: skip
    unsaid += [str(choice) for one in asked() for choice in one.choices if choice not in {*CHOICES, *SAID_ANYWHERE}]
    assert not unsaid, f"write into annotation/studyforms/labels.py: {', '.join(unsaid)}"


def test_a_kind_of_value_that_no_input_is_for_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="there is no input for <class 'bytes'>"):
        shape_of(bytes)


def test_a_new_key_of_the_schema_has_an_input_without_further_work() -> None:
    class Colours(FileSection):
        shade: str = "grey"
        loud: bool = False

    shape = shape_of(list[Colours] | None)
    form = SectionForm({"colours": shape}, study_data(), {"colours": [{"shade": "red"}]})
    (top,), _ = form.inputs()
    assert [(one.kind, one.name, one.label) for one in top.children[0].children] == [
        ("line", "colours.0.shade", "Shade"), ("check", "colours.0.loud", "A miss is told once"),
    ]  # fmt: skip
    assert form.typed()["colours"] == [{"shade": "red"}]


def sent_by(inputs: list[Bound]) -> dict[str, str]:
    """Return what a browser sends for a form that nobody has touched."""
    sent = {}
    for one in (inside for top in inputs for inside in top.walk()):
        if one.kind in ("rows", "pairs"):
            sent[f"{one.name}.rows"] = str(len(one.children))
        elif one.kind == "section" and one.present:
            sent[f"{one.name}.present"] = "1"
        elif one.kind == "check" and one.value is True:
            sent[one.name] = "on"
        elif one.kind not in ("section", "check", "languages", "pair"):
            sent[one.name] = str(one.value).replace("\n", "\r\n")
    return sent


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_form_that_is_sent_untouched_changes_nothing(name: str) -> None:
    made = read_study_file(settings.BASE_DIR / "examples" / name / "study.yaml")
    data = file_data(made)
    for section in form_sections():
        inputs, _ = SectionForm.standing(section, data).inputs()
        typed = SectionForm.sent(section, data, sent_by(inputs)).typed()
        assert replace(read_study_data(typed)) == made, section.name


def section_called(name: str) -> FormSection:
    return next(one for one in form_sections() if one.name == name)


def form_of(name: str, **changes: Any) -> SectionForm:
    return SectionForm.standing(section_called(name), study_data(**changes))


def test_rows_are_added_moved_and_removed_at_every_depth() -> None:
    form = form_of("questions")
    for button in ("add aspects", "up aspects.1", "remove aspects.1.scale.0", "add aspects.1.scale"):
        form.act(button)
    new, old = form.states["aspects"]
    assert [point["key"] for point in new["scale"]] == [1, 2, 3, 4, 5]
    assert [point.get("value") for point in old["scale"]] == ["Half", "Yes.", None]
    form.act("remove aspects.0")
    assert form.states["aspects"] == [old]


@pytest.mark.parametrize(
    "button", ["", "burn aspects.0", "up aspects.9", "remove nowhere.1", "add aspects.x.y", "up aspects", "add title.0"]
)
def test_a_button_that_leads_nowhere_changes_nothing(button: str) -> None:
    form = form_of("questions")
    form.act(button)
    assert form.typed() == study_data()


def test_an_optional_section_is_added_and_removed_as_a_whole() -> None:
    form = form_of("quiz")
    form.act("add quiz")
    form.act("add quiz.questions")
    assert len(form.states["quiz"]["questions"]) == 2  # there must be one
    form.act("remove quiz")
    assert form.typed() == study_data()


def test_what_is_no_number_is_kept_as_it_was_typed() -> None:
    sent = {"kind": "output_rating", "design.raters_per_item": "many", "design.overlap_share": "0,5", "arms.rows": "2"}
    form = SectionForm.sent(section_called("design"), study_data(), sent)
    form.settle()
    (_, design, *_), _ = form.inputs()
    typed = {one.name: one.value for one in design.children}
    assert (typed["design.raters_per_item"], typed["design.overlap_share"]) == ("many", "0,5")


def test_a_language_that_is_taken_away_takes_its_texts_along() -> None:
    title = {"de": "Studie", "es": "Estudio"}
    sent = {"languages.rows": "1", "languages.0": "es"}
    form = SectionForm.sent(section_called("languages"), study_data(languages=["de", "es"], title=title), sent)
    assert (form.typed()["title"], languages_in(form.typed())) == ("Estudio", ["es"])


def test_a_text_in_two_languages_has_an_input_for_each() -> None:
    form = form_of("texts", languages=["de", "ar"], title={"de": "Studie", "ar": "دراسة"})
    inputs, _ = form.inputs()
    assert [(one.name, one.value) for one in inputs[0].children] == [("title@de", "Studie"), ("title@ar", "دراسة")]
    sent = {**sent_by(inputs), "title@ar": "بحث"}
    typed = SectionForm.sent(section_called("texts"), form.data, sent).typed()
    assert typed["title"] == {"de": "Studie", "ar": "بحث"} and typed["consent"] == form.data["consent"]
