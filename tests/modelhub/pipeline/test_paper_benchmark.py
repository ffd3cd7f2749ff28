"""The experiment on a real model: which pairs it uses, what it asks, what it keeps, and what its tables say."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import paper
from benchmarks.experiment.answers import SOURCES, answer, kept_answers
from benchmarks.experiment.attribute_judge import AttributeJudge, agreement
from benchmarks.experiment.design import ARMS, SPLITS, Design, read_rows, request_of
from benchmarks.experiment.findings import by_length_table, figure, judged_table, margin_tables
from benchmarks.experiment.measuring import rendered
from benchmarks.tailoring import PERSONAS, Row, training_rows
from modelhub.prompting.layouts import PersonaStyle
from modelhub.stats.winrate import PERSONALIZATION, QUALITY
from modelhub.training.data import build_examples
from modelhub.training.layout import Layout

BRIEF, THOROUGH = "The user is busy and prefers brief answers.", "The user is curious and prefers thorough answers."
SHORT, LONG = "Use a lid.", "Use a lid, because steam stays in, and then wait, and stir, and taste, and serve it warm."


def _row(number: int) -> Row:
    brief = number % 2 == 0
    sides = {"chosen": SHORT, "rejected": LONG} if brief else {"chosen": LONG, "rejected": SHORT}
    liked, other = (BRIEF, THOROUGH) if brief else (THOROUGH, BRIEF)
    return {
        "prompt": f"How do I cook rice for {number}?", **sides, "chosen_persona_gold": liked,
        "rejected_persona_gold": other, "chosen_persona_retr": liked, "rejected_persona_retr": other,
    }  # fmt: skip


ROWS = [_row(number) for number in range(12)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "Made Up"
    folder.mkdir()
    for split in SPLITS:
        pq.write_table(pa.Table.from_pylist([dict(row) for row in ROWS]), folder / f"{split}.parquet")
    return folder


@pytest.fixture
def design(data: Path, tiny_llama: Path, tmp_path: Path) -> Design:
    return Design(
        data=data, model=tiny_llama, out=tmp_path / "out", arms=("none", "chosen"), chat=False,
        style=PersonaStyle.FIELD, words=0, training=4, validation=2, test=4, answered=2, shuffles=1, new_tokens=4,
    )  # fmt: skip


@pytest.fixture(scope="module")
def judge() -> AttributeJudge:
    return AttributeJudge([_row(number) for number in range(40)], ROWS)


def test_pairs_with_longer_responses_than_asked_for_are_not_used(design: Design) -> None:
    assert {len(rows) for rows in read_rows(replace(design, training=0, test=0, validation=0)).values()} == {12}
    with pytest.raises(SystemExit, match="no pair of up to 5 words"):
        read_rows(replace(design, words=5))


def test_the_first_pairs_of_each_split_are_used_as_many_as_asked_for(design: Design) -> None:
    found = read_rows(design)

    assert {split: len(rows) for split, rows in found.items()} == dict(zip(SPLITS, (4, 2, 4, 2, 4), strict=True))
    assert found["test"][0]["prompt"] == ROWS[0]["prompt"]


def test_a_data_set_without_preferences_in_its_test_split_is_measured_on_another(design: Design) -> None:
    bare = [{**row, "chosen": "", "rejected": ""} for row in ROWS]
    pq.write_table(pa.Table.from_pylist(bare), design.data / "test.parquet")
    pq.write_table(pa.Table.from_pylist(list(reversed(ROWS))), design.data / "dpo_val.parquet")

    with pytest.raises(SystemExit, match="test.parquet has no pair with both personas"):
        read_rows(design)
    assert read_rows(replace(design, measured="dpo_val"))["test"][0]["prompt"] == ROWS[-1]["prompt"]


def test_a_model_is_measured_on_the_very_prompt_it_was_trained_on(design: Design, tiny_llama: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    row = ROWS[0]
    example = build_examples(training_rows([row]), personas="chosen", both_responses=True).examples[0]
    trained = Layout(tokenizer, design.recipe().layout, tokenizer.eos_token).asked(example, row["prompt"])

    request = request_of(row, row["chosen_persona_gold"], design.style_of("chosen"))
    assert rendered(tokenizer, request, chat=False) == trained
    assert "I am busy" in request_of(row, BRIEF, design.style_of("none")).rendered


def test_every_arm_can_be_asked_in_one_style_without_a_result_being_taken_for_another(design: Design) -> None:
    asked = replace(design, asked=PersonaStyle.SYSTEM_MESSAGE)

    assert {asked.style_of(arm) for arm in ARMS} == {PersonaStyle.SYSTEM_MESSAGE}
    assert request_of(ROWS[0], BRIEF, asked.style_of("none")).system_message.endswith(BRIEF)
    assert asked.named("margins", "none") == "margins-none-system_message" != design.named("margins", "none")


def test_the_judge_prefers_what_its_persona_asks_for_in_either_order(judge: AttributeJudge) -> None:
    personas = [BRIEF, THOROUGH]

    assert judge.outcomes(PERSONALIZATION, personas, [SHORT, SHORT], [LONG, LONG]) == ["win", "loss"]
    assert judge.outcomes(PERSONALIZATION, personas, [LONG, LONG], [SHORT, SHORT]) == ["loss", "win"]
    assert judge.outcomes(PERSONALIZATION, personas, [LONG, SHORT], [LONG, SHORT]) == ["tie_genuine"] * 2


def test_the_judge_is_set_beside_what_people_chose(judge: AttributeJudge) -> None:
    found = {name: (right, ties) for name, right, ties, _ in agreement(judge, ROWS)}

    assert found["Personalization, persona of the chosen response"] == (1.0, 0.0)
    assert found["Personalization, persona of the rejected response"] == (1.0, 0.0)
    assert found["Quality: chosen over rejected"][1] == 1.0  # half of them chose the short one


def test_answers_that_are_there_are_not_made_again_and_a_broken_line_is(design: Design, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    answer(design, "none", None, ROWS[:2], path)
    whole = path.read_text(encoding="utf-8")
    marked = whole.replace(json.loads(whole.splitlines()[0])["prompt"], "kept", 1)
    path.write_text(marked[:-9], encoding="utf-8")

    answer(design, "none", None, ROWS[:2], path)

    made = kept_answers(path)
    assert path.read_text(encoding="utf-8").splitlines()[:-1] == marked.splitlines()[:-1]
    assert set(made) == {(source, row) for source in SOURCES for row in (0, 1)}
    assert all(one["persona"] == ROWS[row][SOURCES[source]] for (source, row), one in made.items())


def _answers(text: str, rows: int) -> dict[tuple[str, int], dict[str, str]]:
    return {
        (source, row): {"response": text, "persona": ROWS[row][key]}
        for source, key in SOURCES.items()
        for row in range(rows)
    }


def test_another_seed_of_the_same_pairs_narrows_no_interval() -> None:
    mostly_long = [_row(number) for number in range(40) if number % 2 or number % 8 == 0]
    judge = AttributeJudge(mostly_long, mostly_long)  # so that Quality is decided, too
    one = {"none": _answers(SHORT, 12), "all": _answers(LONG, 12)}
    *_, delta, limits, _, _ = _line(judged_table(judge, {0: one}, "Made Up"))

    assert float(delta) > 0 and "," in limits
    assert judged_table(judge, {0: one, 1: one}, "Made Up") == judged_table(judge, {0: one}, "Made Up")


def _line(table: str) -> list[str]:
    """Return the cells of the row of gold chosen personas."""
    return [cell.strip() for line in table.splitlines() if "gold, chosen" in line for cell in line.split("|")]


def test_what_only_one_seed_has_is_set_beside_that_seed_alone() -> None:
    first, second = (
        {name: np.full((4, 2), moved if name == "chosen" else 0.0) for name in PERSONAS} for moved in (1.0, 3.0)
    )
    tables = margin_tables({0: {"none": first, "all": second}, 1: {"none": second}})

    both, alone = tables.split("Seeds 0:")
    assert "PT-DPO, all" not in both
    assert "| DPO | chosen − shuffled | +2.00 (" in both
    assert "| PT-DPO, all | chosen − shuffled | +2.00 (" in alone.split("difference over DPO's")[1]
    assert "| DPO | chosen − shuffled | +1.00 | +3.00 |" in alone
    assert "| PT-DPO, all | chosen − shuffled | +3.00 | — |" in alone


def test_arms_without_a_baseline_are_reported_for_themselves() -> None:
    tables = margin_tables({0: {"all": {name: np.ones((4, 2)) for name in PERSONAS}}})
    assert "| PT-DPO, all | chosen − shuffled | +0.00" in tables and "over DPO's" not in tables


def test_pairs_are_told_apart_by_whether_length_decides_between_their_responses() -> None:
    alike, apart = ({"chosen": "a b", "rejected": " ".join("a" * words)} for words in (12, 13))
    values = {name: np.zeros((3, 2)) for name in PERSONAS} | {"chosen": np.array([[1.0, 0], [2.0, 0], [-4.0, 0]])}
    table = by_length_table({0: {"all": values}}, [alike, alike, apart])

    assert "| PT-DPO, all | chosen − none | up to 10 words apart | 2 | +1.50 (+1.00 to +2.00) | 100% |" in table
    assert "| PT-DPO, all | chosen − none | more than 10 words apart | 1 | -4.00 (-4.00 to -4.00) | 0% |" in table


def test_the_figure_tells_its_numbers_to_those_who_do_not_see_it() -> None:
    moved, more = ({name: np.full((4, 2), by if name == "chosen" else 0.0) for name in PERSONAS} for by in (2.5, 3.5))
    drawn = figure({0: {"none": moved, "all": moved}, 1: {"none": more}})
    assert "all, chosen − rejected: +2.50 nats, +2.50 to +2.50" in drawn and "PT-DPO, all (seeds: 1)" in drawn
    assert "none, chosen − rejected: +3.00 nats" in drawn and "DPO (seeds: 2)" in drawn


@pytest.fixture
def run(design: Design, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    line = [
        "paper", str(design.data), "--model", str(design.model), "--out", str(design.out), "--seeds", "1", "--arms",
        "none", "chosen", "--layout", "lines", "--style", "field", "--words", "0", "--training", "4", "--validation",
        "2", "--test", "4", "--answered", "1", "--new-tokens", "2",
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", line)
    yield line


@pytest.mark.slow
def test_the_experiment_ends_with_a_report_and_goes_on_from_what_is_there(design: Design, run: list[str]) -> None:
    paper.main()
    first = (design.out / "report.md").read_text(encoding="utf-8")
    made = {path: path.stat().st_mtime_ns for path in design.out.rglob("*.safetensors")}

    paper.main()

    assert (design.out / "report.md").read_text(encoding="utf-8") == first
    assert {path: path.stat().st_mtime_ns for path in design.out.rglob("*.safetensors")} == made
    assert "| PT-DPO, chosen | gold, chosen |" in first and QUALITY.capitalize() in first
    run += ["--set", "dpo.beta=0.2"]
    with pytest.raises(SystemExit, match="other settings"):
        paper.main()
