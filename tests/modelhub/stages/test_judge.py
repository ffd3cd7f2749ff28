"""Judging outputs: both orders of every question, what is left out, and answers that cannot be read."""

import ast
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from modelhub.models import Judgement, PairOutput, PreferencePair, Run, System
from modelhub.queries.judgements import judged_results
from modelhub.queries.persona_sources import Origin
from modelhub.runs.parameters import BatchOptions, Shard
from modelhub.runs.rows import run_engine_stage
from modelhub.stages.judge import judge as judge_stage
from modelhub.systems.registering import system_register
from tests.modelhub.output_rows import make_output, make_outputs
from tests.modelhub.pair_rows import make_pairs, make_persona, make_system, picking_script
from tests.modelhub.stages.test_import_pair_outputs import bring, released, released_pairs
from tests.tools.standin import BASE, StandIn

pytestmark = pytest.mark.django_db
COMMAND = ("judge", "--dataset", "BeaverTails", "--base", "dpo", "--test", "pt-dpo", "--judge", "judge")
GOLD = ("--persona", "gold_chosen")


@pytest.fixture
def pairs() -> list[PreferencePair]:
    """Five pairs, answered by both systems for the personas of chosen responses."""
    found = make_pairs("BeaverTails", "test", 5)
    for name in ("dpo", "pt-dpo"):
        make_outputs(found, make_system(name), "gold_chosen")
    return found


def register_judge(folder: Path, *picks: str) -> System:
    return system_register(
        name="judge", engine="scripted", model=str(picking_script(folder, *picks)), persona_style="none",
        decoding={"style": "pick"},
    )  # fmt: skip


def test_each_question_is_put_in_both_orders_and_once_only(pairs: list[PreferencePair], tmp_path: Path) -> None:
    register_judge(tmp_path, "It is better. Verdict: A")
    for _ in range(2):
        call_command(*COMMAND, *GOLD)
    made = Judgement.objects.values_list("metric", "order")
    assert Counter(made) == {
        (metric, order): 5 for metric in ("quality", "personalization") for order in ("base_first", "test_first")
    }
    assert [run.done for run in Run.objects.filter(stage="judge").order_by("pk")] == [20, 0]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("Verdict: A. No, B.", "The verdict is contradicted."),
        ("Verdict: A\n\nPrompt: Next\nVerdict: B", "Another task follows the verdict."),
    ],
)
def test_a_contradicted_verdict_and_one_before_another_task_are_unscored_with_their_text(
    pairs: list[PreferencePair], tmp_path: Path, answer: str, reason: str
) -> None:
    register_judge(tmp_path, answer)
    call_command(*COMMAND, *GOLD, "--metric", "quality")
    made = Judgement.objects.values_list("verdict", "reason", "generation__text")
    assert Counter(made) == {("", reason, answer): 10}
    (result,) = judged_results()
    assert result.result.metrics["quality"].invalid == 5


def test_a_judge_that_always_likes_the_first_finds_ties_only(pairs: list[PreferencePair], tmp_path: Path) -> None:
    register_judge(tmp_path, "Verdict: A")
    call_command(*COMMAND, *GOLD)
    (result,) = judged_results()
    for metric in result.result.metrics.values():
        assert (metric.win, metric.tie_order, metric.loss, metric.invalid) == (0, 5, 0, 0)
    assert result.result.delta_pq is None and result.result.reasons["delta_pq"] == "no_decided_pairs"


def test_the_judge_sees_the_outputs_in_the_order_that_is_stored_and_no_system(
    pairs: list[PreferencePair], tmp_path: Path
) -> None:
    for output in PairOutput.objects.select_related("system"):
        PairOutput.objects.filter(pk=output.pk).update(text=f"Answer {output.pk}.")
    register_judge(tmp_path, "Verdict: B")
    call_command(*COMMAND, *GOLD)
    for made in Judgement.objects.select_related("base", "test__pair", "generation"):
        shown = made.generation.given_prompt
        base_first = shown.index(made.base.text) < shown.index(made.test.text)
        assert base_first == (made.order == "base_first")
        assert (made.test.persona in shown) == (made.metric == "personalization")
        assert "dpo" not in shown and "gold" not in shown.replace(made.test.persona, "")


def test_an_answer_that_cannot_be_read_is_unscored_with_its_text_and_a_reason(
    pairs: list[PreferencePair], tmp_path: Path
) -> None:
    register_judge(tmp_path, "Both have their merits.", "It is a tie.\nVerdict: tie")
    call_command(*COMMAND, *GOLD, "--metric", "quality")
    for made in Judgement.objects.select_related("generation"):
        assert made.verdict == "" and made.reason
        assert made.generation.text in ("Both have their merits.", "It is a tie.\nVerdict: tie")
    (result,) = judged_results()
    assert result.result.metrics["quality"].invalid == 5 and result.result.metrics["quality"].n == 0


