"""Addresses of researchers' pages, below /research/."""

from django.urls import path

from annotation import converters as converters  # registers `number`
from annotation.views import (
    research,
    research_amend,
    research_dashboard,
    research_ethics,
    research_export,
    research_links,
    research_make,
    research_make_edit,
    research_make_items,
    research_members,
    research_participants,
)

study_urls = "<slug:slug>/v<number:version>/"

urlpatterns = [
    path("", research.study_list, name="study_list"),
    path("new/", research_make.study_new, name="make_new"),
    path(f"{study_urls}study.yaml", research_make.study_file, name="make_file"),
    path(f"{study_urls}differences/", research_make.study_differences, name="make_differences"),
    path(f"{study_urls}new-version/", research_make.study_renew, name="make_renew"),
    path(f"{study_urls}edit/items/", research_make_items.items, name="make_items"),
    path(f"{study_urls}edit/items/<number:place>/", research_make_items.item, name="make_item"),
    path(f"{study_urls}edit/<slug:section>/", research_make_edit.edit, name="make_edit"),
    path(f"{study_urls}edit/<slug:section>/preview/", research_make_edit.edit_preview, name="make_preview"),
    path(f"{study_urls}", research.study, name="study"),
    path(f"{study_urls}state/", research.study_state, name="study_state"),
    path(f"{study_urls}amendments/", research_amend.amendments, name="amendments"),
    path(f"{study_urls}amendments/amend/", research_amend.amend, name="amend"),
    path(f"{study_urls}amendments/wave/", research_amend.wave, name="wave_add"),
    path(f"{study_urls}preview/", research.preview, name="preview"),
    path(f"{study_urls}dashboard/", research_dashboard.dashboard, name="dashboard"),
    path(f"{study_urls}outputs/retry/", research_dashboard.outputs_retry, name="outputs_retry"),
    path(f"{study_urls}log/", research_participants.audit, name="audit"),
    path(f"{study_urls}sharing/", research_members.members, name="members"),
    path(f"{study_urls}sharing/add/", research_members.member_add, name="member_add"),
    path(f"{study_urls}sharing/<number:pk>/remove/", research_members.member_remove, name="member_remove"),
    path(f"{study_urls}participants/", research_participants.participants, name="participants"),
    path(
        f"{study_urls}participants/<number:number>/",
        research_participants.participant_change,
        name="participant_change",
    ),
    path(
        f"{study_urls}participants/<number:number>/exclude/",
        research_participants.participant_exclude,
        name="participant_exclude",
    ),
    path(
        f"{study_urls}participants/<number:number>/include/",
        research_participants.participant_include,
        name="participant_include",
    ),
    path(
        f"{study_urls}participants/<number:number>/link/",
        research_participants.participant_link_replace,
        name="participant_link_replace",
    ),
    path(f"{study_urls}links/", research_links.participant_links, name="participant_links"),
    path(f"{study_urls}links.csv", research_links.participant_links_csv, name="participant_links_csv"),
    path(f"{study_urls}links/personal/", research_links.participants_create, name="participants_create"),
    path(f"{study_urls}links/invitations/", research_links.participants_invite, name="participants_invite"),
    path(f"{study_urls}links/open/", research_links.open_link_create, name="open_link_create"),
    path(f"{study_urls}links/open/<number:pk>/", research_links.open_link, name="open_link"),
    path(f"{study_urls}links/open/<number:pk>/off/", research_links.open_link_deactivate, name="open_link_deactivate"),
    path(f"{study_urls}ethics/", research_ethics.ethics, name="ethics"),
    path(f"{study_urls}ethics.md", research_ethics.ethics_download, name="ethics_download"),
    path(f"{study_urls}key.csv", research_ethics.key, name="key"),
    path(f"{study_urls}key/destroy/", research_ethics.key_destroyed, name="key_destroyed"),
    path(f"{study_urls}release/", research_export.release, name="release"),
    path(f"{study_urls}export/all-<slug:format>.zip", research_export.export_zip, name="export_zip"),
    path(f"{study_urls}export/<slug:table>.<slug:format>", research_export.export_download, name="export_download"),
]
