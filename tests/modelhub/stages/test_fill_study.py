"""Personas of the database in studies: which are drawn, what is kept of their origin, and what is not to be seen."""

import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from annotation.errors import ServiceError
from annotation.export.tables import study_tables
from annotation.models import Arm, AuditLog, Item, Output, Persona, Study
from annotation.protocol import protocol_document, protocol_hash
from annotation.services.studies import study_open, study_pause, study_save
from annotation.studyfile import read_study_file
from modelhub.models import ArmBinding, PersonaOrigin, PreferencePair, RetrievedPersona, Run, System
from modelhub.stats.sampling import balanced_draw
from tests.annotation.studyfiles import assessment_data, complaints, study_data, write
from tests.factories import make_user
from tests.modelhub.pair_rows import make_pair, make_persona, make_system

pytestmark = pytest.mark.django_db

DATA = settings.BASE_DIR.parent / "shared" / "data"
DIRECTIONS = ("chosen", "rejected")


def load_assessment(folder: Path, **changes: Any) -> Study:
    changes = {"preset": "persona_assessment_with_pick", "show_responses": True, "items": "imported", **changes}
    return study_save(definition=read_study_file(write(folder, assessment_data(**changes))), owner=make_user())


def rating_data(**changes: Any) -> dict[str, Any]:
    design = {"given_personas_per_participant": 2, "raters_per_item": 1}
    return study_data(**{"items": "imported", "design": design, **changes})


def load_rating(folder: Path, **changes: Any) -> Study:
    definition = read_study_file(write(folder, rating_data(**changes)))
    return study_save(definition=definition, owner=make_user(), discard_outputs=True)


def make_data(dataset: str = "BeaverTails", count: int = 4, split: str = "test", system: str = "") -> System:
    """Store pairs of a data set with both personas of each, and return what inferred them."""
    made_by = System.objects.filter(name=system or dataset).first() or make_system(system or dataset)
    for row in range(1, count + 1):
        pair = PreferencePair.objects.filter(dataset=dataset, split=split, row=row).first()
        pair = pair or make_pair(dataset, split, row, prompt=f"{dataset} {split} prompt {row}")
        for direction in DIRECTIONS:
            make_persona(
                pair, direction, made_by, f"The user is {direction} and prefers {made_by} {dataset} {split} {row}."
            )
    return made_by


def run(command: str, study: Study, *arguments: str) -> str:
    out = io.StringIO()
    call_command(command, f"{study.slug}@{study.version}", *arguments, stdout=out)
    return out.getvalue()


def assess(study: Study, *arguments: str) -> str:
    return run("add_inferred_personas", study, *arguments)


def rate(study: Study, *arguments: str) -> str:
    return run("add_personas_to_rate", study, *arguments)


def test_stored_personas_become_units_with_their_pairs_responses_and_origin(tmp_path: Path) -> None:
    system, study = make_data(), load_assessment(tmp_path)
    assert "4 pairs, 8 personas added, 0 were there already" in assess(study, "--dataset", "BeaverTails")
    assert Item.objects.count() == 4 and set(Item.objects.values_list("stratum", flat=True)) == {"BeaverTails"}
    made = Run.objects.get(stage="add_inferred_personas")
    assert (made.state, made.study, made.done, made.seed) == ("finished", study, 8, 0)
    for origin in PersonaOrigin.objects.select_related("persona__item"):
        pair = PreferencePair.objects.get(key=origin.persona.item.key)
        assert origin.persona.item.prompt == pair.prompt
        assert origin.persona.text == pair.personas.get(direction=origin.direction).text
        assert (origin.source, origin.inferring_system, origin.run) == ("gold", system, made)
    sides = dict(ArmBinding.objects.values_list("arm", "system__name"))
    for output in Output.objects.select_related("persona__item"):
        pair = PreferencePair.objects.get(key=output.persona.item.key)
        assert output.text == {"chosen response": pair.chosen, "rejected response": pair.rejected}[sides[output.arm_id]]
    assert AuditLog.objects.get(action="personas_imported").data["personas"] == 8


