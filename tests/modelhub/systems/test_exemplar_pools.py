"""Exemplars of the nearest personas: which are taken for whom, and how they stay what they were."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from annotation.errors import ServiceError
from modelhub.models import ExemplarPool, PreferencePair, System
from modelhub.systems.exemplar_pools import _searchable
from modelhub.systems.requests import generation_request
from tests.modelhub.pair_rows import make_pair, make_persona, make_system, picking_script

pytestmark = pytest.mark.django_db
ROWS = (
    ("How do I bake?", "Mix, then bake.", "The user is a nurse and prefers steps."),
    ("How do I cook?", "Boil it.", "The user is a sailor and prefers brevity."),
    ("How do I dye?", "Dye it.", ""),
    ("How do I fish?", "With a rod.", "The user is a sailor who fishes at night."),
    ("How do I walk?", "On foot.", "The user is a nurse on night shifts."),
)
GOLDEN = """Prompt: How do I bake?
Persona: The user is a nurse and prefers steps.
Response: Mix, then bake.

Prompt: How do I walk?
Persona: The user is a nurse on night shifts.
Response: On foot.

Prompt: How do I sleep?
Persona: The user is a nurse and works on night shifts.
Response:"""


@pytest.fixture(autouse=True)
def pairs() -> None:
    inferring = make_system()
    for row, (prompt, chosen, persona) in enumerate(ROWS, start=1):
        pair = make_pair("advice", "sft_train", row, prompt=prompt, chosen=chosen, rejected=f"No {row}.")
        if persona:
            make_persona(pair, "chosen", inferring, persona)
            make_persona(pair, "rejected", inferring, f"The user rejects {row}.")


def register(folder: Path, *options: str, source: str = "advice") -> System:
    call_command(
        "register_system", "near", "--engine", "scripted", "--model", str(picking_script(folder, "x")),
        "--procedure", "retrieved-exemplars", "--exemplars-from", source, *options,
    )  # fmt: skip
    return System.objects.get(name="near")


def asked(system: System, prompt: str = "How do I sleep?") -> tuple[str, list[int]]:
    """Return what is asked for a nurse, and the rows that were taken."""
    request = generation_request(system, prompt=prompt, persona="The user is a nurse and works on night shifts.")
    (step,) = request.steps
    assert request.plan is None and step["step"] == "retrieval" and step["from"] == "advice/sft_train"
    scores = [one["score"] for one in step["exemplars"]]
    assert scores == sorted(scores)
    return request.rendered, [one["row"] for one in step["exemplars"]]


def test_the_nearest_personas_stand_before_the_prompt_the_nearest_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    system = register(tmp_path, "--shots", "2")
    assert asked(system) == (GOLDEN, [1, 5])
    said = capsys.readouterr().out
    assert "Passed over, without a persona or a response: row 3." in said
    assert "retrieved-exemplars: 1 request for each output." in said


@pytest.mark.parametrize("prompt", ["How do I walk?", "  how do I\nWALK?", "Human: How do I walk?\n\nAssistant:"])
def test_a_pair_is_never_its_own_exemplar(tmp_path: Path, prompt: str) -> None:
    system = register(tmp_path, "--shots", "3")
    rendered, rows = asked(system, prompt)
    assert 5 not in rows and len(rows) == 3 and "On foot." not in rendered


def test_the_other_response_has_its_own_personas(tmp_path: Path) -> None:
    system = register(tmp_path, "--shots", "1", "--few-shot-persona", "rejected")
    assert "Response: No " in asked(system)[0] and system.procedure["persona"] == "rejected"


def test_exemplars_show_no_personas_where_the_persona_is_a_system_message(tmp_path: Path) -> None:
    system = register(tmp_path, "--shots", "2", "--persona-style", "system_message")
    rendered, rows = asked(system)
    assert rows == [1, 5] and "Persona" not in rendered


def test_exemplars_stay_when_the_pairs_change_and_another_pool_is_another_system(tmp_path: Path) -> None:
    before = register(tmp_path, "--shots", "2")
    PreferencePair.objects.filter(row=1).update(chosen="Buy bread.")
    _searchable.cache_clear()
    assert asked(before)[0] == GOLDEN
    after = register(tmp_path, "--shots", "2")
    assert after.fingerprint != before.fingerprint and "Buy bread." in asked(after)[0]
    one = register(tmp_path, "--shots", "1")
    assert one.fingerprint not in (before.fingerprint, after.fingerprint)


def test_a_pool_that_was_changed_or_is_gone_is_refused(tmp_path: Path) -> None:
    system = register(tmp_path, "--shots", "2")
    pool = ExemplarPool.objects.get()
    ExemplarPool.objects.update(exemplars=[{**one, "response": "Buy this."} for one in pool.exemplars])
    _searchable.cache_clear()
    with pytest.raises(ServiceError, match="has changed since the system was registered"):
        asked(system)
    pool.delete()
    with pytest.raises(ServiceError, match="is not in the database"):
        asked(system)


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        ("advice", ("--shots", "4"), "4 exemplars, of which 1 may have the very prompt .* too few for 4 shots"),
        ("advice/nowhere", (), "advice has no split nowhere"),
        ("elsewhere", (), "no data set called 'elsewhere'"),
        ("advice", ("--shots", "1", "--few-shot-persona", "none"), "--few-shot-persona is chosen or rejected"),
        ("advice", ("--shots", "1", "--persona-style", "none"), "starts from the persona"),
        ("advice", ("--shots", "1", "--few-shot", "advice/sft_train"), "and few-shot exclude each other"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, source: str, options: tuple[str, ...], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        register(tmp_path, *options, source=source)
    assert not System.objects.filter(name="near").exists()
