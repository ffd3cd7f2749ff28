"""Importing outputs from generic files and from files in the layout of the released ones."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotation.models import Item, Output, Persona, Study
from annotation.rowfiles import file_sha256
from modelhub.models import ArmBinding, Generation, PersonaOrigin, Run, System
from tests.factories import make_study

pytestmark = pytest.mark.django_db

PERSONAS = ["The user is calm and prefers facts.", "The user is bold and prefers jokes."]


@pytest.fixture
def study(db: None) -> Study:
    study = make_study(state="draft", given_items=2)
    Output.objects.all().delete()
    study.arms.update(fingerprint="")
    for persona, text in zip(Persona.objects.order_by("item__ordinal"), PERSONAS, strict=True):
        Persona.objects.filter(pk=persona.pk).update(text=text)
    return study


def jsonl(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def released(
    folder: Path, rows: list[dict[str, str]], training: str = "chosen", inference: str = "gold-rejected"
) -> str:
    path = folder / f"dpo_Persona(training_type={training}, inference_type={inference}).jsonl"
    path.write_text(json.dumps(rows, indent=4), encoding="utf-8")
    return str(path)


def tailored_rows() -> list[dict[str, str]]:
    return [
        {
            "prompt": f"Prompt: How do I spend free evening number {number}?\nPersona: {persona}\nResponse:",
            "response": f" Tailored {number}.<|end_of_text|>",
        }
        for number, persona in enumerate(PERSONAS, start=1)
    ]


def baseline_rows() -> list[dict[str, str]]:
    return [
        {
            "prompt": f"Prompt: How do I spend free evening number {number}? "
            f"{persona.replace('The user is', 'I am')}\nResponse:",
            "response": f" General {number}",
        }
        for number, persona in enumerate(PERSONAS, start=1)
    ]


def run(study: Study, *files: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("import_outputs", study.slug, *files, stdout=out, **options)
    return out.getvalue()


def texts(ordinal: int) -> list[str]:
    return list(
        Output.objects.filter(arm__ordinal=ordinal).order_by("persona__item__ordinal").values_list("text", flat=True)
    )


def test_rows_are_matched_by_item_and_never_by_position(study: Study, tmp_path: Path) -> None:
    rows = [{"item": f"item-{n}", "system": f"sys-{s}", "text": f"Text {n} of {s}"} for s in (1, 2) for n in (2, 1)]
    assert "4 outputs imported" in run(study, jsonl(tmp_path / "rows.jsonl", rows))
    assert texts(1) == ["Text 1 of 1", "Text 2 of 1"]
    assert texts(2) == ["Text 1 of 2", "Text 2 of 2"]


def test_csv_and_parquet_are_imported_alike(study: Study, tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_pylist([{"item": "item-1", "text": "C"}, {"item": "item-2", "text": "D"}])
    pyarrow.parquet.write_table(table, tmp_path / "two.parquet")
    rows = "item,arm,system,text\nitem-2,1,first,B\nitem-1,1,first,A\n"
    (tmp_path / "one.csv").write_text(rows, encoding="utf-8")
    run(study, str(tmp_path / "one.csv"))
    run(study, str(tmp_path / "two.parquet"), system="second", arm="2")
    assert (texts(1), texts(2)) == (["A", "B"], ["C", "D"])


def test_new_systems_are_registered_bound_and_give_the_arm_its_fingerprint(study: Study, tmp_path: Path) -> None:
    run(study, jsonl(tmp_path / "rows.jsonl", [{"item": "item-1", "text": "A"}]), system="elsewhere")
    binding = ArmBinding.objects.select_related("arm", "system").get()
    assert (binding.arm.ordinal, binding.system.name, binding.system.engine) == (1, "elsewhere", "imported")
    assert binding.arm.fingerprint == binding.system.fingerprint != ""
    assert Output.objects.get().fingerprint == binding.arm.fingerprint


def test_the_run_keeps_the_hash_of_each_file(study: Study, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", [{"item": "item-1", "text": "A"}])
    run(study, path, system="elsewhere")
    made = Run.objects.get()
    assert made.inputs == [{"name": "rows.jsonl", "sha256": file_sha256(Path(path))}]
    assert (made.state, made.done, made.study_id) == ("finished", 1, study.pk)
    assert Generation.objects.get().finish_reason == "unknown"


def test_importing_the_same_rows_again_changes_nothing(study: Study, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", [{"item": "item-1", "text": "A"}])
    run(study, path, system="elsewhere")
    before = Output.objects.values().get()
    assert "0 outputs imported, 1 were there already" in run(study, path, system="elsewhere")
    assert Output.objects.values().get() == before and Generation.objects.count() == 1


def test_another_text_for_the_same_unit_and_arm_needs_replace(study: Study, tmp_path: Path) -> None:
    run(study, jsonl(tmp_path / "a.jsonl", [{"item": "item-1", "text": "A"}]), system="elsewhere")
    other = jsonl(tmp_path / "b.jsonl", [{"item": "item-1", "text": "B"}])
    with pytest.raises(CommandError, match=r"b\.jsonl line 1: item 'item-1' already has another text.*--replace"):
        run(study, other, system="elsewhere")
    assert texts(1) == ["A"]
    run(study, other, system="elsewhere", replace=True)
    assert texts(1) == ["B"]
    assert Generation.objects.get().run == Run.objects.latest("pk")


def test_every_mistake_is_reported_at_once_and_nothing_is_written(study: Study, tmp_path: Path) -> None:
    first = jsonl(
        tmp_path / "a.jsonl",
        [
            {"item": "item-1", "text": "A", "system": "s"},
            {"item": "item-9", "text": "B", "system": "s"},
            {"item": "item-1", "text": "C", "system": "s"},
            {"item": "item-2", "text": "D"},
            {"item": "item-2", "text": "E", "arm": "5", "system": "s"},
            {"item": "item-2", "persona": "Nobody.", "text": "F", "system": "s"},
        ],
    )
    second = jsonl(tmp_path / "b.jsonl", [{"item": "item-1"}, {"item": "item-2", "text": 7}])
    (tmp_path / "c.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(CommandError) as caught:
        run(study, first, second, str(tmp_path / "c.jsonl"))
    message = str(caught.value)
    for part in (
        "a.jsonl line 2: the study has no item 'item-9'",
        "a.jsonl line 3: item 'item-1' has another text in a.jsonl line 1",
        "a.jsonl line 4: does not say which system made it",
        "a.jsonl line 5: arm '5' is not in the study",
        "a.jsonl line 6: item 'item-2' has no such persona",
        "b.jsonl line 1: has no column text",
        "b.jsonl line 2: text must be a string",
        "c.jsonl line 1: not valid JSON",
    ):
        assert part in message, message
    assert not (Output.objects.exists() or System.objects.exists() or Run.objects.exists())


def test_an_item_with_several_personas_needs_the_column(study: Study, tmp_path: Path) -> None:
    item = study.items.get(key="item-1")
    Persona.objects.create(item=item, source="given", text=PERSONAS[1], submitted_at=timezone.now())
    with pytest.raises(CommandError, match="item 'item-1' has 2 personas; say in a column `persona`"):
        run(study, jsonl(tmp_path / "a.jsonl", [{"item": "item-1", "text": "A"}]), system="s")
    run(study, jsonl(tmp_path / "b.jsonl", [{"item": "item-1", "persona": PERSONAS[1], "text": "A"}]), system="s")
    assert Output.objects.get().persona.text == PERSONAS[1]


def test_unmatched_rows_are_refused_unless_allowed(study: Study, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"item": "item-1", "text": "A"}, {"item": "else", "text": "B"}])
    with pytest.raises(CommandError, match="no item 'else'"):
        run(study, path, system="s")
    written = run(study, path, system="s", allow_unmatched=True)
    assert "1 outputs imported" in written and "1 rows belong to no item" in written


def test_an_open_study_takes_no_imports(study: Study, tmp_path: Path) -> None:
    Study.objects.filter(pk=study.pk).update(state="open", protocol_hash="0" * 64)
    with pytest.raises(CommandError, match="only while the study is a draft"):
        run(study, jsonl(tmp_path / "a.jsonl", [{"item": "item-1", "text": "A"}]), system="s")


def test_a_third_system_finds_no_free_arm(study: Study, tmp_path: Path) -> None:
    rows = [{"item": "item-1", "text": "A", "system": name} for name in ("one", "two", "three")]
    with pytest.raises(CommandError, match="system 'three' is not bound and no arm is free"):
        run(study, jsonl(tmp_path / "a.jsonl", rows))


def test_an_arm_keeps_its_system(study: Study, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"item": "item-1", "text": "A"}])
    run(study, path, system="one", arm="2")
    with pytest.raises(CommandError, match="arm '2' is bound to another system than 'two'"):
        run(study, path, system="two", arm="2")


class TestReleasedLayout:
    def test_both_layouts_join_on_item_and_persona(self, study: Study, tmp_path: Path) -> None:
        run(study, released(tmp_path, baseline_rows()[::-1], training="none"), system="DPO")
        run(study, released(tmp_path, tailored_rows()), system="PT-DPO")
        assert (texts(1), texts(2)) == (["General 1", "General 2"], ["Tailored 1.", "Tailored 2."])
        styles = dict(System.objects.values_list("name", "persona_style"))
        assert styles == {"DPO": "released_first_person", "PT-DPO": "field"}

    def test_the_rendered_prompt_and_the_end_are_kept(self, study: Study, tmp_path: Path) -> None:
        run(study, released(tmp_path, baseline_rows(), training="none"), system="DPO")
        run(study, released(tmp_path, tailored_rows()), system="PT-DPO")
        made = Generation.objects.get(output__text="Tailored 1.")
        assert (made.rendered_prompt, made.finish_reason) == (tailored_rows()[0]["prompt"], "stop")
        assert Generation.objects.get(output__text="General 1").finish_reason == "length"

    def test_the_file_name_gives_the_origin_of_the_personas(self, study: Study, tmp_path: Path) -> None:
        run(study, released(tmp_path, tailored_rows(), inference="retr-chosen"), system="PT-DPO")
        assert set(PersonaOrigin.objects.values_list("direction", "source")) == {("chosen", "retrieved")}
        with pytest.raises(CommandError, match=r"2 personas were imported before as chosen \(retrieved\)"):
            run(study, released(tmp_path, baseline_rows(), inference="gold-chosen"), system="DPO")
        assert texts(2) == [] and not ArmBinding.objects.filter(arm__ordinal=2).exists()
        assert Run.objects.count() == 1

    def test_a_prompt_without_persona_belongs_to_every_unit_of_its_item(self, study: Study, tmp_path: Path) -> None:
        item = study.items.get(key="item-1")
        Persona.objects.create(item=item, source="given", text="Another.", submitted_at=timezone.now())
        rows = [{"prompt": f"Prompt: {item.prompt}\nResponse:", "response": "Same for all.<|end_of_text|>"}]
        run(study, released(tmp_path, rows, training="none", inference="none"), system="DPO")
        assert Output.objects.filter(persona__item=item, text="Same for all.").count() == 2
        assert not PersonaOrigin.objects.exists()
        assert System.objects.get().persona_style == "none"

    def test_a_given_start_of_the_answer_is_matched_and_kept(self, study: Study, tmp_path: Path) -> None:
        Item.objects.filter(key="item-1").update(answer_start="One sounds like")
        row = tailored_rows()[0]
        rows = [{"prompt": row["prompt"] + " One sounds like", "response": " won.<|end_of_text|>"}]
        run(study, released(tmp_path, rows), system="PT-DPO")
        assert texts(1) == ["One sounds like won."]

    def test_the_start_of_the_answer_may_have_other_capitals_than_in_the_study(
        self, study: Study, tmp_path: Path
    ) -> None:
        Item.objects.filter(key="item-1").update(answer_start="Self-effacing sounds like")
        prompt = tailored_rows()[0]["prompt"] + " Self-Effacing sounds like"
        run(study, released(tmp_path, [{"prompt": prompt, "response": " x.<|end_of_text|>"}]), system="PT-DPO")
        assert texts(1) == ["Self-effacing sounds like x."]
        assert Generation.objects.get().rendered_prompt == prompt

    def test_other_words_at_the_start_of_the_answer_are_another_prompt(self, study: Study, tmp_path: Path) -> None:
        Item.objects.filter(key="item-1").update(answer_start="One sounds like")
        rows = [{"prompt": tailored_rows()[0]["prompt"] + " One means", "response": " x.<|end_of_text|>"}]
        with pytest.raises(CommandError, match="no item and persona of the study give the prompt"):
            run(study, released(tmp_path, rows), system="PT-DPO")

    def test_white_space_and_how_characters_are_composed_part_no_prompts(self, study: Study, tmp_path: Path) -> None:
        Item.objects.filter(key="item-1").update(prompt="Un  café ? ")
        prompt = f"Prompt: Un cafe\u0301 ?\nPersona: {PERSONAS[0]} \nResponse:"
        run(study, released(tmp_path, [{"prompt": prompt, "response": "Oui.<|end_of_text|>"}]), system="PT-DPO")
        assert texts(1) == ["Oui."]

    def test_a_prompt_of_no_unit_is_reported(self, study: Study, tmp_path: Path) -> None:
        rows = [*tailored_rows(), {"prompt": "Prompt: Else?\nResponse:", "response": "X"}]
        with pytest.raises(CommandError, match="row 3: no item and persona of the study give the prompt"):
            run(study, released(tmp_path, rows), system="PT-DPO")
