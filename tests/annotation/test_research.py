"""Researchers' pages: each one works, belongs to its owner, and refuses what it should."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest
import segno
from django.test import Client
from django.urls import reverse
from lxml import etree, html

from annotation.export import FORMATS
from annotation.export.others import OTHER_FORMATS
from annotation.export.tables import study_tables
from annotation.models import Aspect, AuditLog, OpenLink, Participant, Study
from annotation.queries import PAGE_SIZE
from tests.annotation.study_rows import add_assignment, add_participant, make_frozen_study
from tests.factories import make_study, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    return make_frozen_study()


@pytest.fixture
def researcher(client: Client, study: Study) -> Client:
    client.force_login(study.owner)
    return client


def url(name: str, study: Study, *args: Any) -> str:
    return reverse(f"annotation:{name}", args=[study.slug, study.version, *args])


def page(response: Any) -> html.HtmlElement:
    return html.fromstring(response.content.decode())


GET_PAGES = [
    ("study", ()),
    ("exports", ()),
    ("participant_links", ()),
    ("participant_links_csv", ()),
    ("export_download", ("ratings", "csv")),
    ("export_download", ("codebook", "json")),
    ("export_zip", ("csv",)),
]
POST_PAGES = [
    ("study_state", (), {"action": "pause"}),
    ("participants_create", (), {"count": "1"}),
    ("open_link_create", (), {"cap": "5"}),
    ("open_link_deactivate", (10**6,), {}),
]


@pytest.mark.parametrize(("name", "args"), GET_PAGES)
def test_a_page_is_there_for_its_owner_and_for_superusers_alone(
    name: str, args: tuple[Any, ...], study: Study, client: Client
) -> None:
    address = url(name, study, *args)
    redirect = client.get(address)
    assert redirect.status_code == 302 and redirect["Location"].startswith(reverse("login"))
    for user, status in [
        (study.owner, 200),
        (make_user("stranger"), 404),
        (make_user("admin", is_superuser=True), 200),
    ]:
        client.force_login(user)
        assert client.get(address).status_code == status, user


@pytest.mark.parametrize(("name", "args", "data"), POST_PAGES)
def test_an_action_is_its_owners_alone(
    name: str, args: tuple[Any, ...], data: dict[str, str], study: Study, client: Client
) -> None:
    OpenLink.objects.create(pk=10**6, study=study, cap=1)
    address = url(name, study, *args)
    assert client.post(address, data)["Location"].startswith(reverse("login"))
    client.force_login(make_user("stranger"))
    assert client.post(address, data).status_code == 404
    assert not AuditLog.objects.exists()
    client.force_login(study.owner)
    assert client.post(address, data).status_code == 302


@pytest.mark.parametrize(("name", "args"), GET_PAGES)
def test_a_page_takes_no_post(name: str, args: tuple[Any, ...], study: Study, researcher: Client) -> None:
    assert researcher.post(url(name, study, *args)).status_code == 405


@pytest.mark.parametrize(("slug", "version"), [("nothing", 1), ("study", 2)])
def test_an_unknown_study_is_not_found(slug: str, version: int, researcher: Client) -> None:
    assert researcher.get(f"/research/{slug}/v{version}/").status_code == 404


# --- Lists and progress ------------------------------------------------------------------------------------------


def test_the_list_shows_own_studies_with_state_and_counts(study: Study, researcher: Client) -> None:
    make_frozen_study(slug="foreign", owner=make_user("other"))
    add_assignment(add_participant(study))
    response = researcher.get(reverse("annotation:study_list"))
    (row,) = page(response).xpath("//tbody/tr")
    assert [" ".join(cell.text_content().split()) for cell in row] == [
        "The study study study version 1", "Open", "1", "0", "5",
    ]  # fmt: skip


def test_somebody_without_studies_learns_how_to_load_one(client: Client) -> None:
    client.force_login(make_user("new"))
    assert b"manage.py load_study" in client.get(reverse("annotation:study_list")).content


def test_the_definition_is_shown_with_codes_and_hash(study: Study, researcher: Client) -> None:
    text = page(researcher.get(url("study_texts", study))).text_content()
    assert study.protocol_hash in text and all(arm.code in text for arm in study.arms.all())


def test_the_study_page_holds_no_token(study: Study, researcher: Client) -> None:
    participant, link = add_participant(study), study.open_links.create(cap=2)
    content = researcher.get(url("study", study)).content.decode()
    assert participant.token not in content and link.token not in content


def test_a_demonstration_is_named_as_one(study: Study, researcher: Client) -> None:
    says = "outputs are written by the scripted engine, not a language model"
    assert says not in researcher.get(url("study", study)).content.decode()
    Study.objects.update(demonstration=True)
    assert says in researcher.get(url("study", study)).content.decode()


def test_htmx_gets_the_progress_part_alone_and_it_asks_again_for_itself(study: Study, researcher: Client) -> None:
    address = url("study", study) + "?items=1"
    part = page(researcher.get(address, headers={"HX-Request": "true"}))
    assert part.get("id") == "progress" and part.get("hx-get") == address and part.get("hx-trigger") == "every 5s"
    assert not part.xpath("//h1")


def test_a_closed_study_is_not_polled(study: Study, researcher: Client) -> None:
    Study.objects.update(state="closed")
    (part,) = page(researcher.get(url("study", study))).xpath("//*[@id='progress']")
    assert part.get("hx-get") is None


def test_a_second_page_keeps_the_other_choices(study: Study, researcher: Client) -> None:
    Participant.objects.bulk_create(Participant(study=study, number=n) for n in range(1, PAGE_SIZE + 2))
    (link,) = page(researcher.get(url("dashboard", study) + "?items=1&include_bots=on")).xpath(
        "//a[@id='participants-next']/@href"
    )
    assert "participants=2" in link and "include_bots=on" in link and "items=1" in link
    assert f"P-{PAGE_SIZE + 1:03d}" in researcher.get(url("dashboard", study) + link).content.decode()


def figure(response: Any, name: str) -> str:
    """Return a number of the overview."""
    (found,) = page(response).xpath(f"//dl[@class='figures']/div[dt='{name}']/dd/text()")
    return str(found)


def test_bots_are_counted_only_when_asked_for(study: Study, researcher: Client) -> None:
    add_assignment(add_participant(study, kind=Participant.Kind.BOT))
    alone = researcher.get(url("study", study))
    assert figure(alone, "Parts finished") == "0"
    (link,) = page(alone).xpath("//a[@id='with-bots']/@href")
    shown = researcher.get(url("study", study) + link)
    assert (figure(shown, "Parts finished"), figure(shown, "Invited")) == ("1", "1")
    (exports,) = page(shown).xpath("//*[@id='export']//a[contains(@href, '/exports/')]/@href")
    downloads = page(researcher.get(exports)).xpath("//*[@id='export']//a[contains(@href, '/export/')]/@href")
    assert len(downloads) == len(study_tables(study)) * 4 + 2 + len((*FORMATS, *OTHER_FORMATS))
    assert all("include_bots=on" in download for download in downloads)


@pytest.mark.parametrize(("name", "number"), [("study", 26), ("participant_links", 11), ("study_list", 6)])
def test_a_page_costs_the_same_queries_however_big_the_study(
    name: str,
    number: int,
    study: Study,
    researcher: Client,
    django_assert_num_queries: Callable[..., Any],
) -> None:
    address = reverse("annotation:study_list") if name == "study_list" else url(name, study)
    for n in range(3):
        make_frozen_study(slug=f"study-{n}")
        add_assignment(add_participant(study))
        study.open_links.create(cap=2)
        with django_assert_num_queries(number):
            assert researcher.get(address).status_code == 200


# --- State -------------------------------------------------------------------------------------------------------


def test_a_study_is_opened_paused_and_opened_again(study: Study, researcher: Client) -> None:
    for action, state in [("pause", "paused"), ("open", "open")]:
        response = researcher.post(url("study_state", study), {"action": action}, follow=True)
        study.refresh_from_db()
        assert study.state == state and response.redirect_chain[-1][0] == url("study", study)
    assert [entry.user for entry in AuditLog.objects.all()] == [study.owner] * 2


def test_closing_asks_first_and_then_closes(study: Study, researcher: Client) -> None:
    asked = page(researcher.post(url("study_state", study), {"action": "close"}))
    study.refresh_from_db()
    assert study.state == "open" and "does not reopen" in asked.text_content()
    (form,) = [form for form in asked.forms if form.action == url("study_state", study)]
    researcher.post(form.action, {"action": "close", "confirmed": form.fields["confirmed"]})
    study.refresh_from_db()
    assert study.state == "closed" and study.closed_at


def test_every_reason_against_opening_is_shown(client: Client) -> None:
    draft = make_study(slug="draft", state="draft", given_per_participant=9)
    draft.arms.filter(ordinal=1).update(fingerprint="")
    draft.items.get(key="item-1").personas.get().outputs.filter(arm__ordinal=1).delete()
    client.force_login(draft.owner)
    response = client.post(url("study_state", draft), {"action": "open"})
    assert response.status_code == 409
    reasons = [reason.text_content() for reason in page(response).xpath("//*[@role='alert']//li")]
    assert len(reasons) > 1 and any("9 given personas" in reason for reason in reasons)
    draft.refresh_from_db()
    assert draft.state == "draft"


def test_a_closed_study_cannot_be_reopened(study: Study, researcher: Client) -> None:
    Study.objects.update(state="closed")
    response = researcher.post(url("study_state", study), {"action": "open"})
    assert response.status_code == 409 and "Closed is final" in response.content.decode()


def test_an_unknown_action_is_refused(study: Study, researcher: Client) -> None:
    assert researcher.post(url("study_state", study), {"action": "explode"}).status_code == 422


# --- Links -------------------------------------------------------------------------------------------------------


def test_personal_links_are_made_and_listed(study: Study, researcher: Client) -> None:
    response = researcher.post(url("participants_create", study), {"count": "3"}, follow=True)
    links = page(response).xpath("//*[@aria-label='Table: personal links']//code/text()")
    tokens = study.participants.order_by("number").values_list("token", flat=True)
    assert links == [f"http://testserver/p/{token}/" for token in tokens] and len(links) == 3
    assert "Made P-001 to P-003." in response.content.decode()


@pytest.mark.parametrize("count", ["", "0", "501", "many"])
def test_a_wrong_number_of_links_is_refused_beside_its_field(count: str, study: Study, researcher: Client) -> None:
    response = researcher.post(url("participants_create", study), {"count": count})
    assert response.status_code == 422 and not study.participants.exists()
    (error,) = page(response).xpath("//input[@name='count']/ancestor::div[@class='field']//*[@class='errorlist']")
    assert error.get("id") in page(response).xpath("//input[@name='count']/@aria-describedby")[0]


@pytest.mark.parametrize("cap", ["", "0", "-3"])
def test_a_wrong_cap_is_refused_beside_its_field(cap: str, study: Study, researcher: Client) -> None:
    response = researcher.post(url("open_link_create", study), {"cap": cap})
    assert response.status_code == 422 and not study.open_links.exists()
    assert page(response).xpath("//input[@name='cap']/ancestor::div[@class='field']//*[@class='errorlist']")


@pytest.mark.parametrize(
    ("name", "data"), [("participants_create", {"count": "1"}), ("open_link_create", {"cap": "1"})]
)
def test_a_closed_study_takes_no_more_links(name: str, data: dict[str, str], study: Study, researcher: Client) -> None:
    Study.objects.update(state="closed")
    response = researcher.post(url(name, study), data)
    assert response.status_code == 409 and "takes no more participants" in response.content.decode()


def test_an_open_link_is_made_shown_and_switched_off(study: Study, researcher: Client) -> None:
    shown = researcher.post(url("open_link_create", study), {"cap": "7"}, follow=True).content.decode()
    link = study.open_links.get()
    assert f"http://testserver/join/{link.token}/" in shown and "0 of 7" in shown
    researcher.post(url("open_link_deactivate", study, link.pk))
    link.refresh_from_db()
    assert not link.is_active


def test_an_open_link_is_a_picture_to_scan_too(study: Study, researcher: Client) -> None:
    link = OpenLink.objects.create(study=study, cap=5)
    assert "<svg" in researcher.get(url("open_link", study, link.pk)).content.decode()
    picture = researcher.get(url("open_link_picture", study, link.pk))
    assert picture["Content-Type"] == "image/svg+xml" and "attachment" in picture["Content-Disposition"]
    address = f"http://testserver{reverse('annotation:join', args=[link.token])}"
    drawn = segno.make(address).svg_inline(scale=10, border=4)
    root = etree.fromstring(picture.content)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert drawn.split(" d=")[1] in picture.content.decode()


def test_an_open_link_of_another_study_cannot_be_switched_off(study: Study, researcher: Client) -> None:
    link = make_frozen_study(slug="other", owner=make_user("other")).open_links.create(cap=2)
    assert researcher.post(url("open_link_deactivate", study, link.pk)).status_code == 404
    assert researcher.post(url("open_link_deactivate", study, 999)).status_code == 404


def test_the_mail_merge_file_holds_code_and_link_and_is_logged(study: Study, researcher: Client) -> None:
    participant = add_participant(study)
    response = researcher.get(url("participant_links_csv", study))
    assert list(csv.reader(io.StringIO(response.content.decode()))) == [
        ["id", "code", "link"],
        ["", "P-001", f"http://testserver/p/{participant.token}/"],
    ]
    entry = AuditLog.objects.get(action="links_download")
    assert entry.user == study.owner and participant.token not in json.dumps(entry.data)


# --- Export ------------------------------------------------------------------------------------------------------


def test_every_download_on_the_page_works_and_is_logged(study: Study, researcher: Client) -> None:
    add_assignment(add_participant(study))
    links = page(researcher.get(url("exports", study))).xpath("//*[@id='export']//a[contains(@href, '/export/')]/@href")
    assert len(links) == len(set(links)) == len(study_tables(study)) * 4 + 2 + len((*FORMATS, *OTHER_FORMATS))
    for link in links:
        response = researcher.get(link)
        content = b"".join(response) if response.streaming else response.content
        assert response.status_code == 200 and (content or ".jsonl" in link), link  # no rows, no lines
        assert response["Content-Disposition"].startswith('attachment; filename="study-v1-')
    assert AuditLog.objects.filter(action__in=["export_download", "export_zip"]).count() == len(links)


def test_a_parquet_download_can_be_read(study: Study, researcher: Client) -> None:
    add_assignment(add_participant(study))
    response = researcher.get(url("export_download", study, "ratings", "parquet"))
    content = b"".join(response)
    assert pq.read_table(io.BytesIO(content)).num_rows == 5


def test_text_tables_are_streamed(study: Study, researcher: Client) -> None:
    for format in ("csv", "jsonl"):
        assert researcher.get(url("export_download", study, "ratings", format)).streaming


@pytest.mark.parametrize(("table", "format"), [("secrets", "csv"), ("ratings", "xlsx"), ("codebook", "csv")])
def test_an_unknown_table_or_format_is_not_found(table: str, format: str, study: Study, researcher: Client) -> None:
    assert researcher.get(url("export_download", study, table, format)).status_code == 404


def test_a_changed_definition_is_not_downloaded(study: Study, researcher: Client) -> None:
    Aspect.objects.filter(key="answerability").update(question="Something else?")
    response = researcher.get(url("export_download", study, "ratings", "csv"))
    assert response.status_code == 409 and "changed after it was opened" in response.content.decode()
    assert not AuditLog.objects.exists()
