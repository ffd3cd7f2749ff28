"""One prompt, tried on the systems behind a draft's arms: asked for on a page, answered by a worker."""

import io
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from annotation.models import Study
from modelhub.models import System, Trial
from modelhub.systems.registering import arms_bind
from modelhub.systems.trials import trials_claim, trials_release
from tests.factories import make_study, make_user
from tests.modelhub.pair_rows import make_system, picking_script

pytestmark = pytest.mark.django_db(transaction=True)
ANSWER = "An answer for you."


@pytest.fixture
def study(tmp_path: Path) -> Study:
    script = str(picking_script(tmp_path, "one"))
    for name in ("steady", "gone"):
        options = {"engine": "scripted", "model": script, "decoding": '{"style": "tailored"}'}
        call_command("register_system", name, **options, stdout=io.StringIO(), stderr=io.StringIO())
    study = make_study(state="draft", given_items=1)
    arms_bind(study=study, bindings={"1": "steady", "2": "gone"})
    System.objects.filter(name="gone").update(fingerprint="another")  # as if its files had changed since
    return study


@pytest.fixture
def analyst(study: Study, client: Client) -> Client:
    client.force_login(make_user("root", is_superuser=True))
    return client


def press_try(client: Client, study: Study, **changes: str) -> str:
    data = {"prompt": "How do I sleep?", "persona": "The user is a nurse.", **changes}
    response = client.post(reverse("modelhub:systems_tried", args=[study.slug, study.version]), data, follow=True)
    return response.content.decode()


def panel(client: Client, study: Study) -> str:
    return client.get(reverse("modelhub:trials", args=[study.slug, study.version])).content.decode()


def test_a_prompt_is_answered_by_a_worker_or_the_reason_is_told(study: Study, analyst: Client) -> None:
    page = press_try(analyst, study)
    assert "No worker runs at the moment" in page and page.count("Waiting for an answer.") == 2
    assert 'hx-trigger="every 2s"' in panel(analyst, study)
    call_command("run_worker", "--once", stdout=io.StringIO(), stderr=io.StringIO())
    steady, gone = Trial.objects.order_by("-system__name")
    assert steady.text == ANSWER and steady.seconds is not None and not steady.error
    assert gone.error == "Its files or settings have changed since it was registered." and not gone.text
    shown = panel(analyst, study)
    assert ANSWER in shown and gone.error in shown and "hx-trigger" not in shown
    assert not study.arms.filter(outputs__text=ANSWER).exists()  # no part of the study


def test_the_next_try_takes_the_place_of_the_last(study: Study, analyst: Client) -> None:
    press_try(analyst, study)
    press_try(analyst, study, prompt="Another?", persona="")
    assert set(Trial.objects.values_list("prompt", "persona")) == {("Another?", "")}
    assert "This field is required." in press_try(analyst, study, prompt="")


def test_a_trial_is_answered_by_one_worker_and_given_back_by_one_that_ends(study: Study, analyst: Client) -> None:
    press_try(analyst, study)
    other = make_study(slug="other", state="draft", given_items=0)
    claim = {"limit": 5, "lease_seconds": 60}
    assert trials_claim(holder="a", study=other, **claim) == []
    assert len(trials_claim(holder="a", study=study, **claim)) == 2
    assert trials_claim(holder="b", study=None, **claim) == []
    trials_release(holder="a")
    assert len(trials_claim(holder="b", study=None, **claim)) == 2


def test_a_study_whose_responses_were_imported_has_nothing_to_try(analyst: Client) -> None:
    study = make_study(slug="imported", state="draft", given_items=1)
    make_system("made elsewhere")
    arms_bind(study=study, bindings={"1": "made elsewhere"})
    assert "has a system that can be asked; bind one first" in press_try(analyst, study)
    assert not Trial.objects.exists()
