"""Systems with a procedure: how they are registered, told apart, and tried."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.errors import ServiceError
from modelhub.models import Run, System
from modelhub.systems.registering import present_fingerprint, system_register
from modelhub.systems.requests import generation_request
from tests.modelhub.pair_rows import make_pair, make_persona, make_system, picking_script
from tests.tools.standin import BASE, StandIn

pytestmark = pytest.mark.django_db


def register(model: Path | str, *more: str, engine: str = "scripted", **decoding: Any) -> str:
    """Register a system and return what was said."""
    said = StringIO()
    call_command(
        "register_system", "sys", "--engine", engine, "--model", str(model), "--decoding", json.dumps(decoding), *more,
        stdout=said,
    )  # fmt: skip
    return said.getvalue()


def test_the_procedure_is_part_of_what_a_system_is(tmp_path: Path) -> None:
    model = picking_script(tmp_path, "x")
    prints = set()
    for options in ((), ("--procedure", "rubric"), ("--procedure", "self-refine")):
        register(model, *options)
        prints.add(System.objects.get().fingerprint)
    assert len(prints) == 3
    assert System.objects.get().procedure == {"name": "self-refine", "version": "1"}


def test_systems_without_one_keep_their_fingerprints() -> None:
    # As it was before there were procedures.
    system = System(name="s", engine="openai", model=BASE, persona_style="field", decoding={"max_new_tokens": 8})
    assert present_fingerprint(system) == "b8ecbc69599b3ca850eb9dd6ac3d35a88ed5e07bff013ade362df80597172cb9"


def test_it_is_said_how_many_requests_an_output_takes(tmp_path: Path) -> None:
    model = picking_script(tmp_path, "x")
    assert "self-refine: 3 requests for each output." in register(model, "--procedure", "self-refine")
    assert "requests for each output" not in register(model)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--procedure", "rubric", "--persona-style", "none"), "rubric starts from the persona"),
        (("--procedure", "retrieved-exemplars"), "needs exemplars to retrieve from: --exemplars-from"),
        (("--procedure", "magic"), "invalid choice: 'magic'"),
        (("--procedure", "rubric", "--shots", "3"), "--shots needs --few-shot or --exemplars-from"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        register(picking_script(tmp_path, "x"), *options)
    assert not System.objects.exists()


@pytest.mark.parametrize(
    ("command", "task"),
    [
        (("infer_personas", "--system", "sys"), "infer"),
        (("check_personas", "--judge", "sys"), "judge"),
        (("compare_personas", "--judge", "sys"), "judge"),
        (("judge", "--judge", "sys", "--base", "inferrer", "--test", "inferrer", "--persona", "gold_chosen"), "judge"),
    ],
)
def test_it_is_for_answering_people_and_refused_for_any_other_task(
    tmp_path: Path, command: tuple[str, ...], task: str
) -> None:
    make_persona(make_pair("BeaverTails", "train", 1), "chosen", make_system("inferrer"))
    register(picking_script(tmp_path, "Verdict: A"), "--procedure", "rubric")
    runs = list(Run.objects.all())
    with pytest.raises(CommandError, match=f"'sys' follows rubric to answer people, which is no way to {task}"):
        call_command(*command, "--dataset", "BeaverTails", "--split", "train")
    assert list(Run.objects.all()) == runs


def test_without_a_persona_there_is_nothing_to_ask(tmp_path: Path) -> None:
    register(picking_script(tmp_path, "x"), "--procedure", "rubric")
    with pytest.raises(ServiceError, match="follows rubric, and there is no persona to do it for"):
        generation_request(System.objects.get(), prompt="Why?", persona=" ")


def test_a_version_that_is_no_more_is_refused(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"engine": "scripted", "model": str(picking_script(tmp_path, "x")), "decoding": {}}
    old = {"name": "rubric", "version": "0"}
    with pytest.raises(ServiceError, match="registered for version 0 of rubric; this is version 1"):
        system_register(name="old", persona_style="field", procedure=old, **settings)


def test_a_server_is_tried_with_each_request_of_an_output() -> None:
    with StandIn().started() as server:
        register(BASE, "--endpoint", server.url, "--procedure", "self-refine", engine="openai", chat=True)
        asked = [body["messages"][-1]["content"] for body in server.seen]
    assert [text.rpartition("\n")[2] for text in asked] == ["Response:", "Feedback:", "Response:"]
    assert "Draft: Keep the room dark" in asked[2] and "- Say it in fewer words." in asked[2]
    assert System.objects.get().served["id"] == BASE


def test_a_context_too_small_for_a_later_request_is_noted_or_refused(tiny_llama: Path) -> None:
    said = register(tiny_llama, "--procedure", "self-refine", engine="transformers", max_new_tokens=12)
    assert "a persona of 2,000 characters" in said
