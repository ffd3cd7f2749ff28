"""How the making of outputs goes: what a waiting participant and a researcher are told of it.

Everything is read from the queue that workers are served from (services/queue.py), from what workers say of
themselves, and from how long outputs of this study have taken lately.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import quantiles

from django.db.models import Count, Min, Q
from django.utils import timezone

from annotation.models import ArmTrouble, Output, OutputWorker, Study
from annotation.services.queue import ORDER, free_outputs, requested_outputs

# A worker says every few seconds that it lives.
SILENT = timedelta(seconds=15)
# Workers that were lost are shown for so long.
LOST_SHOWN = timedelta(hours=12)
RECENT = 40  # outputs whose times say how long one takes
PACE_SECONDS = 5.0  # that a pace is kept
QUEUE_SECONDS = 0.5  # that the queue is kept


@dataclass(frozen=True)
class Outlook:
    """What somebody who waits may be told. `ahead` are personas; `seconds` is None where nothing was made lately.

    `trouble` is empty, `nobody` if no worker lives, `down` if a system that has to answer cannot, or `stalled` if it
    answers nobody for longer than usual.
    """

    ahead: int
    started: bool
    seconds: int | None
    trouble: str


@dataclass(frozen=True)
class Alert:
    """Something that keeps outputs from being made, in words that name no system; `arms` says how many it concerns."""

    text: str
    arms: int
    since: datetime
    retry_at: datetime | None


@dataclass(frozen=True)
class WorkerLine:
    """A worker that has not ended: where it runs, for this study alone or for all, since when, and when it was
    last heard."""

    host: str
    bound: bool
    started_at: datetime
    heard_at: datetime
    seconds: int
    silent: bool


@dataclass(frozen=True)
class Making:
    """What a researcher sees: the queue of the study, its workers, and what is wrong."""

    waited_for: int
    people: int
    oldest: datetime | None
    bulk: int
    being_made: int
    workers: tuple[WorkerLine, ...]
    alerts: tuple[Alert, ...]
    nobody: bool


def outlook(*, study: Study, outputs: Sequence[Output]) -> Outlook:
    """Return what the outputs of one persona, of which some are still to be made, have before them."""
    waiting = [output for output in outputs if output.state == Output.State.REQUESTED]
    queue = _queue_now()
    workers = [worker for worker in queue.workers if worker.study_id in (None, study.pk)]
    started = any(output.lease_until for output in waiting) or len(waiting) < len(outputs)
    bound = bool(workers) and all(worker.study_id for worker in workers)
    ahead = 0 if started or not waiting else queue.ahead(waiting[0].persona_id, bound=bound)
    under_way = len(queue.under_way[study.pk]) if bound else sum(map(len, queue.under_way.values()))
    return Outlook(
        ahead=ahead,
        started=started,
        seconds=_seconds_left(study, waiting, ahead=ahead, under_way=under_way, started=started),
        trouble=_trouble(workers, waiting),
    )


def making(study: Study) -> Making:
    """Return how the making of a study's outputs goes."""
    now = timezone.now()
    requested = requested_outputs().filter(arm__study=study)
    waited = Q(urgency=Output.Urgency.WAITED_FOR)
    counts = requested.aggregate(
        waited_for=Count("pk", filter=waited),
        people=Count("persona", filter=waited, distinct=True),
        oldest=Min("requested_at", filter=waited),
        bulk=Count("pk", filter=~waited),
        being_made=Count("pk", filter=Q(lease_until__gt=now)),
    )
    workers = workers_lately(study)
    return Making(
        **counts,
        workers=workers,
        alerts=tuple(_alerts(study)),
        nobody=all(worker.silent for worker in workers) and counts["waited_for"] + counts["bulk"] > 0,
    )


def workers_lately(study: Study) -> tuple[WorkerLine, ...]:
    """Return the workers of the study that have not ended, those heard last before the others."""
    now = timezone.now()
    lately = OutputWorker.objects.filter(_serves(study), ended_at=None, heard_at__gt=now - LOST_SHOWN)
    return tuple(_line(worker, now) for worker in lately.order_by("-heard_at"))


def troubles_of(study: Study) -> list[ArmTrouble]:
    """Return what keeps living workers from answering for the study's arms, with reasons that may name systems."""
    living = {"worker__ended_at": None, "worker__heard_at__gte": timezone.now() - SILENT}
    return list(ArmTrouble.objects.filter(arm__study=study, **living))


def _line(worker: OutputWorker, now: datetime) -> WorkerLine:
    since = now - worker.heard_at
    bound = worker.study_id is not None
    return WorkerLine(
        worker.host, bound, worker.started_at, worker.heard_at, max(0, round(since.total_seconds())), since > SILENT
    )


