"""The addresses that machines ask, without a slash at the end. A middleware answers them before anything else."""

from django.urls import path

from personaeval.operations import views

urlpatterns = [
    path("health", views.health, name="health"),
    path("ready", views.ready, name="ready"),
    path("metrics", views.metrics, name="metrics"),
]
