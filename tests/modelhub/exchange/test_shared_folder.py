"""A folder of requests that several runs use, or that holds other things too: nothing in it is lost."""

import io
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from modelhub.engines.base import Answer, GenerationFailure, GenerationRequest, GenerationResult
from modelhub.engines.scripted import ScriptedEngine
from modelhub.exchange.answering import answer_parts, load_answering
from modelhub.exchange.folder import Exchange
from modelhub.models import InferredPersona, Run
from modelhub.runs.storing import Answered, RowStore
from modelhub.systems.registering import system_register
from tests.modelhub.pair_rows import make_pairs, picking_script

pytestmark = pytest.mark.django_db
PICK = "The user is curious and prefers examples."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    script = picking_script(tmp_path, PICK)
    system_register(
        name="inferrer", engine="scripted", model=str(script), persona_style="none", decoding={"style": "pick"}
    )
    make_pairs("BeaverTails", "train", 20)
    return tmp_path / "exchange"


def infer(folder: Path, *options: str) -> str:
    out = io.StringIO()
    call_command(
        "infer_personas", "--dataset", "BeaverTails", "--system", "inferrer", "--shots", "0", "--on", "folder",
        "--exchange", str(folder), *options, stdout=out,
    )  # fmt: skip
    return out.getvalue()


def answer(folder: Path) -> None:
    call_command("answer_requests", str(folder), stdout=io.StringIO())


@pytest.mark.parametrize(
    ("first", "second"), [(("--shard", "1/2"), ("--shard", "2/2")), (("--limit", "5"), ())], ids=["shards", "limit"]
)
def test_a_folder_stays_until_all_that_was_asked_in_it_is_stored(
    folder: Path, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    infer(folder, *first)
    infer(folder, *second)
    answer(folder)
    infer(folder, *first)
    assert 0 < InferredPersona.objects.count() < 40 and len(Exchange(folder).requested()) == 40
    infer(folder, *second)
    assert InferredPersona.objects.count() == 40 and not folder.exists()


def test_answers_stay_in_the_folder_until_they_are_stored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    infer(folder)
    answer(folder)
    write = RowStore.write

    def full(self: RowStore, rows: Sequence[Answered]) -> int:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(RowStore, "write", full)
    with pytest.raises(OperationalError):
        infer(folder)
    monkeypatch.setattr(RowStore, "write", write)
    assert infer(folder).endswith("40 personas made, 0 failed.\n")
    assert not folder.exists()


def test_a_folder_that_was_left_behind_when_all_was_stored_goes_with_the_next_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    infer(folder)
    answer(folder)
    with monkeypatch.context() as patch:
        patch.setattr(Exchange, "remove", lambda self: None)  # as if the run was killed before
        infer(folder)
    assert InferredPersona.objects.count() == 40 and folder.exists()
    infer(folder)
    assert not folder.exists()


def test_a_folder_with_other_things_is_refused_and_nothing_else_in_it_is_ever_deleted(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("Ten years.")
    with pytest.raises(CommandError, match=r"holds other things, such as thesis.txt.*Name an empty folder"):
        infer(folder)
    (folder / "thesis.txt").unlink()
    infer(folder)
    answer(folder)
    (folder / "thesis.txt").write_text("Ten years.")
    infer(folder)
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


def test_requests_of_a_new_file_replace_none_where_a_file_was_deleted(folder: Path) -> None:
    exchange = Exchange(folder)
    infer(folder, "--limit", "1")
    infer(folder, "--limit", "2")
    first, second = exchange.parts()
    (folder / "requests" / first).unlink()
    infer(folder)
    assert second in exchange.parts() and len(exchange.parts()) == 2
    assert len(exchange.requested()) == 40


def test_two_runs_that_put_requests_at_the_same_moment_replace_none_of_each_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    infer(folder, "--limit", "1")
    exchange, before = Exchange(folder), Exchange(folder).parts()
    monkeypatch.setattr(Exchange, "parts", lambda self: before)  # each looks before the other writes
    for key in ("a", "b"):
        exchange.add_requests([(key, GenerationRequest("How?", "How?", ""))])
    monkeypatch.undo()
    assert {"a", "b"} < exchange.requested()


def test_whoever_answers_when_the_folder_is_gone_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    infer(folder)
    exchange = Exchange(folder)
    stream = ScriptedEngine.stream

    def after_the_others(
        self: ScriptedEngine, requests: Iterator[GenerationRequest], *, ahead: int
    ) -> Generator[Answer]:
        asked = list(requests)
        exchange.remove()  # somebody else has answered all, and the stage has stored it
        return stream(self, iter(asked), ahead=ahead)

    monkeypatch.setattr(ScriptedEngine, "stream", after_the_others)
    with pytest.raises(CommandError, match="is gone: the stage has stored an answer to all"):
        answer(folder)
    assert not folder.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("CUDA")], ids=["interruption", "defect"])
def test_what_has_come_is_in_the_folder_however_answering_ends(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    infer(folder)
    generate = ScriptedEngine.generate

    def three(self: ScriptedEngine, requests: Iterator[GenerationRequest], *, ahead: int) -> Generator[Answer]:
        yield from enumerate(generate(self, [next(requests) for _ in range(3)]))
        raise error

    monkeypatch.setattr(ScriptedEngine, "stream", three)
    exchange = Exchange(folder)
    with pytest.raises(type(error)):
        list(answer_parts(exchange, load_answering(exchange), exchange.parts()))
    (file,) = exchange.answer_files()
    assert len(exchange.answers(file)) == 3


def test_answers_of_any_text_come_back_as_they_were(tmp_path: Path) -> None:
    exchange = Exchange(tmp_path)
    (tmp_path / "answers").mkdir()
    served = {"model": "m"}
    texts = ["", " ", "a\0b", "\N{GRINNING FACE}\r\n\t", "x" * 2_000_000]
    rows: list[tuple[str, GenerationResult | GenerationFailure]] = [
        (str(number), GenerationResult(text, "length", None, number, 0.5, served)) for number, text in enumerate(texts)
    ]
    rows.append(("failed", GenerationFailure("Why.", final=True, kind="A kind.")))
    assert exchange.answers(exchange.add_answers(rows)) == dict(rows)


def test_a_run_counts_the_tokens_of_what_was_answered_elsewhere(folder: Path) -> None:
    infer(folder)
    exchange = Exchange(folder)
    keys = sorted(exchange.requested())
    exchange.add_answers([(key, GenerationResult(PICK, "stop", 10, 2, 0.5)) for key in keys[:30]])
    infer(folder)
    assert Run.objects.latest("pk").usage == {"requests": 30, "prompt_tokens": 300, "completion_tokens": 60}