def test_the_same_command_again_changes_nothing(tmp_path: Path) -> None:
    make_data()
    for study, command in ((load_assessment(tmp_path), assess), (load_rating(tmp_path, slug="rating"), rate)):
        command(study, "--dataset", "BeaverTails", "--limit", "3")
        before = (protocol_hash(study), list(Persona.objects.values_list("pk", "text")), Output.objects.count())
        assert "0 personas added, 6 were there already" in command(study, "--dataset", "BeaverTails", "--limit", "3")
        assert before == (protocol_hash(study), list(Persona.objects.values_list("pk", "text")), Output.objects.count())


def test_files_and_the_database_name_the_same_units(tmp_path: Path) -> None:
    """A pair that came from a file is not asked about twice when it comes from the database too."""
    make_data(count=2, system="GPT-X")
    study = load_assessment(tmp_path)
    lines = ["prompt,chosen,rejected,direction,persona,inferring_system"]
    for pair in PreferencePair.objects.all():
        for persona in pair.personas.all():
            texts = (pair.prompt, pair.chosen, pair.rejected, persona.direction, persona.text, "GPT-X")
            lines.append(",".join(texts))
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    call_command("import_personas", study.slug, str(tmp_path / "a.csv"), stdout=io.StringIO())
    assert "2 pairs, 0 personas added, 4 were there already" in assess(study, "--dataset", "BeaverTails")


def test_neither_order_nor_codes_say_which_response_a_persona_explains(tmp_path: Path) -> None:
    make_data(count=20)
    for study, command in ((load_assessment(tmp_path), assess), (load_rating(tmp_path, slug="rating"), rate)):
        command(study, "--dataset", "BeaverTails")
        first = [item.personas.order_by("pk")[0].origin.direction for item in study.items.all()]
        assert set(first) == set(DIRECTIONS)
        blocks = {(one.block, one.origin.direction) for one in Persona.objects.filter(item__study=study)}
        assert len(blocks) == 2 and not any(side in block for block, _ in blocks for side in (*DIRECTIONS, "gold"))


def test_what_annotation_stores_and_exports_never_names_direction_source_or_system(tmp_path: Path) -> None:
    pair = make_pair("BeaverTails", "test", 1, prompt="Plain words")
    make_persona(pair, "rejected", make_system("GPT-X"), "The user is new and prefers less.")
    study = load_rating(tmp_path)
    rate(study, "--dataset", "BeaverTails", "--direction", "rejected")
    stored = str(protocol_document(study)) + str([list(table.rows()) for table in study_tables(study).values()])
    assert "prefers less" in stored
    assert not [word for word in (*DIRECTIONS, "gold", "retrieved", "GPT-X") if word in stored]


def test_a_draw_is_balanced_by_data_set_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    make_data("BeaverTails", 10)
    make_data("Mnemonic", 10)
    studies = [load_assessment(tmp_path, slug=slug) for slug in ("one", "two", "three")]
    for study, seed in zip(studies, ("1", "1", "2"), strict=True):
        assess(study, "--dataset", "BeaverTails", "Mnemonic", "--limit", "6", "--seed", seed)
    assert Counter(studies[0].items.values_list("stratum", flat=True)) == {"BeaverTails": 3, "Mnemonic": 3}
    keys = [set(study.items.values_list("key", flat=True)) for study in studies]
    assert keys[0] == keys[1] != keys[2]


def test_what_is_added_later_moves_little_of_a_draw_and_small_groups_are_filled_up() -> None:
    names = [("a", str(number)) for number in range(50)] + [("b", "0")]
    drawn = balanced_draw(names, limit=10, seed=3)
    assert Counter(group for group, _ in drawn) == {"a": 9, "b": 1}
    assert len(drawn & balanced_draw([*names, ("a", "50")], limit=10, seed=3)) >= 9
    assert balanced_draw(names, limit=None, seed=3) == balanced_draw(names, limit=99, seed=3) == set(names)


def test_pairs_that_lack_a_persona_or_a_response_are_left_out_and_counted(tmp_path: Path) -> None:
    system = make_data(count=2)
    make_persona(make_pair("BeaverTails", "test", 3), "chosen", system)
    unread = make_pair("BeaverTails", "test", 4)
    make_persona(unread, "chosen", system)
    type(unread.personas.get()).objects.create(
        pair=unread, direction="rejected", system=system, text="", run=unread.run
    )
    bare = make_pair("BeaverTails", "test", 5, chosen="", rejected="")
    for direction in DIRECTIONS:
        make_persona(bare, direction, system)
    said = assess(load_assessment(tmp_path), "--dataset", "BeaverTails")
    assert "2 pairs, 4 personas added" in said and "3 pairs lack a persona" in said
    # Outputs are made for a prompt alone: the responses of the pair are not needed.
    assert "5 pairs, 5 personas added" in rate(
        load_rating(tmp_path, slug="rating"), "--dataset", "BeaverTails", "--direction", "chosen"
    )


