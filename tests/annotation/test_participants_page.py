"""The participants page and what it does about a participant; the log of all actions; sharing."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from lxml import html

from annotation.export.tables import study_tables
from annotation.models import AuditLog, Participant, Rating, Study, StudyMember
from annotation.permissions import Role
from annotation.services.members import role_give
from tests.annotation.study_rows import add_assignment, add_participant, make_frozen_study
from tests.factories import make_user

pytestmark = pytest.mark.django_db
CONSENTED: dict[str, Any] = {"consent_hash": "c" * 64}


def parsed(text: str) -> Any:  # the stubs of lxml know an element as a dozen things
    return html.fromstring(text)


@pytest.fixture
def study() -> Study:
    return make_frozen_study()


@pytest.fixture
def researcher(client: Client, study: Study) -> Client:
    client.force_login(study.owner)
    return client


def url(name: str, study: Study, *args: Any) -> str:
    return reverse(f"annotation:{name}", args=[study.slug, study.version, *args])


def codes(client: Client, study: Study, **query: str) -> list[str]:
    response = client.get(url("participants", study), query)
    return parsed(response.content.decode()).xpath("//tbody/tr/th/a/text()")


# --- Finding -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["P-002", "p-002", "002", "2", "label-b", "LABEL-B"])
def test_a_participant_is_found_by_code_and_by_label(text: str, study: Study, researcher: Client) -> None:
    for letter in "abc":
        add_participant(study, external_id=f"label-{letter}")
    assert codes(researcher, study, q=text) == ["P-002"]


def test_each_state_finds_its_own(study: Study, researcher: Client) -> None:
    now = timezone.now()
    consented: dict[str, Any] = {"consented_at": now, **CONSENTED}
    expected = {
        "not started": add_participant(study),
        "consented": add_participant(study, **consented),
        "working": add_participant(study, instructed_at=now, **consented),
        "declined": add_participant(study, declined_at=now),
        "finished": add_participant(study, instructed_at=now, completed_at=now, **consented),
        "screened out": add_participant(study, screened_out_at=now, **consented),
        "withdrawn": add_participant(study, withdrawn_at=now, completed_at=now, **consented),
        "erased": add_participant(study, withdrawn_at=now, erased_at=now),
        "excluded": add_participant(study, excluded_at=now, excluded_reason="r", completed_at=now),
    }
    for state, participant in expected.items():
        found = codes(researcher, study, state=state)
        assert participant.code in found and (len(found) == 1 or state == "finished"), state


def test_bots_and_previews_are_listed_only_when_asked_for(study: Study, researcher: Client) -> None:
    add_participant(study, kind=Participant.Kind.BOT)
    assert codes(researcher, study) == []
    assert codes(researcher, study, include_bots="on") == ["B-001"]


def test_a_long_list_has_pages_that_keep_the_search(study: Study, researcher: Client) -> None:
    Participant.objects.bulk_create(Participant(study=study, number=number) for number in range(1, 102))
    response = researcher.get(url("participants", study), {"state": "not started", "page": "2"})
    page = parsed(response.content.decode())
    assert len(page.xpath("//tbody/tr")) == 50
    (following,) = [link for link in page.xpath("//nav//a/@href") if "page=3" in link]
    assert "state=not+started" in following or "state=not%20started" in following
    assert codes(researcher, study, page="3") == ["P-101"]


def test_the_page_holds_no_token_and_costs_the_same_queries(
    study: Study, researcher: Client, django_assert_num_queries: Callable[..., Any]
) -> None:
    for _ in range(3):
        participant = add_participant(study)
        with django_assert_num_queries(10):
            content = researcher.get(url("participants", study)).content.decode()
        assert participant.token not in content


def test_labels_are_shown_to_the_studys_researchers_only(study: Study, researcher: Client, client: Client) -> None:
    add_participant(study, external_id="panel-4711")
    assert "panel-4711" in researcher.get(url("participants", study)).content.decode()
    analyst = make_user("analyst")
    role_give(user=analyst, role=Role.ANALYST)
    StudyMember.objects.create(study=study, user=analyst, role="analyst")
    client.force_login(analyst)
    assert "panel-4711" not in client.get(url("participants", study)).content.decode()
    assert codes(client, study, q="panel-4711") == []


# --- Excluding ---------------------------------------------------------------------------------------------------


def test_an_exclusion_is_logged_marks_the_export_and_removes_nothing(study: Study, researcher: Client) -> None:
    participant = add_participant(study)
    add_assignment(participant)
    researcher.post(url("participant_exclude", study, 1), {"reason": "Failed two checks"})
    participant.refresh_from_db()
    assert participant.excluded_reason == "Failed two checks" and Rating.objects.count() == 5
    entry = AuditLog.objects.get(action="participant_exclude")
    assert entry.user == study.owner and entry.data == {"participant": "P-001", "reason": "Failed two checks"}
    tables = study_tables(study)
    assert {row["excluded"] for row in tables["ratings"].rows()} == {True}
    (row,) = tables["participants"].rows()
    assert row["excluded_reason"] == "Failed two checks" and row["excluded_at"]


def test_an_exclusion_can_be_undone_for_a_reason(study: Study, researcher: Client) -> None:
    participant = add_participant(study, excluded_at=timezone.now(), excluded_reason="mistake")
    researcher.post(url("participant_include", study, 1), {"reason": "Mixed up with P-002"})
    participant.refresh_from_db()
    assert participant.excluded_at is None and participant.excluded_reason == ""
    assert AuditLog.objects.get(action="participant_include").data["reason"] == "Mixed up with P-002"


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
@pytest.mark.parametrize("action", ["participant_exclude", "participant_include"])
def test_without_a_proper_reason_nothing_happens(action: str, reason: str, study: Study, researcher: Client) -> None:
    was = {"excluded_at": timezone.now(), "excluded_reason": "before"}
    excluded: dict[str, Any] = was if action == "participant_include" else {}
    participant = add_participant(study, **excluded)
    response = researcher.post(url(action, study, 1), {"reason": reason})
    participant.refresh_from_db()
    assert response.status_code == 422 and bool(participant.excluded_at) == bool(excluded)
    assert not AuditLog.objects.exists()


def test_excluding_twice_is_refused_and_logged_once(study: Study, researcher: Client) -> None:
    add_participant(study)
    first, second = (researcher.post(url("participant_exclude", study, 1), {"reason": "r"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (302, 409)
    assert AuditLog.objects.count() == 1


# --- The link ----------------------------------------------------------------------------------------------------


def test_a_replaced_link_works_and_the_old_one_is_dead(study: Study, researcher: Client) -> None:
    participant = add_participant(study)
    old = participant.token
    page = parsed(researcher.post(url("participant_link_replace", study, 1)).content.decode())
    participant.refresh_from_db()
    (link,) = page.xpath("//*[@role='status']//code/text()")
    assert link == f"http://testserver/p/{participant.token}/" and participant.token != old
    assert researcher.get(f"/p/{old}/").status_code == 404
    assert researcher.get(f"/p/{participant.token}/").status_code == 200
    entry = AuditLog.objects.get(action="participant_link_replace")
    assert entry.data == {"participant": "P-001"}


def test_an_erased_participant_gets_no_link(study: Study, researcher: Client) -> None:
    add_participant(study, erased_at=timezone.now())
    assert researcher.post(url("participant_link_replace", study, 1)).status_code == 409


def test_of_an_erased_participant_counts_are_shown_and_nothing_can_be_decided(study: Study, researcher: Client) -> None:
    tombstone = {"counts": {"ratings": 7}, "files_cleaned": False}
    gone = add_participant(study, erased_at=timezone.now(), tombstone=tombstone, receipt="SECRETRECEIP")
    page = researcher.get(url("participant_change", study, 1)).content.decode()
    facts = [element.text_content() for element in parsed(page).xpath("//dt | //dd")]
    assert facts[facts.index("Erased ratings") + 1] == "7" and "finish_erasures" in page
    assert "SECRETRECEIP" not in page and "Exclude P-001" not in page
    assert researcher.post(url("participant_exclude", study, 1), {"reason": "r"}).status_code == 409
    gone.refresh_from_db()
    assert gone.excluded_at is None


def test_a_participant_of_another_study_is_not_found(study: Study, researcher: Client) -> None:
    add_participant(make_frozen_study(slug="other", owner=make_user("other")))
    for name in ("participant_exclude", "participant_include", "participant_link_replace"):
        assert researcher.post(url(name, study, 1), {"reason": "r"}).status_code == 404


# --- The log, blinded -------------------------------------------------------------------------------------------


def test_the_log_tells_how_many_arms_were_bound_and_not_which_came_first(study: Study, researcher: Client) -> None:
    codes = list(study.arms.order_by("ordinal").values_list("code", flat=True))
    AuditLog.objects.create(study=study, action="arms_bound", data={"arms": codes})  # as it was once written
    page = parsed(researcher.get(url("audit", study)).content.decode())
    assert "arms: 2" in page.text_content() and not any(code in page.text_content() for code in codes)


# --- The log -----------------------------------------------------------------------------------------------------


def test_the_log_shows_all_actions_of_this_study_and_can_be_filtered(study: Study, researcher: Client) -> None:
    AuditLog.objects.create(action="elsewhere", study=make_frozen_study(slug="other"))
    AuditLog.objects.bulk_create(AuditLog(action="many", study=study) for _ in range(60))
    AuditLog.objects.create(action="rare", study=study, user=study.owner, data={"reason": "so"})
    page = parsed(researcher.get(url("audit", study)).content.decode())
    assert len(page.xpath("//tbody/tr")) == 50
    assert page.xpath("//select[@name='action']/option/@value") == ["", "many", "rare"]
    (row,) = parsed(researcher.get(url("audit", study), {"action": "rare"}).content.decode()).xpath("//tbody/tr")
    assert [cell.text_content() for cell in row][1:] == ["researcher", "rare", "reason: so"]


# --- Sharing -----------------------------------------------------------------------------------------------------


def test_a_study_is_shared_listed_and_taken_back(study: Study, researcher: Client, client: Client) -> None:
    colleague = make_user("colleague")
    shared = researcher.post(url("member_add", study), {"username": "colleague", "role": "researcher"}, follow=True)
    assert "colleague may see this study now" in shared.content.decode()
    client.force_login(colleague)
    assert "The study study" in client.get(reverse("annotation:study_list")).content.decode()
    client.force_login(study.owner)
    client.post(url("member_remove", study, study.members.get().pk))
    assert not study.members.exists()
    assert set(AuditLog.objects.values_list("action", flat=True)) == {"member_add", "member_remove"}


@pytest.mark.parametrize(
    ("username", "role", "says"),
    [
        ("nobody", "researcher", "no active account"),
        ("researcher", "researcher", "owns"),
        ("colleague", "analyst", "no analyst on this site"),
        ("outsider", "researcher", "no researcher on this site"),
    ],
)
def test_who_cannot_be_attached_is_told_why(
    username: str, role: str, says: str, study: Study, researcher: Client
) -> None:
    make_user("colleague")
    make_user("outsider").groups.clear()
    response = researcher.post(url("member_add", study), {"username": username, "role": role})
    assert response.status_code == 409 and says in response.content.decode()
    assert not study.members.exists() and not AuditLog.objects.exists()


def test_share_study_does_the_same_on_the_command_line(study: Study) -> None:
    make_user("colleague")
    call_command("share_study", "study", "colleague", "--role", "researcher", stdout=io.StringIO())
    assert study.members.get().role == "researcher"
    call_command("share_study", "study", "colleague", "--remove", stdout=io.StringIO())
    assert not study.members.exists()
    with pytest.raises(CommandError, match="not attached"):
        call_command("share_study", "study", "colleague", "--remove")
    with pytest.raises(CommandError, match="no active account"):
        call_command("share_study", "study", "nobody", "--role", "analyst")


def test_the_mail_merge_file_keeps_up_with_replaced_links(study: Study, researcher: Client) -> None:
    participant = add_participant(study)
    researcher.post(url("participant_link_replace", study, 1))
    participant.refresh_from_db()
    lines = csv.reader(io.StringIO(researcher.get(url("participant_links_csv", study)).content.decode()))
    assert participant.token in "".join(map("".join, lines))
