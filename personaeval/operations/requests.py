"""Figures of requests, kept by each process of the web server and added up where they are read."""

from prometheus_client import CollectorRegistry, Gauge, Histogram

REQUESTS = CollectorRegistry()

SECONDS = Histogram(
    "personaeval_http_request_seconds",
    "Seconds to an answer.",  # stands in the files with each value
    ["method", "route", "status"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REQUESTS,
)
UNDER_WAY = Gauge(
    "personaeval_http_requests_under_way",
    "Requests that are being answered; each process has as many threads as answer at once.",
    registry=REQUESTS,
    multiprocess_mode="livesum",
)
_series: dict[tuple[str, str, int], Histogram] = {}


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request under the name of its address and the class of its status (`2xx`)."""
    key = method, route, status // 100
    # Looked up once: prometheus_client's own look-up costs as much as counting does.
    series = _series.get(key) or _series.setdefault(key, SECONDS.labels(method, route, f"{status // 100}xx"))
    series.observe(seconds)
