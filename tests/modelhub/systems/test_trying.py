"""What a system will be asked is tried when it is registered: what would fail every time is refused at once."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from transformers import AutoTokenizer

from modelhub.engines.base import GenerationRequest
from modelhub.engines.decoding import Decoding
from modelhub.engines.tokens import Codec
from modelhub.models import System
from tests.modelhub.engines.openai_asking import completion
from tests.tools.faultproxy import FaultProxy, Reply
from tests.tools.standin import BASE, StandIn, entry
from tests.tools.tinymodels import CONTEXT, make_llama

pytestmark = pytest.mark.django_db
CHAT = {"chat": True, "max_new_tokens": 64}
_OF_A_MESSAGE = "Prompt: {{ message['content'] }}\n"
REFUSING = (
    "{% for message in messages %}{% if message['role'] == 'system' %}"
    f"{{{{ raise_exception('System role not supported') }}}}{{% endif %}}{_OF_A_MESSAGE}{{% endfor %}}Response:"
)
DEAF = (
    "{% for message in messages %}{% if message['role'] == 'user' %}"
    + _OF_A_MESSAGE
    + "{% endif %}{% endfor %}Response:"
)


def register(
    engine: str, model: Path | str, *more: str, style: str = "field", decoding: dict[str, Any] | None = None
) -> str:
    """Register a system and return what was said."""
    said = StringIO()
    call_command(
        "register_system", "sys", "--engine", engine, "--model", str(model), "--persona-style", style,
        "--decoding", json.dumps(decoding or {}), *more, stdout=said,
    )  # fmt: skip
    return said.getvalue()


def notes(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("Note: ")]


# Models of this process


@pytest.fixture
def model(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "llama"))


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), encoding="utf-8")


@pytest.mark.parametrize("template", [REFUSING, DEAF], ids=["refuses", "ignores"])
def test_a_chat_template_without_system_messages_is_noted_and_the_persona_goes_into_the_users_turn(
    model: Path, template: str
) -> None:
    (model / "chat_template.jinja").write_text(template, encoding="utf-8")
    (note,) = notes(register("transformers", model, style="system_message", decoding=CHAT))
    assert "takes no system message: the persona and an empty line stand before the user's words instead" in note
    assert not notes(register("transformers", model, style="field", decoding=CHAT))
    codec = Codec(
        AutoTokenizer.from_pretrained(model),
        Decoding(chat=True),
        context=None,
        vocabulary=None,
        end_tokens=[],
        model="m",
    )
    request = GenerationRequest("Why?", "Why?", "", system_message="Be brief.")
    assert codec.ids(request) == codec.ids(GenerationRequest("Be brief.\n\nWhy?", "", ""))


def test_a_template_that_renders_nothing_is_refused(model: Path) -> None:
    (model / "chat_template.jinja").write_text("{{ raise_exception('No.') }}", encoding="utf-8")
    with pytest.raises(CommandError, match="chat template of .* cannot render a prompt: No."):
        register("transformers", model, decoding=CHAT)


def test_a_system_whose_longest_persona_has_room_is_registered_without_a_note(model: Path) -> None:
    assert not notes(register("transformers", model, style="system_message", decoding=CHAT))


@pytest.mark.parametrize(
    ("context", "noted"),
    [
        (700, r"A prompt with a persona of 2,000 characters has \d+ tokens: in a context of 700 tokens it cannot"),
        (CONTEXT, rf"Beside a persona of 2,000 characters, a context of {CONTEXT} tokens has room for an answer of"),
    ],
)
def test_a_context_too_small_for_the_longest_persona_is_noted(model: Path, context: int, noted: str) -> None:
    change(model / "config.json", max_position_embeddings=context)
    (note,) = notes(register("transformers", model))
    assert re.search(noted, note), note


def test_a_context_without_room_for_any_answer_is_refused(model: Path) -> None:
    change(model / "config.json", max_position_embeddings=20)
    with pytest.raises(CommandError, match="leaves no room for an answer in a context of 20 tokens"):
        register("transformers", model)


def test_a_name_on_the_hub_is_not_downloaded() -> None:
    (note,) = notes(register("transformers", "nobody/a-model-that-is-not-here"))
    assert "not on this machine yet" in note


def test_a_tokenizer_that_cannot_be_read_is_refused(model: Path) -> None:
    (model / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(CommandError, match="The tokenizer of .* cannot be loaded"):
        register("transformers", model)


# Adapters


@pytest.fixture
def adapter(tiny_adapters: dict[str, Path], tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(tiny_adapters["brief"], tmp_path / "adapter"))
    change(folder / "adapter_config.json", base_model_name_or_path="somewhere/llama")
    return folder


def weights(folder: Path) -> Path:
    return folder / "adapter_model.safetensors"


def rewrite(folder: Path, change_name: Callable[[str], str], change_tensor: Callable[[Any], Any]) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(weights(folder))
    save_file({change_name(name): change_tensor(one).contiguous() for name, one in tensors.items()}, weights(folder))


def same(value: Any) -> Any:
    return value


def add_rank(adapter: Path) -> None:
    change(adapter / "adapter_config.json", r=8)


def cut_off(adapter: Path) -> None:
    weights(adapter).write_bytes(weights(adapter).read_bytes()[:-40])


def garble(adapter: Path) -> None:
    weights(adapter).write_bytes(b"version https://git-lfs.github.com/spec/v1")


def rename(adapter: Path) -> None:
    rewrite(adapter, lambda name: name.replace("layers.1.mlp", "layers.7.mlp"), same)


def widen(adapter: Path) -> None:
    rewrite(adapter, same, lambda one: one.repeat(1, 2) if one.shape[1] > 4 else one.repeat(2, 1))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (add_rank, "have rank 4, and its adapter_config.json says 8"),
        (cut_off, "is cut off: it was not copied to its end"),
        (garble, "is no file of weights that can be read"),
        (rename, r"changes modules that the base does not have: model\.layers\.7\.mlp\.down_proj"),
        (widen, "is of a model of another size: its shapes differ in model"),
    ],
)
def test_an_adapter_that_does_not_fit_its_base_is_refused(
    model: Path, adapter: Path, spoil: Callable[[Path], None], message: str
) -> None:
    unknown, probed = notes(register("transformers", model, "--adapter", str(adapter), decoding=CHAT))
    assert "is unknown: it has no training.json with a digest" in unknown
    assert re.search(r"With the adapter, logits of probe texts differ from the base's by up to \d", probed)
    System.objects.all().delete()
    spoil(adapter)
    with pytest.raises(CommandError, match=message):
        register("transformers", model, "--adapter", str(adapter), decoding=CHAT)
    assert not System.objects.exists()


def test_an_adapter_that_was_trained_on_another_model_is_noted(model: Path, adapter: Path) -> None:
    change(adapter / "adapter_config.json", base_model_name_or_path="meta-llama/Llama-3.1-8B")
    note, _, _ = notes(register("transformers", model, "--adapter", str(adapter), decoding=CHAT))
    assert "was trained on meta-llama/Llama-3.1-8B" in note


def test_what_the_adapter_changes_is_kept_with_the_system_and_is_no_part_of_its_fingerprint(
    model: Path, adapter: Path
) -> None:
    register("transformers", model, "--adapter", str(adapter), "--no-try", decoding=CHAT)
    untried = System.objects.get()
    assert (untried.adapter_probe, untried.probe_state, untried.adapter_difference) == ({}, "not_probed", None)
    (*_, said) = notes(register("transformers", model, "--adapter", str(adapter), decoding=CHAT))
    tried = System.objects.get()
    assert (tried.fingerprint, tried.probe_state) == (untried.fingerprint, "probed")
    assert f"by up to {tried.adapter_difference:.2g}." in said and tried.adapter_probe["dtype"] == "float32"
    register("transformers", model, "--adapter", str(adapter), "--no-try", decoding=CHAT)
    assert System.objects.get().adapter_probe == tried.adapter_probe
    register("transformers", model, "--no-try", decoding=CHAT)
    assert (System.objects.get().probe_state, System.objects.get().adapter_probe) == ("none", {})


def untrain(adapter: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(weights(adapter))
    save_file({name: one * 0 if "lora_B" in name else one for name, one in tensors.items()}, weights(adapter))


def shrink(adapter: Path) -> None:
    rewrite(adapter, same, lambda one: one * 1e-20)  # not 0, and lost in any logit


@pytest.mark.parametrize("spoil", [untrain, shrink])
def test_an_adapter_that_changes_nothing_is_registered_only_untried(
    model: Path, adapter: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(adapter)
    with pytest.raises(CommandError, match="changes nothing: it is not trained. Register the base without"):
        register("transformers", model, "--adapter", str(adapter), decoding=CHAT)
    assert not System.objects.exists()
    register("transformers", model, "--adapter", str(adapter), "--no-try", decoding=CHAT)


def test_an_adapter_that_makes_no_numbers_is_refused(model: Path, adapter: Path) -> None:
    rewrite(adapter, same, lambda one: one * float("nan"))
    with pytest.raises(CommandError, match="are no numbers"):
        register("transformers", model, "--adapter", str(adapter), decoding=CHAT)


def test_an_adapter_whose_base_has_no_room_is_noted_as_not_tried(
    model: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelhub.engines.transformers.probe._free_bytes", lambda device: 1000)
    said = notes(register("transformers", model, "--adapter", str(adapter), decoding=CHAT))
    assert re.search(r"was not tried: its weights take [\d,]+ bytes, and 1,000 are free", said[-1])
    system = System.objects.get()
    assert (system.probe_state, system.adapter_probe["not_tried"][-14:]) == ("not_probed", "1,000 are free")


def test_an_adapter_of_a_base_in_several_files_is_held_to_all_of_them(
    tiny_adapters: dict[str, Path], tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path / "llama"
    make_llama(folder, steps=0)
    base = AutoModelForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    base.save_pretrained(folder, max_shard_size="100KB")
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    assert len(parts := sorted(folder.glob("model-*.safetensors"))) > 1
    register("transformers", folder, "--adapter", str(tiny_adapters["brief"]), decoding=CHAT)
    parts[-1].unlink()
    with pytest.raises(CommandError, match=f"lacks {parts[-1].name}"):
        register("transformers", folder, "--adapter", str(tiny_adapters["brief"]), decoding=CHAT)


# Servers


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn().started() as running:
        yield running


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    proxy = FaultProxy()
    yield proxy
    proxy.stop()


def test_what_a_server_says_it_serves_is_kept_with_the_system(server: StandIn) -> None:
    assert not notes(register("openai", BASE, "--adapter", "dpo", "--endpoint", server.url))
    kept = {"id": "dpo", "root": "/adapters/dpo", "parent": BASE, "parent_root": BASE}
    assert System.objects.get().served == kept
    server.models = [entry("dpo", "/adapters/another", BASE), entry(BASE)]
    register("openai", BASE, "--adapter", "dpo", "--endpoint", server.url)
    assert System.objects.get().served == kept  # it is held to what it said first
    register("openai", BASE, "--endpoint", server.url)  # another system now, which was never used
    assert System.objects.get().served == {"id": BASE, "root": BASE}


def test_the_server_is_asked_as_it_will_be_for_a_short_answer(server: StandIn) -> None:
    more = ["--endpoint", server.url, "--options", '{"extra_body": {"min_tokens": 40}}']
    register("openai", BASE, *more, style="system_message", decoding={"chat": True, "max_new_tokens": 512})
    (body,) = server.seen
    assert [one["role"] for one in body["messages"]] == ["system", "user"]
    assert "nurse" in body["messages"][0]["content"]
    assert (body["max_tokens"], body["min_tokens"]) == (40, 40)


def test_no_request_is_sent_where_nothing_is_to_be_tried(server: StandIn) -> None:
    register("openai", BASE, "--endpoint", server.url, "--no-try")
    assert not server.seen
    assert System.objects.get().served == {}


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (
            Reply(400, {"error": {"message": "temperature is not supported"}}),
            "HTTP 400 .*parameter temperature.*leave_out",
        ),
        (Reply(404, {"error": {"message": "The model does not exist."}}), "HTTP 404 .*It has no model 'a-model'"),
        (Reply(401), "It wants a key"),
        (Reply(422), "HTTP 422"),
    ],
    ids=str,
)
def test_a_server_that_refuses_a_prompt_makes_no_system(proxy: FaultProxy, reply: Reply, message: str) -> None:
    proxy.plan(reply)
    with pytest.raises(CommandError, match=message):
        register("openai", "a-model", "--endpoint", proxy.url)
    assert not System.objects.exists()


@pytest.mark.parametrize("status", [400, 500])
def test_a_server_that_refuses_a_system_message_alone_is_told_apart(proxy: FaultProxy, status: int) -> None:
    proxy.plan(Reply(status, {"error": {"message": "System role not supported"}}), Reply(200, chat_answer()))
    with pytest.raises(CommandError, match=f"HTTP {status} .*answers a prompt without a system message.*: field"):
        register("openai", "a-model", "--endpoint", proxy.url, style="system_message", decoding=CHAT)
    assert [len(seen.body["messages"]) for seen in proxy.seen] == [2, 1]


def chat_answer() -> dict[str, Any]:
    return {"choices": [{"message": {"content": "Well."}, "finish_reason": "stop"}]}


@pytest.mark.parametrize("status", [None, 429, 500, 503])
def test_a_server_that_cannot_answer_now_is_noted_and_registered(proxy: FaultProxy, status: int | None) -> None:
    if status is None:
        proxy.stop()
    else:
        proxy.plan(Reply(status))
    (note,) = notes(register("openai", "a-model", "--endpoint", proxy.url))
    assert "could not be tried" in note and "when a worker first asks it" in note
    assert System.objects.get().served == {}


def test_a_short_prompt_that_is_answered_with_no_text_is_noted(proxy: FaultProxy) -> None:
    proxy.plan(Reply(200, {"choices": [{"text": "", "finish_reason": "content_filter"}]}), Reply(404))
    (note,) = notes(register("openai", "a-model", "--endpoint", proxy.url))
    assert "content filter withheld the answer" in note


def test_a_model_that_reasons_first_is_not_refused_for_its_short_answer(proxy: FaultProxy) -> None:
    proxy.plan(Reply(200, {"choices": [{"text": "", "finish_reason": "length"}]}))
    assert not notes(register("openai", "a-model", "--endpoint", proxy.url))


def test_a_server_without_a_list_of_models_is_taken_as_it_is(proxy: FaultProxy) -> None:
    proxy.plan(completion())  # it answers no GET
    assert not notes(register("openai", "a-model", "--endpoint", proxy.url))
    assert System.objects.get().served == {}
