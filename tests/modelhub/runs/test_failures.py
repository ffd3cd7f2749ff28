"""Rows that fail: those that fail again each time are told apart from those worth trying again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from modelhub.engines.base import GenerationFailure
from modelhub.models import InferredPersona, PreferencePair, Run
from modelhub.runs.failures import Failures
from modelhub.runs.rows import BatchOptions, run_engine_stage
from modelhub.runs.stage import Reporting
from modelhub.stages.infer_personas import InferPersonas, infer_personas
from modelhub.systems.registering import system_register
from tests.modelhub.pair_rows import make_pair, make_pairs
from tests.tools.faultproxy import FaultProxy, Reply

COMMAND = ("infer_personas", "--dataset", "BeaverTails", "--system", "inferrer", "--shots", "0")
TOO_LONG = Reply(400, {"error": {"message": "too long", "code": "context_length_exceeded"}})
LARGE = Reply(413, b"")
BUSY = Reply(503, b"")
REFUSED = Reply(200, {"choices": [{"text": "", "finish_reason": "content_filter"}]})
UNSUPPORTED = Reply(400, {"error": {"message": "Unsupported parameter: 'seed'.", "param": "seed"}})
GOOD = Reply(200, {"choices": [{"text": "The user is curious and prefers examples.", "finish_reason": "stop"}]})


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    proxy = FaultProxy()
    yield proxy
    proxy.stop()


@pytest.fixture
def served(db: None, proxy: FaultProxy) -> InferPersonas:
    """Three pairs, so six rows, asked one after the other."""
    system_register(
        name="inferrer", engine="openai", model="m", endpoint=f"{proxy.url}/v1", persona_style="none", decoding={},
        options={"concurrency": 1, "max_retries": 0},
    )  # fmt: skip
    make_pairs("BeaverTails", "train", 3)
    return infer_personas(
        dataset="BeaverTails", splits=[], system="inferrer", directions=["chosen", "rejected"], shots=0
    )


def test_failures_are_grouped_by_kind_with_a_count_and_examples() -> None:
    failures = Failures()
    for number in range(7):
        failures.add(f"row {number}", GenerationFailure(f"It has {number} tokens.", final=True, kind="Too long."))
    failures.add("row x", GenerationFailure("HTTP 503. Attempts: 3.", kind="HTTP 503."))
    assert (failures.total, failures.final) == (8, 7)
    assert failures.count_in_words() == "8 failed (7 of them for good)"
    lines = failures.summary().splitlines()
    assert lines[0] == "8 rows failed."
    assert lines[1].startswith("7 rows cannot be made as they are, and fail again each time. Give them shorter prompts")
    assert lines[2] == "- Too long. 7 rows: row 0, row 1, …. The first: It has 0 tokens."
    assert lines[3] == "1 row may go better another time: the same command tries them again."
    assert lines[4] == "- HTTP 503. 1 row: row x. The first: HTTP 503. Attempts: 3."


def test_the_same_words_are_two_kinds_if_one_of_them_is_final() -> None:
    failures = Failures()
    failures.add("a", GenerationFailure("Refused."))
    failures.add("b", GenerationFailure("Refused.", final=True))
    assert "- Refused. 1 row: b." in failures.summary() and "- Refused. 1 row: a." in failures.summary()


def test_kinds_beyond_the_most_frequent_are_counted_together() -> None:
    failures = Failures()
    for number in range(8):
        failures.add("often", GenerationFailure("Often."))
        failures.add(f"row {number}", GenerationFailure(f"Reason {number}."))
    lines = failures.summary().splitlines()
    assert lines[2].startswith("- Often. 8 rows") and len(lines) == 8
    assert lines[-1] == "- 4 rows, for 4 other reasons; see the log."


def test_nothing_failed_is_nothing_said() -> None:
    assert (Failures().summary(), Failures().count_in_words()) == ("", "0 failed")


def test_refused_rows_are_told_apart_from_those_of_a_busy_server(
    served: InferPersonas, proxy: FaultProxy, capsys: pytest.CaptureFixture[str]
) -> None:
    proxy.plan(TOO_LONG, GOOD, BUSY, LARGE, GOOD, GOOD)
    with pytest.raises(CommandError) as stopped:
        call_command(*COMMAND)
    assert "3 personas made, 3 failed (2 of them for good)." in capsys.readouterr().out
    again, final = str(stopped.value).index("may go better"), str(stopped.value).index("cannot be made as they are")
    assert final < str(stopped.value).index("HTTP 413") < again < str(stopped.value).index("HTTP 503")
    run = Run.objects.get(stage="infer_personas")
    assert (run.state, run.failed, run.message) == ("finished", 3, str(stopped.value))


def test_the_same_command_asks_for_all_of_them_again(served: InferPersonas, proxy: FaultProxy) -> None:
    # A server that was started anew, with a longer context, is the same system: nothing says that it still refuses.
    proxy.plan(TOO_LONG, GOOD, BUSY, GOOD, GOOD, GOOD)
    with pytest.raises(CommandError):
        call_command(*COMMAND)
    proxy.plan(GOOD, GOOD)
    call_command(*COMMAND)
    assert InferredPersona.objects.count() == 6
    assert len(proxy.seen) == 8


def test_a_run_that_is_interrupted_still_says_what_failed(served: InferPersonas, proxy: FaultProxy) -> None:
    def interrupt(count: int) -> None:
        raise KeyboardInterrupt

    proxy.plan(TOO_LONG, GOOD)
    with pytest.raises(KeyboardInterrupt):
        run_engine_stage(served, BatchOptions(batch_size=2), Reporting(advance=interrupt))
    run = Run.objects.get(stage="infer_personas")
    assert run.state == "stopped"
    assert run.message.startswith("Stopped by a signal.") and "1 row cannot be made as they are" in run.message


def test_rows_that_a_model_refuses_are_stored_with_no_text_counted_and_not_asked_for_again(
    served: InferPersonas, proxy: FaultProxy, capsys: pytest.CaptureFixture[str]
) -> None:
    proxy.plan(REFUSED, GOOD, REFUSED, GOOD, GOOD, GOOD)
    call_command(*COMMAND)
    assert "6 personas made, 0 failed, 2 answered with no text." in capsys.readouterr().out
    run = Run.objects.get(stage="infer_personas")
    assert "- The server's content filter withheld the answer. 2 rows: " in run.message
    refused = InferredPersona.objects.filter(generation__finish_reason="content_filter")
    assert [(one.text, one.flags[0]["kind"]) for one in refused] == [("", "empty")] * 2
    call_command(*COMMAND)
    assert len(proxy.seen) == 6


def test_a_parameter_that_a_server_does_not_take_ends_the_run_at_its_first_row(
    served: InferPersonas, proxy: FaultProxy
) -> None:
    proxy.plan(*[UNSUPPORTED] * 6)
    with pytest.raises(CommandError, match="Put seed into the option leave_out"):
        call_command(*COMMAND)
    assert len(proxy.seen) == 1
    assert "Put seed into" in Run.objects.get(stage="infer_personas").message


@pytest.mark.slow
@pytest.mark.django_db
def test_prompts_of_any_length_beyond_a_models_context_are_one_kind(tiny_llama: Path) -> None:
    system_register(
        name="inferrer", engine="transformers", model=str(tiny_llama), persona_style="none",
        decoding={"max_new_tokens": 4, "min_new_tokens": 0}, options={"device": "cpu"},
    )  # fmt: skip
    for row in (1, 2, 3):
        make_pair("BeaverTails", "train", row, prompt=f"Prompt {row}: " + "how do I cook this? " * 400 * row)
    make_pair("BeaverTails", "train", 4)
    with pytest.raises(CommandError) as stopped:
        call_command(*COMMAND)
    (line,) = [line for line in str(stopped.value).splitlines() if line.startswith("- ")]
    assert line.startswith("- The prompt is too long for the model's context. 6 rows: BeaverTails/train/")
    assert "tokens, which leaves no room" in line
    assert "tries them again" not in str(stopped.value)
    assert set(InferredPersona.objects.values_list("pair__row", flat=True)) == {4}
    assert PreferencePair.objects.count() == 4
