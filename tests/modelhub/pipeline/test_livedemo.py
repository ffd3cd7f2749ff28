"""The demonstration with a model that is tuned on the spot: what it makes, once, and what it learns from."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.models import Study
from annotation.rowfiles import read_records
from modelhub import livedemo
from modelhub.demo import Demo, demo_prepare
from modelhub.management.commands import demo_live
from modelhub.models import Run
from modelhub.pipeline.comparing import RegisterTrained


def prepare(base: Path) -> Demo:
    return livedemo.live_prepare(lambda text: None, base=base)


def pairs() -> list[dict[str, str]]:
    files = sorted((livedemo.LIVE_FOLDER / "pairs").glob("*.jsonl"))
    return [record.values for file in files for record in read_records(file)]


@pytest.mark.slow
@pytest.mark.django_db
def test_two_systems_tuned_on_the_spot_answer_an_open_study_and_nothing_is_made_twice(
    tiny_llama: Path, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAR_DIR = tmp_path

    def stopped(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(CommandError, match="goes on from here"):
        patch.setattr(RegisterTrained, "run", stopped)
        prepare(tiny_llama)
    assert not Study.objects.exists()
    trained = Run.objects.filter(stage__in=["train_sft", "train_dpo"])
    assert trained.count() == 4

    done = prepare(tiny_llama)
    assert (done.study.state, done.study.written_personas_per_participant) == (Study.State.OPEN, 2)
    systems = [arm.binding.system for arm in done.study.arms.select_related("binding__system").order_by("ordinal")]
    assert [(system.name, system.persona_style) for system in systems] == [
        ("live DPO", "first_person"), ("live PT-DPO", "field"),
    ]  # fmt: skip
    assert all(system.decoding == {"chat": True, "max_new_tokens": 100} for system in systems)
    assert done.password is not None

    runs = Run.objects.count()
    again = prepare(tiny_llama)
    assert (again.study, again.link, again.password) == (done.study, done.link, None)
    assert (Run.objects.count(), trained.count()) == (runs, 4)


@pytest.mark.django_db
def test_the_command_says_how_small_the_model_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_live, "live_prepare", lambda say: demo_prepare())
    out = StringIO()
    call_command("demo_live", no_serve=True, stdout=out)
    assert "135 million parameters, on your processor: its answers are often wrong" in out.getvalue()
    assert "Participant  http://127.0.0.1:8000/" in out.getvalue()


def test_only_the_persona_says_which_side_of_a_pair_is_chosen() -> None:
    rows = pairs()
    longer = sum(len(row["chosen"]) > len(row["rejected"]) for row in rows)
    assert len(rows) == 60 and 0.4 <= longer / len(rows) <= 0.6
    assert all(row["chosen_persona"] != row["rejected_persona"] for row in rows)
    assert len({row["prompt"] for row in rows}) == len(rows)
