"""Every command of the project ends in the same way when it is refused or stopped."""

import os
import signal

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class

from annotation.management.base import ProjectCommand
from annotation.models import Study
from tests.factories import make_study


def test_every_command_of_the_project_ends_as_the_others_do() -> None:
    ours = {name: app for name, app in get_commands().items() if app in ("annotation", "modelhub")}
    assert len(ours) > 50
    assert [name for name, app in ours.items() if not isinstance(load_command_class(app, name), ProjectCommand)] == []


@pytest.mark.django_db
def test_what_is_refused_ends_a_command_with_its_reason() -> None:
    with pytest.raises(CommandError, match="no study called 'nowhere'") as caught:
        call_command("close_study", "nowhere")
    assert caught.value.returncode == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("unheeded_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_with_130_and_nothing_half_written(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study()
    monkeypatch.setattr("annotation.services.studies.audit_log", lambda **given: os.kill(os.getpid(), number))
    with pytest.raises(CommandError, match="^Stopped") as caught:
        call_command("close_study", study.slug)
    assert caught.value.returncode == 130
    assert Study.objects.get().state == Study.State.OPEN
