"""Alert rules and the page for the person on call name figures that exist, and all of them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from modelhub.live.figures import WorkerFigures
from personaeval.operations import exposition

ROOT: Path = settings.BASE_DIR
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PARTS = ("_bucket", "_sum", "_count")  # of a histogram


def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def told() -> dict[str, set[str]]:
    """Every figure that is told, by its type."""
    texts = (generate_latest(WorkerFigures().registry), exposition.exposition())
    families = [family for text in texts for family in text_string_to_metric_families(text.decode())]
    ends = {"counter": ("_total",), "histogram": PARTS}
    return {family.name: {family.name + end for end in ends.get(family.type, ("",))} for family in families}


@pytest.mark.django_db(transaction=True)
def test_alert_rules_ask_for_figures_that_are_told() -> None:
    series = set().union(*told().values())
    asked = {name for rule in rules() for name in re.findall(r"personaeval_\w+", rule["expr"])}
    assert len(asked) > 8 and asked <= series, asked - series


@pytest.mark.django_db(transaction=True)
def test_every_figure_and_every_alert_is_explained() -> None:
    explained = set(re.findall(r"`(\w+)`", PAGE))
    short = {name.removeprefix("personaeval_").removeprefix("worker_") for name in told()}
    assert not {name for name in short if not explained & {name, f"{name}_total"}}
    named = re.findall(r"^\| `(Personaeval\w+)` \| (\w+) \|", PAGE, re.MULTILINE)
    assert named == [(rule["alert"], rule["labels"]["severity"]) for rule in rules()]


def test_nginx_hands_no_figures_to_the_outside() -> None:
    config = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    assert re.search(r"location = /metrics \{\s*return 404;\s*\}", config)


def test_the_scrape_configuration_names_the_jobs_of_the_rules() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    assert {job for rule in rules() for job in re.findall(r'job="([\w-]+)"', rule["expr"])} <= jobs
