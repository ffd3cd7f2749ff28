"""Is the process alive, can it serve people, and how does the site do: for load balancers, Prometheus and people."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from personaeval.operations.access import may_read_metrics
from personaeval.operations.exposition import exposition
from personaeval.operations.readiness import READINESS


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Say that this process answers. Looks at nothing else."""
    return HttpResponse("alive\n", content_type="text/plain")


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Say, check by check, whether this process can serve people: 200, or 503 if not."""
    is_ready, report = READINESS.report()
    response = JsonResponse(report, status=200 if is_ready else 503, json_dumps_params={"indent": 1})
    # Django would log an error at every question; what is wrong is logged once, when it begins.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the figures in Prometheus' text format; 404 to those who may not read them, as if there was nothing."""
    if not may_read_metrics(request):
        return HttpResponse(status=404)
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_PLAIN_0_0_4)
