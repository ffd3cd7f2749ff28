"""Every page there is, brought about as it comes about in use: for checks that hold for all, and for pictures."""

import io
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from annotation.bots import Bot
from annotation.models import (
    ArmTrouble,
    OpenLink,
    Output,
    OutputWorker,
    Participant,
    Persona,
    PersonaFinding,
    PersonaHold,
    Study,
    User,
)
from annotation.services import participants as services
from annotation.services.holds import hold_place
from annotation.services.personas import persona_submit
from annotation.services.places import Place, participant_place
from annotation.services.previews import preview_start
from annotation.services.queue import MAX_ATTEMPTS
from annotation.services.recruitment import participant_arrive
from annotation.services.withdrawal import participant_withdraw
from annotation.services.workers import worker_start
from annotation.views import errors
from modelhub.demo import USERNAME, Demo
from modelhub.models import OutputFinding
from tests.factories import make_study

PERSONA = "The user is a nurse on night shifts and prefers short answers that can be used at once."
PROLIFIC_CODES = {
    "completed": "CDONE111",
    "screened_out": "CSCREEN1",
    "no_consent": "CNOCONS1",
    "over_quota": "COVERQU1",
}


@dataclass(frozen=True)
class Spot:
    """A page: its address, who looks, and what is done on it before it is looked at. `status` is that of the answer;
    `body` replaces what the server would answer, for errors that cannot be provoked from outside."""

    name: str
    path: str
    signed_in: bool = False
    act: Callable[[Page], None] | None = None
    body: bytes | None = None
    status: int = 200


@contextmanager
def open_spot(
    browser: Browser,
    base_url: str,
    spot: Spot,
    session: str,
    *,
    watch: Callable[[Page], None] | None = None,
    **args: Any,
) -> Iterator[Page]:
    """Open a page in a browser context that has never been there, before anything is done on it."""
    context = browser.new_context(base_url=base_url, **args)
    if spot.signed_in:
        context.add_cookies([{"name": "sessionid", "value": session, "url": base_url}])
    page = context.new_page()
    if watch:
        watch(page)
    if spot.body is not None:
        page.route(f"**{spot.path}", lambda route: route.fulfill(body=spot.body, content_type="text/html"))
    page.goto(spot.path, wait_until="load")
    yield page
    context.close()


def run_worker_once() -> None:
    """Make every requested output."""
    call_command("run_worker", "--once", stdout=io.StringIO(), stderr=io.StringIO())


def session_of(username: str = USERNAME) -> str:
    """Return the session key of a fresh sign-in."""
    client = Client()
    client.force_login(User.objects.get(username=username))
    return client.cookies["sessionid"].value


def people_take_the_demonstration(demo: Demo, base_url: str, count: int) -> None:
    """Let some people finish the demonstration."""
    for number in range(count):
        participant = services.participant_create(study=demo.study)
        address = base_url + _path(participant)
        report = Bot(address, seed=f"person {number}", sleep=lambda seconds: run_worker_once()).walk()
        assert not report.error, report.error


def gallery(demo: Demo) -> list[Spot]:
    """Return every page of the demonstration and its relatives; makes the participants and studies they need."""
    _worker(None)
    spots = [*_participant_spots(demo), *_standing_spots(), *_researcher_spots(demo), *_error_spots()]
    spots += _trouble_spots(demo.study.owner)
    Study.objects.filter(slug__startswith="gallery-").update(title="What to do on a free evening")
    return spots


# --- participants ---


def _path(participant: Participant) -> str:
    return reverse("annotation:participant", args=[participant.token])


def _participant(
    study: Study, *, consented: bool = True, instructed: bool = True, practised: bool = True
) -> Participant:
    participant = services.participant_create(study=study)
    if consented:
        services.participant_consent(participant=participant)
    if instructed:
        services.participant_instructed(participant=participant)
    if practised:
        for index in range(len(study.practice)):
            services.participant_practised(participant=participant, index=index)
    return Participant.objects.select_related("study").get(pk=participant.pk)


def _writer(study: Study, *, submitted: bool = False) -> tuple[Participant, Place]:
    participant = _participant(study)
    place = participant_place(participant=participant)
    assert place.assignment
    if submitted:
        persona_submit(assignment=place.assignment, text=PERSONA, version=0, tab=uuid.uuid4())
    return participant, place