def _serves(study: Study) -> Q:
    return Q(study=None) | Q(study=study)


@dataclass(frozen=True)
class _Queue:
    """What somebody waits for, as it stands at one moment: each persona's place among all and in its study.

    `under_way` are the personas of each study that are being made.
    """

    read_at: float
    places: dict[int, tuple[int, int]]
    under_way: defaultdict[int, set[int]]
    workers: tuple[OutputWorker, ...]

    def ahead(self, persona: int, *, bound: bool) -> int:
        """Return how many personas come before this one, where workers serve its study alone or all."""
        overall, within = self.places.get(persona, (0, 0))
        return within if bound else overall


_kept: dict[str, _Queue] = {}


def _queue_now() -> _Queue:
    """Return the queue as it was read a moment ago, at most: hundreds who wait ask for it every second."""
    kept = _kept.get("queue")
    if kept is None or time.monotonic() - kept.read_at > QUEUE_SECONDS:
        kept = _kept["queue"] = _read_queue()
    return kept


def _read_queue() -> _Queue:
    read_at, now = time.monotonic(), timezone.now()
    waited = free_outputs().filter(urgency=Output.Urgency.WAITED_FOR).order_by(*ORDER)
    places: dict[int, tuple[int, int]] = {}
    within: Counter[int] = Counter()
    for persona, study in waited.values_list("persona", "arm__study"):
        if persona not in places:
            places[persona] = (len(places), within[study])
            within[study] += 1
    under_way: defaultdict[int, set[int]] = defaultdict(set)
    for persona, study in requested_outputs().filter(lease_until__gt=now).values_list("persona", "arm__study"):
        under_way[study].add(persona)
    living = OutputWorker.objects.filter(ended_at=None, heard_at__gte=now - SILENT).prefetch_related("troubles")
    return _Queue(read_at, places, under_way, tuple(living))


def _seconds_left(study: Study, waiting: Sequence[Output], *, ahead: int, under_way: int, started: bool) -> int | None:
    """Return the seconds to go: one making time, and one more for each round of personas that go first (Little's law).

    None where no time is known yet, or the time is up.
    """
    pace = _pace(study)
    if pace is None or not waiting:
        return None
    if started:
        since = min((output.claimed_at for output in waiting if output.claimed_at), default=timezone.now())
        left = pace - (timezone.now() - since).total_seconds()
        return round(left) if left >= 1 else None
    return max(1, round(pace * (1 + ahead / max(under_way, 1))))


_paces: dict[tuple[int, datetime], tuple[float, float | None]] = {}


def _pace(study: Study) -> float | None:
    """Return the seconds within which three in four of the study's latest outputs were made; kept for a moment."""
    key = (study.pk, study.created_at)
    at, pace = _paces.get(key, (float("-inf"), None))
    if time.monotonic() - at > PACE_SECONDS:
        pace = _measured_pace(study)
        _paces[key] = (time.monotonic(), pace)
    return pace


def _measured_pace(study: Study) -> float | None:
    made = Output.objects.filter(arm__study=study, state=Output.State.READY, claimed_at__isnull=False)
    times = made.order_by("-ready_at").values_list("claimed_at", "ready_at")[:RECENT]
    seconds = [(ready - claimed).total_seconds() for claimed, ready in times if claimed and ready]
    return quantiles([*seconds, *seconds], n=4)[2] if seconds else None


def _trouble(workers: Sequence[OutputWorker], waiting: Sequence[Output]) -> str:
    """Return what keeps these outputs from being made: something that every worker has with one of their arms."""
    if not workers:
        return "nobody"
    found: set[str] = set()
    for arm in {output.arm_id for output in waiting}:
        kinds = [[one.kind for one in worker.troubles.all() if one.arm_id == arm] for worker in workers]
        if all(kinds):
            found |= {"stalled" if {ArmTrouble.Kind.STALLED} == set(sum(kinds, [])) else "down"}
    return "down" if "down" in found else next(iter(found), "")


def _alerts(study: Study) -> list[Alert]:
    """Return the troubles of living workers with this study's arms, one for each kind."""
    troubles = troubles_of(study)
    alerts = []
    for kind in ArmTrouble.Kind:
        same = [one for one in troubles if one.kind == kind]
        if same:
            since, retry_at = min(one.since for one in same), min(one.retry_at for one in same)
            again = None if kind == ArmTrouble.Kind.STALLED else retry_at
            alerts.append(Alert(str(kind.label), len({one.arm_id for one in same}), since, again))
    return alerts
