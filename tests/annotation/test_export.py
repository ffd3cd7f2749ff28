"""The export: what its tables say, and that no token, bot or system gets out."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from annotation.errors import ServiceError
from annotation.export import study_tables
from annotation.models import Aspect, Item, Output, Participant, Persona, Study
from tests.annotation.exporting import export, rows_of
from tests.annotation.study_rows import (
    add_assignment,
    add_participant,
    add_rating,
    add_written_persona,
    make_frozen_study,
)
from tests.factories import make_study

pytestmark = pytest.mark.django_db


def arm_codes(study: Study) -> list[str]:
    return list(study.arms.order_by("ordinal").values_list("code", flat=True))


# --- What the tables say -----------------------------------------------------------------------------------------


def test_ratings_hold_one_row_per_current_answer_with_all_that_belongs_to_it() -> None:
    study = make_frozen_study()
    participant = add_participant(study)
    assignment = add_assignment(participant, values=((4, 5), (2, 1)), choice=1)
    first, second = arm_codes(study)
    rows = rows_of(study, "ratings")
    assert [(r["arm"], r["position"], r["aspect"], r["value"], r["label"]) for r in rows] == [
        (first, 1, "answerability", 4, "Very"),
        (first, 1, "personalization", 5, "Completely"),
        (second, 2, "answerability", 2, "Slightly"),
        (second, 2, "personalization", 1, "Not at all"),
        (None, 3, "preference", 1, "Left"),
    ]
    row = rows[0]
    assert row["study"] == "study" and row["study_version"] == 1 and row["protocol_hash"] == study.protocol_hash
    assert row["participant"] == "P-001" and row["participant_kind"] == "person"
    assert row["assignment"] == assignment.key and row["assignment_state"] == "completed" and row["ordinal"] == 1
    assert row["item"] == "item-1" and row["stratum"] == "test" and row["persona"] == assignment.persona.key
    assert row["persona_text"] == assignment.persona.text and row["is_author"] is False
    assert row["rate_focused_seconds"] == 1.5 and row["rate_idle_seconds"] == 0.25
    assert row["write_focused_seconds"] == 0


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(("choice", "side"), [(1, 0), (2, 1)])
def test_a_comparison_names_the_arm_that_stood_on_the_preferred_side(choice: int, side: int, swapped: bool) -> None:
    study = make_frozen_study()
    add_assignment(add_participant(study), choice=choice, swapped=swapped)
    codes = arm_codes(study)[:: -1 if swapped else 1]
    comparison = rows_of(study, "ratings")[-1]
    assert comparison["preferred_arm"] == codes[side]
    assert rows_of(study, "ratings_wide")[0]["preferred_arm.preference"] == codes[side]


@pytest.mark.parametrize("choice", [3, 4])
def test_tie_and_both_bad_prefer_no_arm(choice: int) -> None:
    study = make_frozen_study()
    add_assignment(add_participant(study), choice=choice)
    assert [row["preferred_arm"] for row in rows_of(study, "ratings")] == [None] * 5
    assert rows_of(study, "ratings_wide")[0]["preferred_arm.preference"] is None


def test_a_rating_of_a_scale_never_names_a_preferred_arm() -> None:
    study = make_frozen_study()
    add_assignment(add_participant(study), values=((1, 2), (2, 1)))
    assert all(row["preferred_arm"] is None for row in rows_of(study, "ratings")[:4])


def test_the_wide_table_puts_values_and_positions_under_their_arm() -> None:
    study = make_frozen_study()
    participant = add_participant(study)
    add_assignment(participant, "item-1", values=((4, 5), (2, 1)), choice=1)
    add_assignment(participant, "item-2", values=((3, 3), (1, 2)), choice=None, swapped=True)
    first, second = arm_codes(study)
    straight, swapped = rows_of(study, "ratings_wide")
    assert straight[f"position.{first}"] == 1 and swapped[f"position.{first}"] == 2
    assert straight[f"value.answerability.{second}"] == 2 and straight["choice.preference"] == 1
    assert swapped[f"value.answerability.{second}"] == 3 and swapped[f"value.personalization.{first}"] == 2
    assert swapped["choice.preference"] is None


def test_wide_columns_stand_in_order_of_the_arm_codes_never_of_the_study_file() -> None:
    study = make_frozen_study()
    study.arms.filter(ordinal=1).update(code="arm-zzzz")
    study.arms.filter(ordinal=2).update(code="arm-aaaa")
    names = [column.name for column in study_tables(study)["ratings_wide"].columns]
    assert [name for name in names if name.startswith("position.")] == ["position.arm-aaaa", "position.arm-zzzz"]


def test_history_keeps_superseded_answers_and_ratings_do_not() -> None:
    study = make_frozen_study()
    assignment = add_assignment(add_participant(study))
    slot = assignment.slots.get(position=1)
    new = add_rating(slot, study.aspects.get(key="answerability"), 1)
    history = [row for row in rows_of(study, "history") if row["aspect"] == "answerability" and row["position"] == 1]
    assert [(row["value"], row["answer_version"], row["superseded_by"]) for row in history] == [
        (4, 1, str(new.pk)),
        (1, 2, None),
    ]
    current = rows_of(study, "ratings")
    assert len(current) == 5 and current[0]["value"] == 1


def test_drafts_stay_private_and_written_personas_name_their_author() -> None:
    study = make_frozen_study(given_items=1, written_items=1, written_per_participant=1)
    participant = add_participant(study)
    item = Item.objects.get(study=study, key="item-2")
    draft = Persona.objects.create(item=item, source=Persona.Source.WRITTEN, author=participant, text="unfinished")
    rows = rows_of(study, "personas")
    assert [(row["item"], row["author"]) for row in rows] == [("item-1", None)]
    draft.submitted_at = timezone.now()
    draft.save()
    assert rows_of(study, "personas")[1]["author"] == "P-001"


def test_an_author_is_told_apart_from_other_raters() -> None:
    study = make_frozen_study(given_items=1, written_items=1, written_per_participant=1)
    participant = add_participant(study)
    persona = add_written_persona(participant, item_key="item-2", text="I prefer it short.")
    add_assignment(participant, persona=persona)
    add_assignment(participant, "item-1")
    assert [row["is_author"] for row in rows_of(study, "ratings_wide")] == [True, False]


def test_participants_hold_times_and_counts() -> None:
    study = make_frozen_study()
    participant = add_participant(study, consented_at=timezone.now(), consent_hash="c" * 64)
    add_assignment(participant, "item-1")
    add_assignment(participant, "item-2")
    (row,) = rows_of(study, "participants")
    assert (row["assignments"], row["assignments_completed"], row["ratings"]) == (2, 2, 10)
    assert row["rate_focused_seconds"] == 3.0 and row["consented_at"] == participant.consented_at
    assert row["joined_by"] == "personal_link" and row["completed_at"] is None


def test_an_unfinished_assignment_past_its_time_is_marked_expired() -> None:
    study = make_frozen_study()
    assignment = add_assignment(add_participant(study))
    type(assignment).objects.filter(pk=assignment.pk).update(
        state="open", completed_at=None, expires_at=timezone.now() - timedelta(hours=1)
    )
    assert rows_of(study, "ratings_wide")[0]["expired"] is True


def test_outputs_keep_their_errors_to_themselves() -> None:
    study = make_frozen_study()
    output = study.items.get(key="item-1").personas.get().outputs.first()
    assert output is not None
    type(output).objects.filter(pk=output.pk).update(error="model-x fell over")
    assert "model-x" not in json.dumps(rows_of(study, "outputs"), default=str)


@pytest.mark.parametrize("table", ["ratings", "ratings_wide", "history", "personas", "outputs", "participants"])
def test_rows_have_exactly_the_columns_of_the_codebook_in_its_order(table: str) -> None:
    study = make_frozen_study()
    add_assignment(add_participant(study))
    found = study_tables(study)[table]
    rows = list(found.rows())
    assert rows and len(rows) == found.count()
    assert all(list(row) == [column.name for column in found.columns] for row in rows)


# --- Who and what is left out ------------------------------------------------------------------------------------


def test_bots_and_previews_are_left_out_unless_asked_for() -> None:
    study = make_frozen_study(given_items=1, written_items=1, written_per_participant=1)
    for kind in Participant.Kind:
        participant = add_participant(study, kind=kind)
        add_assignment(participant)
        add_assignment(
            participant, persona=add_written_persona(participant, item_key="item-2", text=f"Written by a {kind}.")
        )
    for name, table in study_tables(study).items():
        assert "bot" not in json.dumps(list(table.rows()), default=str), name
    everyone = study_tables(study, include_bots=True)
    assert {row["participant_kind"] for row in everyone["ratings"].rows()} == {"person", "preview", "bot"}
    assert {row["author"] for row in everyone["personas"].rows()} == {None, "P-001", "V-002", "B-003"}
    assert everyone["outputs"].count() == 8


def test_another_study_stays_out() -> None:
    study, other = make_frozen_study(), make_frozen_study(slug="other")
    add_assignment(add_participant(other))
    assert [study_tables(study)[name].count() for name in ("ratings", "history", "participants")] == [0, 0, 0]
    assert {row["study"] for row in rows_of(other, "outputs")} == {"other"}


def test_no_system_name_reaches_an_export(tmp_path: Path) -> None:
    from modelhub.models import ArmBinding, System

    study = make_frozen_study()
    for arm in study.arms.all():
        system = System.objects.create(name=f"secret-model-{arm.ordinal}", engine="scripted", fingerprint="f" * 64)
        ArmBinding.objects.create(arm=arm, system=system)
    add_assignment(add_participant(study))
    export(study, tmp_path)
    assert not [path.name for path in tmp_path.iterdir() if "secret-model" in path.read_text("utf-8")]


# --- Files -------------------------------------------------------------------------------------------------------


def test_the_codebook_says_all_that_is_needed_to_read_the_tables(tmp_path: Path) -> None:
    study = make_frozen_study()
    study.demonstration = True
    study.save()
    Study.objects.filter(pk=study.pk).update(protocol_hash=_hash_of(study))
    study.refresh_from_db()
    add_assignment(add_participant(study))
    export(study, tmp_path)
    book = json.loads((tmp_path / "codebook.json").read_text("utf-8"))
    assert book["study"]["protocol_hash"] == study.protocol_hash and book["made"]["command"] == "test"
    assert "scripted engine, not a language model" in book["demonstration"]
    assert [arm["code"] for arm in book["arms"]] == sorted(arm_codes(study))
    assert book["aspects"][0]["question"] == "For me, does this response answer the prompt?"
    assert book["aspects"][0]["labels"]["5"] == "Completely"
    assert {table["name"]: table["rows"] for table in book["tables"]}["ratings"] == 5
    assert all(column["meaning"] for table in book["tables"] for column in table["columns"])
    text = (tmp_path / "codebook.md").read_text("utf-8")
    assert study.protocol_hash in text and "`preferred_arm`" in text and "5 = Completely" in text


def _hash_of(study: Study) -> str:
    from annotation.protocol import protocol_hash

    return protocol_hash(study)


def test_a_study_whose_frozen_definition_was_changed_is_not_exported(tmp_path: Path) -> None:
    study = make_frozen_study()
    Aspect.objects.filter(study=study, key="answerability").update(question="Something else?")
    with pytest.raises(ServiceError, match="changed after it was opened"):
        export(study, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_draft_is_exported_without_a_hash(tmp_path: Path) -> None:
    study = make_frozen_study()
    Study.objects.filter(pk=study.pk).update(state="draft", protocol_hash="", opened_at=None)
    study.refresh_from_db()
    assert export(study, tmp_path)["outputs"] == 8


TABLES = ["ratings", "ratings_wide", "history", "personas", "outputs", "participants", "checks", "followups", "quiz"]


# --- Memory and queries ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_reading_a_table_costs_the_same_queries_for_one_and_for_many(
    table: str, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    study = make_frozen_study()
    for _ in range(6):
        add_assignment(add_participant(study))
    found = study_tables(study)[table]
    with django_assert_max_num_queries(6):
        list(found.rows())


def test_outputs_of_one_arm_are_not_exported_before_the_others_are_there_or_asked_for(db: None) -> None:
    """While system after system is imported, what is there would say which arm came first."""
    study = make_study(state="draft", given_items=2)
    Output.objects.filter(arm__ordinal=2, persona__item__key="item-1").delete()
    assert {row["item"] for row in rows_of(study, "outputs")} == {"item-2"}
    assert study_tables(study)["outputs"].count() == 2
    Output.objects.filter(arm__ordinal=1, persona__item__key="item-2").update(state="requested", ready_at=None)
    assert [(row["state"], row["text"], row["ready_at"]) for row in rows_of(study, "outputs")] == [
        ("requested", "", None)
    ] * 2
