"""Answers that loop are left out of every system that is compared alike, and can be brought back."""

import io
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from modelhub.models import PairOutput, Run
from tests.modelhub.output_rows import make_output
from tests.modelhub.pair_rows import make_pair, make_system

pytestmark = pytest.mark.django_db

DATA = Path(settings.BASE_DIR).parent / "shared" / "data"
LOOP = "I am sure of it. " * 20
HALF = "one two three four five six seven eight nine ten " * 2


def make_outputs() -> None:
    """Three pairs of two systems: A loops in the second, B a little in the third; C answers one pair in between."""
    systems = [make_system(name) for name in "ABC"]
    texts = {("A", 2): LOOP, ("B", 3): HALF}
    for row in (1, 2, 3):
        pair = make_pair("advice", "test", row)
        for system in systems:
            text = texts.get((system.name, row), "")
            make_output(pair, system, "gold_chosen", text=text, persona=f"The user is {row}.")
            make_output(pair, system, source="none")


def excluded() -> set[tuple[str, int, str]]:
    rows = PairOutput.objects.exclude(excluded_reason="")
    return set(rows.values_list("system__name", "pair__row", "source"))


def run(*arguments: str, systems: tuple[str, ...] = ("A", "B"), persona: tuple[str, ...] = ("gold_chosen",)) -> str:
    out = io.StringIO()
    call_command("filter_outputs", "--dataset", "advice", "--system", *systems, "--persona", *persona, *arguments,
                 stdout=out)  # fmt: skip
    return out.getvalue()


def test_a_loop_of_one_system_takes_the_pair_out_of_both_and_of_no_other() -> None:
    make_outputs()
    said = run()
    assert excluded() == {(name, row, "gold_chosen") for name in "AB" for row in (2, 3)}
    assert "2 of 3 pairs left out, 4 outputs newly marked" in said
    assert "- A: 1 outputs loop" in said and "- B: 1 outputs loop" in said
    reasons = set(PairOutput.objects.filter(pair__row=2).values_list("excluded_reason", flat=True)) - {""}
    assert len(reasons) == 1 and "repeated by A" in reasons.pop()


def test_the_share_decides() -> None:
    make_outputs()
    run("--share", "0.6")
    assert {row for _, row, _ in excluded()} == {2}


def test_nothing_is_deleted_and_the_run_keeps_the_counts() -> None:
    make_outputs()
    before = PairOutput.objects.count()
    run()
    assert PairOutput.objects.count() == before
    log = Run.objects.get(stage="filter_outputs")
    assert (log.state, log.total, log.done) == ("finished", 6, 4)
    assert log.arguments["counts"] == {
        "outputs_changed": 4, "pairs_left_out": 2, "looping_outputs": {"A": 1, "B": 1},
    }  # fmt: skip
    assert log.arguments["share"] == 0.3


def test_it_can_be_undone_and_leaves_other_marks_alone() -> None:
    make_outputs()
    run()
    PairOutput.objects.filter(system__name="A", pair__row=1).update(excluded_reason="by hand")
    assert "4 marks taken away" in run("--undo")
    assert excluded() == {("A", 1, "gold_chosen"), ("A", 1, "none")}


def test_a_system_compared_later_is_marked_where_the_others_are() -> None:
    make_outputs()
    run()
    run(systems=("A", "C"))
    assert {row for name, row, _ in excluded() if name == "C"} == {2, 3}
    assert "0 outputs newly marked" in run(systems=("A", "C"))


def test_a_generic_arm_is_marked_with_the_sources_it_is_compared_with() -> None:
    make_outputs()
    run(persona=("gold_chosen", "none"))
    assert excluded() == {(name, row, source) for name in "AB" for row in (2, 3) for source in ("gold_chosen", "none")}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"systems": ("A", "ghost")}, "no system called 'ghost'"),
        ({"persona": ("retrieved_chosen",)}, "No outputs for advice/test: A with retrieved_chosen"),
    ],
)
def test_what_is_not_there_is_said(arguments: dict[str, tuple[str, ...]], says: str) -> None:
    make_outputs()
    with pytest.raises(CommandError, match=says):
        run(**arguments)
    with pytest.raises(CommandError, match="must lie between 0 and 1"):
        run("--share", "30")


def test_released_dialogues_that_loop_are_found() -> None:
    folder = DATA / "persona-tailoring" / "Anthropic HHH"
    if not folder.exists():
        pytest.skip(f"{folder} is absent: the released data is not part of the project.")
    quiet = io.StringIO()
    call_command("import_preferences", str(folder), dataset="Anthropic HHH", stdout=quiet)
    for training, system in (("chosen", "PT"), ("none", "DPO")):
        name = f"dpo_Persona(training_type={training}, inference_type=gold-chosen).jsonl"
        file = DATA / "released-outputs" / "Anthropic HHH" / name
        call_command("import_pair_outputs", str(file), dataset="Anthropic HHH", system=system, stdout=quiet)
    call_command(
        "filter_outputs", "--dataset", "Anthropic HHH", "--system", "PT", "DPO", "--persona", "gold_chosen",
        stdout=quiet,
    )  # fmt: skip
    marked = PairOutput.objects.exclude(excluded_reason="")
    pairs = {name: set(marked.filter(system__name=name).values_list("pair", flat=True)) for name in ("PT", "DPO")}
    assert pairs["PT"] == pairs["DPO"] and 3 <= len(pairs["PT"]) <= 15