def test_a_judge_that_refuses_gives_no_verdict_and_is_not_asked_again(pairs: list[PreferencePair]) -> None:
    with StandIn(mode="filtered").started() as judge:
        system_register(
            name="judge", engine="openai", model=BASE, endpoint=judge.url, persona_style="none", decoding={"chat": True}
        )
        for _ in range(2):
            call_command(*COMMAND, *GOLD)
        assert len(judge.seen) == Judgement.objects.filter(verdict="").count() == 20
    assert "20 rows" in Run.objects.filter(stage="judge").earliest("pk").message


@pytest.mark.slow
def test_a_small_model_that_cannot_judge_leaves_unscored_rows_with_what_it_wrote(
    pairs: list[PreferencePair], tiny_llama: Path
) -> None:
    system_register(
        name="judge", engine="transformers", model=str(tiny_llama), persona_style="none",
        decoding={"max_new_tokens": 16}, options={"device": "cpu"},
    )  # fmt: skip
    call_command(*COMMAND, *GOLD, "--metric", "quality", "--limit", "4")
    made = list(Judgement.objects.select_related("generation"))
    assert len(made) == 4
    for one in made:
        assert one.generation.text and one.generation.completion_tokens
        assert (one.verdict, bool(one.reason)) == ("", True)


def test_a_technique_is_judged_against_itself_without_personas(pairs: list[PreferencePair], tmp_path: Path) -> None:
    make_outputs(pairs, System.objects.get(name="pt-dpo"), "none")
    register_judge(tmp_path, "Verdict: A")
    arguments = ["pt-dpo" if one == "dpo" else one for one in COMMAND]
    call_command(*arguments, *GOLD, "--base-persona", "none")
    made = Judgement.objects.filter(metric="personalization").select_related("base", "test", "generation")
    assert made.count() == 10
    for one in made:
        assert (one.base.source, one.test.source) == ("none", "gold_chosen")
        assert one.test.persona in one.generation.given_prompt
    with pytest.raises(CommandError, match="compared with itself"):
        call_command(*arguments, *GOLD)


