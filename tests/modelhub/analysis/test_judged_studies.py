"""Judgements of what a study showed: the right units, base and test as analysed, and nobody else's texts."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.models import AuditLog, Item, Output, Persona, Study
from annotation.permissions import Role
from annotation.protocol import protocol_hash
from annotation.services.members import role_give
from modelhub.models import Judgement, PairOutput, PersonaCheck, PreferencePair, System
from tests.annotation.study_rows import add_participant, add_written_persona
from tests.factories import make_user
from tests.modelhub.analysis.studies import BASE, TEST, make_bound_study, persona_study
from tests.modelhub.judged_rows import add_judgements
from tests.modelhub.output_rows import make_output
from tests.modelhub.pair_rows import make_pair, make_persona, make_system
from tests.modelhub.verdict_rows import add_checks

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    """A closed study of four given personas whose prompts come from pairs, with their outputs in the database too."""
    study = make_bound_study(given_items=4)
    for item in study.items.order_by("ordinal"):
        pair = make_pair("BeaverTails", "test", item.ordinal)
        persona = Persona.objects.get(item=item)
        for output in Output.objects.filter(persona=persona).select_related("arm__binding__system"):
            make_output(pair, output.arm.binding.system, "gold_chosen", persona=persona.text, text=f"{output.text}\n")
        Item.objects.filter(pk=item.pk).update(key=pair.key)
    close(study)
    return study


def close(study: Study) -> None:
    study.refresh_from_db()
    Study.objects.filter(pk=study.pk).update(state="closed", protocol_hash=protocol_hash(study))


def outputs(system: str) -> list[PairOutput]:
    return list(PairOutput.objects.filter(system__name=system).order_by("pair__row"))


def exported(study: Study, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    path = folder / f"judgements-{len(list(folder.iterdir()))}.jsonl"
    call_command("export_judgements", study.slug, "--judge", "judge", "--out", str(path), *arguments)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_verdicts_bear_the_keys_of_personas_and_no_text(study: Study, tmp_path: Path) -> None:
    add_judgements(outputs(BASE), outputs(TEST), make_system("judge"), "quality", ["win", "loss", "tie", "unreadable"])
    rows = exported(study, tmp_path)
    keys = [persona.key for persona in Persona.objects.filter(item__study=study).order_by("item__ordinal")]
    assert [(row["pair_id"], row["order"], row["verdict"]) for row in rows] == [
        (key, order, verdict)
        for key, verdicts in zip(keys, ("BA", "AB", "AA", "A?"), strict=True)
        for order, verdict in zip(("base_first", "test_first"), [one if one != "?" else None for one in verdicts],
                                  strict=True)
    ]  # fmt: skip
    assert {tuple(row) for row in rows} == {("pair_id", "metric", "order", "verdict")}
    assert AuditLog.objects.filter(study=study, action="judgements_exported").count() == 1


def test_base_and_test_are_those_of_the_analysis(study: Study, tmp_path: Path) -> None:
    # Judged the other way round: the analysis' base as the test, which wins everywhere.
    add_judgements(outputs(TEST), outputs(BASE), make_system("judge"), "quality", ["win"] * 4)
    rows = exported(study, tmp_path)
    assert {(row["order"], row["verdict"]) for row in rows} == {("base_first", "A"), ("test_first", "B")}
    swapped = exported(study, tmp_path, "--base", TEST, "--test", BASE)
    assert {(row["order"], row["verdict"]) for row in swapped} == {("base_first", "B"), ("test_first", "A")}


def test_what_a_judge_saw_with_other_texts_is_left_out_and_counted(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_judgements(outputs(BASE), outputs(TEST), make_system("judge"), "quality", ["win"] * 4)
    PairOutput.objects.filter(pk=outputs(TEST)[0].pk).update(text="Something else.")
    PairOutput.objects.filter(pk=outputs(BASE)[1].pk).update(persona="The user is somebody else.")
    PairOutput.objects.filter(pk=outputs(TEST)[1].pk).update(persona="The user is somebody else.")
    assert len({row["pair_id"] for row in exported(study, tmp_path)}) == 2
    assert "2 of 4 given personas" in (said := capsys.readouterr().out) and "1 were judged with other texts" in said


def test_a_written_persona_is_never_matched(study: Study, tmp_path: Path) -> None:
    pair = PreferencePair.objects.get(row=1)
    person = add_participant(study)
    written = add_written_persona(person, item_key=pair.key, text="The user is private and prefers silence.")
    both = [
        make_output(pair, System.objects.get(name=name), "gold_chosen", persona=written.text,
                    text=written.outputs.get(arm__binding__system__name=name).text)
        for name in (BASE, TEST)
    ]  # fmt: skip
    close(study)
    add_judgements(both[:1], both[1:], make_system("judge"), "quality", ["win"])
    with pytest.raises(CommandError, match="judged none of the 4 given personas"):
        exported(study, tmp_path)


def test_picks_of_personas_are_exported_with_the_chosen_response_as_the_test(tmp_path: Path) -> None:
    study, judge = persona_study(pairs=2, raters=1), make_system("judge")
    inferring = System.objects.get(name="LLaMA-405B")
    for item in study.items.order_by("ordinal"):
        pair = make_pair("BeaverTails", "test", item.ordinal)
        Item.objects.filter(pk=item.pk).update(key=pair.key)
        for persona in Persona.objects.filter(item=item).select_related("origin"):
            text = persona.text if item.ordinal == 1 else "Another text."
            add_checks(make_persona(pair, persona.origin.direction, inferring, text), judge, "++")
    close(study)
    rows = exported(study, tmp_path)
    directions = {persona.key: persona.origin.direction for persona in Persona.objects.select_related("origin")}
    favoured = {
        (directions[row["pair_id"]], "test" if (row["verdict"] == "A") == (row["order"] == "test_first") else "base")
        for row in rows
    }
    assert len(rows) == 4 and {row["metric"] for row in rows} == {"persona"}
    assert favoured == {("chosen", "test"), ("rejected", "base")}
    assert PersonaCheck.objects.count() == 8
    # The report on the study takes the file as it is.
    path = next(tmp_path.glob("*.jsonl"))
    call_command(
        "analyze", study.slug, "--out", str(tmp_path / "report"), "--judgements", str(path), "--replicates", 100
    )
    assert (tmp_path / "report" / "report.html").exists()


def test_several_rubrics_need_a_name(study: Study, tmp_path: Path) -> None:
    judge = make_system("judge")
    for rubric, outcome in (("outputs-direct/1", "win"), ("outputs-direct/2", "loss")):
        add_judgements(outputs(BASE), outputs(TEST), judge, "quality", [outcome] * 4, rubric=rubric)
    with pytest.raises(CommandError, match="outputs-direct/1, outputs-direct/2. Name one with --rubric"):
        exported(study, tmp_path)
    assert {row["verdict"] for row in exported(study, tmp_path, "--rubric", "outputs-direct/2")} == {"A", "B"}
    assert Judgement.objects.count() == 16


def test_it_takes_a_closed_study_a_new_file_and_the_permission_to_unblind(study: Study, tmp_path: Path) -> None:
    add_judgements(outputs(BASE), outputs(TEST), make_system("judge"), "quality", ["win"] * 4)
    (tmp_path / "there.jsonl").write_text("kept", encoding="utf-8")
    with pytest.raises(CommandError, match="exists already"):
        call_command("export_judgements", study.slug, "--judge", "judge", "--out", str(tmp_path / "there.jsonl"))
    with pytest.raises(CommandError, match="permission modelhub.unblind is missing"):
        exported(study, tmp_path, "--user", study.owner.username)
    role_give(user=make_user("analyst"), role=Role.ANALYST)
    with pytest.raises(CommandError, match="belongs to somebody else"):
        exported(study, tmp_path, "--user", "analyst")
    Study.objects.filter(pk=study.pk).update(state="open")
    with pytest.raises(CommandError, match="is open; judgements are compared with people once it is closed"):
        exported(study, tmp_path)
    assert not AuditLog.objects.filter(action="judgements_exported").exists()
    assert (tmp_path / "there.jsonl").read_text(encoding="utf-8") == "kept"
