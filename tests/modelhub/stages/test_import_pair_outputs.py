"""Outputs for stored pairs that were made elsewhere: the authors' released files as they are, and plain rows."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from modelhub.models import PairOutput, PreferencePair, Run, System
from modelhub.systems.registering import system_register
from tests.modelhub.pair_rows import make_pair, make_persona, make_system, picking_script

pytestmark = pytest.mark.django_db

DATA = Path(settings.BASE_DIR).parent / "shared" / "data"


def bring(*files: Path, dataset: str = "BeaverTails", system: str = "PT", **options: Any) -> str:
    out = io.StringIO()
    call_command("import_pair_outputs", *map(str, files), dataset=dataset, system=system, stdout=out, **options)
    return out.getvalue()


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def released(dataset: str, training: str, inference: str) -> Path:
    return (
        DATA / "released-outputs" / dataset / f"dpo_Persona(training_type={training}, inference_type={inference}).jsonl"
    )


def released_pairs(dataset: str) -> None:
    folder = DATA / "persona-tailoring" / dataset
    if not folder.exists():
        pytest.skip(f"{folder} is absent: the released data is not part of the project.")
    call_command("import_preferences", str(folder), dataset=dataset, allow_empty=True, stdout=io.StringIO())


def make_data() -> None:
    inferring = make_system()
    for row in (1, 2, 3):
        pair = make_pair("BeaverTails", "test", row, prompt=f"How do I run {row}?")
        make_persona(pair, "chosen", inferring, f"The user is calm {row} and prefers steps.")


def stored() -> list[PreferencePair]:
    return list(PreferencePair.objects.order_by("row"))


class TestReleasedFiles:
    @pytest.mark.slow
    @pytest.mark.parametrize("inference", ["gold-chosen", "gold-rejected", "retr-chosen", "retr-rejected", "none"])
    def test_every_beavertails_output_of_both_systems_finds_its_pair(self, inference: str) -> None:
        released_pairs("BeaverTails")
        said = bring(released("BeaverTails", "chosen", inference)) if inference != "none" else ""
        said += bring(released("BeaverTails", "none", inference), system="DPO")
        systems = ["PT", "DPO"] if inference != "none" else ["DPO"]
        for name in systems:
            outputs = PairOutput.objects.filter(system__name=name).select_related("pair", "generation", "system")
            assert outputs.count() == outputs.values("pair").distinct().count() == 499
            for one in outputs:
                shown = one.persona if name == "PT" else one.persona.replace("The user is", "I am")
                assert one.generation.rendered_prompt.startswith(f"Prompt: {one.pair.prompt}")
                assert shown in one.generation.rendered_prompt
        assert not PairOutput.objects.filter(text__contains="end_of_text").exists()
        styles = dict(System.objects.filter(name__in=systems).values_list("name", "persona_style"))
        if inference != "none":
            assert styles == {"PT": "field", "DPO": "released_first_person"}
            # The two systems were given the very same personas, so that their outputs can be compared.
            personas = [set(PairOutput.objects.filter(system__name=name).values_list("pair", "persona_key"))
                        for name in systems]  # fmt: skip
            assert personas[0] == personas[1]
        assert ("2 of them are stored nowhere else" in said) == inference.startswith("retr")

    @pytest.mark.slow
    def test_personas_that_only_a_file_knows_cannot_be_read_from_the_first_person(self) -> None:
        released_pairs("BeaverTails")
        with pytest.raises(CommandError, match="no pair and persona of the split give this row's prompt"):
            bring(released("BeaverTails", "none", "retr-chosen"), system="DPO")
        assert not PairOutput.objects.exists()
        said = bring(released("BeaverTails", "none", "retr-chosen"), system="DPO", allow_unmatched=True)
        assert "497 outputs imported (retrieved_chosen), 0 were there already, 2 belong to no pair" in said

    @pytest.mark.parametrize(
        ("dataset", "inference"),
        [
            ("Anthropic HHH", "gold-chosen"), ("Anthropic HHH", "none"),
            ("Mnemonic", "none"), ("Mnemonic", "retr-chosen"),
        ],
    )  # fmt: skip
    def test_dialogues_and_mnemonics_find_theirs(self, dataset: str, inference: str) -> None:
        released_pairs(dataset)
        training = "none" if inference == "none" else "chosen"
        bring(released(dataset, training, inference), dataset=dataset)
        assert PairOutput.objects.count() == 24
        if dataset == "Mnemonic":
            assert PairOutput.objects.filter(text__contains=" sounds like ").count() == 24

    def test_terms_of_every_kind_find_their_pairs_by_the_authors_capitals(self, tmp_path: Path) -> None:
        terms = {"self-effacing": "Self-Effacing", "de facto": "De Facto", "jack-o'-lantern": "Jack-O'-Lantern",
                 "catch22b": "Catch22B", "NATO": "Nato", "élan": "Élan", "ßa": "Ssa", "ilk": "Ilk"}  # fmt: skip
        inferring = make_system()
        persona = "The user is calm and prefers short hints."
        rows: dict[str, list[dict[str, str]]] = {"none": [], "chosen": []}
        for row, (term, capitalised) in enumerate(terms.items(), start=1):
            make_persona(make_pair("Mnemonic", "test", row, prompt=term), "chosen", inferring, persona)
            start = f"Response: {capitalised} sounds like"
            rows["none"].append({"prompt": f"Prompt: {term}\n{start}", "response": " x.</s>"})
            rows["chosen"].append({"prompt": f"Prompt: {term}\nPersona: {persona}\n{start}", "response": " y.</s>"})
        for training, inference in (("none", "none"), ("chosen", "gold-chosen")):
            name = f"dpo_Persona(training_type={training}, inference_type={inference}).jsonl"
            bring(write(tmp_path / name, rows[training]), dataset="Mnemonic", system=training)
        made = PairOutput.objects.order_by("pair__row").values_list("system__name", "text")
        assert sorted(made) == sorted(
            (system, f"{term} sounds like {end}")
            for system, end in (("none", "x."), ("chosen", "y."))
            for term in terms.values()
        )

    def test_all_files_of_the_dialogues_baseline_are_one_system(self) -> None:
        released_pairs("Anthropic HHH")
        for inference in ("gold-chosen", "gold-rejected", "retr-chosen", "retr-rejected"):
            bring(released("Anthropic HHH", "chosen", inference), dataset="Anthropic HHH")
            bring(released("Anthropic HHH", "none", inference), dataset="Anthropic HHH", system="DPO")
        assert PairOutput.objects.filter(system__name="DPO").count() == 4 * 24
        assert System.objects.get(name="DPO").persona_style == "released_first_person"

    @pytest.mark.parametrize("telling_first", [True, False])
    def test_personas_that_need_no_other_verb_fit_either_first_person(
        self, tmp_path: Path, *, telling_first: bool
    ) -> None:
        make_data()
        for pair in stored():
            make_persona(pair, "rejected", System.objects.get(), "The user is calm.")
        telling = tmp_path / "dpo_Persona(training_type=none, inference_type=gold-chosen).jsonl"
        alike = tmp_path / "dpo_Persona(training_type=none, inference_type=gold-rejected).jsonl"
        said = "I am calm {row} and prefers steps."
        for file, persona in ((telling, said), (alike, "I am calm.")):
            rows = [
                {
                    "prompt": f"Prompt: {pair.prompt} {persona.format(row=pair.row)}\nResponse:",
                    "response": f"{file.name}{pair.row}",
                }
                for pair in stored()
            ]
            write(file, rows)
        for file in (telling, alike) if telling_first else (alike, telling):
            bring(file, system="DPO")
        assert PairOutput.objects.count() == 6
        assert System.objects.get(name="DPO").persona_style == "released_first_person"
        write(telling, [{"prompt": f"Prompt: {stored()[0].prompt} I am calm 1 and prefer steps.\nResponse:",
                         "response": "x"}])  # fmt: skip
        with pytest.raises(CommandError, match="several ways"):
            bring(telling, system="DPO")

    @pytest.mark.slow
    def test_an_answer_without_its_end_was_cut_off(self) -> None:
        released_pairs("BeaverTails")
        for training, system in (("chosen", "PT"), ("none", "DPO")):
            bring(released("BeaverTails", training, "gold-rejected"), system=system)
        assert PairOutput.objects.filter(generation__finish_reason="length").count() == 2


class TestPlainRows:
    def test_rows_are_known_by_key_or_prompt_and_get_the_stored_persona(self, tmp_path: Path) -> None:
        make_data()
        first, second, _ = stored()
        rows = [{"key": first.key, "text": "One.</s>"}, {"prompt": second.prompt, "text": "Two."}]
        bring(write(tmp_path / "rows.jsonl", rows), persona="gold_chosen")
        outputs = PairOutput.objects.order_by("pair__row")
        assert [(one.pair, one.text) for one in outputs] == [(first, "One."), (second, "Two.")]
        assert outputs[0].persona == "The user is calm 1 and prefers steps."
        assert outputs[0].generation is None

    def test_a_row_may_bring_its_persona(self, tmp_path: Path) -> None:
        make_data()
        rows = [{"key": stored()[0].key, "text": "One.", "persona": "The user is new."}]
        bring(write(tmp_path / "rows.jsonl", rows), persona="gold_chosen")
        assert PairOutput.objects.get().persona == "The user is new."

    def test_the_same_file_again_changes_nothing_and_another_text_is_refused(self, tmp_path: Path) -> None:
        make_data()
        file = write(tmp_path / "rows.jsonl", [{"key": stored()[0].key, "text": "One."}])
        bring(file, persona="none")
        assert "0 outputs imported (none), 1 were there already" in bring(file, persona="none")
        write(file, [{"key": stored()[0].key, "text": "Two."}])
        with pytest.raises(CommandError, match="another text is stored"):
            bring(file, persona="none")
        assert PairOutput.objects.get().text == "One."

    @pytest.mark.parametrize(
        ("row", "persona", "says"),
        [
            ({"text": "x"}, "none", "rows need text and key or prompt"),
            ({"key": "k"}, "none", "rows need text and key or prompt"),
            ({"key": "nothing", "text": "x"}, "none", "no pair of the split have this key or prompt"),
            ({"prompt": "How do I run 1?", "text": 5}, "none", "text must be a string, not int"),
            ({"prompt": "How do I run 1?", "text": "x"}, None, "its name does not say .* give --persona"),
            ({"prompt": "How do I run 1?", "text": "x"}, "gold_rejected", "row 1 has no stored persona"),
            ({"prompt": "How do I run 1?", "text": "x", "persona": "p"}, "none", "--persona says none"),
        ],
    )
    def test_what_is_wrong_is_said_and_nothing_stored(
        self, tmp_path: Path, row: dict[str, Any], persona: str | None, says: str
    ) -> None:
        make_data()
        good = {"prompt": "How do I run 2?", "text": "fine"}
        with pytest.raises(CommandError, match=says):
            bring(write(tmp_path / "rows.jsonl", [good, row]), persona=persona)
        assert not PairOutput.objects.exists() and not System.objects.filter(name="PT").exists()
        assert not Run.objects.filter(stage="import_pair_outputs").exists()

    def test_outputs_made_elsewhere_do_not_pass_for_those_of_a_model(self, tmp_path: Path) -> None:
        make_data()
        script = str(picking_script(tmp_path, "x"))
        system_register(name="PT", engine="scripted", model=script, persona_style="field", decoding={})
        with pytest.raises(CommandError, match="PT is a model that can be run"):
            bring(write(tmp_path / "rows.jsonl", [{"key": "k", "text": "x"}]), persona="none")
