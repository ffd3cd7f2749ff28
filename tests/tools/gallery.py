"""Every page there is, brought about as it comes about in use: for checks that hold for all, and for pictures."""

import io

from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from annotation.bots import Bot
from annotation.models import (
    OpenLink,
    Output,
    Participant,
    PersonaHold,
    Study,
    User,
)
from annotation.services import participants as services
from annotation.services.places import participant_place
from annotation.services.previews import preview_start
from annotation.services.queue import MAX_ATTEMPTS
from annotation.services.recruitment import Proof, participant_arrive
from annotation.services.withdrawal import participant_withdraw
from annotation.views import errors
from modelhub.demo import USERNAME, Demo
from tests.factories import make_study
from tests.tools.gallery_bring import bring_spots
from tests.tools.gallery_jobs import job_spots
from tests.tools.gallery_live import hold, living_worker, trouble_spots
from tests.tools.spots import Spot, participant_at_work, path_of, writer_of

PROLIFIC_CODES = {
    "completed": "CDONE111",
    "screened_out": "CSCREEN1",
    "no_consent": "CNOCONS1",
    "over_quota": "COVERQU1",
}


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
        address = base_url + path_of(participant)
        report = Bot(address, seed=f"person {number}", sleep=lambda seconds: run_worker_once()).walk()
        assert not report.error, report.error


def gallery(demo: Demo) -> list[Spot]:
    """Return every page of the demonstration and its relatives; makes the participants and studies they need."""
    living_worker(None)
    spots = [*_participant_spots(demo), *_standing_spots(), *_researcher_spots(demo), *_error_spots()]
    spots += [*trouble_spots(demo.study.owner), *bring_spots(demo.study.owner)]
    Study.objects.filter(slug__startswith="gallery-").update(title="What to do on a free evening")
    return spots


# --- participants ---


def _participant_spots(demo: Demo) -> list[Spot]:
    study = demo.study
    declined = participant_at_work(study, consented=False, instructed=False, practised=False)
    services.participant_decline(participant=declined)
    failed, place = writer_of(study, submitted=True)
    Output.objects.filter(persona__author=failed).update(state=Output.State.FAILED)
    ready, _ = writer_of(study, submitted=True)
    held, _ = writer_of(study, submitted=True)
    held_outputs, _ = writer_of(study, submitted=True)
    run_worker_once()
    hold(held, PersonaHold.Stage.PERSONA, "instructions")
    hold(held_outputs, PersonaHold.Stage.OUTPUTS, "reveal")
    done = participant_at_work(study)
    services.participant_complete(participant=done)
    practising = participant_at_work(study, practised=False)
    writing = participant_at_work(study)
    return [
        Spot("join", reverse("annotation:join", args=[demo.link.token])),
        Spot("consent", path_of(participant_at_work(study, consented=False, instructed=False, practised=False))),
        Spot("declined", path_of(declined)),
        Spot("instructions", path_of(participant_at_work(study, instructed=False, practised=False))),
        Spot("practice", path_of(practising)),
        Spot("practice-missing", path_of(practising), act=_continue_unanswered),
        Spot("write", path_of(participant_at_work(study))),
        Spot("write-typing", path_of(writing), act=_type_a_persona),
        Spot("wait", path_of(writer_of(study, submitted=True)[0])),
        Spot("rate", path_of(ready)),
        Spot("rate-answered", path_of(ready), act=_answer_some),
        Spot("rate-missing", path_of(ready), act=_continue_unanswered),
        Spot("failed", path_of(failed)),
        Spot("held", path_of(held)),
        Spot("held-responses", path_of(held_outputs)),
        Spot("done", path_of(done)),
    ]


def _standing_spots() -> list[Spot]:
    """Pages on which nothing can be done at the moment."""
    spots = []
    for state, name in [("draft", "not-open"), ("paused", "paused"), ("closed", "closed")]:
        study = make_study(slug=f"gallery-{name}", state=state)
        spots.append(Spot(name, path_of(services.participant_create(study=study))))
    full = make_study(slug="gallery-full", given_items=1, given_per_participant=1, raters_per_item=1)
    participant_place(participant=participant_at_work(full))
    link = OpenLink.objects.create(study=full, cap=1)
    services.participant_create(study=full, open_link=link)
    return [
        *spots,
        *_leaving_spots(),
        *_prolific_spots(),
        Spot("full", path_of(services.participant_create(study=full))),
        Spot("join-full", reverse("annotation:join", args=[link.token])),
    ]


def _leaving_spots() -> list[Spot]:
    study = make_study(slug="gallery-leaving")
    left = participant_at_work(study)
    participant_withdraw(participant=left)
    return [
        Spot("leave", f"{path_of(participant_at_work(study))}leave/"),
        Spot("withdrawn", path_of(left)),
        Spot("leave-later", f"{path_of(left)}leave/"),
        Spot("erased", f"{path_of(left)}leave/", act=lambda page: _erase(page, study)),
    ]


def _erase(page: Page, study: Study) -> None:
    """Each visit erases somebody else: the page has no address to come back to."""
    page.goto(f"{path_of(participant_at_work(study))}leave/")
    page.get_by_role("button", name="Leave and erase my data").click()
    expect(page.locator("main")).to_have_attribute("data-step", "erased")


