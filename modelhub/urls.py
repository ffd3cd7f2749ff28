"""Addresses of the modelhub's pages, below /hub/."""

from django.urls import path

from modelhub import (
    views,
    views_inference,
    views_judgements,
    views_pairs,
    views_report,
    views_runs,
    views_systems,
    views_training,
)

app_name = "modelhub"

_STUDY = "<slug:slug>/v<int:version>/"

urlpatterns = [
    path(f"{_STUDY}scan/", views.scan, name="scan"),
    path(f"{_STUDY}scan/<slug:persona_key>/exclude/", views.scan_exclude, name="scan_exclude"),
    path(f"{_STUDY}scan/<slug:persona_key>/include/", views.scan_include, name="scan_include"),
    path(f"{_STUDY}arms/", views.arms, name="arms"),
    path(f"{_STUDY}report/", views_report.report, name="report"),
    path(f"{_STUDY}agreement/", views_report.agreement_panel, name="agreement_panel"),
    path("runs/", views_runs.runs, name="runs"),
    path("runs/<slug:key>/", views_runs.run, name="run"),
    path("runs/<slug:key>/curves/", views_training.run_curves, name="run_curves"),
    path("training/", views_training.training, name="training"),
    path("pairs/", views_pairs.pairs, name="pairs"),
    path("pairs/<int:number>/", views_pairs.pair, name="pair"),
    path("systems/", views_systems.systems, name="systems"),
    path("systems/<int:number>/", views_systems.system, name="system"),
    path("outputs/", views_systems.outputs, name="outputs"),
    path("personas/accuracy/", views_inference.persona_accuracy, name="persona_accuracy"),
    path("personas/words/", views_inference.persona_words_page, name="persona_words"),
    path("judgements/", views_judgements.judgements, name="judgements"),
    path("judgements/pairs/", views_judgements.judged_pairs, name="judged_pairs"),
    path("judgements/<int:base>/<int:test>/", views_judgements.judged_pair, name="judged_pair"),
]
