"""What scripts say in another language than English, as a script that browsers keep."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils.translation import override
from django.views.decorators.http import require_safe
from django.views.i18n import JavaScriptCatalog

from annotation.catalogue import catalogue_version

_catalog = JavaScriptCatalog.as_view(domain="djangojs")


@login_not_required
@require_safe
def words(request: HttpRequest, language: str) -> HttpResponseBase:
    """Return the catalogue; for good where the address names its version, since another state has another address."""
    if language not in dict(settings.LANGUAGES) or language == settings.LANGUAGE_CODE:
        raise Http404("There is no such catalogue.")
    with override(language):
        response = _catalog(request)
    is_named = request.GET.get("v") == catalogue_version(language)
    response["Cache-Control"] = "public, max-age=31536000, immutable" if is_named else "public, max-age=60"
    response["Content-Language"] = language
    return response
