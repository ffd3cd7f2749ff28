"""Figures as Prometheus reads them, for tests."""

from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

Series = tuple[str, frozenset[tuple[str, str]]]


def figures(text: str) -> dict[Series, float]:
    """Return every value by its name and labels; a text that is not in Prometheus' format is an error."""
    found: dict[Series, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            series = sample.name, frozenset(sample.labels.items())
            assert series not in found, f"{series} stands there twice"
            found[series] = sample.value
    return found


def scrape(base_url: str) -> dict[Series, float]:
    """Return what a server tells at /metrics."""
    response = httpx.get(f"{base_url}/metrics", timeout=30)
    assert response.status_code == 200, response.text
    return figures(response.text)


def value(found: Mapping[Series, float], name: str, **labels: str) -> float:
    """Return the sum of the values of that name with these labels, and any others."""
    wanted = set(labels.items())
    return sum(value for (named, given), value in found.items() if named == f"personaeval_{name}" and wanted <= given)


def counters(found: Mapping[Series, float]) -> dict[Series, float]:
    """Return the values that may only grow."""
    return {key: value for key, value in found.items() if key[0].endswith(("_count", "_sum", "_bucket", "_total"))}
