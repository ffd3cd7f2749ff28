"""One answer has one text and one reason why it ended, whichever way it comes in."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from annotation.models import Item, Output, Persona
from modelhub.engines import load_engine
from modelhub.engines.base import EngineSettings, GenerationRequest, GenerationResult
from modelhub.models import Generation, InferredPersona, Judgement, PairOutput, PersonaCheck, Run
from modelhub.systems.few_shot import few_shot_exemplars
from modelhub.systems.registering import arms_bind, system_register
from tests.factories import make_study
from tests.modelhub.engines.asking import came_of
from tests.modelhub.live import write_persona
from tests.modelhub.output_rows import make_outputs
from tests.modelhub.pair_rows import make_pair, make_pairs, make_persona, make_system, picking_script
from tests.tools.faultproxy import FaultProxy, Reply

pytestmark = pytest.mark.django_db

START = "Dour sounds like"
RAW = {  # what a model wrote: what is left of it, and whether it ended by itself
    "eot in the middle": ("A whole answer.<|eot_id|>junk", "A whole answer.", True),
    "eot at the end": (" A whole answer.<|eot_id|>", "A whole answer.", True),
    "end of a sentence": ("A whole answer. </s> And </s>", "A whole answer.", True),
    "end of a message": ("A whole answer.<|im_end|>\nuser", "A whole answer.", True),
    "end of a document": ("A whole answer.<|endoftext|>Title", "A whole answer.", True),
    "end of the text": ("A whole answer.<|end_of_text|>\nPrompt: next", "A whole answer.", True),
    "stop text": ("A whole answer.\nPrompt: next\nResponse: more", "A whole answer.", True),
    "stop text before a token": ("A whole answer.\nPrompt: next</s>", "A whole answer.", True),
    "neither": (" A cut answ", "A cut answ", False),
    "the start again": (f"{START} sour.<|eot_id|>junk", f"{START} sour.", True),
    "a token first": ("<|eot_id|>junk", "", True),
    "a stop text first": ("\nPrompt: junk", "", True),
}


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    proxy = FaultProxy()
    yield proxy
    proxy.stop()


def register(proxy: FaultProxy, raw: str, name: str = "model", **decoding: Any) -> None:
    """Register a model that always answers `raw`, and says that it was cut off."""
    system_register(
        name=name, engine="openai", model="m", endpoint=f"{proxy.url}/v1", persona_style="field", decoding=decoding,
        options={"max_retries": 0},
    )  # fmt: skip
    proxy.plan(*[Reply(200, {"choices": [{"text": raw, "finish_reason": "length"}]})] * 4)


def command(*arguments: str, **options: Any) -> None:
    call_command(*arguments, stdout=io.StringIO(), stderr=io.StringIO(), **options)


def written(path: Path, row: dict[str, str]) -> str:
    path.write_text(json.dumps([row]), encoding="utf-8")
    return str(path)


def generate(raw: str, folder: Path, proxy: FaultProxy) -> tuple[str, str]:
    register(proxy, raw)
    make_pair("Mnemonic", "test", 1, prompt="dour")
    command("generate", "--dataset", "Mnemonic", "--system", "model", "--persona", "none")
    made = PairOutput.objects.select_related("generation").get()
    assert made.generation is not None
    return made.text, made.generation.finish_reason


def serve(raw: str, folder: Path, proxy: FaultProxy) -> tuple[str, str]:
    register(proxy, raw)
    study = make_study(slug="live", arms=1, given_items=0, written_items=1, given_per_participant=0, state="draft")
    Item.objects.update(answer_start=START)
    arms_bind(study=study, bindings={"1": "model"})
    type(study).objects.filter(pk=study.pk).update(state="open", protocol_hash="0" * 64)
    write_persona(study)
    command("run_worker", once=True)
    if (made := Output.objects.get()).state == "ready":
        return made.text, made.generation.finish_reason
    assert "empty text" in made.error
    return "", "stop"


def imported_output(folder: Path, row: dict[str, str]) -> tuple[str, str]:
    study = make_study(slug="imported", arms=1, given_items=1, state="draft")
    Output.objects.all().delete()
    study.arms.update(fingerprint="")
    Item.objects.update(prompt="dour", answer_start=START)
    Persona.objects.update(text="The user is calm and prefers facts.")
    command("import_outputs", study.slug, written(folder / "rows.json", row), system="elsewhere")
    made = Output.objects.get()
    return made.text, made.generation.finish_reason


def import_released(raw: str, folder: Path, proxy: FaultProxy) -> tuple[str, str]:
    prompt = f"Prompt: dour\nPersona: The user is calm and prefers facts.\nResponse: {START}"
    return imported_output(folder, {"prompt": prompt, "response": raw})


def import_plain(raw: str, folder: Path, proxy: FaultProxy) -> tuple[str, str]:
    text, reason = imported_output(folder, {"item": "item-1", "text": raw})
    return text, "length" if reason == "unknown" else reason  # such a file says nothing of it


def imported_pair_output(folder: Path, row: dict[str, str]) -> PairOutput:
    make_pair("Mnemonic", "test", 1, prompt="dour")
    command(
        "import_pair_outputs", written(folder / "rows.json", row), "--dataset", "Mnemonic", "--system", "elsewhere",
        "--persona", "none",
    )  # fmt: skip
    return PairOutput.objects.select_related("generation").get()


def import_released_pair(raw: str, folder: Path, proxy: FaultProxy) -> tuple[str, str]:
    made = imported_pair_output(folder, {"prompt": f"Prompt: dour\nResponse: {START}", "response": raw})
    assert made.generation is not None
    assert made.text == whole(made.generation.text.strip())
    return made.text, made.generation.finish_reason


# A worker's heartbeat has a connection of its own, which a test's open transaction would lock out.
SERVE = pytest.param(serve, marks=pytest.mark.django_db(transaction=True))
DOORS = [generate, SERVE, import_released, import_plain, import_released_pair]
Door = Callable[[str, Path, FaultProxy], tuple[str, str]]


def whole(text: str) -> str:
    return text if not text or text.startswith(START) else f"{START} {text}"


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize(("raw", "text", "ended"), RAW.values(), ids=RAW)
def test_outputs_have_the_same_text_and_reason_however_they_come_in(
    door: Door, raw: str, text: str, *, ended: bool, tmp_path: Path, proxy: FaultProxy
) -> None:
    assert door(raw, tmp_path, proxy) == (whole(text), "stop" if ended else "length")


@pytest.mark.parametrize(("raw", "text"), [(raw, text) for raw, text, _ in RAW.values()], ids=RAW)
def test_plain_rows_for_stored_pairs_have_the_same_text(raw: str, text: str, tmp_path: Path) -> None:
    assert imported_pair_output(tmp_path, {"prompt": "dour", "text": raw}).text == whole(text)


@pytest.mark.parametrize(("raw", "text", "ended"), RAW.values(), ids=RAW)
def test_an_inferred_persona_ends_as_an_output_does(raw: str, text: str, *, ended: bool, proxy: FaultProxy) -> None:
    register(proxy, raw)
    make_pairs("Mnemonic", "train", 1)
    command("infer_personas", "--dataset", "Mnemonic", "--system", "model", "--shots", "0", "--direction", "chosen")
    made = InferredPersona.objects.select_related("generation").get()
    assert made.generation is not None
    assert (made.text, made.generation.finish_reason) == (text, "stop" if ended else "length")


@pytest.mark.parametrize(
    "end", ["<|eot_id|>", "</s>", "<|im_end|>", "<|endoftext|>", "<|end_of_text|>", "<|end|>", "<end_of_turn>"]
)
def test_what_a_judge_wrote_behind_its_end_decides_nothing(end: str, proxy: FaultProxy) -> None:
    raw = f"It fits.\nPrompt: no stop text for judges.\nVerdict: A{end}\nVerdict: B"
    register(proxy, raw)
    pairs = make_pairs("BeaverTails", "test", 1)
    make_persona(pairs[0], "chosen", make_system("inferrer"))
    for name in ("base", "test"):
        make_outputs(pairs, make_system(name), "gold_chosen")
    before = set(Generation.objects.values_list("pk", flat=True))
    command("check_personas", "--dataset", "BeaverTails", "--judge", "model")
    command(
        "judge", "--dataset", "BeaverTails", "--base", "base", "--test", "test", "--judge", "model", "--persona",
        "gold_chosen", "--metric", "quality",
    )  # fmt: skip
    verdicts = [*PersonaCheck.objects.values_list("verdict"), *Judgement.objects.values_list("verdict")]
    assert verdicts == [("A",)] * 4
    made = Generation.objects.exclude(pk__in=before).values_list("text", "finish_reason")
    assert set(made) == {(raw.partition(end)[0], "stop")}


def test_answers_that_were_cut_off_are_counted_and_a_verdict_that_is_lacking_for_it_says_so(proxy: FaultProxy) -> None:
    register(proxy, "It fits, since it")
    make_persona(make_pairs("BeaverTails", "test", 1)[0], "chosen", make_system("inferrer"))
    out = io.StringIO()
    call_command("check_personas", "--dataset", "BeaverTails", "--judge", "model", stdout=out)
    assert "2 answers were cut off at their greatest length" in out.getvalue()
    assert Run.objects.latest("pk").usage["answers_cut"] == 2
    made = set(PersonaCheck.objects.values_list("verdict", "reason", "generation__text"))
    assert made == {("", "The answer was cut off before a verdict.", "It fits, since it")}


@pytest.mark.parametrize(("raw", "text"), [(raw, text) for raw, text, _ in RAW.values()], ids=RAW)
def test_an_engine_that_leaves_the_end_in_its_answers_is_no_exception(raw: str, text: str, tmp_path: Path) -> None:
    settings = EngineSettings(str(picking_script(tmp_path, raw)), decoding={"style": "pick"})
    (made,) = came_of(load_engine("scripted", settings), [GenerationRequest("Why?", "Why?", "")])
    assert isinstance(made, GenerationResult)
    assert (made.text.strip(), made.finish_reason) == (text, "stop")


def test_a_stage_without_stop_texts_has_none_in_a_scripted_engine_either(tmp_path: Path) -> None:
    settings = EngineSettings(str(picking_script(tmp_path, "A\nPrompt: B")), decoding={"style": "pick"})
    (made,) = came_of(load_engine("scripted", settings, stop=()), [GenerationRequest("Why?", "Why?", "")])
    assert isinstance(made, GenerationResult) and made.text == "A\nPrompt: B"


def test_an_exemplar_ends_at_its_end_of_text_token() -> None:
    make_pair("Ours", "fewshot", 1, chosen="<|eot_id|>junk")
    make_pair("Ours", "fewshot", 2, chosen="Good.<|eot_id|>junk")
    found = few_shot_exemplars(source="Ours", shots=1, persona="none")
    assert [one["response"] for one in found.exemplars] == ["Good."]
    assert [pair.row for pair in found.left_out] == [1]
