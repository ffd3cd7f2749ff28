"""The site in figures, read from the database when they are asked for. No name, no arm and no system among them."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import Case, CharField, Count, Min, Q, Sum, Value, When
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from annotation.holding import standing_holds
from annotation.making import SILENT
from annotation.models import ArmTrouble, Output, OutputWorker, Participant, PersonaHold, Rating
from annotation.services.queue import requested_outputs
from modelhub.models import Run

# A look at everything that is stored is kept for so many times as long as it took: on a small site it is always fresh,
# and on a large one it takes a thousandth of the time, however often it is asked for.
KEPT_TIMES = 1000

_URGENCIES = {Output.Urgency.WAITED_FOR: "waited_for", Output.Urgency.AHEAD: "ahead", Output.Urgency.BULK: "bulk"}
# Of several that hold for a participant the first counts.
_STATES = (
    ("erased", Q(erased_at__isnull=False)),
    ("withdrawn", Q(withdrawn_at__isnull=False)),
    ("excluded", Q(excluded_at__isnull=False)),
    ("declined", Q(declined_at__isnull=False)),
    ("screened_out", Q(screened_out_at__isnull=False)),
    ("completed", Q(completed_at__isnull=False)),
    ("at_work", Q(consented_at__isnull=False)),
)


def site_figures() -> list[Metric]:
    """Return what the database says now of the queue and its workers, and lately of all that is stored."""
    now = timezone.now()
    return [*_queue(now), *_workers(now), *_TOTALS.figures()]


def _queue(now: datetime) -> Iterator[Metric]:
    waited = Q(urgency=Output.Urgency.WAITED_FOR)
    found = requested_outputs().aggregate(
        **{name: Count("pk", filter=Q(urgency=urgency)) for urgency, name in _URGENCIES.items()},
        oldest=Min("requested_at", filter=waited),
        being_made=Count("pk", filter=Q(lease_until__gt=now)),
    )
    requested = {name: found[name] for name in _URGENCIES.values()}
    yield _counts("outputs_requested", "Outputs still to be made, by who needs them.", "urgency", requested)
    yield _gauge("outputs_being_made", "Of these, those that a worker has claimed.", value=found["being_made"])
    seconds = max(0.0, (now - found["oldest"]).total_seconds()) if found["oldest"] else 0.0
    yield _gauge("queue_oldest_seconds", "How long the first of those who wait have waited.", value=seconds)


def _workers(now: datetime) -> Iterator[Metric]:
    living = OutputWorker.objects.filter(ended_at=None, heard_at__gte=now - SILENT)
    yield _gauge("workers_alive", "Workers that were heard lately.", value=living.count())
    troubled = ArmTrouble.objects.filter(worker__in=living).aggregate(arms=Count("arm", distinct=True))["arms"]
    yield _gauge("arms_in_trouble", "Arms that a living worker cannot answer for at the moment.", value=troubled)


class _Totals:
    """Counts of all that is stored, which on a large site take time."""

    def __init__(self) -> None:
        self._kept: list[Metric] = []
        self._until = 0.0

    def figures(self) -> list[Metric]:
        start = time.monotonic()
        if start >= self._until:
            self._kept = [*_stored(), *_people(), *_runs(), _size()]
            now = time.monotonic()
            self._until = now + KEPT_TIMES * (now - start)
        return self._kept


_TOTALS = _Totals()


def _stored() -> Iterator[Metric]:
    # The many are what is left: to count the few takes an index, and to read the state of each all of them.
    requested, failed = (Output.objects.filter(state=state).count() for state in ("requested", "failed"))
    ready = Output.objects.count() - requested - failed
    yield _counts("outputs", "Outputs by state.", "state", {"requested": requested, "ready": ready, "failed": failed})
    text = "Answers that are stored, also those that another one has superseded."
    yield _gauge("answers", text, value=Rating.objects.count())
    held = standing_holds().filter(refused_at__isnull=True).order_by().values_list("stage").annotate(count=Count("pk"))
    text = "Personas held: at `persona` and `outputs` for somebody's decision, at `guard` for an answer of the guard."
    yield _counts("personas_held", text, "stage", dict.fromkeys(PersonaHold.Stage.values, 0) | dict(held))


def _people() -> Iterator[Metric]:
    state = Case(
        *(When(condition, then=Value(name)) for name, condition in _STATES),
        default=Value("not_started"),
        output_field=CharField(),
    )
    people = Participant.objects.order_by().annotate(stands=state).values_list("kind", "stands")
    found = {(str(kind), str(stands)): count for kind, stands, count in people.annotate(count=Count("pk"))}
    yield _gauge("participants", "Participants by where they stand.", ["kind", "state"], found)


def _runs() -> Iterator[Metric]:
    rows = Run.objects.order_by().values_list("stage", "state")
    found = list(rows.annotate(runs=Count("pk"), made=Sum("done"), lost=Sum("failed")))
    runs = {(stage, state): count for stage, state, count, _, _ in found}
    yield _gauge("runs", "Runs of stages, by how they ended.", ["stage", "state"], runs)
    made: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for stage, _, _, done, failed in found:
        made[stage] += done
        lost[stage] += failed
    yield _counts("run_rows_done", "Rows that all runs of a stage have made.", "stage", made)
    yield _counts("run_rows_failed", "Rows, or attempts, that have failed in all runs of a stage.", "stage", lost)


def _size() -> Metric:
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        files = [Path(f"{name}{ending}") for ending in ("", "-wal")]
        size = sum(file.stat().st_size for file in files if file.exists())
    else:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            size = cursor.fetchone()[0]
    return _gauge("database_bytes", "Size of the database.", value=size)


def _counts(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    return _gauge(name, text, [label], {(str(value),): count for value, count in values.items()})


def _gauge(
    name: str,
    text: str,
    labels: Sequence[str] = (),
    values: Mapping[Any, float] | None = None,
    *,
    value: float = 0.0,
) -> Metric:
    """Return a figure with a value for each combination of labels (a tuple), or one value where it has no labels."""
    metric = GaugeMetricFamily(f"personaeval_{name}", text, labels=labels)
    for given, one in ({(): value} if values is None else values).items():
        metric.add_metric(given, one)
    return metric