def _hold(participant: Participant, stage: PersonaHold.Stage, kind: str) -> None:
    persona = Persona.objects.get(author=participant, submitted_at__isnull=False)
    hold_place(persona_id=persona.pk, stage=stage, reason=kind)
    if stage == PersonaHold.Stage.OUTPUTS:
        OutputFinding.objects.create(output=persona.outputs.all()[0], kind=kind, detail="Says “I am Llama-3.1-8B”.")
        return
    PersonaFinding.objects.create(
        persona=persona, kind=kind, detail="Begins a field of the prompt: “Response:”.", source="rule", action="held"
    )


def _participant_spots(demo: Demo) -> list[Spot]:
    study = demo.study
    declined = _participant(study, consented=False, instructed=False, practised=False)
    services.participant_decline(participant=declined)
    failed, place = _writer(study, submitted=True)
    Output.objects.filter(persona__author=failed).update(state=Output.State.FAILED)
    ready, _ = _writer(study, submitted=True)
    held, _ = _writer(study, submitted=True)
    held_outputs, _ = _writer(study, submitted=True)
    run_worker_once()
    _hold(held, PersonaHold.Stage.PERSONA, "instructions")
    _hold(held_outputs, PersonaHold.Stage.OUTPUTS, "reveal")
    done = _participant(study)
    services.participant_complete(participant=done)
    practising = _participant(study, practised=False)
    writing = _participant(study)
    return [
        Spot("join", reverse("annotation:join", args=[demo.link.token])),
        Spot("consent", _path(_participant(study, consented=False, instructed=False, practised=False))),
        Spot("declined", _path(declined)),
        Spot("instructions", _path(_participant(study, instructed=False, practised=False))),
        Spot("practice", _path(practising)),
        Spot("practice-missing", _path(practising), act=_continue_unanswered),
        Spot("write", _path(_participant(study))),
        Spot("write-typing", _path(writing), act=_type_a_persona),
        Spot("wait", _path(_writer(study, submitted=True)[0])),
        Spot("rate", _path(ready)),
        Spot("rate-answered", _path(ready), act=_answer_some),
        Spot("rate-missing", _path(ready), act=_continue_unanswered),
        Spot("failed", _path(failed)),
        Spot("held", _path(held)),
        Spot("held-responses", _path(held_outputs)),
        Spot("done", _path(done)),
    ]


def _standing_spots() -> list[Spot]:
    """Pages on which nothing can be done at the moment."""
    spots = []
    for state, name in [("draft", "not-open"), ("paused", "paused"), ("closed", "closed")]:
        study = make_study(slug=f"gallery-{name}", state=state)
        spots.append(Spot(name, _path(services.participant_create(study=study))))
    full = make_study(slug="gallery-full", given_items=1, given_per_participant=1, raters_per_item=1)
    participant_place(participant=_participant(full))
    link = OpenLink.objects.create(study=full, cap=1, joined=1)
    return [
        *spots,
        *_leaving_spots(),
        *_prolific_spots(),
        Spot("full", _path(services.participant_create(study=full))),
        Spot("join-full", reverse("annotation:join", args=[link.token])),
    ]


def _worker(study: Study | None) -> OutputWorker:
    """A worker that is heard as long as pictures are taken."""
    worker = worker_start(key=f"gallery {study}", study=study, host="gpu-1")
    OutputWorker.objects.filter(pk=worker.pk).update(heard_at=timezone.now() + timedelta(hours=3))
    return worker


def _trouble_spots(owner: User) -> list[Spot]:
    """A study of which nothing can be answered: somebody waits for a model that is down."""
    study = make_study(
        slug="gallery-trouble", owner=owner, given_items=0, written_items=2, given_per_participant=0,
        written_per_participant=1,
    )  # fmt: skip
    waiting, _ = _writer(study, submitted=True)
    now = timezone.now()
    for arm in study.arms.all():
        for worker in OutputWorker.objects.all():
            ArmTrouble.objects.create(
                worker=worker, arm=arm, kind=ArmTrouble.Kind.DOWN, since=now, retry_at=now + timedelta(seconds=8),
                reason="The connection to the server could not be made (ConnectError).",
            )  # fmt: skip
    return [
        Spot("wait-trouble", _path(waiting)),
        Spot("study-trouble", reverse("annotation:study", args=[study.slug, study.version]), signed_in=True),
        Spot("arms-trouble", reverse("modelhub:arms", args=[study.slug, study.version]), signed_in=True),
    ]


