"""A whole study over HTTP, every mistake included: nothing that would unblind it is ever sent to a participant."""

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from annotation.botattention import answer_key_of
from annotation.bots import Bot
from annotation.models import (
    Arm,
    Assignment,
    Item,
    Output,
    Participant,
    Persona,
    PersonaFinding,
    PersonaHold,
    Study,
)
from annotation.services.holds import hold_place
from annotation.services.participants import participant_create
from modelhub.demo import FOLDER, demo_prepare
from modelhub.models import OutputFinding, Run, System
from tests.annotation.controls import open_example
from tests.annotation.stepping import LATE, make_two_step_study
from tests.annotation.walking import make_ready
from tests.tools.processes import ProjectProcess, Server
from tests.tools.visitor import Visitor

ERROR_OF_A_MODEL = "CUDA out of memory in zebra-70b at /models/zebra-70b/weights.safetensors"
ALWAYS_FORBIDDEN = ["scripted", "outputs.jsonl", "script.yaml", "lease_", "fingerprint", "PT-DPO", "zebra-70b"]


@pytest.fixture
def study(server: Server) -> Study:
    """The demonstration, with data set names and item ids that could be nothing else."""
    study = demo_prepare().study
    for item in Item.objects.filter(study=study):
        Item.objects.filter(pk=item.pk).update(stratum=f"stratum{item.pk}zz", key=f"item{item.pk}zz")
    return study


@pytest.fixture
def walker(server: Server) -> Iterator[Visitor]:
    with Visitor(server.base_url) as visitor:
        yield visitor


def forbidden(study: Study, participant: Participant) -> set[str]:
    """Everything that must not reach this participant."""
    arms = Arm.objects.filter(study=study)
    outputs = Output.objects.filter(persona__item__study=study)
    systems = System.objects.all()
    items = Item.objects.filter(study=study)
    secrets = {
        *arms.values_list("code", flat=True),
        *arms.values_list("fingerprint", flat=True),
        *outputs.values_list("key", flat=True),
        *outputs.values_list("fingerprint", flat=True),
        *outputs.values_list("lease_holder", flat=True),
        *outputs.values_list("error", flat=True),
        *Persona.objects.filter(item__study=study).values_list("key", flat=True),
        *items.values_list("key", flat=True),
        *items.values_list("stratum", flat=True),
        *systems.values_list("name", flat=True),
        *systems.values_list("model", flat=True),
        *systems.values_list("fingerprint", flat=True),
        *systems.values_list("adapter", flat=True),
        *Run.objects.values_list("key", flat=True),
        study.protocol_hash,
        str(FOLDER),
        str(settings.BASE_DIR),
        *ALWAYS_FORBIDDEN,
    }
    for other in Participant.objects.exclude(pk=participant.pk):
        secrets |= {other.token, other.code, other.completion_code}
    return secrets - {""}


def everything_sent(response: httpx.Response) -> str:
    headers = "\n".join(f"{name}: {value}" for name, value in response.headers.multi_items())
    return f"{response.request.url}\n{headers}\n{response.text}"


def leaks(seen: list[httpx.Response], secrets: set[str]) -> set[tuple[str, str]]:
    """The (address, secret) pairs for which an answer held the secret, in any case."""
    pattern = re.compile("|".join(re.escape(secret) for secret in sorted(secrets, key=len, reverse=True)), re.I)
    return {(str(response.url), match[0]) for response in seen for match in pattern.finditer(everything_sent(response))}


def join(walker: Visitor, study: Study) -> Participant:
    walker.get(reverse("annotation:join", args=[study.open_links.get().token]))
    walker.send("")
    return Participant.objects.get(study=study, open_link__isnull=False, token=str(walker.response.url).split("/")[-2])


def consent(walker: Visitor) -> None:
    walker.send("consent/", answer="decline")
    assert walker.step == "declined"
    walker.send("consent/", answer="reconsider")
    walker.send("consent/", answer="agree")
    walker.send("instructions/")


