"""Whether this web process can serve people, check by check, and what else somebody should look at.

What no web process can mend by going away, as a worker that has stopped, is a warning: a load balancer that took all
web servers out because a model server is down would take the saving of answers from everybody.
"""

import logging
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min, QuerySet
from django.utils import timezone

from annotation.making import SILENT
from annotation.models import Output, OutputWorker
from annotation.services.queue import requested_outputs
from personaeval.operations.within import Within

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 2.0  # that the database, or the disk, has to answer
KEPT_SECONDS = 1.0  # that a look is kept
NEEDED = ("storage", "database", "migrations")
UNKNOWN = "not looked at: the database has to answer first"


@dataclass(frozen=True)
class Finding:
    """What a check found: nothing, or a problem in words that anybody may read, and since when it is one.

    `detail` is for the log alone. `since` is None where only this process can tell.
    """

    check: str
    problem: str = ""
    since: datetime | None = None
    detail: str = ""


class Readiness:
    """What this process has found, and since when."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: dict[str, datetime] = {}
        self._migrated = False
        self.storage = Within(check_storage, seconds=ANSWER_SECONDS, kept_seconds=KEPT_SECONDS)
        self.database = Within(self._look, seconds=ANSWER_SECONDS, kept_seconds=KEPT_SECONDS)

    def report(self) -> tuple[bool, dict[str, Any]]:
        """Return whether people can be served, and the report as it is sent."""
        findings = [self._dated(finding) for finding in (*self._storage(), *self._database())]
        failed = {finding.check for finding in findings if finding.problem}
        ready = failed.isdisjoint(NEEDED)
        status = "not ready" if not ready else "degraded" if failed else "ready"
        return ready, {"status": status, "checks": {finding.check: _told(finding) for finding in findings}}

    def _storage(self) -> list[Finding]:
        if connection.vendor != "sqlite":
            return []
        try:
            return [self.storage.result()]
        except TimeoutError:
            return [Finding("storage", f"the disk does not answer within {ANSWER_SECONDS:g} s")]

    def _database(self) -> list[Finding]:
        try:
            return self.database.result()
        except TimeoutError:
            problem, detail = f"no answer within {ANSWER_SECONDS:g} s", ""
        except Error as error:
            problem, detail = "it cannot be asked", f"{type(error).__name__}: {error}"
        return [Finding("database", problem, detail=detail), *_unknown("migrations", "queue", "worker")]

    def _look(self) -> list[Finding]:
        """Ask the database; in a thread of its own, since it may hang."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        migrations = self._check_migrations()
        more = _unknown("queue", "worker") if migrations.problem else [check_queue(), check_worker()]
        return [Finding("database"), migrations, *more]

    def _check_migrations(self) -> Finding:
        # What is migrated stays so for as long as this process runs its code, and the look costs a tenth of a second.
        if not self._migrated:
            executor = MigrationExecutor(connection)
            missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
            if missing:
                return Finding("migrations", f"{missing} migrations are not applied; run `manage.py migrate`")
            self._migrated = True
        return Finding("migrations")

    def _dated(self, finding: Finding) -> Finding:
        """Add since when there is a problem, and log it when it begins and when it ends."""
        with self._lock:
            known = self._since.get(finding.check)
            if finding.problem == UNKNOWN:
                return finding
            if not finding.problem:
                self._since.pop(finding.check, None)
                if known:
                    logger.warning("%s: well again", finding.check)
                return finding
            if not known:
                logger.warning("%s: %s %s", finding.check, finding.problem, finding.detail)
            since = self._since.setdefault(finding.check, finding.since or timezone.now())
        return Finding(finding.check, finding.problem, finding.since or since)


def check_storage() -> Finding:
    """Whether the folder of the SQLite database takes a file: SQLite writes beside its database."""
    folder = Path(connection.settings_dict["NAME"]).parent
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
    except OSError as error:
        return Finding("storage", f"the disk of the database cannot be written: {error.strerror}", detail=str(folder))
    return Finding("storage")


def check_queue() -> Finding:
    """Whether somebody has waited too long for what they asked."""
    waited = requested_outputs().filter(urgency=Output.Urgency.WAITED_FOR)
    oldest = waited.aggregate(oldest=Min("requested_at"))["oldest"]
    limit = timedelta(seconds=settings.QUEUE_WARN_SECONDS)
    if oldest is None or timezone.now() - oldest <= limit:
        return Finding("queue")
    return Finding("queue", f"somebody has waited for more than {settings.QUEUE_WARN_SECONDS:g} s", oldest + limit)


def check_worker() -> Finding:
    """Whether a worker lives that makes what is asked for."""
    workers = OutputWorker.objects.filter(ended_at=None, heard_at__gte=timezone.now() - SILENT)
    unserved = _unserved(set(workers.values_list("study", flat=True)))
    oldest = unserved.aggregate(oldest=Min("requested_at"))["oldest"] if unserved is not None else None
    if oldest is None:
        return Finding("worker")
    return Finding("worker", f"no worker for what is asked for has been heard for {SILENT.total_seconds():g} s")


def _unserved(studies: set[int | None]) -> QuerySet[Output] | None:
    """Return the requested outputs of studies that no worker serves, where workers serve these; None stands for all."""
    if None in studies:
        return None
    return requested_outputs().exclude(arm__study__in=studies)


def _unknown(*checks: str) -> Iterator[Finding]:
    return (Finding(check, UNKNOWN) for check in checks)


def _told(finding: Finding) -> dict[str, Any]:
    if finding.problem == UNKNOWN:
        return {"ok": None, "problem": UNKNOWN}
    if not finding.problem:
        return {"ok": True}
    assert finding.since is not None
    return {"ok": False, "problem": finding.problem, "since": finding.since.isoformat(timespec="seconds")}


READINESS = Readiness()
