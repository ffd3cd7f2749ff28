"""Addresses of the modelhub's pages, below /hub/."""

from django.urls import path

from annotation import converters as converters  # registers `number`
from modelhub.views import (
    bring,
    holds,
    inference,
    jobs,
    judgements,
    pairs,
    power,
    rehearsal,
    reminders,
    report,
    rewards,
    runs,
    studies,
    systems,
    training,
    unblinded,
)

app_name = "modelhub"

_STUDY = "<slug:slug>/v<number:version>/"

urlpatterns = [
    path(f"{_STUDY}scan/", studies.scan, name="scan"),
    path(f"{_STUDY}scan/<slug:persona_key>/exclude/", studies.scan_exclude, name="scan_exclude"),
    path(f"{_STUDY}scan/<slug:persona_key>/include/", studies.scan_include, name="scan_include"),
    path(f"{_STUDY}held/", holds.held, name="held"),
    path(f"{_STUDY}held/<slug:persona_key>/<slug:stage>/release/", holds.held_release, name="held_release"),
    path(f"{_STUDY}held/<slug:persona_key>/<slug:stage>/refuse/", holds.held_refuse, name="held_refuse"),
    path(f"{_STUDY}data/", bring.data, name="data"),
    path(f"{_STUDY}data/add/", bring.data_add, name="data_add"),
    path(f"{_STUDY}data/<number:pk>/", bring.upload, name="upload"),
    path(f"{_STUDY}data/<number:pk>/remove/", bring.upload_forget, name="upload_forget"),
    path(f"{_STUDY}arms/", studies.arms, name="arms"),
    path(f"{_STUDY}arms/bind/", studies.arms_bound, name="arms_bound"),
    path(f"{_STUDY}arms/try/", studies.systems_tried, name="systems_tried"),
    path(f"{_STUDY}arms/tried/", studies.trials, name="trials"),
    path(f"{_STUDY}unblinded.<slug:format>.zip", unblinded.unblinded_download, name="unblinded_download"),
    path(f"{_STUDY}report/", report.report, name="report"),
    path(f"{_STUDY}report/compute/", report.report_compute, name="report_compute"),
    path(f"{_STUDY}results/", report.results, name="results"),
    path(f"{_STUDY}results/compute/", report.results_compute, name="results_compute"),
    path(f"{_STUDY}rehearsal/", rehearsal.rehearsal, name="rehearsal"),
    path(f"{_STUDY}rehearsal/start/", rehearsal.rehearsal_start, name="rehearsal_start"),
    path(f"{_STUDY}reminders/", reminders.reminders, name="reminders"),
    path(f"{_STUDY}reminders/send/", reminders.reminders_start, name="reminders_start"),
    path(f"{_STUDY}power/", power.power, name="power"),
    path(f"{_STUDY}power/simulation/", power.power_simulation, name="power_simulation"),
    path(f"{_STUDY}jobs/<slug:key>/", jobs.job_progress, name="job_progress"),
    path(f"{_STUDY}jobs/<slug:key>/end/", jobs.job_end, name="job_end"),
    path(f"{_STUDY}jobs/<slug:key>/files/", jobs.job_files, name="job_files"),
    path(f"{_STUDY}agreement/", report.agreement_panel, name="agreement_panel"),
    path("runs/", runs.runs, name="runs"),
    path("runs/<slug:key>/", runs.run, name="run"),
    path("runs/<slug:key>/curves/", training.run_curves, name="run_curves"),
    path("training/", training.training, name="training"),
    path("pairs/", pairs.pairs, name="pairs"),
    path("pairs/<number:number>/", pairs.pair, name="pair"),
    path("systems/", systems.systems, name="systems"),
    path("systems/<number:number>/", systems.system, name="system"),
    path("outputs/", systems.outputs, name="outputs"),
    path("personas/accuracy/", inference.persona_accuracy, name="persona_accuracy"),
    path("personas/words/", inference.persona_words_page, name="persona_words"),
    path("preferences/attributes/", rewards.preference_attributes, name="preference_attributes"),
    path("judgements/", judgements.judgements, name="judgements"),
    path("judgements/pairs/", judgements.judged_pairs, name="judged_pairs"),
    path("judgements/<number:base>/<number:test>/", judgements.judged_pair, name="judged_pair"),
]
