"""The way around on researchers' pages: the docs, and of a study groups of pages and those of the group one is in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import template
from django.conf import settings
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
    """A page: its address, the other addresses that belong to it, and who is led there."""

    title: str | Promise
    view: str
    others: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    leads: Callable[[Viewer], bool] = lambda viewer: True


def _runs(viewer: Viewer) -> bool:
    return viewer.may_run


def _unblinds(viewer: Viewer) -> bool:
    return viewer.may_unblind


def _edits(viewer: Viewer) -> bool:
    return viewer.may_run and viewer.study.state == Study.State.DRAFT


_MAKING = ("annotation:make_items", "annotation:make_item")
GROUPS: tuple[tuple[str | Promise, tuple[NavPlace, ...]], ...] = (
    (_("Overview"), (NavPlace(_("Overview"), "annotation:study", ("annotation:study_state", "annotation:preview")),
                     NavPlace(_("Dashboard"), "annotation:dashboard"))),
    (_("Study"), (
        NavPlace(_("As shown"), "annotation:study_texts"),
        NavPlace(_("Edit"), "annotation:make_edit", _MAKING, ("texts",), _edits),
        NavPlace(_("Amendments"), "annotation:amendments", ("annotation:amend",),
              leads=lambda viewer: viewer.study.state != Study.State.DRAFT),
        NavPlace(_("Versions"), "annotation:make_differences"),
        NavPlace(_("Rehearsal"), "modelhub:rehearsal", ("modelhub:rehearsal_start",)),
        NavPlace(_("Planner"), "modelhub:power", ("modelhub:power_simulation",)),
    )),
    (_("Data"), (
        NavPlace(_("Items"), "annotation:items"),
        NavPlace(_("Outputs"), "annotation:study_outputs"),
        NavPlace(_("Bring data"), "modelhub:data", ("modelhub:upload", "modelhub:data_add")),
        NavPlace(_("Scan"), "modelhub:scan", ("modelhub:scan_exclude", "modelhub:scan_include")),
    )),
    (_("People"), (
        NavPlace(_("Participants"), "annotation:participants",
              ("annotation:participant_seen", "annotation:participant_change", "annotation:participant_exclude",
               "annotation:participant_include", "annotation:participant_link_replace",
               "annotation:participant_forget")),
        NavPlace(_("Links"), "annotation:participant_links", ("annotation:open_link", "annotation:participants_create"),
              leads=_runs),
        NavPlace(_("Recruitment"), "annotation:recruit", ("annotation:recruit_sync",), leads=_runs),
        NavPlace(_("Reminders"), "modelhub:reminders", ("modelhub:reminders_start",), leads=_runs),
    )),
    (_("Quality"), (
        NavPlace(_("Flags"), "annotation:quality"),
        NavPlace(_("Held"), "modelhub:held", ("modelhub:held_release", "modelhub:held_refuse")),
        NavPlace(_("Agreement"), "modelhub:agreement_panel"),
    )),
    (_("Results"), (
        NavPlace(_("Results"), "modelhub:results"),
        NavPlace(_("Export"), "annotation:exports", ("annotation:release", "annotation:export_download")),
        NavPlace(_("Report (unblinded)"), "modelhub:report", leads=_unblinds),
        NavPlace(_("Arms (unblinded)"), "modelhub:arms", ("modelhub:arms_bound", "modelhub:systems_tried"),
              leads=_unblinds),
    )),
    (_("Records"), (
        NavPlace(_("Log"), "annotation:audit"),
        NavPlace(_("Ethics"), "annotation:ethics", ("annotation:key_destroyed",), leads=_runs),
        NavPlace(_("Sharing"), "annotation:members", ("annotation:member_add", "annotation:member_remove"),
              leads=lambda viewer: viewer.may_share),
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
    here = request.resolver_match.view_name if request.resolver_match else ""
    groups = [_group(title, places, viewer, here) for title, places in GROUPS]
    return {"groups": groups, "current": next((group for group in groups if group["is_here"]), None)}


def _group(title: str | Promise, places: tuple[NavPlace, ...], viewer: Viewer, here: str) -> dict[str, Any]:
    study = viewer.study
    pages = [
        {
            "title": place.title,
            "url": reverse(place.view, args=[study.slug, study.version, *place.args]),
            "is_here": here in (place.view, *place.others),
        }
        for place in places
        if place.leads(viewer)
    ]
    is_here = any(here in (place.view, *place.others) for place in places)
    return {"title": title, "pages": pages, "url": pages[0]["url"], "is_here": is_here}
