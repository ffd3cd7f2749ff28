"""Bringing data in the browser: a file is kept, looked at, mapped, and imported whole or not at all."""

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.models import AuditLog, Output, Persona, Study, Upload, User
from annotation.protocol import definition_document, definition_of, problems_before_opening
from annotation.services.uploads import KEPT, upload_store
from modelhub.live.housekeeping import Housekeeping
from modelhub.models import ArmBinding
from tests.factories import make_study, make_user
from tests.modelhub.pair_rows import make_system
from tests.tools.state import database_state

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    study = make_study(state="draft", given_items=2, given_per_participant=2)
    Output.objects.filter(arm__study=study).delete()
    study.arms.update(fingerprint="")
    return study


@pytest.fixture
def browser(study: Study, client: Client) -> Client:
    client.force_login(study.owner)
    return client


def page(name: str, study: Study, *more: Any) -> str:
    return reverse(f"modelhub:{name}", args=[study.slug, study.version, *more])


def bring(browser: Client, study: Study, kind: str, name: str, content: str | bytes) -> str:
    """Upload a file and return the address of its page."""
    raw = content if isinstance(content, bytes) else content.encode()
    response = browser.post(page("data_add", study), {"kind": kind, "file": SimpleUploadedFile(name, raw)})
    assert response.status_code == 302, response.content.decode()
    return str(response["Location"])


def look(browser: Client, address: str) -> str:
    response = browser.get(address)
    assert response.status_code == 200
    return response.content.decode()


def import_it(browser: Client, address: str, **changes: str) -> tuple[int, str]:
    """Press Import with the form as the page has it, but for `changes`; return the status and what is said."""
    form = browser.get(address).context["form"]
    chosen = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    data = {name: value for name, value in chosen.items() if value not in (None, False)}
    response = browser.post(address, {**data, **changes, "import": "yes"}, follow=True)
    return response.status_code, response.content.decode()


def outputs_of(study: Study) -> dict[tuple[str, int], str]:
    ready = Output.objects.filter(arm__study=study, state=Output.State.READY)
    return {(key, arm): text for key, arm, text in ready.values_list("persona__item__key", "arm__ordinal", "text")}


def test_items_of_a_german_spreadsheet_are_added_once(study: Study, browser: Client) -> None:
    rows = "Frage;id;persona;;\r\nWas tun?;007;The user is new.;;\r\n;;;;\r\n"
    address = bring(browser, study, "items", "fragen.csv", "\ufeff" + rows)
    assert "The file is separated by semicolons." in look(browser, address)
    status, said = import_it(browser, address)
    assert status == 200 and "New: 1; changed: 0; removed: 0; as before: 0." in said
    assert list(study.items.values_list("key", "prompt")[2:]) == [("007", "Was tun?")]
    assert Persona.objects.get(item__key="007").text == "The user is new."
    before = definition_document(study)
    _, said = import_it(browser, bring(browser, study, "items", "fragen.csv", rows))
    assert "Nothing changes: all 1 are there already." in said and definition_document(study) == before


def test_a_column_of_another_name_is_chosen_on_the_page(study: Study, browser: Client) -> None:
    address = bring(browser, study, "items", "rows.csv", "kennung,inhalt\nnew-1,What now?\n")
    assert "No column holds the prompt; choose one." in look(browser, address)
    status, _ = import_it(browser, address, column_prompt="inhalt", column_id="kennung")
    assert status == 200 and study.items.filter(key="new-1", prompt="What now?").exists()


def test_every_bad_row_is_told_and_nothing_is_imported(study: Study, browser: Client) -> None:
    bad = "".join(f"row-{number},\n" for number in range(60))
    address = bring(browser, study, "items", "rows.csv", f"id,prompt\ngood,Fine?\n{bad}")
    said = look(browser, address)
    assert "60 things to mend" in said and "rows.csv line 3: prompt is empty; every item needs a prompt." in said
    assert "rows.csv line 62" not in said and "rows.csv line 62" in look(browser, f"{address}?page=2")
    before = definition_document(study)
    status, said = import_it(browser, address)
    assert status == 422 and "Nothing was imported." in said
    assert definition_document(study) == before and study.uploads.exists()


def test_replacing_items_discards_responses_only_where_that_was_ticked(study: Study, browser: Client) -> None:
    persona = Persona.objects.get(item__key="item-1")
    Output.objects.create(
        persona=persona, arm=study.arms.get(ordinal=1), text="Yes.", state="ready", ready_at=timezone.now()
    )
    address = bring(browser, study, "items", "rows.csv", "id,prompt,persona\nother,What?,The user is new.\n")
    status, said = import_it(browser, address, mode="replace")
    assert status == 422 and "1 outputs of study v1 would be discarded" in said and "Tick the box" in said
    status, said = import_it(browser, address, mode="replace", discard_outputs="on")
    assert status == 200 and "New: 1; changed: 0; removed: 2" in said
    assert list(study.items.values_list("key", flat=True)) == ["other"] and not outputs_of(study)


