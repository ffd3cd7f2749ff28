"""The way around on researchers' pages: the docs, and of a study groups of pages and those of the group one is in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import template
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from annotation.models import Study, StudyMember
from annotation.permissions import attached_role, may_share

register = template.Library()


@dataclass(frozen=True)
class Viewer:
    """What decides which pages somebody is led to; each page has a guard of its own."""

    study: Study
    may_run: bool
    may_share: bool
    may_unblind: bool


@dataclass(frozen=True)
class NavPlace:
    """A page: its address, addresses that belong to it without lying below it, and who is led there."""

    title: str | Promise
    view: str
    others: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    leads: Callable[[Viewer], bool] = lambda viewer: True

    def url(self, study: Study) -> str:
        """Return its address in a study."""
        return reverse(self.view, args=[study.slug, study.version, *self.args])


def _runs(viewer: Viewer) -> bool:
    return viewer.may_run


def _unblinds(viewer: Viewer) -> bool:
    return viewer.may_unblind


def _edits(viewer: Viewer) -> bool:
    return viewer.may_run and viewer.study.state == Study.State.DRAFT


GROUPS: tuple[tuple[str | Promise, tuple[NavPlace, ...]], ...] = (
    (_("Overview"), (NavPlace(_("Overview"), "annotation:study"),
                     NavPlace(_("Dashboard"), "annotation:dashboard", ("annotation:outputs_retry",)))),
    (_("Study"), (
        NavPlace(_("As shown"), "annotation:study_texts"),
        NavPlace(_("Edit"), "annotation:make_edit", ("annotation:make_items", "annotation:make_item"), ("texts",),
                 leads=_edits),
        NavPlace(_("Amendments"), "annotation:amendments",
                 leads=lambda viewer: viewer.study.state != Study.State.DRAFT),
        NavPlace(_("Versions"), "annotation:make_differences", ("annotation:make_renew",)),
        NavPlace(_("Rehearsal"), "modelhub:rehearsal"),
        NavPlace(_("Planner"), "modelhub:power"),
    )),
    (_("Data"), (
        NavPlace(_("Items"), "annotation:items"),
        NavPlace(_("Outputs"), "annotation:study_outputs"),
        NavPlace(_("Bring data"), "modelhub:data"),
        NavPlace(_("Scan"), "modelhub:scan"),
    )),
    (_("People"), (
        NavPlace(_("Participants"), "annotation:participants"),
        NavPlace(_("Links"), "annotation:participant_links", leads=_runs),
        NavPlace(_("Recruitment"), "annotation:recruit", leads=_runs),
        NavPlace(_("Reminders"), "modelhub:reminders", leads=_runs),
    )),
    (_("Quality"), (
        NavPlace(_("Flags"), "annotation:quality"),
        NavPlace(_("Held"), "modelhub:held"),
        NavPlace(_("Agreement"), "modelhub:agreement_panel"),
    )),
    (_("Results"), (
        NavPlace(_("Results"), "modelhub:results"),
        NavPlace(_("Export"), "annotation:exports",
                 ("annotation:release", "annotation:export_download", "annotation:export_zip")),
        NavPlace(_("Report (unblinded)"), "modelhub:report", leads=_unblinds),
        NavPlace(_("Arms (unblinded)"), "modelhub:arms", ("modelhub:unblinded_download",), leads=_unblinds),
    )),
    (_("Records"), (
        NavPlace(_("Log"), "annotation:audit"),
        NavPlace(_("Ethics"), "annotation:ethics", ("annotation:key", "annotation:key_destroyed"), leads=_runs),
        NavPlace(_("Sharing"), "annotation:members", leads=lambda viewer: viewer.may_share),
    )),
)  # fmt: skip


@register.simple_tag
def docs_address() -> str:
    """Return where the docs are served, or nothing where they are not switched on."""
    return f"/{settings.DOCS_PREFIX}" if settings.DOCS_DIR else ""


@register.inclusion_tag("annotation/research/_nav.html", takes_context=True)
def study_nav(context: dict[str, Any], study: Study) -> dict[str, Any]:
    """Show the groups of a study's pages, and the pages of the group that this page is in."""
    request = context["request"]
    user = request.user
    viewer = Viewer(
        study=study,
        may_run=attached_role(user, study) != StudyMember.Role.ANALYST,
        may_share=may_share(user, study),
        may_unblind=user.has_perm("modelhub.unblind"),
    )
    here = _place_of(request, study)
    groups = [_group(title, places, viewer, here) for title, places in GROUPS]
    return {"groups": groups, "current": next((group for group in groups if group["is_here"]), None)}


def _place_of(request: HttpRequest, study: Study) -> NavPlace | None:
    """Return the place that an address belongs to: one that names it, or else the last one that it lies below."""
    name = request.resolver_match.view_name if request.resolver_match else ""
    places = [place for _title, places in GROUPS for place in places]
    if named := next((place for place in places if name in (place.view, *place.others)), None):
        return named
    above = [place for place in places if request.path.startswith(place.url(study))]
    return max(above, key=lambda place: len(place.url(study)), default=None)


def _group(title: str | Promise, places: tuple[NavPlace, ...], viewer: Viewer, here: NavPlace | None) -> dict[str, Any]:
    pages = [
        {"title": place.title, "url": place.url(viewer.study), "is_here": place is here}
        for place in places
        if place.leads(viewer)
    ]
    return {"title": title, "pages": pages, "url": pages[0]["url"], "is_here": here in places}