def practise(walker: Visitor) -> None:
    assert walker.send("practice/").status_code == 422
    walker.send("practice/", **{name: values[0] for name, values in walker.scales().items()})


def write(walker: Visitor, participant: Participant) -> None:
    assignment = participant.assignments.get(state=Assignment.State.OPEN)
    draft = reverse("annotation:persona_draft", args=[participant.token, assignment.key])
    fields = dict(walker.form("persona/").fields.items())
    text = "The user is a nurse on night shifts and prefers short answers."
    start = str(walker.response.url)
    assert walker.post(draft, {**fields, "text": text}, **{"HX-Request": "true"}).status_code == 200
    other_tab = {**fields, "tab": str(uuid.uuid4()), "text": "Something else."}
    assert walker.post(draft, other_tab, **{"HX-Request": "true"}).status_code == 409
    walker.get(start)
    assert walker.send("persona/", text=" ").status_code == 422
    walker.get(start)
    walker.send("persona/", text=text)
    walker.get(reverse("annotation:wait", args=[participant.token, assignment.key]), **{"HX-Request": "true"})
    walker.get(start)


def rate(walker: Visitor, participant: Participant) -> None:
    answers = {name: values[-1] for name, values in walker.scales().items()}
    form = dict(walker.form("complete/").fields.items())
    url = walker.page.xpath("//fieldset/@data-url")[0]
    start = str(walker.response.url)
    one = {"csrfmiddlewaretoken": str(form["csrfmiddlewaretoken"]), "version": "0", "client_key": str(uuid.uuid4())}
    assert walker.post(url, {**one, "value": "2"}).status_code == 200
    assert walker.post(url, {**one, "value": "1", "client_key": str(uuid.uuid4())}).status_code == 409
    assert walker.post(url, {**one, "value": "99", "client_key": str(uuid.uuid4())}).status_code == 422
    walker.get(start)
    assert walker.send("complete/").status_code == 422
    walker.send("complete/", **answers)


def walk_to_the_end(walker: Visitor, participant: Participant) -> list[str]:
    """Do whatever the page asks for until the study is done; return the steps in order."""
    steps = []
    while walker.step != "done":
        steps.append(walker.step)
        if walker.step == "write":
            write(walker, participant)
            walker.wait_while("wait")
        elif walker.step == "rate":
            rate(walker, participant)
        else:
            raise AssertionError(f"Nothing to do on {walker.step!r}.")
        assert len(steps) < 40
    return steps


def leave(walker: Visitor, participant: Participant) -> list[str]:
    """Leave the study, first with the data kept, then with everything erased; return the steps seen."""
    steps = []
    for choice in ("keep", "erase"):
        walker.get(reverse("annotation:leave", args=[participant.token]))
        steps.append(walker.step)
        walker.send("", choice=choice)
        steps.append(walker.step)
    return steps


def provoke_errors(walker: Visitor, participant: Participant, others: list[Participant]) -> None:
    """Ask for what does not exist, is somebody else's, or is malformed."""
    mine = reverse("annotation:participant", args=[participant.token])
    foreign = Assignment.objects.filter(participant__in=others).first()
    assert foreign
    statuses = {
        walker.get("/p/no-such-token-at-all-here/").status_code,
        walker.get(f"{mine}parts/{foreign.key}/complete/").status_code,
        walker.get(f"{mine}parts/{foreign.key}/wait/").status_code,
        walker.get(f"{mine}consent/").status_code,
        walker.post(f"{mine}consent/", {"answer": "agree"}).status_code,
        walker.post(f"{mine}answers/x/y/", {"value": "not a number"}).status_code,
        walker.get("/hub/demo/v1/arms/").status_code,
        walker.get("/research/demo/v1/").status_code,
        walker.get("/static/nothing.js").status_code,
        walker.get("/", Host="evil.example").status_code,
    }
    assert statuses >= {400, 403, 404}