def test_several_systems_give_each_pair_the_personas_of_all(tmp_path: Path) -> None:
    make_data(count=2, system="one")
    make_data(count=2, system="two")
    study = load_assessment(tmp_path)
    with pytest.raises(CommandError, match="Several systems have inferred personas of BeaverTails: one, two"):
        assess(study, "--dataset", "BeaverTails")
    assert "2 pairs, 8 personas added" in assess(study, "--dataset", "BeaverTails", "--system", "one", "two")
    assert Item.objects.count() == 2 and len(set(Persona.objects.values_list("block", flat=True))) == 4


def test_retrieved_personas_are_those_of_the_training_row_that_was_found(tmp_path: Path) -> None:
    make_data(count=2, split="sft_train")
    make_data(count=2, split="test")
    query = PreferencePair.objects.get(split="test", row=1)
    for rank, row in enumerate((2, 1), start=1):
        source = PreferencePair.objects.get(split="sft_train", row=row)
        RetrievedPersona.objects.create(pair=query, source=source, retriever="imported", rank=rank, run=query.run)
    study = load_rating(tmp_path)
    said = rate(
        study, "--dataset", "BeaverTails", "--split", "test", "--persona", "retrieved", "--direction", "rejected"
    )
    assert "1 pairs, 1 personas added" in said and "1 pairs lack a persona" in said
    persona = Persona.objects.select_related("origin", "item").get()
    assert persona.text == "The user is rejected and prefers BeaverTails BeaverTails sft_train 2."
    assert (persona.item.key, persona.origin.direction, persona.origin.source) == (query.key, "rejected", "retrieved")
    with pytest.raises(CommandError, match="'other' has retrieved nothing for BeaverTails. Retrievers: imported"):
        rate(study, "--dataset", "BeaverTails", "--split", "test", "--persona", "retrieved", "--retriever", "other")
    with pytest.raises(CommandError, match="Nothing was retrieved for BeaverTails sft_train"):
        rate(study, "--dataset", "BeaverTails", "--split", "sft_train", "--persona", "retrieved")


def test_an_output_rating_asks_for_outputs_when_it_opens_and_keeps_its_hash(tmp_path: Path) -> None:
    make_data(count=3)
    study = load_rating(tmp_path)
    with pytest.raises(ServiceError, match="use add_personas_to_rate"):
        study_open(study=study, user=None)
    rate(study, "--dataset", "BeaverTails", "--direction", "chosen")
    assert not Output.objects.exists()
    study.arms.update(fingerprint="f" * 64)
    study_open(study=study, user=None)
    assert Counter(Output.objects.values_list("state", flat=True)) == {"requested": 6}
    study_pause(study=study, user=None)
    study_open(study=study, user=None)
    with pytest.raises(CommandError, match="only while the study is a draft"):
        rate(study, "--dataset", "BeaverTails")


def test_the_hash_covers_the_words_that_answers_start_with(tmp_path: Path) -> None:
    make_data("Mnemonic", 2)
    PreferencePair.objects.filter(row=1).update(prompt="abate")
    study = load_rating(tmp_path)
    rate(study, "--dataset", "Mnemonic", "--direction", "chosen")
    item = Item.objects.get(prompt="abate")
    assert item.answer_start == "Abate sounds like"
    before = protocol_hash(study)
    Item.objects.filter(pk=item.pk).update(answer_start="Abate means")
    assert protocol_hash(study) != before


def test_items_without_such_words_have_the_document_they_always_had(tmp_path: Path) -> None:
    make_data(count=1)
    study = load_rating(tmp_path)
    rate(study, "--dataset", "BeaverTails", "--direction", "chosen")
    assert set(protocol_document(study)["imported"][0]) == {"key", "prompt", "stratum", "persona", "block"}


