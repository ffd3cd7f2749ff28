"""The results of a study of rated outputs, for tests."""

import json
from typing import Any

from annotation.models import Study
from modelhub.analysis import analyze


def results(study: Study, **options: Any) -> dict[str, Any]:
    found = analyze(study, **{"replicates": 50, **options}).model_dump(mode="json")
    json.dumps(found, allow_nan=False)
    return found


def comparisons(study: Study, population: str = "all", **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = results(study, **options)["analysis"][population]["strata"][""]["comparisons"]
    return found