def test_nothing_that_unblinds_reaches_a_participant(study: Study, walker: Visitor, worker: ProjectProcess) -> None:
    others = [participant_create(study=study) for _ in range(3)]
    with Visitor(str(walker.client.base_url)) as other:
        other.get(reverse("annotation:participant", args=[others[0].token]))
        for ending, answers in [("consent/", {"answer": "agree"}), ("instructions/", {})]:
            other.send(ending, **answers)
        practise(other)
    me = join(walker, study)
    consent(walker)
    practise(walker)
    assert set(walk_to_the_end(walker, me)) == {"write", "rate"}
    assert me.assignments.filter(state=Assignment.State.COMPLETED).count() == 6
    provoke_errors(walker, me, others)
    secrets = forbidden(study, me)
    assert leave(walker, me) == ["leave", "withdrawn", "leave", "erased"]

    assert len(walker.seen) > 60
    assert leaks(walker.seen, secrets) == set()


def test_a_failed_generation_says_nothing_about_the_model(study: Study, walker: Visitor) -> None:
    me = join(walker, study)
    consent(walker)
    practise(walker)
    write(walker, me)
    assert walker.step == "wait"
    Output.objects.filter(persona__author=me).update(state=Output.State.FAILED, error=ERROR_OF_A_MODEL)
    walker.get(reverse("annotation:participant", args=[me.token]))
    assert walker.step == "failed"
    walker.send("set-aside/")
    assert walker.step == "write"
    assert leaks(walker.seen, forbidden(study, me)) == set()


@pytest.mark.parametrize("stage", [PersonaHold.Stage.PERSONA, PersonaHold.Stage.OUTPUTS])
def test_what_is_held_says_neither_what_was_found_nor_where(
    study: Study, walker: Visitor, stage: PersonaHold.Stage
) -> None:
    me = join(walker, study)
    consent(walker)
    practise(walker)
    write(walker, me)
    found = "zebra-70b says who it is"
    persona = Persona.objects.get(author=me, submitted_at__isnull=False)
    PersonaFinding.objects.create(persona=persona, kind="unsafe", detail=found, source="guard", action="held")
    for output in Output.objects.filter(persona=persona):
        Output.objects.filter(pk=output.pk).update(state="ready", ready_at=timezone.now(), text=found)
        OutputFinding.objects.create(output=output, kind="reveal", detail=found)
    hold_place(persona_id=persona.pk, stage=stage, reason="unsafe, reveal")
    walker.get(reverse("annotation:participant", args=[me.token]))
    assert walker.step == "held"
    poll = reverse("annotation:held", args=[me.token, me.assignments.get(state="open").key])
    assert walker.get(f"{poll}?polls=1", **{"HX-Request": "true"}).status_code == 200
    walker.get(reverse("annotation:participant", args=[me.token]))
    walker.send("set-aside/")
    assert walker.step == "write"
    assert leaks(walker.seen, forbidden(study, me) | {"unsafe", "reveal"}) == set()


def test_a_persons_own_link_is_no_text_on_any_page_and_in_no_cookie(study: Study, walker: Visitor) -> None:
    me = join(walker, study)
    consent(walker)
    practise(walker)
    write(walker, me)
    pages = [seen for seen in walker.seen if seen.headers.get("content-type", "").startswith("text/html")]
    assert pages
    assert not any(me.token in Visitor.text_of(page) for page in pages)
    assert me.token not in json.dumps([[cookie.name, cookie.value] for cookie in walker.client.cookies.jar])


def test_two_links_in_one_browser_never_mix(study: Study, walker: Visitor) -> None:
    first, second = participant_create(study=study), participant_create(study=study)
    for participant in (first, second):
        walker.get(reverse("annotation:participant", args=[participant.token]))
        walker.send("consent/", answer="agree")
    walker.get(reverse("annotation:participant", args=[first.token]))
    before = len(walker.seen)
    walker.send("instructions/")
    practise(walker)
    assert leaks(walker.seen[before:], {second.token, second.code}) == set()
    second.refresh_from_db()
    assert (second.instructed_at, second.practice_done) == (None, 0)


