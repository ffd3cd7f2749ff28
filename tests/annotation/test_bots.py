"""Bots on the real pages: they finish studies, they fail where a page is wrong, and the export has what they rated."""

import io
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from annotation.bots import PERSONAS, Bot, BotReport
from annotation.export import study_tables
from annotation.models import (
    Assignment,
    ElicitationAnswer,
    Event,
    Output,
    Participant,
    Persona,
    PersonaProposal,
    Rating,
    Study,
)
from annotation.services.participants import participant_create
from annotation.services.studies import study_open
from modelhub.systems.registering import arms_bind, system_register
from tests.annotation.eliciting import make_eliciting_study
from tests.annotation.study_rows import make_frozen_study
from tests.annotation.walking import make_ready
from tests.factories import make_study, make_user
from tests.modelhub.live import write_script
from tests.tools.processes import ProjectProcess, Server

pytestmark = pytest.mark.django_db(transaction=True)


def make_bot(study: Study, url: str, **options: Any) -> Bot:
    participant = participant_create(study=study, kind=Participant.Kind.BOT)
    path = reverse("annotation:participant", args=[participant.token])
    return Bot(url + path, code=participant.code, **{"seed": "1", "sleep": lambda seconds: None, **options})


def walk(study: Study, server: LiveServer, **options: Any) -> BotReport:
    return make_bot(study, server.url, **options).walk()


class Tampering(httpx.HTTPTransport):
    """Pages as the server sends them, but for one change."""

    def __init__(self, change: Callable[[str], str]) -> None:
        super().__init__()
        self.change = change

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        text = self.change(response.read().decode())
        kept = [(name, value) for name, value in response.headers.multi_items() if name.startswith(("set-", "loc"))]
        return httpx.Response(response.status_code, headers=kept, text=text, request=request)


def walk_tampered(study: Study, server: LiveServer, change: Callable[[str], str], **options: Any) -> BotReport:
    bot = make_bot(study, server.url, **options)
    bot.client = httpx.Client(transport=Tampering(change), follow_redirects=True)
    return bot.walk()


def without(pattern: str) -> Callable[[str], str]:
    """Return a change that takes every match of the pattern out of a page."""
    return lambda text: re.sub(pattern, "", text, flags=re.DOTALL)


def exported(study: Study, table: str = "ratings") -> list[dict[str, Any]]:
    return list(study_tables(study, include_bots=True)[table].rows())


# --- Walking -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", ["1", "2"])
def test_a_bot_takes_consent_practice_and_given_personas_to_the_end(seed: str, live_server: LiveServer) -> None:
    study = make_frozen_study(practice=2)
    report = walk(study, live_server, seed=seed)
    assert report == BotReport(code="B-001", step="done", ratings=20, error="")
    participant = study.participants.get()
    assert participant.completed_at and participant.practice_done == 2 and len(exported(study)) == 20


def test_both_ways_of_saving_are_walked() -> None:
    assert {Bot("", seed=str(seed)).saves_each_answer for seed in range(8)} == {True, False}


def test_the_same_seed_gives_the_same_answers(live_server: LiveServer) -> None:
    answers = []
    for slug in ("one", "two"):
        study = make_frozen_study(slug=slug)
        walk(study, live_server, seed="7")
        answers.append([row["value"] for row in exported(study)])
    assert answers[0] == answers[1]


def test_a_bot_that_finds_no_place_left_ends_without_an_error(live_server: LiveServer) -> None:
    study = make_frozen_study(given_items=1, raters_per_item=1, given_per_participant=1)
    walk(study, live_server)
    report = walk(study, live_server)
    assert (report.step, report.ratings, report.error) == ("full", 0, "")


def test_a_bot_goes_on_when_outputs_fail(live_server: LiveServer) -> None:
    study = make_frozen_study(given_items=1, written_items=1, given_per_participant=1, written_per_participant=1)

    def fail(seconds: float) -> None:
        Output.objects.filter(state="requested").update(state="failed", error="out of memory")

    report = walk(study, live_server, sleep=fail)
    assert (report.step, report.ratings) == ("done", 5)
    assert Assignment.objects.filter(state=Assignment.State.SET_ASIDE).count() == 1


