"""Addresses of researchers' pages, below /research/."""

from django.urls import path

from annotation.views import research, research_export, research_links

study_urls = "<slug:slug>/v<int:version>/"

urlpatterns = [
    path("", research.study_list, name="study_list"),
    path(f"{study_urls}", research.study, name="study"),
    path(f"{study_urls}state/", research.study_state, name="study_state"),
    path(f"{study_urls}links/", research_links.participant_links, name="participant_links"),
    path(f"{study_urls}links.csv", research_links.participant_links_csv, name="participant_links_csv"),
    path(f"{study_urls}links/personal/", research_links.participants_create, name="participants_create"),
    path(f"{study_urls}links/open/", research_links.open_link_create, name="open_link_create"),
    path(f"{study_urls}links/open/<int:pk>/off/", research_links.open_link_deactivate, name="open_link_deactivate"),
    path(f"{study_urls}export/<slug:table>.<slug:format>", research_export.export_download, name="export_download"),
]