def _leaving_spots() -> list[Spot]:
    study = make_study(slug="gallery-leaving")
    left = _participant(study)
    participant_withdraw(participant=left)
    return [
        Spot("leave", f"{_path(_participant(study))}leave/"),
        Spot("withdrawn", _path(left)),
        Spot("leave-later", f"{_path(left)}leave/"),
        Spot("erased", f"{_path(left)}leave/", act=lambda page: _erase(page, study)),
    ]


def _erase(page: Page, study: Study) -> None:
    """Each visit erases somebody else: the page has no address to come back to."""
    page.goto(f"{_path(_participant(study))}leave/")
    page.get_by_role("button", name="Leave and erase my data").click()
    expect(page.locator("main")).to_have_attribute("data-step", "erased")


def _prolific_spots() -> list[Spot]:
    """The pages on which somebody from Prolific gets a code, or learns that there is none."""
    study = make_study(slug="gallery-prolific", given_per_participant=1)
    Study.objects.filter(pk=study.pk).update(recruitment={"prolific": PROLIFIC_CODES})
    link = OpenLink.objects.create(study=study, cap=10)
    arrive = reverse("annotation:arrive", args=[link.token])
    refused = OpenLink.objects.create(study=study, cap=1, joined=1)
    query = "PROLIFIC_PID=someone000&STUDY_ID=somestudy&SESSION_ID=somesession"
    spots = [
        Spot("arrive-wrong", arrive, status=400),
        Spot("arrive-used-up", f"{reverse('annotation:arrive', args=[refused.token])}?{query}", status=409),
    ]
    ends = ("no_consent", "over_quota", "returned", "timed_out", "screened_out", "completed")
    for number, end in enumerate(ends):
        person = participant_arrive(open_link=OpenLink.objects.get(pk=link.pk), person=f"person{number}", session="s")
        times = {"no_consent": "declined_at", "screened_out": "screened_out_at", "completed": "completed_at"}
        reached = {times[end]: timezone.now()} if end in times else {}
        Participant.objects.filter(pk=person.pk).update(platform_state=end, **reached)
        spots.append(Spot(f"prolific-{end.replace('_', '-')}", _path(person)))
    return spots


def _type_a_persona(page: Page) -> None:
    page.get_by_label("Your persona").clear()
    page.get_by_label("Your persona").press_sequentially("The user is 70 years old.")
    expect(page.locator("[data-save-state]")).to_contain_text("Draft saved at")


def _answer_some(page: Page) -> None:
    for number in (0, 1):
        scale = page.locator("[data-scale]").nth(number)
        scale.locator("label.option").nth(3 - number).click()
        expect(scale.locator("[data-save-state]")).to_contain_text("Saved at")


def _continue_unanswered(page: Page) -> None:
    page.locator("[data-continue]").click()
    expect(page.locator("fieldset.is-missing").first).to_be_visible()


# --- researchers ---


