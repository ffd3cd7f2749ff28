"""What /metrics says of the site: the figures of the database as it stands, and no name in them."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.models import ArmTrouble, Output, Participant, PersonaHold
from annotation.services.holds import hold_place
from annotation.services.workers import Trouble, worker_start, worker_troubles_set
from modelhub.models import Run
from personaeval.operations import exposition, figures, readiness
from personaeval.operations.within import Within
from tests.annotation.walking import Walker
from tests.factories import make_study
from tests.modelhub.live import make_live_study, write_persona
from tests.operations.scraping import Series, value
from tests.operations.scraping import figures as read
from tests.operations.test_probes import away
from tests.tools.processes import free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def counts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of its own, which looks each time it is asked."""
    monkeypatch.setattr(figures, "KEPT_TIMES", 0)
    monkeypatch.setattr(figures, "_TOTALS", figures._Totals())
    monkeypatch.setattr(readiness, "KEPT_SECONDS", -1.0)
    monkeypatch.setattr(readiness, "ANSWER_SECONDS", 60.0)
    monkeypatch.setattr(exposition, "READINESS", readiness.Readiness())
    monkeypatch.setattr(exposition, "SITE", Within(figures.site_figures, seconds=30, kept_seconds=-1))


def text() -> str:
    response = Client(headers={"host": "localhost"}).get("/metrics")
    assert response.status_code == 200
    return response.content.decode()


def now() -> dict[Series, float]:
    return read(text())


def test_the_queue_is_told_by_who_needs_it_with_the_age_of_the_first_who_waits(tmp_path: Path) -> None:
    study = make_live_study(tmp_path)
    persona = write_persona(study)
    later = Output.objects.filter(persona=write_persona(study))
    later.update(urgency=Output.Urgency.BULK, requested_at=timezone.now() - timedelta(days=1))
    Output.objects.filter(persona=persona).update(requested_at=timezone.now() - timedelta(seconds=100))
    Output.objects.filter(pk=later.first().pk).update(lease_until=timezone.now() + timedelta(minutes=1))
    found = now()
    assert value(found, "outputs_requested", urgency="waited_for") == 2
    assert value(found, "outputs_requested", urgency="bulk") == 2
    assert value(found, "outputs_being_made") == 1
    assert 100 <= value(found, "queue_oldest_seconds") < 200
    hold_place(persona_id=persona.pk, stage=PersonaHold.Stage.PERSONA, reason="harmful")
    held = now()
    assert value(held, "outputs_requested", urgency="waited_for") == value(held, "queue_oldest_seconds") == 0
    assert value(held, "personas_held", stage="persona") == 1


def test_workers_that_live_and_arms_that_they_cannot_answer_for_are_counted_and_not_named(tmp_path: Path) -> None:
    study = make_live_study(tmp_path, slug="secret-slug")
    for key in ("one", "two"):
        worker = worker_start(key=key, study=None, host="secret-host")
        troubles = [
            Trouble(arm.pk, ArmTrouble.Kind.DOWN, "secret reason", timezone.now(), timezone.now())
            for arm in study.arms.all()
        ]
        worker_troubles_set(key=key, troubles=troubles)
    assert (value(now(), "workers_alive"), value(now(), "arms_in_trouble")) == (2, 2)
    worker.heard_at = timezone.now() - timedelta(minutes=1)
    worker.save()
    assert value(now(), "workers_alive") == 1
    assert "secret" not in text() and not [arm for arm in study.arms.all() if arm.code in text()]


def test_all_that_is_stored_is_counted_by_where_it_stands() -> None:
    study = make_study(given_items=3)
    rater = Walker(study).begin()
    rater.complete()
    Walker(study)
    Walker(study).post("consent/", answer="decline")
    Output.objects.filter(pk=Output.objects.first().pk).update(state="failed")
    states = {"running": 1, "finished": 2}
    for state, count in states.items():
        for _ in range(count):
            Run.objects.create(stage="judge", state=state, done=5, failed=1, heartbeat_at=timezone.now(),
                               lease_until=timezone.now())  # fmt: skip
    found = now()
    assert value(found, "outputs", state="ready") == 5
    assert value(found, "outputs", state="failed") == 1
    assert value(found, "answers") == 4
    for state in ("at_work", "not_started", "declined"):
        assert value(found, "participants", kind="person", state=state) == 1
    assert Participant.objects.count() == value(found, "participants") == 3
    assert {state: value(found, "runs", stage="judge", state=state) for state in states} == states
    assert (value(found, "run_rows_done", stage="judge"), value(found, "run_rows_failed", stage="judge")) == (15, 3)
    assert value(found, "database_bytes") > 100_000
    assert value(found, "disk_free_bytes") > 0


def test_a_look_at_all_that_is_stored_is_kept_so_long_that_it_takes_little_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(figures, "KEPT_TIMES", 10**9)
    before = value(now(), "outputs")
    write_persona(make_study(slug="later", written_items=1))
    found = now()
    assert value(found, "outputs") == before
    assert value(found, "outputs_requested", urgency="waited_for") == 2


def test_without_its_database_a_process_still_tells_what_it_counts_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Client(headers={"host": "localhost"}).get("/health")
    with monkeypatch.context() as patch:
        away(patch, free_port(), tmp_path)
        found = now()
    assert (value(found, "database_up"), value(found, "check_ok", check="database")) == (0, 0)
    assert value(found, "http_request_seconds_count", route="health") >= 1
    assert not [name for name, _ in found if name == "personaeval_outputs"]
    assert value(now(), "database_up") == 1


def test_a_scrape_asks_the_database_little_however_much_is_in_it(tmp_path: Path) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            figures.site_figures()
        return len(asked)

    alone = statements()
    for number in range(3):
        study = make_live_study(tmp_path, slug=f"study-{number}")
        write_persona(study)
        worker_start(key=f"worker-{number}", study=study, host="here")
        Run.objects.create(stage=f"stage-{number}", heartbeat_at=timezone.now(), lease_until=timezone.now())
    assert statements() == alone <= 12
