"""From a study's export to its results: `analyze(study, …)` gives one dict, described in results.py."""

from modelhub.analysis.results import analyze

__all__ = ["analyze"]
