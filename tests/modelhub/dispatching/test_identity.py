"""Whether a server still serves what it served when it was first asked."""

import pytest

from modelhub.engines.openai.identity import model_entries, served_identity
from modelhub.live.identity import difference, learned, told_by_answer, told_by_list

BASE = {"id": "base", "root": "/models/llama-8b", "parent": None}
ADAPTER = {"id": "pt-dpo", "root": "/adapters/pt-dpo", "parent": "base"}
KNOWN = {"id": "pt-dpo", "root": "/adapters/pt-dpo", "parent": "base", "parent_root": "/models/llama-8b"}


def test_an_adapter_is_known_by_its_files_and_those_of_its_base() -> None:
    assert served_identity([BASE, ADAPTER], "pt-dpo") == KNOWN
    assert served_identity([BASE, ADAPTER], "base") == {"id": "base", "root": "/models/llama-8b"}
    assert served_identity([BASE], "pt-dpo") == {}


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"data": 3}', b'{"data": [3, null]}', b"[" * 99999])
def test_a_list_that_cannot_be_read_tells_nothing(content: bytes) -> None:
    assert served_identity(model_entries(content), "base") == {}


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        ([{**BASE, "root": "/models/other"}, ADAPTER], "/models/other"),
        ([BASE, {**ADAPTER, "root": "/adapters/dpo"}], "/adapters/dpo"),
        ([BASE, {**ADAPTER, "parent": "base2"}], "base2"),
        ([BASE], "nothing of it"),
    ],
)
def test_another_model_under_the_same_name_is_told_in_words(entries: list[dict[str, str]], named: str) -> None:
    said = difference(KNOWN, told_by_list(served_identity(entries, "pt-dpo")))
    assert named in said and "/adapters/pt-dpo" in said
    assert not difference(KNOWN, KNOWN)


def test_a_server_without_a_list_is_held_to_the_name_on_its_answers() -> None:
    known = learned({}, told_by_answer({"model": "gpt-x-2026-01-01", "system_fingerprint": "fp_1"}))
    assert known == {"model": "gpt-x-2026-01-01"}
    assert not difference(known, told_by_answer({"model": "gpt-x-2026-01-01", "system_fingerprint": "fp_2"}))
    assert "gpt-x-2026-11-11" in difference(known, told_by_answer({"model": "gpt-x-2026-11-11"}))
    assert not difference(known, told_by_list({}))


def test_what_is_known_is_never_learned_anew() -> None:
    assert learned(KNOWN, {**KNOWN, "root": "/elsewhere", "model": "pt-dpo"}) == {**KNOWN, "model": "pt-dpo"}
