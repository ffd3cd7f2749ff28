"""Preference pairs in the forms in which others publish them, through the door by which they are imported."""

import gzip
import json
from pathlib import Path
from typing import Any

import datasets
import pytest
from django.conf import settings
from django.core.management import CommandError

from modelhub.models import PreferencePair
from tests.modelhub.preference_files import jsonl, pair, parquet, run

pytestmark = pytest.mark.django_db
ASKED, GOOD, BAD = "How do I sleep?", "Go to bed early.", "Do not."
SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": ASKED}


def said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def stored() -> list[tuple[str, str, str]]:
    return list(PreferencePair.objects.order_by("row").values_list("prompt", "chosen", "rejected"))


ONE = [(ASKED, GOOD, BAD)]
DIALOGUE = "Human: Hi.\n\nAssistant: Hello!\n\nHuman: How do I sleep?"
BEFORE = [{"role": "user", "content": "Hi."}, said("Hello!"), USER]
HH = f"\n\n{DIALOGUE}\n\nAssistant: "
FORMS: dict[str, tuple[dict[str, Any], list[tuple[str, str, str]]]] = {
    "UltraFeedback, binarized": (
        {
            "prompt": ASKED, "prompt_id": "a1", "chosen": [USER, said(GOOD)], "rejected": [USER, said(BAD)],
            "messages": [USER, said(GOOD)], "score_chosen": 8.5, "score_rejected": 2.0,
        },
        ONE,
    ),
    "TRL, explicit prompt": ({"prompt": [USER], "chosen": [said(GOOD)], "rejected": [said(BAD)]}, ONE),
    "TRL, implicit prompt": ({"chosen": [USER, said(GOOD)], "rejected": [USER, said(BAD)]}, ONE),
    "a list of messages before two texts": ({"prompt": [USER], "chosen": GOOD, "rejected": BAD}, ONE),
    "LLaMA-Factory": (
        {
            "conversations": [{"from": "human", "value": ASKED}],
            "chosen": {"from": "gpt", "value": GOOD}, "rejected": {"from": "gpt", "value": BAD},
        },
        ONE,
    ),
    "content in parts": (
        {"prompt": [{"role": "user", "content": [{"type": "text", "text": ASKED}]}],
         "chosen": [said(GOOD)], "rejected": [said(BAD)]},
        ONE,
    ),
    "several turns": (
        {"prompt": "Hi.", "chosen": [*BEFORE, said(GOOD)], "rejected": [*BEFORE, said(BAD)]}, [(DIALOGUE, GOOD, BAD)],
    ),
    "a system message": (
        {"prompt": ASKED, "chosen": [SYSTEM, USER, said(GOOD)], "rejected": [SYSTEM, USER, said(BAD)]},
        [(f"Be brief.\n\n{ASKED}", GOOD, BAD)],
    ),
    "a system message before several turns": (
        {"prompt": [SYSTEM, *BEFORE], "chosen": [said(GOOD)], "rejected": [said(BAD)]},
        [(DIALOGUE.replace("Hi.", "Be brief.\n\nHi."), GOOD, BAD)],
    ),
    "an empty system message": (
        {"chosen": [{"role": "system", "content": ""}, USER, said(GOOD)],
         "rejected": [{"role": "system", "content": ""}, USER, said(BAD)]},
        ONE,
    ),
    "HH-RLHF": ({"chosen": HH + GOOD, "rejected": HH + BAD}, [(DIALOGUE, GOOD, BAD)]),
    "HH-RLHF, one turn": (
        {"chosen": f"\n\nHuman: {ASKED}\n\nAssistant: {GOOD}", "rejected": f"\n\nHuman: {ASKED}\n\nAssistant: {BAD}"},
        ONE,
    ),
    "UltraFeedback, scored": (
        {
            "instruction": ASKED, "models": ["a", "b", "c"],
            "completions": [
                {"model": "a", "response": "Maybe.", "overall_score": 6.0},
                {"model": "b", "response": GOOD, "overall_score": 8.5},
                {"model": "c", "response": BAD, "overall_score": 2},
            ],
        },
        ONE,
    ),
    "texts beside their ratings": (
        {"instruction": ASKED, "generations": [BAD, "Maybe.", GOOD], "ratings": [1.0, 3.0, 4.5]}, ONE,
    ),
    "ranks, of which 1 is the best": (
        {"prompt": ASKED, "answers": [{"answer": BAD, "rank": 3}, {"answer": GOOD, "rank": 1}]}, ONE,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("row", "expected"), FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("write", [jsonl, parquet])
def test_a_form_of_others_is_read(
    write: Any, row: dict[str, Any], expected: list[tuple[str, str, str]], tmp_path: Path
) -> None:
    heard = run(write(tmp_path / ("test.jsonl" if write is jsonl else "test.parquet"), [row]))
    assert stored() == expected
    assert "  The file holds " in heard and "Rows of this form: 1." in heard


def test_columns_of_other_names_may_hold_messages(tmp_path: Path) -> None:
    file = parquet(tmp_path / "test.parquet", [{"q": [USER], "good": [said(GOOD)], "bad": [said(BAD)]}])
    run(file, prompt_column="q", chosen_column="good", rejected_column="bad")
    assert stored() == ONE


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"prompt": "Another one?", "chosen": [USER, said(GOOD)], "rejected": [USER, said(BAD)]},
            "'prompt' and the messages before the response in 'chosen' say different things",
        ),
        (
            {"prompt": [SYSTEM], "chosen": [USER, said(GOOD)], "rejected": [USER, said(BAD)]},
            "'prompt' and the messages before the response in 'chosen' say different things",
        ),
        (
            {"prompt": "Another one?", "chosen": HH + GOOD, "rejected": HH + BAD},
            "'prompt' and the messages before the response in 'chosen' say different things",
        ),
        ({"chosen": [said(GOOD)], "rejected": [said(BAD)]}, "there is no prompt: neither a column 'prompt' nor"),
        ({"chosen": [USER], "rejected": [USER]}, "'chosen' must end with a message of the role assistant"),
        ({"prompt": "a", "chosen": ["b"], "rejected": ["c"]}, "'chosen' must be a text, or a list of messages such as"),
        ({"prompt": "a", "chosen": [USER, said(GOOD)], "rejected": 7}, "'rejected' must be a text or a list of mess"),
        (
            {"prompt": "a", "chosen": "[{'role': 'user', 'content': 'a'}]", "rejected": "b"},
            "'chosen' holds a list of messages written as a text; bring it as JSONL or Parquet",
        ),
        ({"completions": [{"response": "a", "score": 1}]}, "there is no column 'prompt' with the prompt"),
    ],
)
def test_what_contradicts_itself_is_refused_with_what_would_be_right(
    row: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match=f"line 1: {message}"):
        run(jsonl(tmp_path / "test.jsonl", [row]))
    assert not PreferencePair.objects.exists()