def test_an_added_item_never_changes_one_that_is_there(study: Study, browser: Client) -> None:
    address = bring(browser, study, "items", "rows.csv", "id,prompt\nITEM-1,Something else?\n")
    assert "says something else; choose to replace the items" in look(browser, address).replace("&#x27;", "'")


def test_a_file_with_images_is_told_that_they_come_another_way(study: Study, browser: Client) -> None:
    content = "id;prompt;image\nnew;Which of these?;pots.png\n"
    assert "images come with the study as a .zip" in look(browser, bring(browser, study, "items", "new.csv", content))


def test_personas_are_given_to_items_by_their_id(study: Study, browser: Client) -> None:
    rows = '{"item": "Item-1", "persona": "The user is a baker."}\n{"item": "nowhere", "persona": "x"}\n'
    address = bring(browser, study, "personas", "people.jsonl", rows)
    assert "people.jsonl line 2: the study has no item" in look(browser, address)
    address = bring(browser, study, "personas", "people.jsonl", rows.splitlines()[0])
    _, said = import_it(browser, address)
    assert "New: 0; changed: 1" in said
    assert Persona.objects.get(item__key="item-1").text == "The user is a baker."
    _, said = import_it(browser, bring(browser, study, "personas", "people.jsonl", rows.splitlines()[0]))
    assert "Nothing changes: all 1 are there already." in said


def test_outputs_of_two_files_fill_the_arms_and_the_study_can_be_opened(study: Study, browser: Client) -> None:
    for name in ("gpt", "mine"):
        rows = "\n".join(json.dumps({"item": f"item-{n}", "text": f"{name} {n}"}) for n in (1, 2))
        address = bring(browser, study, "outputs", f"{name}.jsonl", rows)
        assert "Responses: 2; rows that belong to no item: 0." in look(browser, address)
        _, said = import_it(browser, address)
        assert "Responses imported: 2; as before: 0; rows skipped: 0." in said
    assert outputs_of(study) == {
        ("item-1", 1): "gpt 1",
        ("item-2", 1): "gpt 2",
        ("item-1", 2): "mine 1",
        ("item-2", 2): "mine 2",
    }
    assert not problems_before_opening(study) and not study.uploads.exists()
    _, said = import_it(browser, bring(browser, study, "outputs", "mine.jsonl", rows))
    assert "Nothing changes: all 2 are there already." in said


def test_a_response_that_differs_is_replaced_only_where_that_was_ticked(study: Study, browser: Client) -> None:
    import_it(browser, bring(browser, study, "outputs", "gpt.csv", "item,text\nitem-1,One.\n"))
    address = bring(browser, study, "outputs", "gpt.csv", "item,text\nitem-1,Two.\nelsewhere,Three.\n")
    said = look(browser, address)
    assert "already has another text for arm 1" in said and "gpt.csv line 3: the study has no item" in said
    status, _ = import_it(browser, address, replace="on", allow_unmatched="on")
    assert status == 200 and outputs_of(study) == {("item-1", 1): "Two."}


def test_blinded_people_are_not_told_what_an_arm_is(study: Study, browser: Client) -> None:
    import_it(browser, bring(browser, study, "outputs", "gpt-9.csv", "item,text\nitem-1,One.\n"))
    assert ArmBinding.objects.get().system.name == "gpt-9"
    address = bring(browser, study, "outputs", "more.csv", "item,text\nitem-1,Two.\n")
    shown = look(browser, address) + look(browser, page("data", study))
    _, refused = import_it(browser, address, arm="1")
    codes = study.arms.values_list("code", flat=True)
    assert "is bound to another system" in refused.replace("&#x27;", "'")
    assert not [word for word in ("gpt-9", *codes) if word in shown + refused]
    member = make_user("member")
    study.members.create(user=member, role="researcher")
    browser.force_login(member)
    assert browser.get(address).status_code == 404
    assert "more.csv" not in look(browser, page("data", study))


HH = "\n\nHuman: How do I sleep?\n\nAssistant: "


