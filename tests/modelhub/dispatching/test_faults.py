"""What becomes of servers that fail, in every way they do, and what participants and researchers see of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from annotation.models import ArmTrouble, Output, OutputWorker, Study
from modelhub.models import Generation, System
from modelhub.systems.registering import present_fingerprint
from tests.annotation.walking import Walker
from tests.modelhub.dispatching.served import make_served_study, ready, waiting
from tests.tools.processes import ProjectProcess, wait_until
from tests.tools.standin import BASE, StandIn, entry

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 4
# What a server does, and what it is taken for.
FAULTS = {
    "503": "down",
    "429": "down",
    "401": "down",
    "404": "down",
    "mute": "down",
    "other": "other_model",
    "500": "failing",
    "cut": "failing",
    "garbage": "failing",
    "hang": "failing",
}


@contextmanager
def working(folder: Path, *options: str) -> Iterator[ProjectProcess]:
    worker = ProjectProcess(["manage.py", "run_worker", "--output-seconds", "2", *options], folder / "worker.log")
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def troubles() -> set[str]:
    return set(ArmTrouble.objects.values_list("kind", flat=True))


def all_ready(study: Study) -> bool:
    return ready(study) == 2 * PEOPLE


def page_of(study: Study) -> str:
    """The study's page as its owner sees it."""
    client = Client(headers={"host": "localhost"})
    client.force_login(study.owner)
    return client.get(reverse("annotation:study", args=[study.slug, study.version])).content.decode()


# Two looks in a row without an answer take fifteen seconds.
@pytest.mark.parametrize("mode", [pytest.param(one, marks=[pytest.mark.slow] * (one == "mute")) for one in FAULTS])
def test_a_server_that_fails_is_told_to_both_sides_and_asked_again_by_itself(
    model: StandIn, tmp_path: Path, mode: str
) -> None:
    study = make_served_study(model)
    with working(tmp_path) as worker:
        waiting(study)
        wait_until(lambda: ready(study) == 2, seconds=30, what="The first answers")
        model.mode = mode
        walkers = waiting(study, PEOPLE - 1)
        wait_until(lambda: FAULTS[mode] in troubles(), seconds=30, what=f"The trouble {FAULTS[mode]}")
        page = walkers[0].get().content.decode()
        assert "cannot be reached at the moment" in page and "Go on with another prompt" in page
        alert = page_of(study)
        assert str(ArmTrouble.Kind(FAULTS[mode]).label) in alert and "served pt-dpo" not in alert
        assert ready(study) == 2

        model.mode = "ok"
        wait_until(lambda: all_ready(study), seconds=40, what="The answers once the server is back")
        wait_until(lambda: not troubles(), seconds=20, what="The end of the alert")
        assert {walker.step for walker in walkers} == {"rate"}, worker.output()
    assert Generation.objects.count() == 2 * PEOPLE


def test_a_server_that_is_down_from_the_start_is_found_out_before_anybody_writes(
    model: StandIn, tmp_path: Path
) -> None:
    study = make_served_study(model)
    System.objects.update(endpoint="http://127.0.0.1:9/v1")
    for system in System.objects.all():  # as if they had been registered so
        System.objects.filter(pk=system.pk).update(fingerprint=present_fingerprint(system))
        study.arms.filter(binding__system=system).update(fingerprint=present_fingerprint(system))
    with working(tmp_path):
        wait_until(lambda: troubles() == {"down"}, seconds=30, what="The trouble")
    assert not Output.objects.filter(attempts__gt=0).exists()
    assert not troubles(), "An ended worker is in no trouble."


def test_attempts_during_an_outage_use_nothing_up(model: StandIn, tmp_path: Path) -> None:
    study = make_served_study(model)
    model.mode = "503"
    waiting(study)
    with working(tmp_path):
        wait_until(lambda: len(model.seen) >= 6, seconds=60, what="The third try for each system")
    outputs = Output.objects.values_list("state", "attempts")
    assert set(outputs) == {("requested", 0)}


@pytest.mark.slow
def test_requests_that_nobody_answers_are_told_long_before_they_are_given_up(model: StandIn, tmp_path: Path) -> None:
    study = make_served_study(model)
    with working(tmp_path, "--output-seconds", "600"):
        waiting(study)
        wait_until(lambda: ready(study) == 2, seconds=30, what="The first answers")
        model.mode = "hang"
        (walker,) = waiting(study)
        wait_until(lambda: troubles() == {"stalled"}, seconds=40, what="The trouble")
        page = walker.get().content.decode()
        assert "takes much longer than usual" in page and "Go on with another prompt" in page
        assert "has answered nothing for a while" in page_of(study)
        assert Output.objects.filter(state="requested", attempts=1).count() == 2, "They are still under way."
        model.mode = "ok"
        (other,) = waiting(study)
        wait_until(lambda: other.step == "rate", seconds=30, what="An answer: what is asked is still sent")
        wait_until(lambda: not troubles(), seconds=20, what="The end of the alert")