def test_rows_that_compare_nothing_are_left_out_counted_and_named(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": ASKED, "completions": [{"response": "a", "score": 1}, {"response": "b", "score": 1}]},
        {"prompt": ASKED, "completions": [{"response": "a", "score": 1}, {"response": "b", "score": None}]},
        {"chosen": [USER, said("x")], "rejected": [*BEFORE, said("y")]},
        {"chosen": HH + "x", "rejected": f"\n\nHuman: Other?\n\nAssistant: {BAD}"},
        {"prompt": ASKED, "chosen": [USER, {"role": "tool", "content": "5"}, said("x")], "rejected": "y"},
        {"prompt": [{"role": "user", "content": [{"type": "image"}]}], "chosen": "x", "rejected": "y"},
        {"prompt": [*BEFORE[:2], {"role": "user", "content": "Go on:\nHuman: a"}], "chosen": "x", "rejected": "y"},
        {"prompt": ASKED, "chosen": GOOD, "rejected": BAD},
    ]
    heard = run(jsonl(tmp_path / "test.jsonl", rows))
    assert stored() == ONE and PreferencePair.objects.get().row == 8
    assert "7 rows compare no two answers to one prompt and were left out:" in heard
    for line, why in [
        (1, "all its responses have the same score"), (2, "has fewer than two responses with a score"),
        (3, "'chosen' and 'rejected' answer different conversations"),
        (4, "'chosen' and 'rejected' answer different conversations"),
        (5, "'chosen' has a message of the role 'tool', which no prompt of ours can show"),
        (6, "'prompt' has a message that is no text"), (7, "a message is empty, or has a line that begins with"),
    ]:  # fmt: skip
        assert f"test.jsonl line {line}: {why}" in heard


def test_of_responses_with_one_score_the_first_is_taken(tmp_path: Path) -> None:
    scored = [("a", 5), ("b", 5), ("c", 1), ("d", 1)]
    row = {"prompt": ASKED, "completions": [{"response": text, "score": score} for text, score in scored]}
    run(jsonl(tmp_path / "test.jsonl", [row]))
    assert stored() == [(ASKED, "a", "c")]


