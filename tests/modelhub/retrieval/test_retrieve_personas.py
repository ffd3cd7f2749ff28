"""The two commands: what is found and stored, what is refused, and that nothing is lost or repeated."""

import io
import signal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from modelhub.models import InferredPersona, PreferencePair, RetrievedPersona, Run
from modelhub.retrieval import maxsim
from modelhub.retrieval.colbert import Encoder
from modelhub.retrieval.maxsim import BlockSizes
from modelhub.runs.stage import Reporting
from modelhub.stages.retrieve_personas import STAGE, RetrieveOptions
from modelhub.stages.shared.retrieving_progress import time_left
from tests.modelhub.pair_rows import make_pair, make_persona, make_system
from tests.tools.processes import ProjectProcess, wait_until
from tests.tools.tinycolbert import prompts

pytestmark = pytest.mark.django_db(transaction=True)

TRAINING, TESTS = 60, 12


@pytest.fixture
def pairs(tmp_path: Path, settings: Any) -> None:
    """60 training rows with personas, and 12 test rows of which row n is one word away from training row n."""
    settings.VAR_DIR = tmp_path / "var"
    system = make_system()
    texts = prompts(TRAINING)
    for number, text in enumerate(texts, start=1):
        add_training(number, text, system=system)
    for number, text in enumerate(texts[:TESTS], start=1):
        make_pair("D", "test", number, prompt=text.replace("quickly", "quickly alone"))


def add_training(number: int, text: str, *, system: Any, split: str = "sft_train") -> PreferencePair:
    pair = make_pair("D", split, number, prompt=text)
    for direction in ("chosen", "rejected"):
        make_persona(pair, direction, system)
    return pair


def call(command: str, checkpoint: Path, *options: str) -> str:
    out = io.StringIO()
    # There is no dpo_train here.
    rows = ["--search", "test=sft_train"]
    call_command(command, "--dataset", "D", "--checkpoint", str(checkpoint), *rows, *options, stdout=out)
    return out.getvalue()


def retrieve(checkpoint: Path, *options: str) -> str:
    return call("retrieve_personas", checkpoint, *options)


def found() -> list[tuple[int, int, int]]:
    """Row of the pair, rank, row of the source."""
    rows = RetrievedPersona.objects.order_by("pair__row", "rank")
    return list(rows.values_list("pair__row", "rank", "source__row"))


def last_run() -> Run:
    return Run.objects.filter(stage="retrieve_personas").order_by("-pk")[0]


def test_every_test_row_gets_its_nearest_training_row_with_score_and_provenance(
    pairs: None, tiny_colbert: Path
) -> None:
    printed = retrieve(tiny_colbert)
    assert found() == [(row, 1, row) for row in range(1, TESTS + 1)]
    row = RetrievedPersona.objects.first()
    assert row.score == pytest.approx(32, abs=4)
    run = last_run()
    assert row.retriever == f"colbert:{run.arguments['checkpoint_sha256'][:12]}"
    assert (run.state, run.total, run.done) == ("finished", TESTS, TESTS)
    assert run.arguments["conditions"]["test"]["rows"] == TRAINING
    assert len(run.arguments["conditions"]["test"]["collection_sha256"]) == 64
    assert "60 rows, 60 different prompts, searched exactly" in printed


def test_a_second_call_finds_nothing_left_and_a_larger_k_adds_ranks(pairs: None, tiny_colbert: Path) -> None:
    retrieve(tiny_colbert)
    before = list(RetrievedPersona.objects.values_list("pk", flat=True))
    assert "retrieved for 0 pairs" in retrieve(tiny_colbert)
    retrieve(tiny_colbert, "--k", "3")
    assert RetrievedPersona.objects.filter(pk__in=before).count() == TESTS
    assert len(found()) == 3 * TESTS
    rows = RetrievedPersona.objects.filter(pair__row=1).order_by("rank")
    scores = [row.score or 0 for row in rows]
    assert scores == sorted(scores, reverse=True)


def test_limits_and_shards_add_up_to_the_whole(pairs: None, tiny_colbert: Path) -> None:
    retrieve(tiny_colbert, "--limit", "2")
    assert len(found()) == 2
    for part in ("1/2", "2/2"):
        retrieve(tiny_colbert, "--shard", part)
    assert found() == [(row, 1, row) for row in range(1, TESTS + 1)]


def test_a_training_row_does_not_find_itself(pairs: None, tiny_colbert: Path) -> None:
    retrieve(tiny_colbert, "--split", "sft_train", "--k", "2")
    assert len(found()) == 2 * TRAINING
    assert not [one for one in found() if one[0] == one[2]]


