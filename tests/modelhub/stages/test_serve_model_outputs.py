"""The worker with a real language model behind the arms."""

import io
from pathlib import Path

import pytest
from django.core.management import call_command

from annotation.models import Output
from modelhub.models import Generation
from modelhub.systems.registering import arms_bind, system_register
from tests.factories import make_study
from tests.modelhub.live import write_persona

# A worker's heartbeat has a connection of its own, which a test's open transaction would lock out.
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_prompt_too_long_for_the_model_fails_for_good_and_the_other_arms_answer_is_kept(tiny_llama: Path) -> None:
    study = make_study(slug="live", given_items=0, written_items=3, given_per_participant=0, state="draft")
    for name, style in (("plain", "none"), ("tailored", "field")):
        system_register(
            name=name, engine="transformers", model=str(tiny_llama), persona_style=style,
            decoding={"max_new_tokens": 12}, options={"device": "cpu"},
        )  # fmt: skip
    arms_bind(study=study, bindings={"1": "plain", "2": "tailored"})
    type(study).objects.filter(pk=study.pk).update(state="open", protocol_hash="0" * 64)
    study.refresh_from_db()
    persona = write_persona(study, text="The user has read " + "many long books and " * 200)
    call_command("run_worker", once=True, stdout=io.StringIO())
    plain, tailored = Output.objects.filter(persona=persona).order_by("arm__ordinal")
    assert (plain.state, tailored.state) == ("ready", "failed")
    assert plain.text
    assert "context of 1024 tokens" in tailored.error
    assert "books" not in tailored.error
    assert tailored.attempts == 1
    generation = Generation.objects.get()
    assert generation.output == plain
    assert generation.completion_tokens == 12
    assert generation.finish_reason == "length"
