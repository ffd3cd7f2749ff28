"""A persona assessment over HTTP: neither direction nor inferring model nor what an arm stands for is ever sent."""

import json
from pathlib import Path

import pytest
from django.core.management import call_command

from annotation.models import Assignment, Participant, Persona, Study
from annotation.services.participants import participant_create
from annotation.services.studies import study_open
from modelhub.models import PersonaOrigin, System
from tests.annotation.test_blinding_walk import forbidden, leaks, provoke_errors, rate
from tests.modelhub.stages.test_import_personas import load
from tests.tools.processes import Server
from tests.tools.visitor import Visitor

INFERRED_BY = "LLAMA-405B-zq"


def row(number: int) -> dict[str, str]:
    """A pair whose texts hold none of the words that would give it away."""
    return {
        "prompt": f"What about thing {number}?",
        "chosen": f"Text one of {number}.",
        "rejected": f"Text two of {number}.",
        "chosen_persona": f"The user is patient and likes {number} details.",
        "rejected_persona": f"The user is hasty and likes {number} words.",
        "stratum": f"stratum{number}zz",
        "inferring_system": INFERRED_BY,
    }


@pytest.fixture
def study(server: Server, tmp_path: Path) -> Study:
    practice = [{"prompt": "Practise?", "persona": "The user is new.", "responses": ["One.", "Two."]}]
    design = {"given_personas_per_participant": 6, "raters_per_item": 9, "blocks": "condition", "repeat_share": 0.2}
    study = load(tmp_path, practice=practice, design=design)
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row(number)) + "\n" for number in range(3)), encoding="utf-8")
    call_command("import_personas", study.slug, str(file), verbosity=0)
    study_open(study=study, user=None)
    return study


def secrets_of(study: Study, participant: Participant) -> set[str]:
    """Everything that must not reach an assessor."""
    blocks = set(Persona.objects.filter(item__study=study).values_list("block", flat=True))
    own = {"chosen", "rejected", "repeat_of", "gold", "retrieved", "inferr", INFERRED_BY, "pairs.jsonl"}
    return forbidden(study, participant) | blocks | own


def walk(visitor: Visitor, study: Study, participant: Participant) -> None:
    visitor.get(f"/p/{participant.token}/")
    visitor.send("consent/", answer="agree")
    visitor.send("instructions/")
    assert visitor.send("practice/").status_code == 422
    visitor.send("practice/", **{name: values[0] for name, values in visitor.scales().items()})
    while visitor.step == "rate":
        rate(visitor, participant)
    assert visitor.step == "done"


def test_nothing_that_unblinds_a_persona_reaches_an_assessor(study: Study, server: Server) -> None:
    me, other = participant_create(study=study), participant_create(study=study)
    assert System.objects.count() == 3 and PersonaOrigin.objects.count() == 6
    with Visitor(server.base_url) as second:
        walk(second, study, other)
    with Visitor(server.base_url) as visitor:
        walk(visitor, study, me)
        provoke_errors(visitor, me, [other])
        kinds = list(me.assignments.values_list("kind", flat=True))
        assert kinds == ["main"] * 6 + ["repeat"] * 2
        assert me.assignments.filter(state=Assignment.State.COMPLETED).count() == 8
        assert len(visitor.seen) > 60
        assert leaks(visitor.seen, secrets_of(study, me)) == set()
