"""A stage is declared in one file: its command, options, stored arguments and page all derive from that."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands

from annotation.errors import ServiceError
from modelhub import stages as registry
from modelhub.management.stage_command import stage_commands_register
from modelhub.models import Run
from modelhub.pipeline.config import Pipeline
from modelhub.stages import generate
from modelhub.templatetags.stages import counted_in

NOTHING = '''
"""Does nothing."""

from typing import Annotated

from pydantic import Field

from modelhub.runs.parameters import LeaseOptions, Option, Positive
from modelhub.runs.recording import recorded_run
from modelhub.runs.stage import Reporting, Stage


class NothingOptions(LeaseOptions):
    rows: Annotated[tuple[str, ...], Option(metavar="ROW", positional=True)] = Field(description="what is left alone")
    times: Annotated[Positive, Option(metavar="N")] = Field(default=2, description="how often")


def run(wanted: NothingOptions, reporting: Reporting) -> None:
    with recorded_run(stage="do_nothing", arguments=wanted.stored(), lease_seconds=wanted.lease_seconds) as execution:
        reporting.start(len(wanted.rows))
        execution.advance(len(wanted.rows) * wanted.times)
    reporting.say(f"Run {execution.run.key}: nothing was done.")


STAGE = Stage("do_nothing", "Do nothing.", "rows left alone", NothingOptions, run)
'''


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A new stage: one file, here in a folder beside those of the project."""
    (tmp_path / "do_nothing.py").write_text(NOTHING, encoding="utf-8")
    monkeypatch.setattr(registry, "__path__", [*registry.__path__, str(tmp_path)])
    before = dict(get_commands())
    _forget()
    stage_commands_register()
    yield
    get_commands().clear()
    get_commands().update(before)
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    for found in (registry.stage_names, registry.stage_named, registry.stage_commands):
        found.cache_clear()


@pytest.mark.django_db
def test_a_new_stage_is_one_file(nothing: None) -> None:
    out = StringIO()
    call_command("do_nothing", "one", "two", "--times", "3", stdout=out)

    run = Run.objects.get()
    assert f"Run {run.key}: nothing was done." in out.getvalue()
    assert (run.stage, run.state, run.done) == ("do_nothing", Run.State.FINISHED, 6)
    assert run.arguments == {"lease_seconds": 120, "rows": ["one", "two"], "times": 3}
    assert counted_in(run.stage) == "rows left alone"


@pytest.mark.django_db
def test_what_the_parameters_do_not_allow_is_refused_by_name(nothing: None) -> None:
    with pytest.raises(CommandError, match="argument --times: '0' is no whole number from 1"):
        call_command("do_nothing", "one", "--times", "0")
    with pytest.raises(CommandError, match="--times: 0 is no whole number from 1"):
        call_command("do_nothing", "one", times=0)
    assert not Run.objects.exists()


def pipeline(**stages: dict[str, Any]) -> Pipeline:
    return Pipeline.model_validate(
        {
            "name": "p", "dataset": "d", "files": ["f"], "inferring": {"name": "i"}, "training": {"base": "b"},
            "stages": stages, "batch_size": "7",
        }
    )  # fmt: skip


def test_a_pipeline_file_can_tell_a_stage_whatever_its_command_can() -> None:
    given = {"dataset": "d", "system": ("s",), "persona": ("none",)}
    told = pipeline(generate={"shard": "2/3", "rank": 4}).told(generate.STAGE, **given)
    assert (str(told.shard), told.rank, told.batch_size, told.split) == ("2/3", 4, 7, "test")
    with pytest.raises(ServiceError, match=r"stages\.generate\.typo: is not known"):
        pipeline(generate={"typo": 1}).told(generate.STAGE, **given)
    with pytest.raises(ServiceError, match=r"stages\.generate\.shard: '3/2' is no shard"):
        pipeline(generate={"shard": "3/2"}).told(generate.STAGE, **given)
    with pytest.raises(ServiceError, match=r"stages\.generate: system follow from other sections"):
        pipeline(generate={"system": ["x"]}).told(generate.STAGE, **given)