@pytest.mark.parametrize("care", [1, 0])
def test_the_pages_of_the_controls_do_not_give_them_away(
    server: Server, walker: Visitor, tmp_path: Path, care: int
) -> None:
    study = open_example(tmp_path)
    for item in study.items.all():
        Item.objects.filter(pk=item.pk).update(stratum=f"stratum{item.pk}zz", key=f"item{item.pk}zz")
    me = participant_create(study=study)
    bot = Bot(
        server.base_url + reverse("annotation:participant", args=[me.token]),
        seed=f"walk {care}", care=care, answer_key=answer_key_of(study),
    )  # fmt: skip
    bot.client = walker.client
    report = bot.walk()
    assert report.error == ""
    assert leaks(walker.seen, forbidden(study, me) | {"planted", "attention", "expected", "is_loud"}) == set()
    if care:
        assert report.step == "done"
        assert len(walker.seen) > 20


def test_no_answer_of_the_first_of_two_steps_holds_the_persona(server: Server, walker: Visitor) -> None:
    study = make_two_step_study(written_items=2, written_per_participant=2, given_items=1, given_per_participant=1)
    Study.objects.filter(pk=study.pk).update(followup={"chips": ["Too long"], "text": "Why?"})
    me = participant_create(study=study)
    start = walker.get(reverse("annotation:participant", args=[me.token])).url
    walker.send("consent/", answer="agree")
    walker.send("instructions/")
    for _part in range(3):
        if walker.step == "write":
            walker.send("persona/", text="The user collects zeppelins and prefers drawings.")
            make_ready()
            walker.get(str(start))
        part, secret = me.assignments.get(state="open"), {"zeppelin", "gardener of kind"}
        seen = len(walker.seen)
        walker.get(str(start))
        knock_at_every_door(walker, me, part)
        walker.get(str(start))
        assert walker.send("show-persona/").status_code == 422
        assert leaks(walker.seen[seen:], secret) == set()
        shown = walker.send("show-persona/", **{name: values[-1] for name, values in walker.scales().items()})
        part.refresh_from_db()
        assert part.persona_shown_at
        assert leaks([shown], {part.persona.text}) == {(str(start), part.persona.text)}
        walker.send("complete/", **{name: values[-1] for name, values in walker.scales().items()})
    assert walker.step == "done"


def knock_at_every_door(walker: Visitor, me: Participant, part: Assignment) -> None:
    """Send what the rating page sends in both steps, right and wrong, and what the pages before it send."""
    form = {"csrfmiddlewaretoken": str(dict(walker.form("show-persona/").fields.items())["csrfmiddlewaretoken"])}
    mine = reverse("annotation:participant", args=[me.token])
    first = part.slots.filter(kind="output").first()
    assert first
    click = {**form, "value": "2", "version": "0", "client_key": str(uuid.uuid4())}
    tab = {**form, "text": "x" * 3000, "version": "0", "tab": str(uuid.uuid4())}
    sent = [
        walker.post(f"{mine}answers/{first.key}/answerability/", click),
        walker.post(f"{mine}answers/{first.key}/{LATE}/", {**click, "client_key": str(uuid.uuid4())}),
        walker.post(f"{mine}reasons/{first.key}/", {**form, "text": "Because.", "version": ""}),
        walker.post(f"{mine}parts/{part.key}/draft/", tab, **{"HX-Request": "true"}),
        walker.post(f"{mine}parts/{part.key}/persona/", {**tab, "text": "Else."}),
        walker.get(f"{mine}parts/{part.key}/wait/", **{"HX-Request": "true"}),
    ]
    assert {200, 409} <= {answer.status_code for answer in sent}


def test_the_check_itself_finds_what_is_there(study: Study, walker: Visitor) -> None:
    me = join(walker, study)
    title = str(walker.page.xpath("//title")[0].text)
    assert leaks(walker.seen, {title.upper()})
    assert leaks(walker.seen, {me.token})
