"""Saving, opening, pausing and closing studies, by service and by command."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.utils import timezone

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Arm, AuditLog, Item, Output, Participant, Persona, Study
from annotation.protocol import definition_document
from annotation.services.outputs import outputs_exclude
from annotation.services.participants import participant_create
from annotation.services.studies import study_close, study_open, study_pause, study_save
from modelhub.models import ArmBinding, Generation, PersonaOrigin, Run, System
from tests.annotation.studyfiles import definition, rating_aspect, study_data, write
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def save(folder: Path, **options: Any) -> Study:
    """Save the small study with changes to its file (and options of study_save)."""
    flags = {name: options.pop(name) for name in ("new_version", "discard_outputs") if name in options}
    return study_save(definition=definition(folder, **options), owner=make_user(), **flags)


def fill(study: Study) -> None:
    """Give every arm a fingerprint and every given persona a ready output per arm."""
    for arm in study.arms.all():
        Arm.objects.filter(pk=arm.pk).update(fingerprint=f"{arm.ordinal}" * 64)
        for persona in Persona.objects.filter(item__study=study, source=Persona.Source.GIVEN):
            Output.objects.create(
                persona=persona, arm=arm, state=Output.State.READY, text=f"{persona.item.key} {arm.ordinal}",
                fingerprint=f"{arm.ordinal}" * 64, ready_at=timezone.now(),
            )  # fmt: skip


def opened(folder: Path, **changes: Any) -> Study:
    study = save(folder, **changes)
    fill(study)
    study_open(study=study, user=make_user())
    return study


def rows_of(model: type[Model]) -> list[tuple[Any, ...]]:
    return list(model._default_manager.order_by("pk").values_list())


def test_a_saved_study_says_exactly_what_its_file_says(tmp_path: Path) -> None:
    comparison = {"key": "p", "name": "P", "type": "comparison", "question": "q", "question_for_others": "o"}
    practice = [{"prompt": "Q?", "persona": "p", "responses": ["a", "b"]}]
    changes = {"aspects": [rating_aspect(), comparison], "arms": [{"control": True}, {}], "practice": practice}

    study = save(tmp_path, **changes)

    assert definition_document(study) == definition(tmp_path, **changes).document()
    assert (study.state, study.version, study.protocol_hash) == ("draft", 1, "")
    personas = Persona.objects.filter(item__study=study)
    assert {persona.source for persona in personas} == {"given"}
    assert all(persona.submitted_at for persona in personas)


def test_saving_an_unchanged_draft_again_changes_no_row(tmp_path: Path) -> None:
    save(tmp_path)
    before = [rows_of(model) for model in (Study, Item, Persona, Arm, AuditLog)]
    turn = Study._meta.get_field("allocation_turn")
    column = [field.name for field in Study._meta.fields].index(turn.name)

    save(tmp_path)

    after = [rows_of(model) for model in (Study, Item, Persona, Arm, AuditLog)]
    for rows in (before, after):
        rows[0] = [row[:column] + row[column + 1 :] for row in rows[0]]
    assert after == before


def test_items_are_matched_by_id_and_keep_their_outputs(tmp_path: Path) -> None:
    study = save(tmp_path)
    fill(study)
    codes = list(study.arms.values_list("code", flat=True))
    outputs = rows_of(Output)
    items = study_data()["items"][::-1]
    items[2]["stratum"] = "drinks"
    items.append({"id": "new", "prompt": "New?", "persona": "The user is new and prefers news."})

    save(tmp_path, items=items, title="Another title", arms=[{}, {"control": True}])

    study.refresh_from_db()
    assert study.title == "Another title"
    assert list(study.items.values_list("key", flat=True)) == ["rest", "soup", "tea", "new"]
    assert study.items.get(key="tea").stratum == "drinks"
    assert list(study.arms.values_list("code", flat=True)) == codes
    assert list(study.arms.values_list("is_control", flat=True)) == [False, True]
    assert rows_of(Output) == outputs


@pytest.mark.parametrize(
    ("changes", "count", "left"),
    [
        ({"arms": 3}, 4, 0),
        ({"items": study_data()["items"][1:]}, 2, 2),
        ({"items": [{**study_data()["items"][0], "prompt": "Changed?"}, *study_data()["items"][1:]]}, 2, 2),
        ({"items": [{**study_data()["items"][0], "persona": "Someone else."}, *study_data()["items"][1:]]}, 2, 2),
    ],
)
def test_outputs_are_discarded_only_if_asked_for(
    tmp_path: Path, changes: dict[str, Any], count: int, left: int
) -> None:
    study = save(tmp_path)
    fill(study)
    before = [rows_of(model) for model in (Study, Item, Persona, Arm, Output)]

    with pytest.raises(ServiceError, match=f"^{count} outputs of small v1 would be discarded.*--discard-outputs"):
        save(tmp_path, **changes)

    assert [rows_of(model) for model in (Study, Item, Persona, Arm, Output)] == before
    save(tmp_path, discard_outputs=True, **changes)
    assert Output.objects.count() == left
    assert definition_document(Study.objects.get()) == definition(tmp_path, **changes).document()


def test_discarding_takes_what_modelhub_recorded_along(tmp_path: Path) -> None:
    study = save(tmp_path)
    fill(study)
    system = System.objects.create(name="s", engine="imported", fingerprint="f")
    now = timezone.now()
    run = Run.objects.create(stage="import_outputs", study=study, command="c", heartbeat_at=now, lease_until=now)
    for output in Output.objects.all():
        Generation.objects.create(run=run, system=system, output=output, finish_reason="stop")
    for persona in Persona.objects.all():
        PersonaOrigin.objects.create(persona=persona, direction="chosen", source="gold", run=run)
    ArmBinding.objects.create(arm=study.arms.all()[0], system=system)

    save(tmp_path, discard_outputs=True, arms=3, items=study_data()["items"][1:])

    assert (Output.objects.count(), Generation.objects.count(), ArmBinding.objects.count()) == (0, 0, 0)
    assert PersonaOrigin.objects.count() == 1
    assert Run.objects.count() == 1


def test_a_frozen_study_with_the_same_definition_is_returned_unchanged(tmp_path: Path) -> None:
    study = opened(tmp_path)

    again = save(tmp_path)

    assert again.pk == study.pk
    assert again.state == Study.State.OPEN
    assert Study.objects.count() == 1


def test_a_frozen_study_refuses_a_changed_definition_and_offers_a_new_version(tmp_path: Path) -> None:
    study = opened(tmp_path)

    with pytest.raises(NotAllowedNow, match="--new-version"):
        save(tmp_path, title="Changed")
    newer = save(tmp_path, title="Changed", new_version=True)

    study.refresh_from_db()
    assert (study.title, study.state, study.version) == ("A small study", "open", 1)
    assert (newer.title, newer.state, newer.version) == ("Changed", "draft", 2)
    assert set(newer.arms.values_list("code", flat=True)).isdisjoint(study.arms.values_list("code", flat=True))
    assert newer.participants.count() == 0


def test_a_draft_that_was_worked_on_refuses_a_changed_definition(tmp_path: Path) -> None:
    study = save(tmp_path)
    persona = Persona.objects.get(item__study=study, item__key="tea")
    participant_create(study=study, kind=Participant.Kind.BOT).assignments.create(
        persona=persona, ordinal=1, expires_at=timezone.now()
    )

    with pytest.raises(NotAllowedNow, match="worked on"):
        save(tmp_path, title="Changed")
    assert save(tmp_path).pk == study.pk


def test_a_study_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    save(tmp_path)

    with pytest.raises(ServiceError, match="belongs to researcher"):
        study_save(definition=definition(tmp_path, title="Mine"), owner=make_user("other"))


def test_opening_freezes_and_is_logged(tmp_path: Path) -> None:
    study = opened(tmp_path)

    assert study.state == Study.State.OPEN
    assert len(study.protocol_hash) == 64
    assert study.opened_at is not None
    log = AuditLog.objects.get(action="study_open")
    assert (log.study, log.user, log.data["protocol_hash"]) == (study, make_user(), study.protocol_hash)


def test_a_study_that_is_not_ready_is_refused_with_all_reasons_and_stays_a_draft(tmp_path: Path) -> None:
    study = save(tmp_path)

    with pytest.raises(ServiceError) as error:
        study_open(study=study, user=None)

    assert "Arm 1" in str(error.value)
    assert "Arm 2" in str(error.value)
    study.refresh_from_db()
    assert (study.state, study.protocol_hash, study.opened_at) == ("draft", "", None)
    assert Output.objects.count() == 0


def test_given_personas_without_outputs_are_queued_when_every_arm_has_a_system(tmp_path: Path) -> None:
    study = save(tmp_path)
    study.arms.update(fingerprint="f" * 64)

    study_open(study=study, user=None)

    queued = Output.objects.filter(state=Output.State.REQUESTED).values_list("persona__item__key", "arm__ordinal")
    assert sorted(queued) == [("soup", 1), ("soup", 2), ("tea", 1), ("tea", 2)]


def test_only_the_arm_that_lacks_outputs_is_queued_and_nothing_of_an_excluded_pair(tmp_path: Path) -> None:
    study = save(tmp_path)
    fill(study)
    Output.objects.filter(arm__ordinal=2).delete()
    outputs_exclude(persona=Persona.objects.get(item__key="soup"), reason="loops", user=None)

    study_open(study=study, user=None)

    queued = Output.objects.filter(state=Output.State.REQUESTED).values_list("persona__item__key", "arm__ordinal")
    assert list(queued) == [("tea", 2)]


def test_a_paused_study_opens_again_and_keeps_hash_and_time(tmp_path: Path) -> None:
    study = opened(tmp_path)
    frozen = (study.protocol_hash, study.opened_at)

    study_pause(study=study, user=None)
    assert study.state == Study.State.PAUSED
    study_open(study=study, user=None)

    assert study.state == Study.State.OPEN
    assert (study.protocol_hash, study.opened_at) == frozen


def test_a_paused_study_that_was_tampered_with_does_not_open(tmp_path: Path) -> None:
    study = opened(tmp_path)
    study_pause(study=study, user=None)
    Item.objects.filter(key="tea").update(prompt="How do I make coffee?")

    with pytest.raises(ServiceError, match="not what was frozen"):
        study_open(study=study, user=None)

    study.refresh_from_db()
    assert study.state == Study.State.PAUSED


def test_a_closed_study_cannot_be_reopened_paused_or_closed_again(tmp_path: Path) -> None:
    study = opened(tmp_path)
    study_close(study=study, user=None)
    assert study.closed_at is not None

    for step in (study_open, study_pause, study_close):
        with pytest.raises(NotAllowedNow, match="is closed"):
            step(study=study, user=None)
    study.refresh_from_db()
    assert study.state == Study.State.CLOSED


def test_steps_that_the_state_does_not_allow_are_refused(tmp_path: Path) -> None:
    draft = save(tmp_path)
    for step in (study_pause, study_close):
        with pytest.raises(NotAllowedNow, match="is draft"):
            step(study=draft, user=None)
    fill(draft)
    study_open(study=draft, user=None)
    with pytest.raises(NotAllowedNow, match="is open"):
        study_open(study=draft, user=None)


def command(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def test_the_commands_take_a_study_from_its_file_to_its_end(tmp_path: Path) -> None:
    make_user()
    path = str(write(tmp_path, study_data()))

    loaded = command("load_study", path)
    study = Study.objects.get()
    assert "small@1: draft" in loaded
    assert "3 items, 2 with a given persona" in loaded
    assert "arm 1\n" in loaded and "arm 2\n" in loaded
    assert not any(arm.code in loaded for arm in study.arms.all())
    fill(study)
    assert "small@1 is open" in command("open_study", "small")
    assert "small@1: unchanged (open" in command("load_study", path)
    assert "small@1 is paused" in command("pause_study", "small@1")
    assert "small@1 is closed" in command("close_study", "small")
    assert "small@2: draft" in command("load_study", path, "--new-version")


def test_a_wrong_file_writes_nothing_and_shows_every_mistake(tmp_path: Path) -> None:
    make_user()
    path = write(tmp_path, study_data(arms=9, title=""))

    with pytest.raises(CommandError) as error:
        command("load_study", str(path))

    assert "arms: 9" in str(error.value)
    assert "title: is empty" in str(error.value)
    assert Study.objects.count() == 0


def test_the_owner_is_the_only_user_or_has_to_be_named(tmp_path: Path) -> None:
    path = str(write(tmp_path, study_data()))
    with pytest.raises(CommandError, match="createsuperuser"):
        command("load_study", path)
    make_user("ada")
    make_user("ben")
    with pytest.raises(CommandError, match="one of: ada, ben"):
        command("load_study", path)
    with pytest.raises(CommandError, match="no user 'eve'. Users: ada, ben"):
        command("load_study", path, "--owner", "eve")
    command("load_study", path, "--owner", "ben")
    assert Study.objects.get().owner.username == "ben"


@pytest.mark.parametrize("name", ["open_study", "pause_study", "close_study"])
def test_an_unknown_study_or_a_refused_step_is_a_command_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandError, match="no study called 'none'"):
        command(name, "none")
    save(tmp_path)
    with pytest.raises(CommandError, match="small v1"):
        command(name, "small")
