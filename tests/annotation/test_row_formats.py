"""Files of others, as their tools write them, are known by their fields."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from annotation.bringing import guessed_columns, read_brought
from annotation.rowfiles import RecordError, read_records

PROMPT, ANSWER = "How do I sleep?", "Go to bed early."
ASKED = {"role": "user", "content": PROMPT}
SYSTEM = {"role": "system", "content": "The user is a nurse."}
SAID = {"role": "assistant", "content": ANSWER}
SAMPLE: dict[str, Any] = {
    "id": 7,
    "epoch": 1,
    "input": PROMPT,
    "target": "",
    "messages": [SYSTEM, ASKED, SAID],
    "output": {
        "model": "mockllm/model",
        "choices": [
            {"message": {"role": "assistant", "content": [{"type": "text", "text": ANSWER}]}, "stop_reason": "stop"}
        ],
    },
    "scores": {},
}
LOG = {"version": 2, "status": "success", "eval": {"task": "sleep", "model": "mockllm/model"}, "samples": [SAMPLE]}
LM_EVAL = {"doc_id": 0, "doc": {"question": PROMPT}, "target": "", "resps": [[ANSWER]], "filtered_resps": ["Go"]}
WHOLE = {"id": 7, "prompt": PROMPT, "text": ANSWER, "system": "mockllm/model", "system_message": "The user is a nurse."}


def read(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    brought = read_brought(path)
    assert not brought.problems
    return [record.values for record in brought.records], brought.notes


def written(folder: Path, name: str, content: Any, **how: Any) -> Path:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content, **how), encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("indent", [None, 2])
def test_an_inspect_log_in_json_is_its_samples(indent: int | None, tmp_path: Path) -> None:
    path = written(tmp_path, "log.json", LOG, indent=indent)
    assert read(path) == ([WHOLE], ["The file is a log of inspect_ai."])


def test_an_inspect_log_in_its_own_format_is_its_samples(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "log.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({**LOG, "samples": None}))
        archive.writestr("_journal/start.json", "{}")
        archive.writestr("samples/7_epoch_1.json", json.dumps({**SAMPLE, "input": [SYSTEM, ASKED]}))
    assert read(tmp_path / "log.eval") == ([WHOLE], ["The file is a log of inspect_ai."])
    assert read_records(tmp_path / "log.eval")[0].place == "log.eval samples/7_epoch_1.json"


def test_an_eval_log_that_would_unpack_into_gigabytes_is_refused_by_what_it_declares(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "log.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            archive.writestr(f"samples/{number}.json", b" " * (64 << 20))
    with pytest.raises(RecordError, match="would take 320 MB unpacked; at most"):
        read_records(tmp_path / "log.eval")


@pytest.mark.parametrize("arguments", [{"gen_args_0": {"arg_0": PROMPT, "arg_1": {"until": []}}}, [[PROMPT, {}]]])
def test_a_log_of_lm_eval_says_what_the_model_said(arguments: Any, tmp_path: Path) -> None:
    path = written(tmp_path, "samples_sleep.jsonl", {**LM_EVAL, "arguments": arguments})
    rows = [{"id": 0, "prompt": PROMPT, "text": ANSWER}]
    assert read(path) == (rows, ["The file is a log of lm-eval."])


def test_outputs_of_alpaca_eval_name_their_generator(tmp_path: Path) -> None:
    row = {"dataset": "helpful_base", "instruction": PROMPT, "output": ANSWER, "generator": "text_davinci_003"}
    rows, notes = read(written(tmp_path, "model_outputs.json", [row], indent=2))
    assert rows == [{"prompt": PROMPT, "text": ANSWER, "system": "text_davinci_003"}]
    assert notes == ["The file holds outputs as AlpacaEval writes them."]


def test_a_chat_is_everything_up_to_the_last_answer(tmp_path: Path) -> None:
    turns = [SYSTEM, ASKED, {"role": "assistant", "content": "Why not?"}, {"role": "user", "content": "Noise."}, SAID]
    rows, notes = read(written(tmp_path, "chats.jsonl", {"id": "a", "messages": turns}))
    dialogue = f"Human: {PROMPT}\n\nAssistant: Why not?\n\nHuman: Noise."
    assert rows == [{"id": "a", "prompt": dialogue, "text": ANSWER, "system_message": "The user is a nurse."}]
    assert notes == ["The file is a log of chats."]
    others = [{"from": "human", "value": PROMPT}, {"from": "gpt", "value": ANSWER}]
    assert read(written(tmp_path, "shared.json", [{"conversations": others}]))[0] == [
        {"prompt": PROMPT, "text": ANSWER}
    ]
    assert read(written(tmp_path, "asked.jsonl", {"messages": [ASKED]}))[0] == [{"prompt": PROMPT}]


def test_chats_of_the_hub_are_read_from_parquet(tmp_path: Path) -> None:
    table = pyarrow.Table.from_pylist([{"prompt_id": "a", "messages": [ASKED, SAID]}])
    pyarrow.parquet.write_table(table, tmp_path / "train.parquet")
    assert read(tmp_path / "train.parquet")[0] == [{"id": "a", "prompt": PROMPT, "text": ANSWER}]


def test_a_file_of_rows_of_two_kinds_is_of_no_known_format(tmp_path: Path) -> None:
    rows = [{"instruction": PROMPT, "output": ANSWER}, {"prompt": PROMPT}]
    assert read(written(tmp_path, "rows.json", rows)) == (rows, [])


@pytest.mark.parametrize(
    ("kind", "columns", "found"),
    [
        ("items", ["Item ID", "Question", "x"], {"id": "Item ID", "prompt": "Question"}),
        ("outputs", ["id", "output", "model"], {"item": "id", "text": "output", "system": "model"}),
        ("personas", ["key", "profile"], {"item": "key", "persona": "profile"}),
        ("items", ["a", "b"], {}),
    ],
)  # fmt: skip
def test_columns_are_guessed_by_their_names(kind: str, columns: list[str], found: dict[str, str]) -> None:
    assert guessed_columns(kind, columns) == found
