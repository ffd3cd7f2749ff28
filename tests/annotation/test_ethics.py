"""The page for an ethics board says what is so: it follows the study, the settings and the database."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.ethics import EthicsSection, ethics_markdown, ethics_sections
from annotation.models import (
    ElicitationAnswer,
    Event,
    Followup,
    PageVisit,
    Participant,
    Passage,
    Persona,
    PersonaFinding,
    PersonaHold,
    PersonaProposal,
    QuestionnaireAnswer,
    Rating,
    Study,
    StudyMember,
)
from annotation.services.erasure import BLANKED, DELETED, FORGOTTEN
from annotation.services.linking import key_destroy
from annotation.services.retention import retention_apply
from annotation.services.studies import study_close
from annotation.services.withdrawal import participant_erase
from modelhub.models import GuardBinding, System
from tests.annotation.leaving import live_study, walked
from tests.factories import make_study, make_user

pytestmark = pytest.mark.django_db


def section(study: Study, title: str) -> EthicsSection:
    return next(one for one in ethics_sections(study) if one.title == title)


def kept(study: Study) -> dict[str, str]:
    return {row[0]: row[1] for row in section(study, "What is kept of participants").rows}


def url(name: str, study: Study) -> str:
    return reverse(f"annotation:{name}", args=[study.slug, study.version])


def system(name: str, **fields: Any) -> System:
    values = {"engine": "openai", "model": "m", "persona_style": "field", "fingerprint": name * 4, **fields}
    return System.objects.create(name=name, **values)


def bound(study: Study, *systems: System) -> Study:
    Study.objects.filter(pk=study.pk).update(state="draft", protocol_hash="", opened_at=None)
    for number, one in enumerate(systems, start=1):
        one.bindings.create(arm=study.arms.get(ordinal=number))
    return study


# --- What is kept, and for how long ---


def test_only_what_the_study_asks_for_or_holds_is_listed_with_how_much_there_is() -> None:
    study = live_study()
    assert "Answers in questionnaires" not in kept(study) and "Reasons and remarks" not in kept(study)
    assert kept(study)["Personas that they wrote"] == "0"
    walked(study)
    now = kept(study)
    assert now["Personas that they wrote"] == "2" and now["Reasons and remarks"] == "1"
    assert now["Ratings, with those that were changed later"] == str(Rating.objects.count())
    assert "Personas that they wrote" not in kept(make_study(slug="given"))


def test_limits_are_told_as_promised_then_as_dates_then_as_done() -> None:
    study = live_study()
    told = "What no limit is named for is kept until a participant or a researcher has it erased"
    assert section(study, "How long it is kept").lines == (told,)
    Study.objects.filter(pk=study.pk).update(retention={"ids_days": 0})
    study.refresh_from_db()
    assert "erased 0 days after the study is closed" in section(study, "How long it is kept").lines[0]
    study_close(study=study, user=study.owner)
    assert f"erased on {study.closed_at:%Y-%m-%d}, 0 days" in section(study, "How long it is kept").lines[0]
    retention_apply()
    study.refresh_from_db()
    first, second, _ = section(study, "How long it is kept").lines
    assert "The key was destroyed on" in first and "erased on" in second


def test_who_may_see_it_is_counted() -> None:
    study = make_study()
    StudyMember.objects.create(study=study, user=make_user("one"), role="researcher")
    StudyMember.objects.create(study=study, user=make_user("two"), role="analyst")
    StudyMember.objects.create(study=study, user=make_user("gone", is_active=False), role="researcher")
    make_user("admin", is_superuser=True)
    numbers = [number for _, number, _ in section(study, "Who may see it").rows]
    assert numbers == ["1", "1", "1", "1", ""]


def test_the_rights_of_the_file_are_read_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has no file of ours")
    study, file = make_study(), tmp_path / "db.sqlite3"
    file.touch(mode=0o600)
    monkeypatch.setitem(connection.settings_dict, "NAME", str(file))
    for mode, told in ((0o600, "its account alone may read it"), (0o644, "others on that computer have rights to it")):
        file.chmod(mode)
        assert told in section(study, "Where it is kept").lines[0]
    file.unlink()
    assert "its rights cannot be read" in section(study, "Where it is kept").lines[0]


def test_settings_are_told_as_they_are(settings: Any) -> None:
    study = make_study()
    settings.HTTPS, settings.BACKUP_STATEMENT, settings.LOG_REQUESTS = True, "Kept for 30 days.", True
    lines = "\n".join(section(study, "Where it is kept").lines)
    assert "(HTTPS)" in lines and "Kept for 30 days." in lines and "a line for each request" in lines
    settings.HTTPS, settings.LOG_REQUESTS = False, False
    lines = "\n".join(section(study, "Where it is kept").lines)
    assert "no HTTPS" in lines and "no line for single requests" in lines


# --- What models are given ---


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"engine": "imported"}, "Nothing that participants write."),
        ({"engine": "scripted"}, "nowhere else"),
        ({"endpoint": "http://localhost:8001/v1"}, "nowhere else"),
        ({"endpoint": "http://10.0.0.7:8001/v1"}, "own network, and no further"),
        ({"endpoint": "https://api.example.com/v1"}, "outside the operator's own network"),
        ({"endpoint": ""}, "outside the operator's own network"),
        ({"endpoint": "https://api.example.com/v1", "persona_style": "none"}, "Nothing that participants write."),
    ],
)
def test_how_far_personas_travel_follows_the_systems(fields: dict[str, str], told: str) -> None:
    study = bound(live_study(), system("one", **fields))
    assert told in section(study, "What language models are given").lines[0]


def test_the_farthest_system_decides_and_no_arm_system_or_host_is_named() -> None:
    far = system("zebra", endpoint="https://api.zebra.example/v1")
    study = bound(live_study(), system("near", engine="scripted"), far)
    text = ethics_markdown(study)
    assert "outside the operator's own network" in text
    assert not any(word in text for word in ("zebra", "near", *study.arms.values_list("code", flat=True)))


def test_a_guard_counts_and_a_study_without_own_words_sends_none() -> None:
    study = bound(live_study(), system("near", engine="scripted"))
    GuardBinding.objects.create(study=study, system=system("guard", endpoint="https://guard.example/v1"))
    assert "outside" in section(study, "What language models are given").lines[0]
    given = make_study(slug="given", state="draft")
    assert section(given, "What language models are given").lines == ("Nothing that participants write.",)


# --- What an erasure removes ---


def test_an_erasure_removes_what_the_page_says() -> None:
    study = live_study()
    walker = walked(study)
    persona = Persona.objects.filter(author=walker.participant).exclude(text="").first()
    assert persona
    ElicitationAnswer.objects.create(persona=persona, key="q", text="reply")
    PersonaProposal.objects.create(persona=persona, text="proposed")
    PersonaFinding.objects.create(persona=persona, kind="harmful", detail="d", source="rule", action="advised")
    PersonaHold.objects.create(persona=persona, stage="persona", at=timezone.now())
    rating = Rating.objects.all()[0]
    Passage.objects.create(rating=rating, start=0, end=1, text="H", reason="why")
    participant_erase(participant=walker.participant)
    models: dict[str, tuple[type[Model], ...]] = {
        DELETED[0]: (Rating,), DELETED[1]: (Followup,), DELETED[2]: (QuestionnaireAnswer,),
        DELETED[3]: (ElicitationAnswer, PersonaProposal), DELETED[4]: (PageVisit,), DELETED[5]: (Event,),
        DELETED[6]: (PersonaFinding, PersonaHold), DELETED[7]: (Passage,),
    }  # fmt: skip
    assert [what for what in DELETED if any(model._default_manager.exists() for model in models[what])] == []
    assert len(BLANKED) == 2 and not Persona.objects.exclude(text="").exists()
    left = Participant.objects.get(pk=walker.participant.pk)
    assert len(FORGOTTEN) == 4 and left.token != walker.participant.token
    assert not any((left.completion_code, left.external_id, left.consented_at, left.completed_at))
    assert section(study, "What an erasure removes").lines[0] == f"Deleted: {', '.join(DELETED)}"


# --- The pages ---


@pytest.fixture
def study() -> Study:
    study = live_study()
    walked(study)
    return study


def test_the_page_and_the_download_say_the_same(study: Study, client: Client) -> None:
    client.force_login(study.owner)
    page = client.get(url("ethics", study)).content.decode()
    download = client.get(url("ethics_download", study))
    assert "attachment" in download["Content-Disposition"]
    for one in ethics_sections(study):
        assert f">{one.title}</h2>" in page and f"## {one.title}" in download.content.decode()
    assert "Once the study is closed, the key can be destroyed here." in page


def test_the_owner_downloads_the_key_and_destroys_it_once_that_is_confirmed(study: Study, client: Client) -> None:
    client.force_login(study.owner)
    sent = client.get(url("key", study)).content.decode()
    token = study.participants.get().token
    assert token in sent and study.audit_log.filter(action="key_export", user=study.owner).count() == 1
    assert client.post(url("key_destroyed", study), {"confirmed": "on"}).status_code == 409
    study_close(study=study, user=study.owner)
    assert client.post(url("key_destroyed", study)).status_code == 422
    assert client.post(url("key_destroyed", study), {"confirmed": "on"}).status_code == 302
    assert client.get(f"/p/{token}/").status_code == 404
    assert client.get(url("key", study)).status_code == 409
    assert "Destroy the key" not in client.get(url("ethics", study)).content.decode()


def test_who_is_attached_reads_the_page_and_has_no_key(study: Study, client: Client) -> None:
    StudyMember.objects.create(study=study, user=make_user("member"), role="researcher")
    client.force_login(make_user("member"))
    page = client.get(url("ethics", study)).content.decode()
    assert "What is kept of participants" in page and "Download the key" not in page
    assert client.get(url("key", study)).status_code == 403
    assert client.post(url("key_destroyed", study), {"confirmed": "on"}).status_code == 403


def test_a_destroyed_key_stands_on_the_page(study: Study) -> None:
    study_close(study=study, user=study.owner)
    key_destroy(study=study, user=study.owner)
    assert "The key was destroyed on" in ethics_markdown(study)


def test_participants_read_the_limits_where_they_consent(client: Client) -> None:
    study = live_study()
    Study.objects.filter(pk=study.pk).update(retention={"ids_days": 0, "free_text_days": 365})
    person = Participant.objects.create(study=study, number=1)
    page = client.get(f"/p/{person.token}/").content.decode()
    assert "0 days after the study has ended. From then on" in page and "own words: 365 days" in page
    assert "Everything else" not in page
