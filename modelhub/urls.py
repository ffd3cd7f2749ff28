"""Addresses of the modelhub's pages, below /hub/."""

from django.urls import path

from modelhub import views, views_report

app_name = "modelhub"

_STUDY = "<slug:slug>/v<int:version>/"

urlpatterns = [
    path(f"{_STUDY}scan/", views.scan, name="scan"),
    path(f"{_STUDY}scan/<slug:persona_key>/exclude/", views.scan_exclude, name="scan_exclude"),
    path(f"{_STUDY}scan/<slug:persona_key>/include/", views.scan_include, name="scan_include"),
    path(f"{_STUDY}arms/", views.arms, name="arms"),
    path(f"{_STUDY}report/", views_report.report, name="report"),
    path(f"{_STUDY}agreement/", views_report.agreement_panel, name="agreement_panel"),
]
