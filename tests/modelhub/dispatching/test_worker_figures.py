"""What a worker tells Prometheus of itself, and that it names neither a system nor an arm."""

import io
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError, call_command

from modelhub.models import Run
from tests.modelhub.dispatching.served import make_served_study, ready, waiting
from tests.operations.scraping import Series, counters, figures, value
from tests.tools.processes import ProjectProcess, free_port, wait_until
from tests.tools.standin import StandIn

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 5


@pytest.fixture
def told(tmp_path: Path) -> Iterator[str]:
    """The address at which a running worker tells its figures."""
    port = free_port()
    command = ["manage.py", "run_worker", "--output-seconds", "30", "--metrics-port", str(port)]
    worker = ProjectProcess(command, tmp_path / "worker.log")
    worker.start()
    try:
        wait_until(lambda: listens(port), seconds=60, what="The worker's port")
        yield f"http://127.0.0.1:{port}/metrics"
    finally:
        worker.stop()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def read(address: str) -> dict[Series, float]:
    return figures(httpx.get(address).text)


def test_a_worker_counts_what_it_stores_and_what_fails_and_tells_while_a_system_may_not_be_asked(
    model: StandIn, told: str
) -> None:
    study = make_served_study(model)
    waiting(study, PEOPLE)
    wait_until(lambda: ready(study) == 2 * PEOPLE, seconds=60, what="The answers")
    well = read(told)
    assert value(well, "worker_answers_stored_total") == 2 * PEOPLE
    assert value(well, "worker_answer_seconds_count") == 2 * PEOPLE
    assert value(well, "worker_stored_seconds_count", urgency="waited_for") == 2 * PEOPLE
    assert value(well, "worker_attempts_failed_total") == 0
    wait_until(lambda: value(read(told), "worker_systems", breaker="closed") == 2, seconds=30, what="Two systems")
    model.mode = "503"
    waiting(study)
    wait_until(lambda: value(read(told), "worker_systems", breaker="open") == 2, seconds=30, what="Open breakers")
    assert value(read(told), "worker_attempts_failed_total", counts="no") >= 2
    model.mode = "hang"
    wait_until(lambda: value(read(told), "worker_requests_under_way") == 2, seconds=60, what="Requests under way")
    after = counters(read(told))
    assert all(after[key] >= count for key, count in counters(well).items())
    text = httpx.get(told).text
    names = [study.slug, "dpo", model.url, *study.arms.values_list("code", flat=True)]
    assert not [name for name in names if name in text]


def test_a_port_that_is_taken_ends_a_worker_before_it_begins_and_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"Port {port} of 127.0.0.1 cannot be had"):
            call_command("run_worker", "--once", "--metrics-port", str(port), stdout=io.StringIO())
    assert not Run.objects.exists()