def test_bots_take_the_help_that_a_writing_page_offers_in_all_ways_and_finish(live_server: LiveServer) -> None:
    study = make_eliciting_study(written=4, condition="both", propose_after=1)

    def answer(seconds: float) -> None:
        make_ready("Take a walk, for example.")

    for seed in ("1", "3", "4"):
        report = walk(study, live_server, seed=seed, sleep=answer)
        assert (report.step, report.error) == ("done", "")
    written = Persona.objects.filter(submitted_at__isnull=False)
    assert set(written.values_list("written_as", flat=True)) == set(Persona.WrittenAs.values)
    assert set(written.filter(condition="free").values_list("written_as", flat=True)) == {"free"}
    assert set(PersonaProposal.objects.values_list("decision", flat=True)) == set(PersonaProposal.Decision.values)
    assert ElicitationAnswer.objects.exclude(text="").exists()
    assert not written.filter(text__startswith="\n").exists()


def test_a_bot_joins_by_an_open_link(live_server: LiveServer) -> None:
    study = make_frozen_study()
    link = study.open_links.create(cap=1)
    address = live_server.url + reverse("annotation:join", args=[link.token])
    assert Bot(address, seed="1").walk().step == "done"
    assert "no button to start with" in Bot(address, seed="1").walk().error


# --- Failing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "error"),
    [
        (r'value="agree"', "page consent: there is no field 'answer' to agree with"),
        (r'<input type="hidden" name="index"[^>]*>', "page practice: there is no field 'index'"),
        (r'<input type="radio"[^>]*>', "page practice: there is no scale to answer"),
        (r"<textarea.*?</textarea>", "page write: there is no field 'text'"),
        (r'<input type="hidden" name="csrfmiddlewaretoken"[^>]*>', "page consent: there is no field 'csrfmid"),
        (r'data-step="\w+"', "page unknown: a participant cannot go on"),
    ],
)
def test_a_bot_fails_on_a_page_that_lacks_a_field_and_names_both(
    pattern: str, error: str, live_server: LiveServer
) -> None:
    study = make_frozen_study(written_items=1, written_per_participant=1, practice=1)
    report = walk_tampered(study, live_server, without(pattern))
    assert report.error.startswith(error), report.error


def test_a_bot_fails_where_a_click_cannot_be_saved(live_server: LiveServer) -> None:
    study = make_frozen_study()
    clicks = next(str(seed) for seed in range(8) if Bot("", seed=str(seed)).saves_each_answer)
    report = walk_tampered(study, live_server, without(r'data-url="[^"]*"'), seed=clicks)
    assert re.match(r"page rate: field 'answer-\w+-answerability' has no address to save to", report.error)


def test_a_refused_form_is_reported_in_the_words_of_the_page(live_server: LiveServer) -> None:
    study = make_frozen_study(written_items=1, written_per_participant=1)
    bot = make_bot(study, live_server.url)
    bot.personas = ["   "]
    report = bot.walk()
    assert report.error.startswith("page write: status 422: Write a sentence about a person first")


def test_waiting_ends_after_a_bounded_number_of_tries(live_server: LiveServer) -> None:
    study = make_frozen_study(written_items=1, written_per_participant=1)
    naps: list[float] = []
    report = walk(study, live_server, wait_tries=3, wait_seconds=0.25, sleep=naps.append)
    assert naps == [0.25] * 3 and "is the worker running?" in report.error and report.step == "wait"


@pytest.mark.parametrize("state", ["draft", "paused", "closed"])
def test_a_study_that_is_not_open_stops_a_bot(state: str, live_server: LiveServer) -> None:
    study = make_study(state=state)
    assert "cannot go on from here" in walk(study, live_server).error


def test_a_server_that_is_gone_is_reported_without_the_link() -> None:
    study = make_frozen_study()
    report = make_bot(study, "http://127.0.0.1:9").walk()
    assert report.error == "page unknown: no answer from the server (ConnectError)"


# --- The command, with a real server and worker ------------------------------------------------------------------


def make_written_study(folder: Path) -> Study:
    """Return an open study with practice, a comparison, written and given personas, served by the scripted engine."""
    study = make_study(
        state="draft", given_items=2, written_items=3, given_per_participant=1, written_per_participant=2,
        comparison=True, practice=1, raters_per_item=9,
    )  # fmt: skip
    script = str(write_script(folder))
    for style, persona_style in (("general", "none"), ("tailored", "field")):
        system_register(
            name=style, engine="scripted", model=script, persona_style=persona_style, decoding={"style": style}
        )
    for arm in study.arms.all():
        # The given outputs were written by hand, as imported ones are.
        Output.objects.filter(arm=arm).update(fingerprint="")
    arms_bind(study=study, bindings={"1": "general", "2": "tailored"})
    study_open(study=study, user=None)
    return study


