"""All figures in Prometheus' text format: requests as all processes have counted them, and the site as it stands."""

import os
import platform
import shutil
from collections.abc import Iterator

import django
from django.conf import settings
from django.db import Error
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from personaeval import __version__
from personaeval.operations.figures import site_figures
from personaeval.operations.folder import FOLDER_VARIABLE, counting_files_held
from personaeval.operations.readiness import READINESS
from personaeval.operations.requests import REQUESTS
from personaeval.operations.within import Within

SITE = Within(site_figures, seconds=5.0, kept_seconds=1.0)


def exposition() -> bytes:
    """Return all figures. While the database is away, those that come from it are missing."""
    return _requests() + generate_latest(_Site())


def _requests() -> bytes:
    if not os.environ.get(FOLDER_VARIABLE):
        return generate_latest(REQUESTS)  # of this process alone
    added_up = CollectorRegistry()
    MultiProcessCollector(added_up)
    with counting_files_held():
        return generate_latest(added_up)


class _Site(Collector):
    """What is asked for anew each time."""

    def collect(self) -> Iterator[Metric]:
        labels = {"version": __version__, "django": django.get_version(), "python": platform.python_version()}
        build = GaugeMetricFamily("personaeval_build_info", "What runs.", labels=list(labels))
        build.add_metric(list(labels.values()), 1)
        yield build
        checks = _checks()
        yield checks
        free = shutil.disk_usage(settings.VAR_DIR).free
        yield GaugeMetricFamily("personaeval_disk_free_bytes", "Room on the disk of VAR_DIR.", value=free)
        figures = _figures() if _is_up(checks) else []
        yield GaugeMetricFamily("personaeval_database_up", "Whether the database answered.", value=bool(figures))
        yield from figures


def _figures() -> list[Metric]:
    try:
        return SITE.result()
    except (TimeoutError, Error):
        return []


def _is_up(checks: Metric) -> bool:
    """Whether the database has just answered: who has waited for it once does not wait for it a second time."""
    return any(sample.labels == {"check": "database"} and sample.value for sample in checks.samples)


def _checks() -> Metric:
    _, report = READINESS.report()
    checks = GaugeMetricFamily("personaeval_check_ok", "What /ready says: 1 if all is well.", labels=["check"])
    for name, found in report["checks"].items():
        if found["ok"] is not None:
            checks.add_metric([name], found["ok"])
    return checks
