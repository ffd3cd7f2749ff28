"""Judges of personas: both orders, what they saw, and verdicts that cannot be read."""

from collections import Counter
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from modelhub.models import InferredPersona, PersonaCheck, PersonaComparison, System
from modelhub.systems.registering import system_register
from tests.modelhub.pair_rows import make_pair, make_pairs, make_persona, make_system, picking_script

pytestmark = pytest.mark.django_db
DATASET = ("--dataset", "BeaverTails")


@pytest.fixture
def inferring() -> System:
    """Ten pairs with both personas."""
    system = make_system("inferrer")
    for pair in make_pairs("BeaverTails", "train", 10):
        for direction in ("chosen", "rejected"):
            make_persona(pair, direction, system)
    return system


def judge(folder: Path, *picks: str) -> None:
    script = picking_script(folder, *picks)
    system_register(
        name="judge", engine="scripted", model=str(script), persona_style="none", decoding={"style": "pick"}
    )


def test_each_persona_is_checked_in_both_orders_and_once_only(inferring: System, tmp_path: Path) -> None:
    judge(tmp_path, "It fits the first. Verdict: A")
    for _ in range(2):
        call_command("check_personas", *DATASET, "--judge", "judge")
    checks = PersonaCheck.objects.all()
    assert Counter(checks.values_list("order", flat=True)) == {"as_is": 20, "swapped": 20}
    # A judge that always likes the first picks the chosen side in one order and the rejected in the other.
    assert Counter((check.order, check.side) for check in checks) == {
        ("as_is", "chosen"): 20,
        ("swapped", "rejected"): 20,
    }


def test_the_judge_sees_the_responses_in_the_order_that_is_stored(inferring: System, tmp_path: Path) -> None:
    judge(tmp_path, "Verdict: B")
    call_command("check_personas", *DATASET, "--judge", "judge")
    for check in PersonaCheck.objects.select_related("persona__pair", "generation"):
        shown, pair = check.generation.given_prompt, check.persona.pair
        assert check.persona.text in shown
        assert (shown.index(pair.chosen) < shown.index(pair.rejected)) == (check.order == "as_is")


def test_a_verdict_that_cannot_be_read_is_unscored_with_its_text_and_a_reason(
    inferring: System, tmp_path: Path
) -> None:
    judge(tmp_path, "Both have their merits.")
    call_command("check_personas", *DATASET, "--judge", "judge")
    check = PersonaCheck.objects.first()
    assert (check.verdict, check.side) == ("", "")
    assert check.reason
    assert check.generation.text == "Both have their merits."


def test_comparisons_show_each_persona_beside_its_own_response(inferring: System, tmp_path: Path) -> None:
    judge(tmp_path, "Verdict: A")
    call_command("compare_personas", *DATASET, "--judge", "judge")
    assert PersonaComparison.objects.count() == 20
    for made in PersonaComparison.objects.select_related("chosen__pair", "rejected", "generation"):
        shown, pair = made.generation.given_prompt, made.chosen.pair
        chosen_first = shown.index(pair.chosen) < shown.index(pair.rejected)
        assert chosen_first == (made.order == "as_is")
        assert (shown.index(made.chosen.text) < shown.index(made.rejected.text)) == chosen_first


def test_what_cannot_be_judged_is_left_out(tmp_path: Path) -> None:
    system = make_system("inferrer")
    half, empty = make_pair("BeaverTails", "train", 1), make_pair("BeaverTails", "train", 2, chosen="")
    same = make_pair("BeaverTails", "train", 3, chosen="Yes.", rejected="Yes. ")
    make_persona(half, "chosen", system)
    unreadable = make_persona(half, "rejected", system)
    InferredPersona.objects.filter(pk=unreadable.pk).update(text="")
    make_persona(empty, "rejected", system)
    for direction in ("chosen", "rejected"):
        make_persona(same, direction, system)
    judge(tmp_path, "Verdict: A")
    call_command("check_personas", *DATASET, "--judge", "judge")
    call_command("compare_personas", *DATASET, "--judge", "judge")
    assert set(PersonaCheck.objects.values_list("persona__direction", "persona__pair")) == {("chosen", half.pk)}
    assert not PersonaComparison.objects.exists()


def test_whose_personas_must_be_said_where_several_systems_inferred_some(inferring: System, tmp_path: Path) -> None:
    make_persona(make_pair("BeaverTails", "train", 11), "chosen", make_system("another"))
    judge(tmp_path, "Verdict: A")
    with pytest.raises(CommandError, match="another, inferrer. Name one with --system"):
        call_command("check_personas", *DATASET, "--judge", "judge")
    call_command("check_personas", *DATASET, "--judge", "judge", "--system", "another")
    assert PersonaCheck.objects.count() == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dataset", "SHP"), "no data set called 'SHP'. Imported: BeaverTails"),
        ((*DATASET, "--split", "dev"), "has no split dev. It has: train"),
        ((*DATASET, "--judge", "nobody"), "no system called 'nobody'"),
        ((*DATASET, "--judge", "inferrer"), "imported texts only"),
        ((*DATASET, "--profile", "nothing.yaml"), "nothing.yaml cannot be read"),
    ],
)
def test_names_that_are_not_known_are_named(
    inferring: System, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    judge(tmp_path, "Verdict: A")
    with pytest.raises(CommandError, match=message):
        call_command("check_personas", "--judge", "judge", *arguments)