def test_preference_pairs_of_others_become_items_and_responses(browser: Client, study: Study) -> None:
    row = {"chosen": f"{HH}Early.", "rejected": f"{HH}Never.", "persona": "The user is new."}
    content = json.dumps(row) + "\n"
    other = json.dumps({"chosen": f"{HH}Early.", "rejected": "\n\nHuman: Why?\n\nAssistant: So."}) + "\n"
    address = bring(browser, study, "items", "hh.jsonl.gz", gzip.compress((content + other).encode()))
    shown = look(browser, address)
    assert "The file holds preference pairs as transcripts." in shown
    assert "Rows that compare no two answers to one prompt were left out." in shown
    assert "New: 1; changed: 0; removed: 2" in import_it(browser, address, mode="replace")[1]
    assert [item.prompt for item in definition_of(study).items] == ["How do I sleep?"]
    address = bring(browser, study, "outputs", "hh.jsonl", content)
    changes = {"column_prompt": "prompt", "column_persona": "persona", "column_text": "chosen", "arm": "1"}
    assert "Responses imported: 1" in import_it(browser, address, **changes)[1]
    assert Output.objects.get(arm__study=study).text == "Early."


def test_pairs_that_contradict_themselves_are_told_on_the_page_by_kind(browser: Client, study: Study) -> None:
    row = {"prompt": "Why?", "chosen": f"{HH}Early.", "rejected": f"{HH}Never."}
    shown = look(browser, bring(browser, study, "items", "hh.jsonl", (json.dumps(row) + "\n") * 30))
    assert "hh.jsonl line 5: " in shown and "hh.jsonl line 6: " not in shown
    assert "say different things" in shown and "… and 25 more of the same kind." in shown


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("items.docx", b"x", "files must end in"),
        ("items.csv", b"", "empty"),
    ],
)
def test_a_file_of_no_use_is_refused_at_once(
    name: str, content: bytes, message: str, study: Study, browser: Client
) -> None:
    data = {"kind": "items", "file": SimpleUploadedFile(name, content)}
    response = browser.post(page("data_add", study), data)
    assert response.status_code in (409, 422) and message in response.content.decode()
    assert not study.uploads.exists()


def test_a_spreadsheet_is_told_how_to_be_saved(study: Study, browser: Client) -> None:
    address = bring(browser, study, "items", "items.xlsx", b"PK\x03\x04")
    assert "save it as CSV UTF-8" in look(browser, address)


def test_an_opened_study_takes_no_data(study: Study, browser: Client) -> None:
    address = bring(browser, study, "items", "rows.csv", "prompt\nWhat?\n")
    Study.objects.filter(pk=study.pk).update(state="open", protocol_hash="x" * 64)
    before = database_state()
    assert "brought into drafts only" in look(browser, address)
    data = {"kind": "items", "file": SimpleUploadedFile("rows.csv", b"prompt\nWhat?\n")}
    assert browser.post(page("data_add", study), data).status_code == 409
    assert database_state() == before


def test_a_file_that_nobody_imports_goes_after_a_day_and_with_its_study(study: Study) -> None:
    old, new = (
        upload_store(study=study, user=study.owner, kind="items", name=name, content=b"prompt\n")
        for name in "ab"
        for name in [f"{name}.csv"]
    )
    Upload.objects.filter(pk=old.pk).update(created_at=timezone.now() - KEPT - timedelta(minutes=1))
    Housekeeping().turn()
    assert list(Upload.objects.all()) == [new]
    other = make_study(slug="other", state="draft", given_items=0)
    upload_store(study=other, user=study.owner, kind="items", name="c.csv", content=b"prompt\n")
    other.arms.all().delete()
    other.delete()
    assert list(Upload.objects.all()) == [new]


def test_what_is_brought_is_what_the_file_would_have_said(study: Study, browser: Client) -> None:
    definition = definition_of(study)
    assert definition.document() == definition_document(study)
    import_it(browser, bring(browser, study, "items", "rows.csv", "prompt,persona\nWhat?,The user is new.\n"))
    assert len(definition_of(study).items) == 3
    assert definition_of(study).document() == definition_document(study)
    assert AuditLog.objects.filter(action="items_brought", user=study.owner).count() == 1


def test_an_analyst_binds_registered_systems_on_the_page_of_the_arms(study: Study, client: Client) -> None:
    make_system("steady")
    client.force_login(User.objects.create(username="admin", is_superuser=True))
    codes = list(study.arms.order_by("ordinal").values_list("code", flat=True))
    response = client.post(page("arms_bound", study), {codes[0]: "steady", codes[1]: "steady"}, follow=True)
    assert "Arms with a system: 2." in response.content.decode()
    assert set(ArmBinding.objects.values_list("arm__code", "system__name")) == {(code, "steady") for code in codes}