def test_loading_the_file_again_keeps_imported_items_whatever_the_arms(tmp_path: Path) -> None:
    make_data(count=2)
    rate(load_rating(tmp_path), "--dataset", "BeaverTails")
    study = load_rating(tmp_path, title="Another", arms=3)
    assert Persona.objects.filter(item__study=study).count() == 4 and Arm.objects.count() == 3


def test_a_draft_that_becomes_another_kind_of_study_gives_its_imports_up(tmp_path: Path) -> None:
    make_data(count=2)
    assess(load_assessment(tmp_path), "--dataset", "BeaverTails")
    load_rating(tmp_path, slug="small")
    assert not (Persona.objects.exists() or Item.objects.exists() or PersonaOrigin.objects.exists())


def test_nobody_writes_personas_for_imported_items(tmp_path: Path) -> None:
    design = {"given_personas_per_participant": 2, "written_personas_per_participant": 1}
    found = complaints(write(tmp_path, rating_data(design=design)))
    assert len(found) == 1 and "imported items bring their personas" in found[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dataset", "Other"), "There is no data set called 'Other'"),
        (("--dataset", "BeaverTails", "--split", "dev"), "BeaverTails has no split dev"),
        (("--dataset", "BeaverTails", "--system", "nobody"), "no system called 'nobody'"),
        (("--dataset", "BeaverTails", "--seed", "9999999999"), "seeds go up to 2147483647"),
    ],
)
def test_names_that_are_not_known_are_refused(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    make_data(count=1)
    study = load_assessment(tmp_path)
    with pytest.raises(CommandError, match=message):
        assess(study, *arguments)
    assert not Persona.objects.exists()


def test_a_study_of_another_kind_is_refused_and_an_unknown_profile_too(tmp_path: Path) -> None:
    make_data("Ours", 1)
    assessment, rating = load_assessment(tmp_path), load_rating(tmp_path, slug="rating")
    with pytest.raises(CommandError, match="its file must say `kind: output_rating` and `items: imported`"):
        rate(assessment, "--dataset", "Ours")
    with pytest.raises(CommandError, match="its file must say `kind: persona_assessment` and `items: imported`"):
        assess(rating, "--dataset", "Ours")
    with pytest.raises(CommandError, match="There is no dataset profile 'Ours'"):
        rate(rating, "--dataset", "Ours")
    assert "1 pairs, 2 personas added" in rate(rating, "--dataset", "Ours", "--profile", "beavertails")


def test_another_text_for_a_persona_of_the_study_is_refused(tmp_path: Path) -> None:
    make_data(count=1)
    study = load_assessment(tmp_path)
    assess(study, "--dataset", "BeaverTails")
    PreferencePair.objects.get().personas.filter(direction="chosen").update(text="Somebody else.")
    with pytest.raises(CommandError, match="BeaverTails/test row 1: this pair has another chosen persona in the study"):
        assess(study, "--dataset", "BeaverTails")


@pytest.mark.slow
@pytest.mark.parametrize(("persona", "direction", "traced"), [("gold", "rejected", 499), ("retrieved", "chosen", 497)])
def test_the_released_outputs_join_the_units_of_the_database(
    persona: str, direction: str, traced: int, tmp_path: Path
) -> None:
    folder = DATA / "persona-tailoring" / "BeaverTails"
    if not folder.exists():
        pytest.skip(f"{folder} is absent: the public data sets are not part of the project.")
    files = [str(folder / f"{split}.parquet") for split in ("sft_train", "dpo_train", "test")]
    call_command("import_preferences", *files, dataset="BeaverTails", stdout=io.StringIO())
    study = load_rating(tmp_path)
    said = rate(study, "--dataset", "BeaverTails", "--split", "test", "--persona", persona, "--direction", direction)
    assert f"{traced} pairs, {traced} personas added" in said
    inference = f"{'gold' if persona == 'gold' else 'retr'}-{direction}"
    for training, system in (("none", "DPO"), ("chosen", "PT-DPO")):
        name = f"dpo_Persona(training_type={training}, inference_type={inference}).jsonl"
        released = str(DATA / "released-outputs" / "BeaverTails" / name)
        call_command("import_outputs", study.slug, released, system=system, allow_unmatched=True, stdout=io.StringIO())
    assert Output.objects.filter(state="ready").count() == 2 * traced
    study_open(study=study, user=None)
