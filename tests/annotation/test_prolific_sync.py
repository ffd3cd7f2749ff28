"""What the platform says afterwards: its list of submissions moves participants."""

import re
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotation.models import Assignment, AuditLog, Event, Study
from tests.annotation.prolific import PID, SESSION, a_browser, link_of, prolific_study, walker_of

pytestmark = pytest.mark.django_db
NEXT_SESSION = "bbbbbbbbbbbbbbbbbbbbbbbb"


def sync(study: Study, folder: Path, *rows: tuple[str, str, str]) -> None:
    lines = ["Submission id,Participant id,Status", *(",".join(row) for row in rows)]
    (folder / "export.csv").write_text("\n".join(lines), encoding="utf-8")
    call_command("prolific_sync", study.slug, str(folder / "export.csv"))


def test_a_prolific_arrival_returns_times_out_and_reopens(tmp_path: Path) -> None:
    study = prolific_study(quota=1, given_items=2, given_per_participant=2, raters_per_item=1)
    link = link_of(study)
    browser = a_browser()
    walker = walker_of(link, browser=browser).begin()
    walker.complete()
    walker.get()

    sync(study, tmp_path, (SESSION, PID, "RETURNED"))
    assert walker.step == "returned"
    assert Assignment.objects.get(state="open").expires_at <= timezone.now()
    assert walker_of(link, browser=browser).step == "returned"  # the old session is over

    reopened = walker_of(link, session=NEXT_SESSION, browser=browser)
    assert reopened.participant == walker.participant
    assert reopened.step == "rate"

    sync(study, tmp_path, (SESSION, PID, "RETURNED"), (NEXT_SESSION, PID, "TIMED-OUT"))
    assert walker.step == "returned" and "run out" in walker.get().content.decode()
    other = walker_of(link, person="other0person").begin()
    assert other.step == "rate"  # the place has come back
    full = walker_of(link, session="third0session", browser=browser)
    assert full.step == "full" and "COVERQU" in full.get().content.decode()

    other.complete()
    sync(study, tmp_path, ("", "other0person", "RETURNED"))
    back = walker_of(link, session="third0session", browser=browser)
    assert back.step == "rate"
    back.complete()
    assert back.step == "done" and "CDONE11" in back.get().content.decode()
    sync(study, tmp_path, ("third0session", PID, "RETURNED"))
    assert back.step == "done"  # what is finished stays finished

    kinds = list(Event.objects.filter(participant=walker.participant).values_list("kind", flat=True))
    platform = [kind for kind in kinds if kind in ("returned", "timed_out", "reopened", "completed")]
    assert platform == ["returned", "reopened", "timed_out", "completed"]


def test_the_list_is_checked_as_a_whole_before_anything_moves(tmp_path: Path) -> None:
    study = prolific_study()
    walker = walker_of(link_of(study)).begin()
    with pytest.raises(CommandError) as caught:
        sync(study, tmp_path, (SESSION, PID, "RETURNED"), ("x", "", "RETURNED"), ("y", "someone1", "GONE"))
    message = str(caught.value)
    assert "row 3: the id is empty" in message and "row 4: the status" in message
    assert PID not in message and "someone1" not in message
    assert walker.step == "rate"
    with pytest.raises(CommandError, match="no column participant id"):
        (tmp_path / "wrong.csv").write_text("id,Status\n1,RETURNED\n", encoding="utf-8")
        call_command("prolific_sync", study.slug, str(tmp_path / "wrong.csv"))
    with pytest.raises(CommandError, match=r"missing\.csv"):
        call_command("prolific_sync", study.slug, str(tmp_path / "missing.csv"))


def test_the_report_counts_effects_and_the_log_holds_no_ids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = prolific_study()
    walker_of(link_of(study))
    rows = [(SESSION, PID, "RETURNED"), ("older0session", PID, "TIMED-OUT"), ("z", "stranger01", "APPROVED")]
    sync(study, tmp_path, *rows)
    report = capsys.readouterr().out
    assert "3 submissions read" in report and "returned: 1" in report
    assert "an earlier session: 1" in report and "never arrived here: 1" in report
    log = AuditLog.objects.get(action="prolific_sync")
    assert not re.search(PID, str(log.data)) and log.data["effects"]["returned"] == 1


def test_an_approved_submission_changes_nothing(tmp_path: Path) -> None:
    study = prolific_study()
    walker = walker_of(link_of(study)).begin()
    for status in ("ACTIVE", "AWAITING REVIEW", "APPROVED", "REJECTED"):
        sync(study, tmp_path, (SESSION, PID, status))
    assert walker.step == "rate"
