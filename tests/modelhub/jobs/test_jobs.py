"""Work that pages ask for: queued, done by a worker's own process, stopped, and begun again where it was."""

import re
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.bots import BotReport
from annotation.models import Output, Participant, Study
from annotation.services.studies import study_open
from modelhub.jobs import rehearsing
from modelhub.jobs.asking import job_ask, job_stop
from modelhub.jobs.beginning import MOST_ATTEMPTS, job_take, jobs_recover
from modelhub.jobs.doing import job_do
from modelhub.models import Job, Run
from modelhub.stats.power import PlannedPower, simulate_power
from tests.factories import make_study
from tests.tools.processes import ProjectProcess, Server, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

POWER = {
    "participants": [4, 8], "prompts": [2], "simulations": 100, "seed": 0,
    "assumed": {"difference": 0.5, "sd_participants": 0.4, "sd_prompts": 0.3, "sd_residual": 1.4,
                "shared_prompts": False, "pool": None},
}  # fmt: skip


@pytest.fixture
def study() -> Study:
    return make_study(state="draft", given_items=2, given_per_participant=2)


def ask(study: Study, kind: Job.Kind = Job.Kind.POWER, **arguments: object) -> Job:
    return job_ask(study=study, kind=kind, arguments={**POWER, **arguments}, user=study.owner)


def taken(study: Study) -> Job:
    ask(study)
    job = job_take()
    assert job is not None
    return job


def rehearsed(study: Study, client: Client, server: Server, bots: int) -> Job:
    """Send bots from the page, and return their job once the worker has done it."""
    client.force_login(study.owner)
    client.post(
        reverse("modelhub:rehearsal_start", args=[study.slug, study.version]),
        {"bots": bots, "careless": 0},
        HTTP_HOST=server.base_url.removeprefix("http://"),
    )
    job = Job.objects.get()
    wait_until(lambda: Job.objects.get(pk=job.pk).is_over, seconds=60, what="The end of the rehearsal")
    job.refresh_from_db()
    return job


def test_bots_sent_from_the_page_take_a_draft_to_its_end_and_are_gone_once_it_opens(
    study: Study, client: Client, server: Server, worker: ProjectProcess
) -> None:
    job = rehearsed(study, client, server, bots=2)
    assert (job.state, job.message) == (Job.State.FINISHED, "")
    assert [report["step"] for report in job.findings["reports"]] == ["done", "done"]
    page = client.get(reverse("modelhub:rehearsal", args=[study.slug, study.version])).content.decode()
    assert "Every bot came to an end that a participant can come to." in page
    assert {one.kind for one in study.participants.all()} == {Participant.Kind.PREVIEW}
    study_open(study=study, user=None)
    assert not study.participants.exists()


