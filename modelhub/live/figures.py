"""What one worker tells of itself as figures. They name no system and no arm: together those would unblind a study."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from django.utils import timezone
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, start_http_server

from annotation.errors import ServiceError
from annotation.models import Output
from modelhub.live.desk import Desk

_SECONDS = (0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 120, 300, 900)


class WorkerFigures:
    """The figures of one worker, which its own thread keeps and any thread may read."""

    def __init__(self) -> None:
        disable_created_metrics()  # a series more for each, of when it began
        self.registry = CollectorRegistry()
        registry = self.registry
        self._stored = Counter("personaeval_worker_answers_stored", "Answers stored.", registry=registry)
        self._failed = Counter(
            "personaeval_worker_attempts_failed",
            "Attempts that failed; `counts` says whether the output may be to blame, or a system that answers nobody.",
            ["counts"],
            registry=registry,
        )
        self._answer = Histogram(
            "personaeval_worker_answer_seconds",
            "Seconds from sending a request to its answer, of those that were stored.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._wait = Histogram(
            "personaeval_worker_stored_seconds",
            "Seconds from asking for an output to its being stored, by who needed it when it was claimed.",
            ["urgency"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._under_way = Gauge("personaeval_worker_requests_under_way", "Requests under way.", registry=registry)
        self._systems = Gauge(
            "personaeval_worker_systems",
            "Systems this worker has to do with, by whether they may be asked (breaker `closed`) or not (`open`).",
            ["breaker"],
            registry=registry,
        )
        self._turn = Gauge(
            "personaeval_worker_last_turn_timestamp_seconds", "When the worker last looked around.", registry=registry
        )
        for counts in ("yes", "no"):
            self._failed.labels(counts)

    def stored(self, output: Output, *, seconds: float) -> None:
        """Count an answer that was stored, which took so long."""
        self._stored.inc()
        self._answer.observe(seconds)
        urgency = Output.Urgency(output.urgency).name.lower()
        self._wait.labels(urgency).observe((timezone.now() - output.requested_at).total_seconds())

    def failed(self, *, counts: bool) -> None:
        """Count an attempt that failed."""
        self._failed.labels("yes" if counts else "no").inc()

    def look(self, desks: Collection[Desk]) -> None:
        """Take what is under way, and which systems may be asked."""
        is_open = sum(desk.breaker.is_open for desk in desks)
        self._under_way.set(sum(len(desk.flights) for desk in desks))
        self._systems.labels("open").set(is_open)
        self._systems.labels("closed").set(len(desks) - is_open)
        self._turn.set_to_current_time()


@contextmanager
def served(figures: WorkerFigures, *, host: str, port: int) -> Iterator[None]:
    """Let the figures be read at a port while a worker works; port 0 is none.

    Raises:
        ServiceError: the port cannot be had.
    """
    if not port:
        yield
        return
    try:
        server, thread = start_http_server(port, addr=host, registry=figures.registry)
    except OSError as error:
        raise ServiceError(
            f"Port {port} of {host} cannot be had ({error.strerror}). Give each worker a --metrics-port of its own."
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
