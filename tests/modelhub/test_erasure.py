"""What modelhub recorded about a participant's outputs goes with them."""

from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from annotation.export import study_tables
from annotation.models import Assignment, Output, Participant, Persona
from annotation.services.withdrawal import participant_erase
from modelhub.analysis.unblinded import unblinded_tables
from modelhub.models import Generation, PersonaOrigin, Run
from tests.annotation.study_rows import add_assignment
from tests.modelhub.live import make_live_study, write_persona

pytestmark = pytest.mark.django_db
SECRET = "zyxquilt"


def author_of(persona: Persona) -> Participant:
    return Participant.objects.select_related("study").get(personas=persona)


def test_the_hook_is_installed() -> None:
    assert settings.ERASURE_HOOKS == ["modelhub.hooks.erase_records"]


def test_an_erasure_deletes_the_authors_generations_and_no_others(tmp_path: Path) -> None:
    study = make_live_study(tmp_path)
    hers = write_persona(study, 1, f"The user is a {SECRET} and prefers songs.")
    others = write_persona(study, 2)
    call_command("run_worker", "--once")
    assert Generation.objects.filter(output__persona=hers, rendered_prompt__contains=SECRET).exists()
    author = author_of(hers)

    participant_erase(participant=author)

    assert set(Generation.objects.values_list("output__persona", flat=True)) == {others.pk}
    assert not Output.objects.filter(persona=hers.pk).exists()
    assert Run.objects.exists()
    assert not any(SECRET in str(row) for row in Run.objects.values())


def test_a_worker_goes_on_with_the_others_after_an_erasure(tmp_path: Path) -> None:
    study = make_live_study(tmp_path)
    hers, others = write_persona(study, 1), write_persona(study, 2)
    participant_erase(participant=author_of(hers))
    call_command("run_worker", "--once")
    assert set(Output.objects.values_list("persona", "state")) == {(others.pk, "ready")}


def test_origins_of_given_personas_stay(tmp_path: Path) -> None:
    study = make_live_study(tmp_path)
    hers = write_persona(study)
    given = study.items.get(ordinal=3).personas.create(source="given", text="Given.", submitted_at="2030-01-01T00:00Z")
    run = Run.objects.create(stage="import", heartbeat_at="2030-01-01T00:00Z", lease_until="2030-01-01T00:00Z")
    PersonaOrigin.objects.create(persona=given, direction="chosen", source="gold", run=run)
    participant_erase(participant=author_of(hers))
    assert PersonaOrigin.objects.get().persona == given


def test_exports_go_on_with_what_others_rated_of_an_erased_persona(tmp_path: Path) -> None:
    study = make_live_study(tmp_path)
    hers = write_persona(study, 1, f"The user is a {SECRET} and prefers songs.")
    call_command("run_worker", "--once")
    other = Participant.objects.create(study=study, number=9)
    part = add_assignment(other, persona=hers, choice=None)
    Assignment.objects.filter(pk=part.pk).update(kind=Assignment.Kind.OVERLAP)

    participant_erase(participant=author_of(hers))

    for tables in (study_tables(study), unblinded_tables(study)):
        for table in tables.values():
            rows = list(table.rows())
            assert table.count() == len(rows) and not any(SECRET in str(row) for row in rows)
    rows = list(unblinded_tables(study)["ratings_unblinded"].rows())
    assert {(row["participant"], row["system"]) for row in rows} == {
        ("P-009", "live general"),
        ("P-009", "live tailored"),
    }
    assert {row["finish_reason"] for row in rows} == {None} and len(rows) == 4
