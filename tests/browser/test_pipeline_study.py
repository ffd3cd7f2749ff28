"""The rehearsal of the pipeline ends in a study that a person can take in a browser, of two models that it trained."""

from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from annotation.models import Assignment, Output, Rating, Study
from modelhub.models import PairOutput, Run
from modelhub.training.manifest import read_manifest
from tests.browser.walk import Pointer, walk
from tests.tools import smoke
from tests.tools.processes import Server


@pytest.mark.slow
@pytest.mark.browser
def test_a_study_of_two_models_trained_here_is_taken(
    page: Page, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "VAR_DIR", tmp_path)  # the models of other tests are not to be found
    ready = smoke.prepare()
    assert ready.study.state == Study.State.OPEN
    assert not ready.study.demonstration
    for arm in ready.study.arms.all():
        system = arm.binding.system
        manifest = read_manifest(Path(system.adapter))
        assert (manifest["kind"], Path(manifest["base"]["name"])) == ("dpo", tmp_path / "tiny" / "base")
        assert Run.objects.filter(stage="train_dpo", arguments__out=system.adapter, state="finished").exists()
        shown = Output.objects.filter(arm=arm).values_list("text", flat=True)
        assert set(shown) <= set(PairOutput.objects.filter(system=system).values_list("text", flat=True))
        assert len(shown) == 8

    page.goto(f"/join/{ready.link.token}/")
    page.get_by_role("button", name="Start").click()
    steps = walk(Pointer(page))

    assert steps.count("rate") == 3
    participant = ready.study.participants.get()
    assert participant.assignments.filter(state=Assignment.State.COMPLETED).count() == 3
    assert Rating.objects.filter(slot__assignment__participant=participant).count() == 3 * 2 * 2
    expect(page.get_by_text(participant.completion_code)).to_be_visible()

    again = smoke.prepare()
    assert (again.study, again.link, again.password) == (ready.study, ready.link, None)
    assert Run.objects.filter(stage__startswith="train_").count() == 4
