"""What marked passages say of systems: how often anything was marked, and whether raters agree on that."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.models import Assignment, Passage, Persona, Rating, Slot
from modelhub.report.build import build_document
from modelhub.report.html import document_html
from modelhub.results.report import Results
from tests.annotation.asking import make_marking_study
from tests.annotation.study_rows import add_participant
from tests.modelhub.analysis.rated import results
from tests.modelhub.analysis.studies import bind

SYSTEMS = ("Plain", "Tailored")


@pytest.mark.django_db
def test_passages_are_read_as_the_share_of_responses_in_which_anything_is_marked() -> None:
    study = make_marking_study(practice=[])
    bind(study, SYSTEMS)
    fit, unfit = study.aspects.all()
    for number in range(8):
        person = add_participant(study)
        for ordinal, persona in enumerate(Persona.objects.filter(item__study=study), start=1):
            now = timezone.now()
            part = Assignment.objects.create(
                participant=person, persona=persona, ordinal=ordinal, state=Assignment.State.COMPLETED,
                expires_at=now + timedelta(hours=1), shown_at=now, completed_at=now,
            )  # fmt: skip
            for position, output in enumerate(persona.outputs.order_by("arm__ordinal"), start=1):
                slot = Slot.objects.create(assignment=part, kind=Slot.Kind.OUTPUT, position=position, output=output)
                marked = 3 if output.arm.ordinal == 1 else int(number < 2)
                for aspect, value in ((fit, 3), (unfit, marked)):
                    rating = Rating.objects.create(
                        slot=slot, aspect=aspect, value=value, minimum=aspect.minimum, maximum=aspect.maximum,
                        position=position, version=1, client_key=uuid.uuid4(),
                    )  # fmt: skip
                for start in range(marked):
                    Passage.objects.create(rating=rating, start=start, end=start + 1, text=output.text[start])
    found = results(study, base=SYSTEMS[0], test=SYSTEMS[1])
    pooled = found["analysis"]["all"]["strata"][""]
    assert [pooled["descriptives"]["unfit"][name]["mean"] for name in SYSTEMS] == [1, 0.25]
    report = pooled["comparisons"]["unfit"]
    assert report["mean_difference"] == -0.75
    assert report["ci"][1] < 0
    assert "unfit" not in pooled["win_rates"]["aspects"]  # more is no win
    agreement = found["analysis"]["all"]["agreement"]["designs"]["shared_personas"]["unfit"]["pooled"]
    assert (agreement["level"], agreement["domain"]) == ("nominal", [0, 1])
    assert "1 = passages marked" in document_html(build_document(Results.model_validate(found)))