def _prolific_spots() -> list[Spot]:
    """The pages on which somebody from Prolific gets a code, or learns that there is none."""
    study = make_study(slug="gallery-prolific", given_per_participant=1)
    study.recruitment = {"prolific": PROLIFIC_CODES}
    study.save(update_fields=["recruitment"])
    link = OpenLink.objects.create(study=study, cap=10)
    arrive = reverse("annotation:arrive", args=[link.token])
    refused = OpenLink.objects.create(study=study, cap=1)
    services.participant_create(study=study, open_link=refused)
    query = "PROLIFIC_PID=someone000&STUDY_ID=somestudy&SESSION_ID=somesession"
    spots = [
        Spot("recruitment", reverse("annotation:recruit", args=[study.slug, study.version]), signed_in=True),
        Spot("arrive-wrong", arrive, status=400),
        Spot("arrive", f"{arrive}?{query}"),
        Spot("arrive-used-up", f"{reverse('annotation:arrive', args=[refused.token])}?{query}", act=_press_start),
    ]
    ends = ("no_consent", "over_quota", "returned", "timed_out", "screened_out", "completed")
    for number, end in enumerate(ends):
        person = participant_arrive(open_link=link, person=f"person{number}", session="s", proof=Proof())
        times = {"no_consent": "declined_at", "screened_out": "screened_out_at", "completed": "completed_at"}
        reached = {times[end]: timezone.now()} if end in times else {}
        Participant.objects.filter(pk=person.pk).update(platform_state=end, **reached)
        spots.append(Spot(f"prolific-{end.replace('_', '-')}", path_of(person)))
    return spots


def _set_up_a_second_factor(page: Page) -> None:
    page.get_by_role("button", name="Set it up").or_(page.get_by_role("button", name="Switch it on")).click()
    expect(page.get_by_label("Code that your app shows")).to_be_visible()


def _press_start(page: Page) -> None:
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_be_visible()


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
    failed = _failed_outputs(demo)
    study_page = reverse("annotation:study", args=here)
    links = reverse("annotation:participant_links", args=here)
    export = reverse("annotation:export_download", args=[*other, "ratings", "csv"])
    return [
        Spot("home", reverse("annotation:home")),
        Spot("login", reverse("login")),
        Spot("login-wrong", reverse("login"), act=_sign_in_wrongly),
        Spot("password", reverse("password_change"), signed_in=True),
        Spot("password-done", reverse("password_change_done"), signed_in=True),
        Spot("second-factor", reverse("second_factor"), signed_in=True, act=_set_up_a_second_factor),
        Spot("studies", reverse("annotation:study_list"), signed_in=True),
        Spot("study", study_page, signed_in=True),
        Spot("study-draft", reverse("annotation:study", args=there), signed_in=True),
        Spot("study-closing", study_page, signed_in=True, act=_ask_to_close),
        Spot("dashboard", reverse("annotation:dashboard", args=here), signed_in=True, act=_open_tables),
        Spot("dashboard-empty", reverse("annotation:dashboard", args=other), signed_in=True),
        Spot("dashboard-failed", reverse("annotation:dashboard", args=failed), signed_in=True),
        Spot("study-failed", reverse("annotation:study", args=failed), signed_in=True),
        Spot("items", reverse("annotation:items", args=here), signed_in=True),
        Spot("outputs-seen", reverse("annotation:study_outputs", args=here), signed_in=True),
        Spot("outputs-failed", reverse("annotation:study_outputs", args=failed), signed_in=True),
        Spot("texts-seen", reverse("annotation:study_texts", args=here), signed_in=True),
        Spot("flags", reverse("annotation:quality", args=here), signed_in=True, act=_decide_without_a_reason),
        Spot("flags-empty", reverse("annotation:quality", args=other), signed_in=True),
        Spot("exports", reverse("annotation:exports", args=here), signed_in=True),
        Spot("participant-way", reverse("annotation:participant_seen", args=[*here, 1]), signed_in=True),
        Spot("participants", reverse("annotation:participants", args=here), signed_in=True),
        Spot("participant-change", reverse("annotation:participant_change", args=[*here, 1]), signed_in=True),
        Spot("log", reverse("annotation:audit", args=here), signed_in=True),
        Spot("recruitment-none", reverse("annotation:recruit", args=here), signed_in=True),
        Spot("amendments", reverse("annotation:amendments", args=here), signed_in=True),
        Spot("ethics", reverse("annotation:ethics", args=here), signed_in=True),
        Spot("release", reverse("annotation:release", args=here), signed_in=True),
        Spot("sharing", reverse("annotation:members", args=here), signed_in=True),
        Spot("preview", path_of(preview_start(study=demo.study, user=demo.study.owner))),
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
        *job_spots(demo.study, other),
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
        if summary.is_visible():  # one of the two lists of contents is there for other widths
            summary.click()


def _refuse_without_a_reason(page: Page) -> None:
    page.evaluate("document.querySelectorAll('form').forEach(form => { form.noValidate = true; })")
    page.get_by_role("button", name="Refuse").first.click()
    expect(page.get_by_role("alert")).to_contain_text("Say why")


def _decide_without_a_reason(page: Page) -> None:
    page.evaluate("document.querySelectorAll('form').forEach(form => { form.noValidate = true; })")
    page.get_by_role("button", name="Set aside").first.click()
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