def test_bots_complete_a_study_with_written_personas_and_the_export_has_exactly_their_ratings(
    server: Server, worker: ProjectProcess, tmp_path: Path
) -> None:
    study, out = make_written_study(tmp_path), io.StringIO()
    call_command("simulate_study", "study", "--participants", "4", "--url", server.base_url, stdout=out)
    assert out.getvalue().strip() == "4 completed, 0 found no place left, 0 failed; 60 ratings made."
    rows = exported(study)
    assert len(rows) == Rating.objects.count() == 60
    assert Counter(row["participant"] for row in rows) == {f"B-{n:03d}": 15 for n in range(1, 5)}
    written = [row["text"] for row in exported(study, "personas") if row["author"]]
    assert len(written) == 8 and set(written) <= {text.replace("\r\n", "\n") for text in PERSONAS}
    assert Event.objects.filter(kind=Event.Kind.COMPLETED).count() == 4


def test_a_failing_bot_makes_the_command_fail_and_names_the_page(live_server: LiveServer) -> None:
    study = make_frozen_study()
    Output.objects.filter(persona__item__key="item-1").delete()
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"B-001: page \w+: ") as caught:
        call_command("simulate_study", "study", "--participants", "1", "--url", live_server.url, stdout=out)
    assert study.participants.get().token not in str(caught.value)
    assert "1 failed" in out.getvalue()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["study", "--url", "http://127.0.0.1:9"], "No server answers at http://127.0.0.1:9"),
        (["study", "--url", "127.0.0.1:9"], "No server answers at"),
        (["draft"], "bots can take an open study only"),
        (["nothing"], "no study called"),
        (["study", "--concurrency", "0"], "at least 1"),
    ],
)
def test_the_command_says_what_is_wrong_before_it_makes_a_bot(arguments: list[str], says: str) -> None:
    make_frozen_study()
    make_study(slug="draft", state="draft")
    with pytest.raises(CommandError, match=says):
        call_command("simulate_study", *arguments, "--participants", "1")
    assert not Participant.objects.exists()


# --- The released outputs ----------------------------------------------------------------------------------------

DATA = settings.BASE_DIR.parent / "shared" / "data"
RELEASED = {
    "DPO": "dpo_Persona(training_type=none, inference_type=gold-rejected).jsonl",
    "PT-DPO": "dpo_Persona(training_type=chosen, inference_type=gold-rejected).jsonl",
}


def load_beavertails(folder: Path) -> Study:
    """Return the open study of 499 pairs, loaded and filled by the commands a researcher would use."""
    make_user("ada")
    shutil.copy(settings.BASE_DIR / "examples" / "beavertails" / "study.yaml", folder)
    (folder / "data").mkdir()
    shutil.copy(DATA / "persona-tailoring" / "BeaverTails" / "test.parquet", folder / "data")
    call_command("load_study", folder / "study.yaml", stdout=io.StringIO())
    Study.objects.update(contact="Ada Example, ada@example.org")  # the file leaves it to be put in
    study = Study.objects.get()
    for system, name in RELEASED.items():
        file = DATA / "released-outputs" / "BeaverTails" / name
        call_command("import_outputs", study.slug, str(file), "--system", system, stdout=io.StringIO())
    call_command("open_study", study.slug, stdout=io.StringIO())
    study.refresh_from_db()
    return study


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the released outputs are not beside the project (../shared/data)")
def test_twenty_bots_rate_the_released_outputs_and_the_export_has_exactly_their_ratings(
    server: Server, tmp_path: Path
) -> None:
    study, out = load_beavertails(tmp_path), io.StringIO()
    assert Output.objects.filter(state=Output.State.READY).count() == 2 * 499
    call_command("simulate_study", study.slug, "--participants", "20", "--url", server.base_url, stdout=out)
    made = 20 * 20 * 2 * 2
    assert out.getvalue().strip() == f"20 completed, 0 found no place left, 0 failed; {made} ratings made."
    call_command("export_ratings", study.slug, "--out", tmp_path / "out", "--format", "jsonl", "--include-bots",
                 stdout=io.StringIO(), stderr=io.StringIO())  # fmt: skip
    rows = exported(study)
    assert len(rows) == Rating.objects.filter(superseded_by=None).count() == made
    assert (tmp_path / "out" / "ratings.jsonl").read_text("utf-8").count("\n") == made
    assert Counter(row["arm"] for row in rows) == dict.fromkeys(study.arms.values_list("code", flat=True), made // 2)
    stored = Rating.objects.values_list("slot__assignment__key", "position", "aspect__key", "value")
    assert sorted((r["assignment"], r["position"], r["aspect"], r["value"]) for r in rows) == sorted(stored)
