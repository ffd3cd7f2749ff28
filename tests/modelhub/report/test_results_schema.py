"""The published form of results.json: what is written has it, and what is read back is the same."""

import json

import jsonschema
import pytest
from django.conf import settings

from annotation.models import Study
from modelhub.analysis import analyze
from modelhub.results.report import Results
from tests.modelhub.analysis.studies import own_persona_study, persona_study
from tests.tools import resultsschema

pytestmark = pytest.mark.django_db


def test_the_published_schema_is_that_of_the_models() -> None:
    published = (settings.BASE_DIR / resultsschema.FILE).read_text(encoding="utf-8")
    assert published == resultsschema.schema(), "Write it anew: make docs"


@pytest.fixture(params=["output_rating", "persona_assessment", "empty"])
def study(request: pytest.FixtureRequest) -> Study:
    if request.param == "persona_assessment":
        return persona_study(pairs=4, raters=2)
    return own_persona_study(participants=2 if request.param == "output_rating" else 0, items=3)


def test_results_have_the_published_form_and_come_back_as_they_were(study: Study) -> None:
    found = analyze(study, replicates=100)
    text = found.model_dump_json()
    jsonschema.validate(json.loads(text), json.loads(resultsschema.schema()))
    assert Results.model_validate_json(text) == found
    wrong = json.loads(text)
    wrong["analysis"]["all"]["strata"][""]["words"] = []
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, json.loads(resultsschema.schema()))
