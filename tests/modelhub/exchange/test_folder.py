"""Rows that wait in a folder for a machine without a database: asked once, answered there, then stored."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from modelhub.exchange.folder import Exchange
from modelhub.models import Generation, InferredPersona, Run
from modelhub.systems.registering import system_register
from tests.modelhub.pair_rows import make_pair, make_pairs, picking_script
from tests.tools.faultproxy import FaultProxy, Reply

pytestmark = pytest.mark.django_db
PICKS = ("The user is curious and prefers examples.", "The user is busy and prefers brevity.")
GOOD = Reply(200, {"choices": [{"text": PICKS[0], "finish_reason": "stop"}]})
TOO_LONG = Reply(400, {"error": {"message": "too long", "code": "context_length_exceeded"}})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("inferrer", "other"):
        system_register(
            name=name, engine="scripted", model=str(picking_script(tmp_path, *PICKS)), persona_style="none",
            decoding={"style": "pick"},
        )  # fmt: skip
    make_pairs("BeaverTails", "train", 400)
    return tmp_path / "exchange"


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    proxy = FaultProxy()
    yield proxy
    proxy.stop()


def infer(folder: Path | None = None, *options: str, system: str = "inferrer") -> None:
    elsewhere = ("--on", "folder", "--exchange", str(folder)) if folder else ()
    call_command("infer_personas", "--dataset", "BeaverTails", "--system", system, *elsewhere, *options)


def personas(system: str = "inferrer") -> dict[tuple[int, str], tuple[str, str, str]]:
    """Return text, what was asked and how it ended, by pair and direction."""
    return {
        (one.pair_id, one.direction): (one.text, one.generation.given_prompt, one.generation.finish_reason)
        for one in InferredPersona.objects.filter(system__name=system).select_related("generation__shared_prompt")
        if one.generation
    }


def test_rows_are_asked_once_answered_by_shards_and_stored_as_those_of_a_plain_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    infer(folder)
    assert f"800 rows wait in {folder} to be answered" in capsys.readouterr().out
    call_command("answer_requests", str(folder), "--shard", "1/2")
    infer(folder)
    assert f"300 rows wait in {folder} to be answered" in capsys.readouterr().out
    assert len(personas()) == 500 and len(Exchange(folder).requested()) == 800
    call_command("answer_requests", str(folder), "--shard", "2/2")
    assert "300 rows answered, 0 failed." in capsys.readouterr().out
    infer(folder)
    infer(system="other")
    assert personas() == personas("other") and len(personas()) == 800
    assert not folder.exists()


def test_the_array_script_answers_task_by_task_without_a_database(folder: Path) -> None:
    infer(folder)
    for task in ("1", "2"):
        done = subprocess.run(
            ["bash", "deploy/slurm/answer.sbatch", str(folder)],
            cwd=settings.BASE_DIR, capture_output=True, text=True, check=False,
            env={
                **os.environ, "SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_COUNT": "2", "PYTHON": sys.executable,
                "DATABASE_URL": "postgres://nobody@127.0.0.1:9/nothing",
            },
        )  # fmt: skip
        assert done.returncode == 0 and "rows answered, 0 failed." in done.stdout, done.stderr
    infer(folder)
    assert len(personas()) == 800 and not folder.exists()


def test_what_is_answered_is_not_asked_again_and_what_came_later_is(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    infer(folder)
    call_command("answer_requests", str(folder))
    call_command("answer_requests", str(folder))
    assert capsys.readouterr().out.endswith("0 rows answered, 0 failed.\n")
    make_pair("BeaverTails", "train", 401)
    infer(folder)
    assert f"2 rows wait in {folder}" in capsys.readouterr().out
    call_command("answer_requests", str(folder))
    assert capsys.readouterr().out.endswith("2 rows answered, 0 failed.\n")
    infer(folder)
    assert len(personas()) == Generation.objects.count() == 802


def test_a_row_that_fails_is_named_by_the_stage_and_tried_again(tmp_path: Path, proxy: FaultProxy) -> None:
    system_register(
        name="inferrer", engine="openai", model="m", endpoint=f"{proxy.url}/v1", persona_style="none", decoding={},
        options={"concurrency": 1, "max_retries": 0},
    )  # fmt: skip
    make_pairs("BeaverTails", "train", 1)
    infer(tmp_path / "x", "--shots", "0")
    proxy.plan(GOOD, TOO_LONG)
    with pytest.raises(CommandError, match="1 rows failed; the same command tries them again"):
        call_command("answer_requests", str(tmp_path / "x"))
    with pytest.raises(CommandError, match="(?s)1 row cannot be made as they are.*longer than the model's context"):
        infer(tmp_path / "x", "--shots", "0")
    assert len(personas()) == 1
    proxy.plan(GOOD)
    call_command("answer_requests", str(tmp_path / "x"))
    infer(tmp_path / "x", "--shots", "0")
    assert len(personas()) == 2 and len(proxy.seen) == 3


def test_a_folder_is_for_one_system_and_one_way_of_asking(folder: Path) -> None:
    infer(folder)
    with pytest.raises(CommandError, match="holds requests of infer_personas for BeaverTails by inferrer, of another"):
        infer(folder, system="other")
    with pytest.raises(CommandError, match="holds requests of infer_personas .* or under other conditions"):
        infer(folder, "--shots", "2")


def test_a_model_that_is_another_one_on_the_machine_that_answers_is_refused(folder: Path, tmp_path: Path) -> None:
    infer(folder)
    picking_script(tmp_path, "The user is another and prefers other things.")
    with pytest.raises(CommandError, match="on this machine are not those that were registered"):
        call_command("answer_requests", str(folder))
    assert not Exchange(folder).answer_files()


def test_a_damaged_file_of_answers_is_named_and_can_be_deleted(folder: Path) -> None:
    infer(folder)
    call_command("answer_requests", str(folder))
    damaged = sorted((folder / "answers").iterdir())[0]
    damaged.write_bytes(damaged.read_bytes()[:100])
    with pytest.raises(CommandError, match=f"{damaged.name} cannot be read.*Delete it; its rows are asked for again"):
        infer(folder)
    assert Run.objects.filter(stage="infer_personas").latest("pk").state == "failed"
    damaged.unlink()
    infer(folder)
    call_command("answer_requests", str(folder))
    infer(folder)
    assert len(personas()) == 800


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is no folder of requests.*--on folder --exchange FOLDER"):
        call_command("answer_requests", str(tmp_path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--on", "moon"), "'moon' is no place; write here, ray, ray:ADDRESS or folder"),
        (("--on", "folder:x"), "is no place"),
        (("--on", "ray:"), "is no place"),
        (("--exchange", "x"), "rows that are answered here need no folder"),
    ],
)
def test_a_place_that_does_not_exist_is_named(folder: Path, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        infer(None, *options)
