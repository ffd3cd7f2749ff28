"""What was asked before the persona was shown is told wherever a report describes the questions."""

import pytest

from annotation.models import Study
from annotation.protocol import protocol_hash
from modelhub.report.heds import heds_sheet
from modelhub.report.methods import methods_text
from modelhub.report.sections.study import study_section
from tests.modelhub.analysis.studies import own_persona_study
from tests.modelhub.report.made import analysed
from tests.modelhub.report.test_preregistration import written

pytestmark = pytest.mark.django_db


def test_a_question_asked_before_the_persona_was_shown_is_described_so_everywhere() -> None:
    study = own_persona_study(participants=4, items=2, effect={"personalization": 1.0})
    study.aspects.filter(key="answerability").update(before_persona=True)
    study = Study.objects.get(pk=study.pk)
    Study.objects.filter(pk=study.pk).update(protocol_hash=protocol_hash(study))
    study = Study.objects.get(pk=study.pk)
    made = analysed(study)
    assert "First “Answerability” was asked, with prompt and responses alone;" in " ".join(methods_text(made.results))
    assert repr(study_section(made.results)).count("text='Answerability (asked before the persona was shown)'") == 1
    assert repr(heds_sheet(made.results, made.facts)).count("asked before the persona was shown") == 1
    assert written(study).count(", asked before the persona is shown)") == 1