def test_a_job_whose_process_is_killed_goes_on_with_the_next_worker_and_no_bot_walks_twice(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked: list[list[str]] = []

    def walk(self: object, participants: list[Participant], concurrency: int) -> Iterator[BotReport]:
        walked.append([one.code for one in participants])
        for one in participants:
            yield BotReport(code=one.code, step="done", ratings=4, error="")

    monkeypatch.setattr(rehearsing.Walkers, "walk", walk)
    job_ask(study=study, kind=Job.Kind.REHEARSAL, user=study.owner,
            arguments={"bots": 3, "careless": 0.0, "address": "http://site.example"})  # fmt: skip
    job = job_take()
    assert job is not None
    bots = rehearsing.rehearsal_participants(study=study, count=3, user=None)
    first = {"code": bots[0].code, "step": "done", "ratings": 4, "error": ""}
    Job.objects.filter(pk=job.pk).update(
        findings={"bots": [bot.pk for bot in bots], "reports": [first]}, run=lost_run(study)
    )
    jobs_recover()
    again = job_take()
    assert again is not None
    assert (again.pk, again.attempts) == (job.pk, 2)
    done = job_do(again.key)
    assert done.state == Job.State.FINISHED
    assert walked == [[bot.code for bot in bots[1:]]]
    assert study.participants.count() == 3
    assert done.run is not None
    assert (done.run.done, done.run.total) == (3, 3)


def lost_run(study: Study) -> Run:
    """Return a run whose process was killed a while ago."""
    past = timezone.now() - timedelta(hours=1)
    return Run.objects.create(study=study, stage="rehearsal", command="", heartbeat_at=past, lease_until=past)


def test_a_job_that_ends_its_process_again_and_again_fails_and_says_so(study: Study) -> None:
    ask(study)
    for _ in range(MOST_ATTEMPTS):
        job = job_take()
        assert job is not None
        Job.objects.filter(pk=job.pk).update(run=lost_run(study))
        jobs_recover()
    job = Job.objects.get()
    assert job.state == Job.State.FAILED
    assert "ended without a word" in job.message


def test_a_worker_that_is_stopped_puts_its_job_back_and_the_next_one_finishes_it(
    study: Study, tmp_path: Path, worker: ProjectProcess
) -> None:
    ask(study, participants=list(range(20, 400, 10)), simulations=5000)
    wait_until(lambda: Run.objects.filter(stage="power").exists(), seconds=30, what="The beginning of the job")
    worker.signal(signal.SIGTERM)
    job = Job.objects.get()
    assert (job.state, job.attempts) == (Job.State.WAITING, 0)
    Job.objects.update(arguments={**POWER})
    second = ProjectProcess(["manage.py", "run_worker"], tmp_path / "second.log")
    second.start()
    try:
        wait_until(lambda: Job.objects.get().state == Job.State.FINISHED, seconds=60, what="The end of the job")
    finally:
        second.stop()
    assert len(Job.objects.get().findings["points"]) == 2


def test_what_was_asked_for_twice_is_done_once_and_something_else_waits_its_turn(study: Study, client: Client) -> None:
    first = ask(study)
    assert ask(study) == first
    client.force_login(study.owner)
    other = {"participants": "30", "prompts": "3", "whose": "own", "difference": "0.3", "sd_participants": "0.4",
             "sd_prompts": "0.3", "sd_residual": "1.4", "simulations": "100"}  # fmt: skip
    response = client.post(reverse("modelhub:power_simulation", args=[study.slug, study.version]), other)
    assert response.status_code == 409
    assert "One is under way" in response.content.decode()
    assert Job.objects.count() == 1


def test_a_job_is_stopped_from_its_page_whether_it_waits_or_is_under_way(study: Study, client: Client) -> None:
    client.force_login(study.owner)
    for begin in (ask, taken):
        job = begin(study)
        client.post(reverse("modelhub:job_end", args=[study.slug, study.version, job.key]))
        job.refresh_from_db()
        assert (job.state, job.message) == (Job.State.STOPPED, f"Stopped from a page by {study.owner}.")
        with pytest.raises(CommandError, match="it is stopped"):
            call_command("run_job", job.key)


def test_a_job_under_way_ends_at_its_next_step_once_it_is_stopped(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = taken(study)
    monkeypatch.setattr("modelhub.jobs.power.simulate_power", stopping(job))
    assert job_do(job.key).state == Job.State.STOPPED
    assert len(Job.objects.get().findings["points"]) == 1  # of two


def stopping(job: Job) -> Callable[..., PlannedPower]:
    def simulate(*given: Any, **options: Any) -> PlannedPower:
        job.refresh_from_db()
        job_stop(job=job, user=job.study.owner)
        return simulate_power(*given, **options)

    return simulate


def test_the_planner_draws_a_curve_for_each_number_of_prompts_and_simulates_no_point_twice(
    study: Study, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(study, prompts=[2, 4])
    job = job_take()
    assert job is not None
    kept = {**POWER["assumed"], "participants": 4, "prompts": 2, "power": 0.125, "power_ci": [0.1, 0.2],  # type: ignore[dict-item]
            "impossible": "", "power_limit": None}  # fmt: skip
    Job.objects.update(findings={"points": [kept]})
    points = job_do(job.key).findings["points"]
    assert points[0]["power"] == 0.125
    assert [(point["participants"], point["prompts"]) for point in points] == [(4, 2), (8, 2), (4, 4), (8, 4)]
    client.force_login(study.owner)
    page = client.get(reverse("modelhub:power", args=[study.slug, study.version])).content.decode()
    assert len(re.findall(r'<path class="curve curve-run-\d" d="M[^"]*"/>\s', page)) == 2
    assert "0.13" in page


def test_a_design_that_makes_no_sense_is_refused_at_its_field(study: Study, client: Client) -> None:
    client.force_login(study.owner)
    given = {"participants": "1, 20", "prompts": "five", "whose": "pool", "pool": "", "difference": "inf",
             "sd_participants": "-1", "sd_prompts": "0.3", "sd_residual": "1.4", "simulations": "9"}  # fmt: skip
    response = client.post(reverse("modelhub:power_simulation", args=[study.slug, study.version]), given)
    assert response.status_code == 422
    form = response.context["form"]
    wrong = {"participants", "prompts", "pool", "difference", "sd_participants", "simulations"}
    assert set(form.errors) == wrong
    assert not Job.objects.exists()


def test_bots_are_not_sent_through_a_draft_that_could_not_be_opened(study: Study, client: Client) -> None:
    Output.objects.all().delete()
    study.arms.update(fingerprint="")
    client.force_login(study.owner)
    response = client.post(
        reverse("modelhub:rehearsal_start", args=[study.slug, study.version]), {"bots": 2, "careless": 0}
    )
    assert response.status_code == 409
    assert not Job.objects.exists()