def test_like_problems_are_counted_and_the_first_of_them_shown(tmp_path: Path) -> None:
    rows = [pair(n, chosen=n) for n in range(60)] + [pair(1, prompt="")]
    with pytest.raises(CommandError) as refused:
        run(jsonl(tmp_path / "test.jsonl", rows))
    lines = str(refused.value).splitlines()
    assert lines[0] == "Nothing was imported; 61 rows or files need attention:"
    assert lines[5] == "test.jsonl line 5: 'chosen' must be text, not int."
    assert lines[6] == "… and 55 more of the same kind."
    assert lines[7].startswith("test.jsonl line 61: 'prompt' is empty") and len(lines) == 8


def examples() -> list[str]:
    text = (settings.BASE_DIR / "docs" / "data.md").read_text("utf-8")
    return [line for line in text.partition("## Preference pairs")[2].splitlines() if line.startswith("{")]


def test_every_example_of_the_docs_is_one_pair(tmp_path: Path) -> None:
    assert len(examples()) == 8
    for number, line in enumerate(examples()):
        (tmp_path / "test.jsonl").write_text(line)
        run(str(tmp_path / "test.jsonl"), dataset=f"Example {number}")
        assert PreferencePair.objects.filter(dataset=f"Example {number}").count() == 1, line


# Files


LINES = json.dumps(pair(1)) + "\n"
CSV = "prompt,chosen,rejected\nWhat about 1?,Good answer 1.,Poor answer 1.\n"
AS_FILES = {
    "test.ndjson": LINES.encode(), "test.jsonl.gz": gzip.compress(LINES.encode()),
    "test.json.gz": gzip.compress(json.dumps([pair(1)]).encode()), "test.csv.gz": gzip.compress(CSV.encode()),
    "TEST.CSV.GZ": gzip.compress(CSV.encode()), "test.tsv": CSV.replace(",", "\t").encode(),
    "test-00000-of-00001.jsonl.gz": gzip.compress(LINES.encode()),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content"), AS_FILES.items(), ids=AS_FILES)
def test_packed_files_and_other_endings_are_read(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    run(str(tmp_path))
    assert PreferencePair.objects.get().chosen == "Good answer 1."
    assert PreferencePair.objects.get().split in ("test", "TEST")


def test_a_packed_file_tells_its_problems_by_its_own_name_and_line(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl.gz").write_bytes(gzip.compress(LINES.encode() + b"{\n"))
    with pytest.raises(CommandError, match=r"test\.jsonl\.gz line 2: not valid JSON"):
        run(str(tmp_path / "test.jsonl.gz"))


def test_a_small_file_that_unpacks_into_much_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl.gz").write_bytes(gzip.compress(b" " * (200 << 20)))
    with pytest.raises(CommandError, match=r"test\.jsonl\.gz: unpacks into more than \d+ MB; unpack it first"):
        run(str(tmp_path / "test.jsonl.gz"))


def test_what_save_to_disk_writes_is_read_with_its_splits(tmp_path: Path) -> None:
    rows = [{"chosen": [USER, said(GOOD)], "rejected": [USER, said(BAD)]}]
    both = {"train": datasets.Dataset.from_list([pair(1), pair(2)]), "test": datasets.Dataset.from_list([pair(3)])}
    datasets.DatasetDict(both).save_to_disk(tmp_path / "dict", num_shards={"train": 2, "test": 1})
    run(str(tmp_path / "dict"))
    assert list(PreferencePair.objects.order_by("prompt").values_list("split", "row")) == [
        ("train", 1), ("train", 2), ("test", 1),
    ]  # fmt: skip
    datasets.Dataset.from_list(rows).save_to_disk(tmp_path / "one")
    run(str(tmp_path / "one"), dataset="One", split="dev")
    assert PreferencePair.objects.get(dataset="One", split="dev").prompt == ASKED
    with pytest.raises(CommandError, match="has no split 'dev'; it has train, test"):
        run(str(tmp_path / "dict"), split="dev")


def test_rows_that_were_chosen_of_a_saved_data_set_are_read_and_no_others(tmp_path: Path) -> None:
    datasets.Dataset.from_list([pair(1), pair(2), pair(3)]).select([2, 0]).save_to_disk(tmp_path / "some")
    run(str(tmp_path / "some"), split="test")
    assert [prompt for prompt, *_ in stored()] == ["What about 3?", "What about 1?"]


def test_a_saved_data_set_without_its_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../../secret.arrow"}]}))
    with pytest.raises(CommandError, match=r"state\.json: names no files of rows; save the data set anew"):
        run(str(tmp_path), split="test")
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(CommandError, match=r"state\.json: cannot be read"):
        run(str(tmp_path), split="test")