def _researcher_spots(demo: Demo) -> list[Spot]:
    draft = _draft_with_suspicious_outputs()
    changed = make_study(slug="gallery-changed", owner=demo.study.owner)
    here, there, other = ([study.slug, study.version] for study in (demo.study, draft, changed))
    study_page = reverse("annotation:study", args=here)
    links = reverse("annotation:participant_links", args=here)
    export = reverse("annotation:export_download", args=[*other, "ratings", "csv"])
    return [
        Spot("home", reverse("annotation:home")),
        Spot("login", reverse("login")),
        Spot("login-wrong", reverse("login"), act=_sign_in_wrongly),
        Spot("password", reverse("password_change"), signed_in=True),
        Spot("password-done", reverse("password_change_done"), signed_in=True),
        Spot("studies", reverse("annotation:study_list"), signed_in=True),
        Spot("study", study_page, signed_in=True),
        Spot("study-draft", reverse("annotation:study", args=there), signed_in=True),
        Spot("study-closing", study_page, signed_in=True, act=_ask_to_close),
        Spot("dashboard", reverse("annotation:dashboard", args=here), signed_in=True, act=_open_tables),
        Spot("dashboard-empty", reverse("annotation:dashboard", args=other), signed_in=True),
        Spot("dashboard-failed", reverse("annotation:dashboard", args=_failed_outputs(demo)), signed_in=True),
        Spot("participants", reverse("annotation:participants", args=here), signed_in=True),
        Spot("participant-change", reverse("annotation:participant_change", args=[*here, 1]), signed_in=True),
        Spot("log", reverse("annotation:audit", args=here), signed_in=True),
        Spot("sharing", reverse("annotation:members", args=here), signed_in=True),
        Spot("preview", _path(preview_start(study=demo.study, user=demo.study.owner))),
        Spot("links", links, signed_in=True),
        Spot("links-refused", links, signed_in=True, act=_ask_for_no_links),
        Spot("export-refused", export, signed_in=True, status=409),
        Spot("held-decisions", reverse("modelhub:held", args=here), signed_in=True),
        Spot("held-refusing", reverse("modelhub:held", args=here), signed_in=True, act=_refuse_without_a_reason),
        Spot("held-empty", reverse("modelhub:held", args=other), signed_in=True),
        Spot("scan", reverse("modelhub:scan", args=there), signed_in=True),
        Spot("arms", reverse("modelhub:arms", args=here), signed_in=True),
        Spot("report", reverse("modelhub:report", args=here), signed_in=True, act=_open_tables),
        Spot("agreement", reverse("modelhub:agreement_panel", args=here), signed_in=True),
    ]


def _failed_outputs(demo: Demo) -> list[str | int]:
    study = make_study(slug="gallery-failed", owner=demo.study.owner)
    outputs = Output.objects.filter(persona__item__study=study, arm__ordinal=1)
    outputs.update(state=Output.State.FAILED, error="HTTP 500", attempts=MAX_ATTEMPTS)
    return [study.slug, study.version]


def _draft_with_suspicious_outputs() -> Study:
    owner = User.objects.get(username=USERNAME)
    study = make_study(slug="gallery-draft", state="draft", owner=owner)
    texts = ["As an AI persona model, I would say yes.", "again and again and again and again and again and again", ""]
    for output, text in zip(Output.objects.filter(persona__item__study=study), texts, strict=False):
        Output.objects.filter(pk=output.pk).update(text=text)
    return study


def _sign_in_wrongly(page: Page) -> None:
    page.get_by_label("Username").fill("nobody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Username")).to_be_visible()


def _open_tables(page: Page) -> None:
    for summary in page.locator("summary").all():
        summary.click()


def _refuse_without_a_reason(page: Page) -> None:
    page.evaluate("document.querySelectorAll('form').forEach(form => { form.noValidate = true; })")
    page.get_by_role("button", name="Refuse").first.click()
    expect(page.get_by_role("alert")).to_contain_text("Say why")


def _ask_to_close(page: Page) -> None:
    page.get_by_role("button", name="Close").first.click()
    page.wait_for_load_state()


def _ask_for_no_links(page: Page) -> None:
    page.locator("form[action$='personal/'] input[type=number]").fill("0")
    page.evaluate("document.querySelectorAll('form').forEach(form => { form.noValidate = true; })")
    page.locator("form[action$='personal/'] button").click()
    page.wait_for_load_state()


# --- errors ---


def _error_spots() -> list[Spot]:
    request = RequestFactory().get("/")
    missing = ValueError("shown nowhere")
    pages: dict[str, HttpResponse] = {
        "error-400": errors.bad_request(request, missing),
        "error-403": errors.permission_denied(request, missing),
        "error-500": errors.server_error(request),
        "error-expired": errors.csrf_failure(request),
    }
    return [
        Spot("error-404", "/p/there-is-no-such-link-at-all/", status=404),
        *(Spot(name, f"/{name}/", body=response.content) for name, response in pages.items()),
    ]