def test_pairs_without_both_outputs_and_excluded_ones_are_left_out_and_counted(
    pairs: list[PreferencePair], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = {(one.system.name, one.pair.row): one.pk for one in PairOutput.objects.select_related("system", "pair")}
    PairOutput.objects.filter(pk=outputs["dpo", 1]).update(excluded_reason="loop: 43 % of its words repeat")
    PairOutput.objects.filter(pk=outputs["pt-dpo", 2]).delete()
    PairOutput.objects.filter(pk=outputs["dpo", 3]).update(persona="Another.", persona_key="0" * 12)
    register_judge(tmp_path, "Verdict: A")
    call_command(*COMMAND, *GOLD)
    assert set(Judgement.objects.values_list("test__pair__row", flat=True)) == {4, 5}
    shown = capsys.readouterr().out
    assert "2 pairs have both outputs" in shown
    assert "1 excluded, 1 without an output of the test, 1 without one of the base" in shown


def test_what_is_excluded_after_it_was_judged_no_longer_counts(pairs: list[PreferencePair], tmp_path: Path) -> None:
    register_judge(tmp_path, "Verdict: A")
    call_command(*COMMAND, *GOLD)
    PairOutput.objects.filter(pair=pairs[0], system__name="pt-dpo").update(excluded_reason="loop")
    (result,) = judged_results()
    assert (result.result.units, result.result.excluded, result.result.metrics["quality"].n) == (4, 1, 4)


def test_of_several_personas_for_a_pair_one_has_to_be_meant(pairs: list[PreferencePair], tmp_path: Path) -> None:
    for name in ("small", "large"):
        inferring = make_system(name)
        for pair in pairs:
            persona = make_persona(pair, "chosen", inferring, f"The user is {name} and prefers it.")
            for system in System.objects.filter(name__in=("dpo", "pt-dpo")):
                make_output(pair, system, "gold_chosen", persona=persona.text)
    register_judge(tmp_path, "Verdict: A")
    with pytest.raises(CommandError, match="Several systems have inferred personas"):
        call_command(*COMMAND, *GOLD)
    call_command(*COMMAND, *GOLD, "--inferring-system", "large")
    assert set(Judgement.objects.values_list("test__persona", "base__persona")) == {
        ("The user is large and prefers it.",) * 2
    }


def test_outputs_of_a_model_that_has_changed_since_are_not_judged(pairs: list[PreferencePair], tmp_path: Path) -> None:
    register_judge(tmp_path, "Verdict: A")
    (tmp_path / "model").mkdir()
    script = picking_script(tmp_path / "model", "An answer.")
    made = system_register(
        name="tuned", engine="scripted", model=str(script), persona_style="none", decoding={"style": "pick"}
    )
    make_outputs(pairs, made, "gold_chosen")
    arguments = ["tuned" if one == "pt-dpo" else one for one in COMMAND]
    call_command(*arguments, *GOLD, "--limit", "1")
    picking_script(tmp_path / "model", "Another answer.")
    with pytest.raises(CommandError, match="outputs of tuned were made under other conditions.*Restore them"):
        call_command(*arguments, *GOLD)
    assert Judgement.objects.count() == 1
    # What is gone cannot have changed what it made: another machine, or a disk that was needed.
    script.unlink()
    call_command(*arguments, *GOLD, "--limit", "1")
    assert Judgement.objects.count() == 2


def test_shards_share_the_work_and_a_run_with_a_limit_is_continued(pairs: list[PreferencePair], tmp_path: Path) -> None:
    register_judge(tmp_path, "Verdict: A")
    stage = judge_stage(
        dataset="BeaverTails", split="test", base="dpo", base_source="", test="pt-dpo", source="gold_chosen",
        judge="judge", metrics=("quality",), format="prometheus", origin=Origin(),
    )  # fmt: skip
    done = [
        run_engine_stage(stage, BatchOptions(shard=Shard(1, 2), limit=2)).done,
        run_engine_stage(stage, BatchOptions(shard=Shard(2, 2))).done,
        run_engine_stage(stage, BatchOptions()).done,
    ]
    assert done[0] == 2 and sum(done) == 10
    assert set(Judgement.objects.values_list("rubric", flat=True)) == {"outputs-prometheus/1"}


def test_a_dry_run_prints_the_questions_and_stores_nothing(
    pairs: list[PreferencePair], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register_judge(tmp_path, "Verdict: A")
    call_command(*COMMAND, *GOLD, "--rubric", "prometheus", "--dry-run")
    assert "###Score Rubric:" in capsys.readouterr().out
    assert not Judgement.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*GOLD, "--dataset", "SHP"), "no data set called 'SHP'"),
        ((*GOLD, "--split", "dev"), "has no split dev"),
        ((*GOLD, "--test", "nobody"), "no system called 'nobody'"),
        ((*GOLD, "--judge", "dpo"), "imported texts only"),
        (("--persona", "none"), "no persona"),
        (("--persona", "none", "--metric", "quality"), "5 without an output|No pair of BeaverTails/test can be judged"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_the_reason(
    pairs: list[PreferencePair], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    register_judge(tmp_path, "Verdict: A")
    with pytest.raises(CommandError, match=message):
        call_command(*COMMAND, *arguments)
    assert not Run.objects.filter(stage="judge").exists()


def test_the_released_outputs_are_judged_and_come_to_a_row_beside_the_published_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    released_pairs("BeaverTails")
    for name, training in (("pt-dpo", "chosen"), ("dpo", "none")):
        bring(released("BeaverTails", training, "retr-chosen"), system=name)
    register_judge(tmp_path, "Verdict: A", "Verdict: B")
    call_command(*COMMAND, "--persona", "retrieved_chosen", "--metric", "quality")
    assert "499 pairs have both outputs. Left out: 0 excluded, 0 without" in capsys.readouterr().out
    call_command("judged_win_rates", "--published", "--name", "DPO=dpo", "--name", "PT-DPO=pt-dpo")
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("BeaverTails")]
    assert "0; 499" in row and row.endswith("46.7/29.3/24.0  38.5/30.5/31.1  +21.3")


def test_what_writes_outputs_and_judgements_of_pairs_reads_nothing_that_participants_wrote() -> None:
    """Erasure leaves both alone, so no written persona may ever get there."""
    writers = []
    for path in sorted((settings.BASE_DIR / "modelhub").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if any(f"{name}.objects.{way}" in text or f" {name}(\n" in text
               for name in ("PairOutput", "Judgement")
               for way in ("create", "bulk_create", "get_or_create", "update_or_create")):  # fmt: skip
            writers.append(path)
            tree = ast.parse(text)
            sources = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            assert not {
                one
                for one in sources
                if one and one.startswith("annotation.") and one not in ("annotation.errors", "annotation.rowfiles")
            }
    assert settings.BASE_DIR / "modelhub" / "stages" / "judge.py" in writers