def test_equal_scores_are_ordered_by_the_key_of_the_pair(pairs: None, tiny_colbert: Path) -> None:
    system = InferredPersona.objects.first().system
    for number in range(96, 100):
        twin = make_pair("D", "sft_train", number, prompt=prompts(1)[0], chosen=f"Answer {number}.")
        for direction in ("chosen", "rejected"):
            make_persona(twin, direction, system)
    retrieve(tiny_colbert, "--k", "5")
    rows = list(RetrievedPersona.objects.filter(pair__row=1, pair__split="test").order_by("rank"))
    assert len({row.score for row in rows}) == 1
    sources = [row.source.row for row in rows]
    assert sorted(sources) == [1, 96, 97, 98, 99]
    assert [row.source.key for row in rows] == sorted(row.source.key for row in rows)
    # Nor was it the order in which they were imported that happened to be the same.
    assert sources not in (sorted(sources), sorted(sources, reverse=True))


def test_rows_without_both_personas_cannot_be_found_and_are_counted(pairs: None, tiny_colbert: Path) -> None:
    InferredPersona.objects.filter(pair__split="sft_train", pair__row=1, direction="rejected").update(text="")
    InferredPersona.objects.filter(pair__split="sft_train", pair__row=2, direction="chosen").delete()
    assert "Left out, without both personas of inferrer: 2." in retrieve(tiny_colbert)
    assert not {1, 2} & {source for _, _, source in found()}


def test_a_test_row_among_the_training_rows_is_refused(pairs: None, tiny_colbert: Path) -> None:
    make_pair("D", "test", 50, prompt=prompts(5)[4].upper())
    with pytest.raises(CommandError, match="1 of 13 rows .* test row 50 = sft_train row 5"):
        retrieve(tiny_colbert)
    assert not Run.objects.filter(stage="retrieve_personas").exists()


