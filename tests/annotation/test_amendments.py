"""What an opened study may still change: with a reason, in the chain of hashes, and nothing that was rated."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from annotation.errors import NotAllowedNow, ServiceError
from annotation.export import export_refusal, study_tables
from annotation.export.codebook import codebook_data, codebook_markdown
from annotation.models import AuditLog, Output, Participant, Study
from annotation.protocol import protocol_hash
from annotation.services.amendments import AmendmentError, Wanted, study_amend
from annotation.services.participants import participant_create
from annotation.services.studies import study_close, study_open, study_pause
from annotation.services.waves import wave_add
from annotation.studyfile import ItemDefinition
from tests.annotation.study_rows import make_frozen_study
from tests.annotation.walking import Walker

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    return make_frozen_study(given_items=2, given_per_participant=2, raters_per_item=1)


def amend(study: Study, reason: str = "Ten more people", **values: Any) -> None:
    wanted = [Wanted(what, value) for what, value in values.items()]
    study_amend(study=study, wanted=wanted, reason=reason, user=study.owner)


def walk_to_the_end(study: Study) -> Walker:
    walker = Walker(study).begin()
    while walker.step == "rate":
        walker.complete()
    return walker


def test_more_raters_let_in_who_would_have_found_the_study_full(study: Study) -> None:
    walk_to_the_end(study)
    late = participant_create(study=study)
    assert Walker(study, late).step == "full"
    amend(study, raters_per_item=2)
    assert Walker(study, late).begin().step == "rate"


def test_each_amendment_takes_a_hash_that_holds_the_one_before_and_exports_go_on(study: Study) -> None:
    opened = study.protocol_hash
    amend(study, debrief="Thank you very much.")
    amend(study, "A second typo", title="Another title", quota=40)
    first, second = study.amendments.all()
    assert (first.hash_before, first.hash_after) == (opened, second.hash_before)
    assert second.hash_after == study.protocol_hash == protocol_hash(study)
    assert len({opened, first.hash_after, second.hash_after}) == 3
    assert export_refusal(study) == ""
    assert second.changes == [
        {"what": "title", "language": "", "before": "The study study", "after": "Another title"},
        {"what": "quota", "language": "", "before": None, "after": 40},
    ]
    assert [entry.data["number"] for entry in AuditLog.objects.filter(action="study_amend").order_by("pk")] == [1, 2]


@pytest.mark.parametrize("forged", [{"reason": "Nothing to see"}, {"changes": []}, {"hash_before": "0" * 64}])
def test_an_amendment_that_is_changed_by_hand_breaks_the_chain(study: Study, forged: dict[str, Any]) -> None:
    amend(study, quota=5)
    study.amendments.update(**forged)
    assert "was changed after it was opened" in export_refusal(Study.objects.get(pk=study.pk))


def test_codebooks_list_amendments(study: Study) -> None:
    amend(study, quota=5)
    tables = study_tables(study)
    counts = dict.fromkeys(tables, 0)
    codebook = codebook_data(study, tables, counts=counts, command="", include_bots=False)
    assert [(one["number"], one["reason"]) for one in codebook["amendments"]] == [(1, "Ten more people")]
    assert "`quota`. Ten more people" in codebook_markdown(codebook)


def test_a_study_that_was_amended_can_be_paused_and_opened_again(study: Study) -> None:
    study_pause(study=study, user=None)
    amend(study, contact="new@example.org")
    study_open(study=study, user=None)
    assert study.state == Study.State.OPEN


def test_participants_read_the_amended_text_at_once(study: Study) -> None:
    walker = Walker(study)
    assert "voluntary" in walker.get().content.decode()
    amend(study, consent="Taking part is your choice.")
    page = walker.get().content.decode()
    assert "is your choice" in page and "voluntary" not in page


def test_a_text_in_another_language_is_amended_by_itself(study: Study) -> None:
    Study.objects.filter(pk=study.pk).update(languages=["en", "de"], translations={"de": {"debrief": "Danke."}})
    study.refresh_from_db()
    Study.objects.filter(pk=study.pk).update(protocol_hash=protocol_hash(Study.objects.get(pk=study.pk)))
    wanted = [Wanted("debrief", "Vielen Dank.", "de")]
    study_amend(study=study, wanted=wanted, reason="Kinder", user=None)
    assert study.translations == {"de": {"debrief": "Vielen Dank."}}
    assert "Vielen" not in study.debrief


def test_what_the_study_file_refuses_is_refused_here_at_its_field(study: Study, client: Client) -> None:
    with pytest.raises(AmendmentError) as refused:
        amend(study, title="x" * 201, consent="", raters_per_item=0)
    assert set(refused.value.problems) == {("title", ""), ("consent", ""), ("raters_per_item", "")}
    client.force_login(study.owner)
    form = dict.fromkeys(("raters_per_item", "assignment_hours"), "1") | {"reason": "r", "title": "x" * 201}
    response = client.post(reverse("annotation:amend", args=[study.slug, study.version]), form)
    assert response.status_code == 422
    assert {"title", "consent", "instructions", "debrief"} == set(response.context["form"].errors)
    assert not study.amendments.exists()


def test_an_amendment_needs_a_change_and_a_reason_and_a_study_that_is_open_or_paused(study: Study) -> None:
    with pytest.raises(ServiceError, match="Nothing would change"):
        amend(study, title=study.title)
    with pytest.raises(ServiceError, match="Give a reason"):
        amend(study, " ", title="Another")
    study_close(study=study, user=None)
    with pytest.raises(NotAllowedNow, match="is closed"):
        amend(study, quota=9)
    assert not study.amendments.exists()


def test_a_definition_that_somebody_changed_by_hand_is_not_amended_on_top(study: Study) -> None:
    Study.objects.filter(pk=study.pk).update(debrief="Changed in the database")
    with pytest.raises(ServiceError, match="not what was frozen"):
        amend(study, quota=9)
    assert not study.amendments.exists()


def test_an_amendment_is_made_in_the_browser_and_listed(study: Study, client: Client) -> None:
    client.force_login(study.owner)
    page = client.get(reverse("annotation:amendments", args=[study.slug, study.version]))
    form = {name: field.initial if field.initial is not None else "" for name, field in initial(page).items()}
    address = reverse("annotation:amend", args=[study.slug, study.version])
    client.post(address, {**form, "quota": "12", "reason": "More funding"})
    study.refresh_from_db()
    assert study.recruitment["quota"] == 12
    listed = client.get(reverse("annotation:amendments", args=[study.slug, study.version])).content.decode()
    assert "More funding" in listed and "<ins>12</ins>" in listed


def initial(page: Any) -> dict[str, Any]:
    return {field.name: field for field in page.context["form"]}


def test_the_command_amends_and_says_what_is_wrong(study: Study) -> None:
    out = io.StringIO()
    call_command("amend_study", str(study.slug), "--set", "quota=7", "--reason", "Seven", stdout=out)
    assert "Amendment 1 of" in out.getvalue()
    with pytest.raises(CommandError, match="write NAME=VALUE with a name of"):
        call_command("amend_study", str(study.slug), "--set", "seed=7", "--reason", "Seven")


def test_two_amendments_of_one_number_cannot_be(study: Study) -> None:
    amend(study, quota=5)
    first = study.amendments.get()
    first.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        first.save()


# --- waves ---


def item(key: str, persona: str | None = "The user is new.") -> ItemDefinition:
    return ItemDefinition(key=key, prompt=f"What about {key}?", persona=persona)


def test_a_wave_of_items_is_rated_by_who_comes_then_and_what_was_rated_stays(study: Study) -> None:
    first = walk_to_the_end(study)
    before = list(first.participant.assignments.values_list("persona__item__key", flat=True))
    study.arms.update(fingerprint="")
    Study.objects.filter(pk=study.pk).update(protocol_hash=protocol_hash(Study.objects.get(pk=study.pk)))
    texts = {(key, arm): f"{key} by {arm}" for key in ("new-1", "new-2") for arm in (1, 2)}
    wave_add(study=study, items=[item("new-1"), item("new-2")], responses=texts, reason="A wave", user=None)
    second = walk_to_the_end(study)
    assert sorted(second.participant.assignments.values_list("persona__item__key", flat=True)) == ["new-1", "new-2"]
    assert list(first.participant.assignments.values_list("persona__item__key", flat=True)) == before
    assert study.amendments.get().changes[0]["added"] == ["new-1", "new-2"]
    assert export_refusal(study) == ""


def test_items_of_a_wave_are_answered_by_the_systems_that_are_bound(study: Study) -> None:
    wave_add(study=study, items=[item("new")], responses={}, reason="A wave", user=None)
    states = study.items.get(key="new").personas.get().outputs.values_list("state", flat=True)
    assert list(states) == ["requested", "requested"]


def test_everything_that_is_wrong_with_a_wave_is_said_at_once_and_nothing_is_added(study: Study) -> None:
    study.arms.filter(ordinal=2).update(fingerprint="")
    with pytest.raises(ServiceError) as refused:
        wave_add(
            study=study, items=[item("item-1"), item("twice"), item("twice"), item("bare", persona=None)],
            responses={("twice", 1): "text", ("strange", 2): "text"}, reason="A wave", user=None,
        )  # fmt: skip
    assert str(refused.value).splitlines() == [
        "Nothing was added:",
        "- these ids are taken: item-1",
        "- these ids stand twice: twice",
        "- nobody writes a persona in this study; bare need one",
        "- arm 1 is answered by its system; leave its responses out",
        "- arm 2 has no system and no response for item-1, twice",
        "- there are responses for no given persona: strange",
    ]
    assert study.items.count() == 2
    assert not Participant.objects.exists()


CSV = "id;prompt;persona;response_1;response_2\nnew;What now?;The user is new.;One.;Two.\n"


def test_a_wave_comes_as_a_file_from_the_page_or_the_command(study: Study, client: Client, tmp_path: Path) -> None:
    study.arms.update(fingerprint="")
    Study.objects.filter(pk=study.pk).update(protocol_hash=protocol_hash(Study.objects.get(pk=study.pk)))
    client.force_login(study.owner)
    address = reverse("annotation:wave_add", args=[study.slug, study.version])
    bad = SimpleUploadedFile("more.csv", CSV.replace("Two.", "").encode())
    refused = client.post(address, {"items": bad, "reason": "A wave"})
    assert refused.status_code == 422
    assert "arm 2 has no system and no response for new" in refused.content.decode()
    client.post(address, {"items": SimpleUploadedFile("more.csv", CSV.encode()), "reason": "A wave"})
    (tmp_path / "even-more.csv").write_text(CSV.replace("new", "newer"))
    call_command("add_wave", study.slug, str(tmp_path / "even-more.csv"), reason="Another", stdout=io.StringIO())
    outputs = Output.objects.filter(persona__item__key="newer").order_by("arm__ordinal")
    assert [output.text for output in outputs] == ["One.", "Two."]
    assert [one.changes[0]["added"] for one in study.amendments.all()] == [["new"], ["newer"]]
