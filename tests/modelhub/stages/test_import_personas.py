"""Importing inferred personas: every form of file, what is kept of their origin, and what is not to be seen."""

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pyarrow.parquet
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from annotation.bots import Bot
from annotation.models import Arm, Item, Output, Participant, Persona, Study
from annotation.protocol import protocol_hash
from annotation.rowfiles import file_sha256
from annotation.services.participants import participant_create
from annotation.services.studies import study_open, study_save
from annotation.studyfile import read_study_file
from modelhub.analysis.unblinded import unblinded_tables
from modelhub.models import ArmBinding, PersonaOrigin, Run, System
from tests.annotation.studyfiles import assessment_data, write
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)

DATA = settings.BASE_DIR.parent / "shared" / "data" / "persona-tailoring" / "BeaverTails" / "test.parquet"
DIRECTIONS = ("chosen", "rejected")


def pair(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "prompt": f"What about {number}?",
        "chosen": f"Good answer {number}.",
        "rejected": f"Poor answer {number}.",
        "chosen_persona": f"The user is patient and prefers {number} details.",
        "rejected_persona": f"The user is hasty and prefers {number} words.",
        **changes,
    }


def jsonl(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def long_rows(number: int, **changes: Any) -> list[dict[str, Any]]:
    wide = pair(number)
    first = {name: wide[name] for name in ("prompt", *DIRECTIONS)}
    return [{**first, "direction": side, "persona": wide[f"{side}_persona"], **changes} for side in DIRECTIONS]


def load(folder: Path, **changes: Any) -> Study:
    data = assessment_data(
        **{"preset": "persona_assessment_with_pick", "show_responses": True, "items": "imported", **changes}
    )
    return study_save(definition=read_study_file(write(folder, data)), owner=make_user())


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return load(tmp_path)


def run(study: Study, *files: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("import_personas", f"{study.slug}@{study.version}", *files, stdout=out, **options)
    return out.getvalue()


def test_pairs_of_messages_in_a_saved_data_set_are_items_too(study: Study, tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello!"}]
    asked.append({"role": "user", "content": "What about 1?"})
    sides = {side: [*asked, {"role": "assistant", "content": f"{side}."}] for side in DIRECTIONS}
    row = {name: value for name, value in pair(1).items() if name != "prompt"} | sides
    datasets.Dataset.from_list([row]).save_to_disk(tmp_path / "saved")
    said = run(study, str(tmp_path / "saved"))
    assert "1 pairs read, 2 personas imported" in said and "preference pairs as conversations" in said
    assert study.items.get().prompt == "Human: Hi.\n\nAssistant: Hello!\n\nHuman: What about 1?"
    assert set(Output.objects.values_list("text", flat=True)) == {"chosen.", "rejected."}


def test_each_pair_becomes_an_item_with_a_persona_per_direction(study: Study, tmp_path: Path) -> None:
    said = run(study, jsonl(tmp_path / "a.jsonl", [pair(1), pair(2)]), stratum="Ours", system="GPT-X")
    assert "2 pairs read, 4 personas imported, 0 were there already" in said
    items = list(Item.objects.order_by("ordinal").values_list("prompt", "stratum"))
    assert items == [("What about 1?", "Ours"), ("What about 2?", "Ours")]
    for origin in PersonaOrigin.objects.select_related("persona__item", "inferring_system"):
        number = origin.persona.item.prompt.split()[-1].rstrip("?")
        assert origin.persona.text == pair(int(number))[f"{origin.direction}_persona"]
        assert (origin.source, origin.persona.source) == ("gold", "given")
        assert origin.inferring_system and origin.inferring_system.name == "GPT-X"
    assert Counter(PersonaOrigin.objects.values_list("direction", flat=True)) == {"chosen": 2, "rejected": 2}


def test_both_responses_are_outputs_of_two_arms_that_modelhub_alone_can_tell_apart(
    study: Study, tmp_path: Path
) -> None:
    run(study, jsonl(tmp_path / "a.jsonl", [pair(1), pair(2)]))
    systems = dict(ArmBinding.objects.values_list("arm", "system__name"))
    assert sorted(systems.values()) == ["chosen response", "rejected response"]
    assert Output.objects.count() == 8
    for output in Output.objects.select_related("persona__item"):
        word = {"chosen response": "Good", "rejected response": "Poor"}[systems[output.arm_id]]
        assert output.text.startswith(word) and output.state == "ready"
        assert output.fingerprint == output.arm.fingerprint != ""


def test_the_arms_are_assigned_by_lot(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", [pair(1)])
    first = set()
    for number in range(12):
        study = load(tmp_path, slug=f"study-{number}")
        run(study, file)
        first.add(ArmBinding.objects.get(arm=study.arms.get(ordinal=1)).system.name)
    assert len(first) == 2


def test_the_order_of_personas_says_nothing_about_their_direction(study: Study, tmp_path: Path) -> None:
    run(study, jsonl(tmp_path / "a.jsonl", [pair(number) for number in range(20)]))
    first = [item.personas.order_by("pk")[0].origin.direction for item in Item.objects.all()]
    assert set(first) == set(DIRECTIONS)


def test_conditions_have_opaque_codes_that_a_later_import_keeps(study: Study, tmp_path: Path) -> None:
    run(study, jsonl(tmp_path / "a.jsonl", [pair(1)]), system="GPT-X")
    run(study, jsonl(tmp_path / "b.jsonl", [pair(2)]), system="GPT-X")
    run(study, jsonl(tmp_path / "c.jsonl", [pair(3)]), system="LLAMA-Y")
    blocks: dict[str, set[tuple[str, str]]] = {}
    for origin in PersonaOrigin.objects.select_related("persona", "inferring_system"):
        assert origin.inferring_system
        blocks.setdefault(origin.persona.block, set()).add((origin.direction, origin.inferring_system.name))
    assert len(blocks) == 4 and all(len(conditions) == 1 for conditions in blocks.values())
    assert not any(word in block for block in blocks for word in (*DIRECTIONS, "GPT", "LLAMA"))


def test_the_same_import_again_changes_nothing(study: Study, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", [pair(1), pair(2)])
    run(study, file)
    before = (protocol_hash(study), list(Persona.objects.values_list("pk", "text")), Output.objects.count())
    assert "0 personas imported, 4 were there already" in run(study, file)
    assert (protocol_hash(study), list(Persona.objects.values_list("pk", "text")), Output.objects.count()) == before


def test_loading_the_study_file_again_keeps_what_was_imported(study: Study, tmp_path: Path) -> None:
    run(study, jsonl(tmp_path / "a.jsonl", [pair(1)]))
    load(tmp_path, title="Another title")
    study.refresh_from_db()
    assert study.title == "Another title" and Persona.objects.count() == 2 and Output.objects.count() == 4


def test_a_run_keeps_the_hashes_of_the_files(study: Study, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", [pair(1)])
    run(study, file, limit=7)
    made = Run.objects.get(stage="import_personas")
    assert made.inputs == [{"name": "a.jsonl", "sha256": file_sha256(Path(file))}]
    assert (made.state, made.done, made.study, made.arguments["limit"]) == ("finished", 2, study, 7)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_long_and_wide_files_of_every_format_say_the_same(ending: str, study: Study, tmp_path: Path) -> None:
    for name, rows in (("wide", [pair(1), pair(2)]), ("long", [*long_rows(1), *long_rows(2)])):
        path = tmp_path / f"{name}{ending}"
        if ending == ".jsonl":
            jsonl(path, rows)
        elif ending == ".parquet":
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        else:
            lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run(study, str(tmp_path / f"wide{ending}"))
    assert "0 personas imported, 4 were there already" in run(study, str(tmp_path / f"long{ending}"))


def test_several_systems_give_a_pair_several_personas(study: Study, tmp_path: Path) -> None:
    rows = [row for system in ("one", "two") for row in long_rows(1, inferring_system=system)]
    run(study, jsonl(tmp_path / "a.jsonl", rows))
    assert Item.objects.count() == 1 and Persona.objects.count() == 4
    assert set(System.objects.filter(inferred_personas__isnull=False).values_list("name", flat=True)) == {"one", "two"}


def test_columns_may_have_other_names_and_the_source_can_be_chosen(study: Study, tmp_path: Path) -> None:
    row = pair(1)
    renamed = {
        "question": row["prompt"], "good": row["chosen"], "bad": row["rejected"],
        "chosen_persona_gold": "gold", "chosen_persona_retr": "The user is near and prefers shops.",
    }  # fmt: skip
    file = jsonl(tmp_path / "a.jsonl", [renamed])
    run(study, file, prompt_column="question", chosen_column="good", rejected_column="bad", source="retrieved")
    origin = PersonaOrigin.objects.get()
    assert (origin.direction, origin.source) == ("chosen", "retrieved")
    assert origin.persona.text == "The user is near and prefers shops."


def test_limit_counts_pairs(study: Study, tmp_path: Path) -> None:
    run(study, jsonl(tmp_path / "a.jsonl", [row for n in range(5) for row in long_rows(n)]), limit=2)
    assert Item.objects.count() == 2 and Persona.objects.count() == 4


def test_every_mistake_is_listed_and_nothing_is_written(study: Study, tmp_path: Path) -> None:
    rows = [
        pair(1),
        pair(2, chosen=" "),
        pair(3, rejected_persona=7),
        {**long_rows(1)[0], "persona": "Somebody else."},
        pair(4, prompt=""),
        {**long_rows(5)[0], "direction": "left"},
        {**long_rows(6)[0], "source": "guessed"},
        {**long_rows(7)[0], "persona": None},
    ]
    (tmp_path / "b.jsonl").write_text("{", encoding="utf-8")
    bare = [{name: pair(4)[name] for name in ("prompt", *DIRECTIONS)}]
    with pytest.raises(CommandError) as caught:
        run(study, jsonl(tmp_path / "a.jsonl", rows), str(tmp_path / "b.jsonl"), jsonl(tmp_path / "c.jsonl", bare))
    for part in (
        "a.jsonl line 2: 'chosen' is empty; --allow-empty takes such rows",
        "a.jsonl line 3: 'rejected_persona' must be text, not int",
        "a.jsonl line 4: a.jsonl line 1 has another chosen persona",
        "a.jsonl line 5: 'prompt' is empty",
        "a.jsonl line 6: direction must be chosen or rejected, not 'left'",
        "a.jsonl line 7: source must be gold or retrieved, not 'guessed'",
        "a.jsonl line 8: 'persona' is missing or empty",
        "b.jsonl line 1: not valid JSON",
        "c.jsonl line 1: no row brings a persona, in chosen_persona or chosen_persona_gold and rejected_persona or",
    ):
        assert part in str(caught.value)
    assert not (Persona.objects.exists() or Item.objects.exists() or Run.objects.exists() or System.objects.exists())


def test_another_text_for_a_known_persona_is_refused(study: Study, tmp_path: Path) -> None:
    run(study, jsonl(tmp_path / "a.jsonl", [pair(1)]))
    with pytest.raises(CommandError, match="b.jsonl line 1: this pair has another chosen persona in the study"):
        run(study, jsonl(tmp_path / "b.jsonl", [pair(1, chosen_persona="Somebody else.")]))
    said = run(load(tmp_path, slug="other"), str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"))
    assert "b.jsonl line 1: the same pair as a.jsonl line 1, with other personas, which are left out" in said


def test_pairs_that_cannot_be_assessed_are_left_out_and_counted(study: Study, tmp_path: Path) -> None:
    rows = [pair(1), pair(2, chosen=""), pair(3, chosen_persona="", rejected_persona=""), pair(4, chosen_persona="")]
    said = run(study, jsonl(tmp_path / "a.jsonl", rows), allow_empty=True)
    assert "2 pairs read, 3 personas imported" in said
    assert "2 pairs lack a persona or a response and were left out" in said
    assert "1 rows have an empty response" in said and "a.jsonl line 2: 'chosen' is empty." in said


def test_only_a_draft_that_imports_its_items_takes_personas(study: Study, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", [pair(1)])
    listed = load(tmp_path, slug="listed", items=assessment_data()["items"])
    with pytest.raises(CommandError, match="its file must say `kind: persona_assessment` and `items: imported`"):
        run(listed, file)
    run(study, file)
    study_open(study=study, user=None)
    with pytest.raises(CommandError, match="only while the study is a draft"):
        run(study, file)


def test_a_study_without_imported_personas_cannot_be_opened(study: Study) -> None:
    with pytest.raises(Exception, match="It has no personas yet"):
        study_open(study=study, user=None)


def test_without_responses_the_pairs_are_kept_out(tmp_path: Path) -> None:
    study = load(tmp_path, preset="persona_assessment", show_responses=False)
    run(study, jsonl(tmp_path / "a.jsonl", [pair(1)]))
    assert Persona.objects.count() == 2 and not Output.objects.exists() and not Arm.objects.exists()
    study_open(study=study, user=None)


def test_unblinded_exports_say_direction_system_and_whether_a_pick_is_its_own(
    study: Study, live_server: LiveServer, tmp_path: Path
) -> None:
    run(study, jsonl(tmp_path / "a.jsonl", [pair(1)]), system="GPT-X")
    study_open(study=study, user=None)
    bot = participant_create(study=study, kind=Participant.Kind.BOT)
    assert Bot(live_server.url + reverse("annotation:participant", args=[bot.token]), seed="1").walk().step == "done"
    rows = list(unblinded_tables(study, include_bots=True)["ratings_unblinded"].rows())
    assert len(rows) == 10
    for row in rows:
        assert row["inferring_system"] == "GPT-X" and row["persona_origin"] == "gold"
        assert row["persona_text"] == pair(1)[f"{row['persona_direction']}_persona"]
        own = f"{row['persona_direction']} response" == row["preferred_system"]
        assert row["pick_is_own_direction"] is (own if row["aspect_kind"] == "pick" else None)


@pytest.mark.skipif(not DATA.is_file(), reason="the public data set is not beside the project (../shared/data)")
def test_a_split_of_the_public_data_set_is_read_as_it_is(study: Study) -> None:
    assert "40 pairs read, 80 personas imported" in run(study, str(DATA), limit=40, stratum="BeaverTails")
    assert Persona.objects.filter(item__stratum="BeaverTails").count() == 80