@pytest.mark.parametrize("name", ["tokens.f32", "lengths.npy"])
def test_damaged_embeddings_are_named_with_what_to_do(pairs: None, tiny_colbert: Path, name: str) -> None:
    call("index_personas", tiny_colbert)
    (file,) = settings.VAR_DIR.glob(f"indexes/*/embeddings/{name}")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CommandError, match="are damaged. Delete this folder; it is made anew"):
        retrieve(tiny_colbert)
    assert last_run().state == "failed" and not RetrievedPersona.objects.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--k", "61"], "--k is 61, but .* only 60 rows"),
        (["--split", "sft_train", "--k", "60"], "--k is 60, but .* only 59 rows"),
        (["--split", "nowhere"], "no split nowhere"),
        (["--search", "test=nowhere"], "no split nowhere"),
        (["--split", "dev"], "not known which splits rows of 'dev' may search .*--search dev="),
        (["--search", "test"], "does not say what searches what"),
        (["--system", "nobody"], "no system called 'nobody'"),
        (["--index"], "60 prompts .* too few for an index"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_stored(
    pairs: None, tiny_colbert: Path, options: list[str], message: str
) -> None:
    make_pair("D", "dev", 1, prompt="A split that has no rule")
    with pytest.raises(CommandError, match=message):
        retrieve(tiny_colbert, *options)
    assert found() == []


def test_a_dry_run_prints_two_prompts_and_the_count_and_writes_nothing(pairs: None, tiny_colbert: Path) -> None:
    printed = retrieve(tiny_colbert, "--dry-run")
    assert printed.count("--- D/test/") == 2
    assert "12 pairs to retrieve for" in printed
    assert not Run.objects.filter(stage="retrieve_personas").exists()
    assert not (settings.VAR_DIR / "indexes").exists()


def test_what_was_found_among_other_rows_is_not_mixed_but_can_be_replaced(pairs: None, tiny_colbert: Path) -> None:
    retrieve(tiny_colbert, "--limit", "4")
    closer = prompts(1)[0].replace("quickly", "quickly alone now")
    add_training(200, closer, system=InferredPersona.objects.first().system)
    with pytest.raises(CommandError, match="4 rows were retrieved from other rows.*rows was 60, is 61.*--again"):
        retrieve(tiny_colbert)
    assert len(found()) == 4
    assert "have changed since they were encoded" in retrieve(tiny_colbert, "--again")
    assert len(found()) == TESTS
    assert last_run().total == TESTS


def test_an_interrupted_run_is_stopped_and_continued(
    pairs: None, tiny_colbert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = Encoder.queries, []

    def interrupted(self: Encoder, texts: Any) -> Any:
        calls.append(len(texts))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(self, texts)

    monkeypatch.setattr(Encoder, "queries", interrupted)
    with pytest.raises(CommandError, match="Stopped") as stopped:
        retrieve(tiny_colbert, "--batch-size", "5")
    assert stopped.value.returncode == 130
    assert (last_run().state, len(found())) == ("stopped", 5)
    assert "retrieved for 7 pairs" in retrieve(tiny_colbert, "--batch-size", "5")
    assert found() == [(row, 1, row) for row in range(1, TESTS + 1)]


def test_interrupted_within_a_batch_the_batches_before_it_stay_and_the_same_command_goes_on(
    pairs: None, tiny_colbert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrieve(tiny_colbert, "--k", "2")
    whole = list(RetrievedPersona.objects.order_by("pair", "rank").values_list("pair", "rank", "source", "score"))
    RetrievedPersona.objects.all().delete()
    monkeypatch.setattr("modelhub.retrieval.maxsim.ON_PROCESSOR", BlockSizes(100, 10**5))
    with monkeypatch.context() as patched:
        original, blocks = maxsim.padded, []

        def interrupted(*given: Any) -> Any:
            blocks.append(given)
            if len(found()) == 10:
                raise KeyboardInterrupt
            return original(*given)

        patched.setattr(maxsim, "padded", interrupted)
        with pytest.raises(CommandError, match="Stopped"):
            retrieve(tiny_colbert, "--k", "2", "--batch-size", "5")
    assert len(blocks) > 2
    assert (last_run().state, last_run().done, len(found())) == ("stopped", 5, 10)
    assert "retrieved for 7 pairs" in retrieve(tiny_colbert, "--k", "2", "--batch-size", "5")
    rows = RetrievedPersona.objects.order_by("pair", "rank").values_list("pair", "rank", "source", "score")
    assert [row[:3] for row in rows] == [row[:3] for row in whole]
    assert [row[3] for row in rows] == pytest.approx([row[3] for row in whole], abs=2e-4)


def test_the_bar_moves_within_a_batch_and_ends_at_the_pairs_and_what_is_encoded_has_its_own(
    pairs: None, tiny_colbert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelhub.retrieval.maxsim.ON_PROCESSOR", BlockSizes(100, 10**5))
    bars: list[list[int]] = []
    said: list[str] = []
    reporting = Reporting(said.append, lambda total: bars.append([total]), lambda count: bars[-1].append(count))
    options = RetrieveOptions(dataset="D", checkpoint=str(tiny_colbert), search=("test=sft_train",))  # type: ignore[arg-type]
    STAGE.run(options, reporting)
    (prompts_total, *encoded), (pairs_total, *searched) = bars
    assert (prompts_total, sum(encoded)) == (TRAINING, TRAINING)
    assert (pairs_total, sum(searched)) == (TESTS, TESTS)
    assert len([moved for moved in searched if moved]) > 3
    assert "Encoding 60 prompts; they are kept for later runs." in said


def test_how_long_the_rest_takes_is_said_only_where_that_is_long() -> None:
    assert time_left(10.0, 256, 256 * 31) == "about 5 minutes for the other 7,680 pairs"
    assert time_left(10.0, 256, 256 * 2) == ""


def test_after_the_first_batch_the_rest_is_estimated(
    pairs: None, tiny_colbert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelhub.stages.shared.retrieving_progress.LONG_SECONDS", 0)
    printed = retrieve(tiny_colbert, "--batch-size", "5")
    assert printed.count("test in sft_train: about 0 minutes for the other 7 pairs.") == 1


def test_indexing_interrupted_leaves_no_half_collection_and_is_not_repeated_once_whole(
    pairs: None, tiny_colbert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("modelhub.retrieval.collection.ENCODED_AT_ONCE", 25)
        original, calls = Encoder.documents, []

        def interrupted(self: Encoder, texts: Any) -> Any:
            calls.append(len(texts))
            if len(calls) == 2:
                raise KeyboardInterrupt
            return original(self, texts)

        patched.setattr(Encoder, "documents", interrupted)
        with pytest.raises(CommandError, match="Stopped"):
            call("index_personas", tiny_colbert)
    assert Run.objects.filter(stage="index_personas").first().state == "stopped"
    assert not list((settings.VAR_DIR / "indexes").glob("*/embeddings"))
    assert "60 of 60 prompts encoded" in call("index_personas", tiny_colbert)
    assert "0 of 60 prompts encoded" in call("index_personas", tiny_colbert)
    retrieve(tiny_colbert)
    assert found() == [(row, 1, row) for row in range(1, TESTS + 1)]


@pytest.mark.slow
def test_killed_and_given_again_every_pair_is_retrieved_for_once(
    pairs: None, tiny_colbert: Path, tmp_path: Path, settings: Any
) -> None:
    options = ["--dataset", "D", "--checkpoint", str(tiny_colbert), "--split", "sft_train", "--batch-size", "1"]
    process = ProjectProcess(["manage.py", "retrieve_personas", *options], tmp_path / "retrieval.log")
    try:
        process.start()
        wait_until(lambda: len(found()) >= 5, seconds=180, what="A fifth retrieved row")
        process.kill9()
        early = len(found())
        process.start()
        assert process.process.wait(timeout=300) == 0, process.output()
    finally:
        process.signal(signal.SIGKILL)
    assert early <= len(found()) == len({pair for pair, _, _ in found()}) == TRAINING
    states = list(Run.objects.filter(stage="retrieve_personas").order_by("pk").values_list("state", flat=True))
    assert states[-1] == "finished"
    assert states[0] in {"lost", "finished"}
