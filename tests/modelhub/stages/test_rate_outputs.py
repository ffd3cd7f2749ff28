"""Stored outputs in a study: which pairs come, from which systems, and that opening freezes them."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from annotation.models import AuditLog, Item, Output, Persona, Study
from annotation.protocol import protocol_document, protocol_hash
from annotation.services.studies import study_open, study_pause, study_save
from annotation.studyfile import read_study_file
from modelhub.models import Generation, PairOutput, PersonaOrigin, Run, System
from modelhub.systems.registering import arms_bind
from tests.annotation.studyfiles import study_data, write
from tests.factories import make_user
from tests.modelhub.output_rows import make_output
from tests.modelhub.pair_rows import make_pair, make_persona, make_system

pytestmark = pytest.mark.django_db


def make_outputs(count: int = 3, dataset: str = "BeaverTails") -> None:
    """Pairs with a gold persona, answered by A and B for it, and by G without any persona."""
    inferring = make_system("inferrer")
    systems = [make_system(name) for name in "ABG"]
    System.objects.filter(name__in="AB").update(persona_style="field")
    for row in range(1, count + 1):
        pair = make_pair(dataset, "test", row, prompt=f"{dataset} prompt {row}")
        text = make_persona(pair, "chosen", inferring).text
        for system in systems[:2]:
            make_output(pair, system, source="gold_chosen", persona=text)
        make_output(pair, systems[2], source="none")


def load(folder: Path, *names: str) -> Study:
    design = {"given_personas_per_participant": 2, "raters_per_item": 1}
    data = study_data(items="imported", design=design, arms=len(names) or 2)
    study = study_save(definition=read_study_file(write(folder, data)), owner=make_user())
    if names:
        arms_bind(study=study, bindings={str(number): name for number, name in enumerate(names, start=1)})
    return study


def bring(study: Study, *arguments: str) -> str:
    out = io.StringIO()
    persona = () if "--persona" in arguments else ("--persona", "gold_chosen")
    dataset = () if "--dataset" in arguments else ("--dataset", "BeaverTails")
    call_command("add_outputs_to_rate", f"{study.slug}@{study.version}", *dataset, *persona, *arguments, stdout=out)
    return out.getvalue()


def test_every_arm_gets_the_outputs_of_its_own_system_with_how_they_were_made(tmp_path: Path) -> None:
    make_outputs()
    study = load(tmp_path, "B", "A")
    assert "3 pairs, 3 personas and 6 outputs added, 0 outputs were there already" in bring(study)
    assert Item.objects.count() == 3
    for output in Output.objects.select_related("arm__binding__system", "persona__item", "generation"):
        system = output.arm.binding.system
        stored = PairOutput.objects.get(pair__key=output.persona.item.key, system=system)
        assert (output.text, output.persona.text) == (stored.text, stored.persona)
        assert (output.state, output.generation.system) == ("ready", system)
        assert output.generation.rendered_prompt == stored.generation.rendered_prompt
        assert (output.generation.completion_tokens, output.generation.seconds) == (10, 0.5)
    assert set(PersonaOrigin.objects.values_list("direction", "source")) == {("chosen", "gold")}
    assert AuditLog.objects.get(action="outputs_imported").data["outputs"] == 6


def test_opening_freezes_what_was_brought(tmp_path: Path) -> None:
    make_outputs()
    study = load(tmp_path, "A", "B")
    bring(study)
    study_open(study=study, user=None)
    assert len(protocol_document(study)["outputs"]) == 6
    study_pause(study=study, user=None)
    Output.objects.filter(arm__ordinal=1).update(text="Something else.")
    assert protocol_hash(study) != study.protocol_hash


def test_the_same_command_again_changes_nothing(tmp_path: Path) -> None:
    make_outputs()
    study = load(tmp_path, "A", "B")
    bring(study)
    before = (protocol_hash(study), Generation.objects.count())
    assert "0 personas and 0 outputs added, 6 outputs were there already" in bring(study)
    assert before == (protocol_hash(study), Generation.objects.count())


def test_a_generic_arm_brings_its_answers_without_a_persona(tmp_path: Path) -> None:
    make_outputs()
    study = load(tmp_path, "A", "B", "G")
    assert "9 outputs added" in bring(study)
    assert Output.objects.filter(arm__ordinal=3, text__startswith="G answers").count() == 3


def test_pairs_that_lack_an_output_are_named_and_nothing_is_brought(tmp_path: Path) -> None:
    make_outputs(count=4)
    PairOutput.objects.filter(system__name="A", pair__row=1).delete()
    PairOutput.objects.filter(system__name="B", pair__row=3).update(excluded_reason="loop: 50%")
    study = load(tmp_path, "A", "B")
    with pytest.raises(CommandError, match=r"2 of 4 pairs lack an output .*rows 1, 3\."):
        bring(study)
    assert not Persona.objects.filter(item__study=study).exists()
    said = bring(study, "--allow-missing")
    assert "2 pairs, 2 personas and 4 outputs added" in said and "2 pairs were left out" in said
    assert Run.objects.filter(stage="add_outputs_to_rate").last().arguments["left_out"] == 2
    study_open(study=study, user=None)


def test_a_draw_brings_as_many_pairs_as_wanted_and_the_same_again(tmp_path: Path) -> None:
    make_outputs(count=6)
    study = load(tmp_path, "A", "B")
    bring(study, "--limit", "2", "--seed", "4")
    drawn = set(Item.objects.values_list("key", flat=True))
    bring(study, "--limit", "2", "--seed", "4")
    assert len(drawn) == 2 and set(Item.objects.values_list("key", flat=True)) == drawn


def test_answers_of_mnemonics_keep_their_start_in_the_study(tmp_path: Path) -> None:
    make_outputs(dataset="Mnemonic")
    bring(load(tmp_path, "A", "B"), "--dataset", "Mnemonic")
    assert Item.objects.first().answer_start.endswith(" sounds like")


@pytest.mark.parametrize(
    ("names", "arguments", "says"),
    [
        ((), (), "of small v1 have no system yet; see bind_arms"),
        (("A", "B"), ("--persona", "none"), "invalid choice: 'none'"),
        (("A", "B"), ("--persona", "gold_rejected"), "3 of 3 pairs lack an output"),
        (("A", "B"), ("--persona", "gold_rejected", "--allow-missing"), "No pair of BeaverTails/test has an output"),
        (("A", "B"), ("--split", "dev"), "has no split dev"),
        (("A", "B"), ("--dataset", "ghosts"), "no data set called 'ghosts'"),
    ],
)
def test_what_cannot_be_brought_is_said(
    tmp_path: Path, names: tuple[str, ...], arguments: tuple[str, ...], says: str
) -> None:
    make_outputs()
    study = load(tmp_path, *names)
    with pytest.raises(CommandError, match=says):
        bring(study, *arguments)
    assert not Output.objects.exists() and not Item.objects.exists()


def test_another_text_in_the_study_stays_and_is_named(tmp_path: Path) -> None:
    make_outputs()
    study = load(tmp_path, "A", "B")
    bring(study)
    Output.objects.filter(arm__ordinal=2).update(text="Changed.")
    with pytest.raises(CommandError, match="has another output for arm 2 in the study already"):
        bring(study)


def test_a_study_that_is_open_takes_none(tmp_path: Path) -> None:
    make_outputs()
    study = load(tmp_path, "A", "B")
    bring(study)
    study_open(study=study, user=None)
    with pytest.raises(CommandError, match="only while the study is a draft"):
        bring(study)