def test_one_poisonous_persona_fails_alone_after_three_attempts(model: StandIn, tmp_path: Path) -> None:
    study = make_served_study(model)
    model.poison = "prefers poison"
    with working(tmp_path):
        poisonous = Walker(study).begin()
        poisonous.write("The user prefers poison.")
        healthy = waiting(study, 3)
        wait_until(lambda: poisonous.step == "failed", seconds=30, what="The failure")
        assert {walker.step for walker in healthy} == {"rate"}
    dpo, pt_dpo = Output.objects.filter(persona__author=poisonous.participant).order_by("arm__ordinal")
    assert (dpo.state, dpo.attempts) == ("ready", 1), "The arm that is not shown the persona answers."
    assert (pt_dpo.state, pt_dpo.attempts) == ("failed", 3)
    assert "500" in pt_dpo.error


def test_another_model_under_the_same_name_in_the_servers_list_answers_nobody(model: StandIn, tmp_path: Path) -> None:
    study = make_served_study(model)
    with working(tmp_path):
        waiting(study)
        wait_until(lambda: ready(study) == 2, seconds=30, what="The first answers")
        right = model.models
        model.models = [entry(BASE, "/models/another"), *right[1:]]
        (walker,) = waiting(study)
        wait_until(lambda: troubles() == {"other_model"}, seconds=30, what="The trouble")
        assert ready(study) == 2 and walker.step == "wait"
        reason = ArmTrouble.objects.earliest("pk").reason
        assert "/models/another" in reason and "root base-8b" in reason
        model.models = right
        wait_until(lambda: walker.step == "rate", seconds=30, what="The answers of the right model")


def test_what_the_server_says_of_itself_is_kept_with_every_answer(model: StandIn, tmp_path: Path) -> None:
    study = make_served_study(model)
    with working(tmp_path):
        waiting(study)
        wait_until(lambda: ready(study) == 2, seconds=30, what="The answers")
    for name in ("dpo", "pt-dpo"):
        listed = {"id": name, "root": f"/adapters/{name}", "parent": BASE, "parent_root": BASE}
        system = System.objects.get(name=f"served {name}")
        assert system.served == {**listed, "model": name}
        assert system.generations.get().served == {"model": name, "listed": listed}


def test_one_slow_request_holds_nobody_up(model: StandIn, tmp_path: Path) -> None:
    study = make_served_study(model)
    model.slow_every, model.slow_seconds = 3, 3600.0
    with working(tmp_path, "--output-seconds", "600"):
        waiting(study, PEOPLE)
        wait_until(lambda: len(model.seen) == 2 * PEOPLE, seconds=30, what="Every request under way at once")
        wait_until(lambda: ready(study) == 6, seconds=30, what="All answers but the slow ones")


def test_both_arms_of_a_persona_are_asked_at_once(model: StandIn, tmp_path: Path) -> None:
    study = make_served_study(model)
    model.mode = "hang"
    with working(tmp_path, "--output-seconds", "600"):
        waiting(study)
        wait_until(lambda: model.under_way == 2, seconds=30, what="Both requests under way")
    assert {request["model"] for request in model.seen} == {"dpo", "pt-dpo"}


def test_a_server_that_is_full_is_not_asked_for_more_than_its_slots(model: StandIn, tmp_path: Path) -> None:
    study = make_served_study(model)
    System.objects.update(options={"live_slots": 2})
    model.mode = "hang"
    waiting(study, PEOPLE)
    with working(tmp_path, "--output-seconds", "600") as worker:
        wait_until(lambda: model.under_way == 4, seconds=30, what="Two requests for each system")
        leased = Output.objects.exclude(lease_holder="").count()
        assert leased == 4, worker.output()
    assert model.peak == 4


def test_a_worker_for_one_study_leaves_the_others_alone(model: StandIn, tmp_path: Path) -> None:
    mine, other = make_served_study(model, slug="mine"), make_served_study(model, slug="other")
    waiting(other)
    waiting(mine)
    with working(tmp_path, "--study", "mine"):
        wait_until(lambda: ready(mine) == 2, seconds=30, what="The answers of its study")
        assert OutputWorker.objects.get().study == mine
        assert "this study alone" in page_of(mine) and "no worker runs" in page_of(other)
    assert ready(other) == 0


def test_without_a_worker_both_sides_are_told_so(model: StandIn) -> None:
    study = make_served_study(model)
    (walker,) = waiting(study)
    page = walker.get().content.decode()
    assert "No responses are being made at the moment" in page and "Go on with another prompt" in page
    assert "no worker runs that could make them" in page_of(study)


def test_a_run_that_ends_with_the_queue_says_which_servers_could_not_be_asked(model: StandIn, tmp_path: Path) -> None:
    study = make_served_study(model)
    model.mode = "503"
    waiting(study)
    with working(tmp_path, "--once") as worker:
        assert worker.process is not None
        assert worker.process.wait(60) == 1
    said = worker.output()
    assert "could not be made" in said and "served pt-dpo: The server answered HTTP 503" in said
    assert "Traceback" not in said


def test_no_reason_and_no_log_holds_a_persona(model: StandIn, tmp_path: Path) -> None:
    study = make_served_study(model)
    model.poison = "xylophones"
    with working(tmp_path) as worker:
        walker = Walker(study).begin()
        walker.write("The user is Zebedee Quux and prefers xylophones.")
        wait_until(lambda: walker.step == "failed", seconds=30, what="The failure")
    kept = json.dumps([list(Output.objects.values_list("error")), list(ArmTrouble.objects.values_list("reason"))])
    assert "Quux" not in worker.output() + kept
