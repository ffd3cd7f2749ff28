"""Who may do what: every address, for every role and every method. A new address without a row here fails."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from annotation.models import OpenLink, Participant, Persona, PersonaHold, Study, StudyMember, User
from annotation.permissions import Role
from annotation.services import participants as services
from annotation.services.holds import hold_place
from annotation.services.members import role_give
from annotation.services.places import participant_place
from modelhub.models import Job, PairOutput, PreferencePair, Run, System
from tests.annotation.study_rows import make_frozen_study
from tests.factories import make_user
from tests.modelhub.judged_rows import add_judgements
from tests.modelhub.output_rows import make_outputs
from tests.modelhub.pair_rows import make_pairs, make_system

pytestmark = pytest.mark.django_db

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# The browser of a participant holds no session: only the address says who it is.
SIGNED_OUT = ("anonymous", "participant")
SIGNED_IN = ("no role", "stranger", "stranger analyst", "member", "member analyst", "owner", "admin")
ROLES = (*SIGNED_OUT, *SIGNED_IN)
Cells = dict[str, int]
WRONG_METHOD = 405


def everybody(status: int) -> Cells:
    """Return the same status for every role."""
    return dict.fromkeys(ROLES, status)


def accounts(status: int, signed_out: int = 302) -> Cells:
    """Return the status for whoever is signed in; others are sent to sign in."""
    return {**dict.fromkeys(SIGNED_OUT, signed_out), **dict.fromkeys(SIGNED_IN, status)}


def study(status: int, **others: int) -> Cells:
    """Return the status for those whose study it is; `others` names roles that get something else (`_` for a space)."""
    strangers = {"no role": 403, "stranger": 404, "stranger analyst": 404}
    return {**accounts(status), **strangers, **{role.replace("_", " "): code for role, code in others.items()}}


def running(status: int) -> Cells:
    """Return the status for those who run the study; whoever was attached as an analyst is refused."""
    return study(status, member_analyst=403)


def sharing(status: int) -> Cells:
    """Return the status for the owner and admins."""
    return study(status, member=403, member_analyst=403)


@dataclass(frozen=True)
class Row:
    """An address: what its placeholders hold, what is sent, and the cells of the methods that it takes."""

    path: tuple[str, ...] = ()
    data: dict[str, str] | None = None
    get: Cells | None = None
    post: Cells | None = None
    put: Cells | None = None
    options: Cells | None = None
    other: Cells | None = None

    def expected(self, method: str) -> Cells:
        """Return the cells of a method; one that is not named is not taken. HEAD gets what GET gets."""
        cells: Cells | None = getattr(self, "get" if method == "HEAD" else method.lower(), None)
        return cells or self.other or everybody(WRONG_METHOD)


SIGNED_IN_ONLY = accounts(WRONG_METHOD)
STUDY = ("slug", "version")
NUMBER = (*STUDY, "number")


def page(*path: str, get: Cells, **more: Any) -> Row:
    """Return a row of an address that researchers read."""
    return Row(path, get=get, other=SIGNED_IN_ONLY, **more)


def action(*path: str, post: Cells, data: dict[str, str] | None = None) -> Row:
    """Return a row of an address that researchers send something to; opened or reloaded, it leads to its page."""
    return Row(path, data=data, get=accounts(302), post=post, other=SIGNED_IN_ONLY)


def link(*path: str, status: int, **data: str) -> Row:
    """Return a row of an address below a participant's link: whoever holds the link is the participant."""
    return Row(("token", *path), data=data, get=everybody(302), post=everybody(status))


# Analysts and admins alone, whether or not a study is theirs: nothing there is a study's, save the runs they may see.
ANALYSTS = ("stranger analyst", "member analyst", "admin")
PIPELINE = {**accounts(200), "no role": 403, "stranger": 403, "member": 403, "owner": 403}
# The run of these tests trained nothing, so that it has no curves; who may not read runs is not even told that.
NO_CURVES = {who: 404 if status == 200 else status for who, status in PIPELINE.items()}
FORM = {"put": accounts(200), "options": accounts(200)}
ADMINS = {**accounts(403), "admin": 200}
MATRIX: dict[str, Row] = {
    "health": Row(get=everybody(200)),
    "ready": Row(get=everybody(200)),
    # By the site's name, as all of these are asked for; who may read them: tests/operations/test_access.py.
    "metrics": Row(get=everybody(404)),
    "login": Row(
        get=accounts(302, signed_out=200), post=accounts(302, signed_out=200),
        put=accounts(302, signed_out=200), options=accounts(302, signed_out=200), other=accounts(302, signed_out=405),
    ),
    "logout": Row(post=accounts(302), options=accounts(200), other=SIGNED_IN_ONLY),
    "password_change": page(get=accounts(200), post=accounts(200), **FORM),
    "second_factor": page(get=accounts(200), post=accounts(422)),
    "password_change_done": page(get=accounts(200), options=accounts(200)),
    # A choice that anybody may make, and words that anybody's page loads.
    "set_language": Row(data={"language": "de"}, post=everybody(302)),
    "words": Row(("language",), get=everybody(200)),
    "annotation:home": Row(get=accounts(302, signed_out=200)),
    "annotation:arrive": Row(("arrival",), get=everybody(400), post=everybody(400)),
    "annotation:join": Row(("open",), get=everybody(200), post=everybody(302)),
    "annotation:participant": Row(("token",), get=everybody(200)),
    "annotation:leave": Row(("token",), get=everybody(200), post=everybody(302)),
    "annotation:image": Row(("token", "sha256"), get=everybody(404)),  # no item of this study has an image
    "annotation:consent": link(status=302, answer="agree"),
    "annotation:participant_language": link(status=302, lang="en"),
    "annotation:instructions": link(status=302),
    "annotation:practice": link(status=302),
    "annotation:quiz": link(status=400),
    "annotation:questionnaire": link("page", status=302),
    "annotation:persona_submit": link("key", status=302),
    "annotation:persona_draft": link("key", status=400),
    "annotation:elicitation_answers": link("key", status=400),
    "annotation:elicitation_assemble": link("key", status=302),
    "annotation:elicitation_proposal": link("key", status=302),
    "annotation:wait": Row(("token", "key"), get=everybody(302)),
    "annotation:failed": Row(("token", "key"), get=everybody(302)),
    "annotation:held": Row(("token", "key"), get=everybody(302)),
    "annotation:set_aside": link("key", status=302),
    "annotation:complete": link("key", status=422),
    "annotation:time": link("key", status=400),
    "annotation:warned": link("key", status=302),
    "annotation:skip": link("key", status=302, reason="r"),
    "annotation:followup_save": link("slot", status=422),
    "annotation:rating_save": link("slot", "aspect", status=400),
    "annotation:accounts": page(get=ADMINS),
    "annotation:account_add": action(post={**ADMINS, "admin": 422}),
    "annotation:account_renew": action("account", post=ADMINS),
    "annotation:account_switch": action("account", post=ADMINS),
    "annotation:study_list": page(get={**accounts(200), "no role": 403}),
    "annotation:recruit": page(*STUDY, get=running(200)),
    "annotation:recruit_sync": action(*STUDY, post=running(422)),
    "annotation:recruit_list": page(*STUDY, "list", get=sharing(200)),
    "annotation:participant_forget": action(*NUMBER, post=running(200)),
    "annotation:amendments": page(*STUDY, get=study(200)),
    "annotation:wave_add": action(*STUDY, post=running(422)),
    "annotation:amend": action(*STUDY, post=running(422)),
    "annotation:study": page(*STUDY, get=study(200)),
    "annotation:make_new": page(get={**accounts(200), "no role": 403}, post={**accounts(422), "no role": 403}),
    "annotation:make_file": page(*STUDY, get=study(200)),
    "annotation:make_differences": page(*STUDY, get=study(200)),
    "annotation:make_renew": action(*STUDY, post=sharing(302)),
    # What is frozen is told to be so.
    "annotation:make_edit": page(*STUDY, "section", get=running(200), post=running(409)),
    "annotation:make_preview": action(*STUDY, "section", post=running(200)),
    "annotation:make_items": page(*STUDY, get=running(200)),
    "annotation:make_item": page(*STUDY, "place", get=running(200), post=running(409)),
    "annotation:study_texts": page(*STUDY, get=study(200)),
    "annotation:items": page(*STUDY, get=study(200)),
    "annotation:study_outputs": page(*STUDY, get=study(200)),
    "annotation:exports": page(*STUDY, get=study(200)),
    "annotation:quality": page(*STUDY, get=study(200)),
    # The part is not finished: there is nothing to decide yet.
    "annotation:part_decided": action(*STUDY, "key", post=running(409), data={"decision": "keep", "reason": "r"}),
    "annotation:dashboard": page(*STUDY, get=study(200)),
    "annotation:participants": page(*STUDY, get=study(200)),
    "annotation:audit": page(*STUDY, get=study(200)),
    "annotation:ethics": page(*STUDY, get=running(200)),
    "annotation:ethics_download": page(*STUDY, get=running(200)),
    "annotation:key": page(*STUDY, get=sharing(200)),
    "annotation:key_destroyed": action(*STUDY, post=sharing(409), data={"confirmed": "on"}),
    "annotation:release": page(*STUDY, get=study(200)),
    "annotation:export_zip": page(*STUDY, "format", get=study(200)),
    "annotation:export_download": page(*STUDY, "table", "format", get=study(200)),
    "annotation:participant_links": page(*STUDY, get=running(200)),
    "annotation:participant_links_csv": page(*STUDY, get=running(200)),
    "annotation:participant_seen": page(*NUMBER, get=study(200)),
    "annotation:participant_change": page(*NUMBER, get=running(200)),
    "annotation:members": page(*STUDY, get=sharing(200)),
    "annotation:study_state": action(*STUDY, post=running(302), data={"action": "pause"}),
    "annotation:outputs_retry": action(*STUDY, post=running(302)),
    "annotation:preview": action(*STUDY, post=running(302)),
    "annotation:participants_create": action(*STUDY, post=running(302), data={"count": "1"}),
    "annotation:participants_invite": action(*STUDY, post=running(422)),
    "annotation:open_link_create": action(*STUDY, post=running(302), data={"cap": "1"}),
    "annotation:open_link": page(
        *STUDY, "link", get=running(200), post=running(302), data={"cap": "2"}
    ),
    "annotation:open_link_deactivate": action(*STUDY, "link", post=running(302)),
    "annotation:participant_exclude": action(*NUMBER, post=running(302), data={"reason": "r"}),
    "annotation:participant_include": action(*NUMBER, post=running(409), data={"reason": "r"}),
    "annotation:participant_link_replace": action(*NUMBER, post=running(200)),
    "annotation:member_add": action(*STUDY, post=sharing(302), data={"username": "colleague", "role": "researcher"}),
    "annotation:member_remove": action(*STUDY, "member", post=sharing(302)),
    "modelhub:scan": page(*STUDY, get=study(200)),
    "modelhub:scan_exclude": action(*STUDY, "persona", post=running(409), data={"reason": "r"}),
    "modelhub:scan_include": action(*STUDY, "persona", post=running(409)),
    "modelhub:data": page(*STUDY, get=study(200)),
    "modelhub:data_add": action(*STUDY, post=running(422)),
    # Whoever brought a file is alone to see it, since it may say which arm is which; here it is the member.
    "modelhub:upload": page(
        *STUDY, "upload", get=running(404) | {"member": 200}, post=running(404) | {"member": 302}
    ),
    "modelhub:upload_forget": action(*STUDY, "upload", post=running(404) | {"member": 302}),
    "modelhub:held": page(*STUDY, get=study(200)),
    "modelhub:held_release": action(*STUDY, "persona", "stage", post=running(302)),
    "modelhub:held_refuse": action(*STUDY, "persona", "stage", post=running(302), data={"reason": "r"}),
    # The owner here is a researcher: owning a study does not unblind it.
    "modelhub:arms": page(*STUDY, get=study(200, owner=403, member=403)),
    "modelhub:arms_bound": action(*STUDY, post=study(422, owner=403, member=403, member_analyst=403)),
    "modelhub:systems_tried": action(*STUDY, post=study(422, owner=403, member=403, member_analyst=403)),
    "modelhub:trials": page(*STUDY, get=study(200, owner=403, member=403)),
    "modelhub:report": page(*STUDY, get=study(200, owner=403, member=403)),
    "modelhub:unblinded_download": page(*STUDY, "format", get=study(200, owner=403, member=403)),
    "modelhub:report_compute": action(*STUDY, post=study(302, owner=403, member=403)),
    "modelhub:results": page(*STUDY, get=study(200)),
    "modelhub:results_compute": action(*STUDY, post=study(302)),
    "modelhub:rehearsal": page(*STUDY, get=study(200)),
    "modelhub:rehearsal_start": action(*STUDY, post=running(422)),
    "modelhub:power": page(*STUDY, get=study(200)),
    "modelhub:power_simulation": action(*STUDY, post=study(422)),
    # The job is a rehearsal, which has made no files.
    "modelhub:job_progress": page(*STUDY, "job", get=study(200)),
    "modelhub:job_end": action(*STUDY, "job", post=running(302)),
    "modelhub:job_files": page(*STUDY, "job", get=study(404)),
    "modelhub:agreement_panel": page(*STUDY, get=study(200)),
    "modelhub:runs": page(get=PIPELINE),
    "modelhub:run": page("run", get=PIPELINE),
    "modelhub:run_curves": page("run", get=NO_CURVES),
    "modelhub:training": page(get=PIPELINE),
    "modelhub:pairs": page(get=PIPELINE),
    "modelhub:pair": page("pair", get=PIPELINE),
    "modelhub:systems": page(get=PIPELINE),
    "modelhub:system": page("system", get=PIPELINE),
    "modelhub:outputs": page(get=PIPELINE),
    "modelhub:persona_accuracy": page(get=PIPELINE),
    "modelhub:persona_words": page(get=PIPELINE),
    "modelhub:preference_attributes": page(get=PIPELINE),
    "modelhub:judgements": page(get=PIPELINE),
    # Without saying which comparison, there is none to show.
    "modelhub:judged_pairs": page(get={**PIPELINE, **dict.fromkeys(ANALYSTS, 404)}),
    "modelhub:judged_pair": page("judged base", "judged test", get=PIPELINE),
}  # fmt: skip


def addresses(patterns: list[URLPattern | URLResolver], namespace: str = "") -> Iterator[str]:
    """Yield the name of every address of the project."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else namespace)
        else:
            assert pattern.name, f"{pattern.pattern} has no name"
            yield namespace + pattern.name


def test_every_address_has_its_row_and_every_row_an_address() -> None:
    assert sorted(addresses(get_resolver().url_patterns)) == sorted(MATRIX)


@pytest.fixture
def world() -> Study:
    """A running study with a participant at work, and an account of each kind."""
    study = make_frozen_study()
    for analyst in ("stranger analyst", "member analyst", "analyst as researcher"):
        role_give(user=make_user(analyst), role=Role.ANALYST)
    make_user("no role").groups.clear()
    make_user("stranger")
    make_user("colleague")
    make_user("admin", is_superuser=True)
    for username, role in (("member", "researcher"), ("member analyst", "analyst")):
        StudyMember.objects.create(study=study, user=make_user(username), role=role)
    participant = services.participant_create(study=study)
    services.participant_consent(participant=participant)
    services.participant_instructed(participant=participant)
    assert participant_place(participant=Participant.objects.get(pk=participant.pk)).step == "rate"
    Client().get(reverse("annotation:participant", args=[participant.token]))  # answers are taken once it is shown
    OpenLink.objects.create(study=study, cap=5)
    held = Persona.objects.get(item__study=study, item__key="item-1")
    file = {"kind": "outputs", "name": "mine.csv", "content": b"item,text\nitem-1,Yes.\n", "size": 23}
    study.uploads.create(user=User.objects.get(username="member"), **file)
    hold_place(persona_id=held.pk, stage=PersonaHold.Stage.PERSONA, reason="harmful")
    pairs = make_pairs("advice", "test", 1)
    make_system()
    base, test = (make_outputs(pairs, make_system(name)) for name in ("dpo", "pt-dpo"))
    Job.objects.create(study=study, kind=Job.Kind.REHEARSAL, arguments={"bots": 1})
    add_judgements(base, test, make_system("judge"), "quality", ["win"])
    return study


def values_of(study: Study) -> dict[str, Any]:
    """Return what can stand in the placeholders of an address."""
    participant = study.participants.get()
    assignment = participant.assignments.get()
    slot = assignment.slots.filter(kind="output").first()
    open_link = study.open_links.get()
    assert slot
    return {
        "slug": study.slug,
        "version": study.version,
        "number": participant.number,
        "token": participant.token,
        "key": assignment.key,
        "slot": slot.key,
        "aspect": "answerability",
        "page": "before",
        "upload": study.uploads.get().pk,
        "language": "de",
        "open": open_link.token,
        "link": open_link.pk,
        "arrival": open_link.token,
        "member": study.members.get(user__username="member").pk,
        "persona": Persona.objects.get(item__study=study, item__key="item-1").key,
        "stage": "persona",
        "section": "texts",
        "place": 1,
        "table": "ratings",
        "format": "csv",
        "list": "approve",
        "sha256": "0" * 64,
        "account": User.objects.get(username="no role").pk,
        "run": Run.objects.get(stage="import_preferences").key,
        "pair": PreferencePair.objects.get().pk,
        "judged base": PairOutput.objects.get(system__name="dpo").pk,
        "judged test": PairOutput.objects.get(system__name="pt-dpo").pk,
        "job": Job.objects.get().key,
        "system": System.objects.get(name="inferrer").pk,
    }


def client_of(role: str, study: Study) -> Client:
    """Return a browser as the role has it."""
    client = Client()
    if role == "participant":
        client.get(reverse("annotation:participant", args=[study.participants.get().token]))
    elif role == "owner":
        client.force_login(study.owner)
    elif role != "anonymous":
        client.force_login(User.objects.get(username=role))
    return client


def status_of(client: Client, method: str, address: str, data: dict[str, str] | None) -> int:
    """Send a request and undo what it did."""
    with transaction.atomic():
        response = client.post(address, data or {}) if method == "POST" else client.generic(method, address)
        for _ in response if response.streaming else ():
            pass
        transaction.set_rollback(True)
    return response.status_code


@pytest.mark.parametrize("role", ROLES)
def test_every_role_gets_what_the_matrix_says_at_every_address_for_every_method(role: str, world: Study) -> None:
    values, client, wrong = values_of(world), client_of(role, world), {}
    signed_in = client.cookies
    for name, row in MATRIX.items():
        address = reverse(name, args=[values[part] for part in row.path])
        for method in METHODS:
            client.cookies = copy.deepcopy(signed_in)
            status, wanted = status_of(client, method, address, row.data), row.expected(method)[role]
            if status != wanted:
                wrong[name, method] = f"{status}, not {wanted}"
    assert not wrong, "\n".join(f"{method} {name}: {what}" for (name, method), what in wrong.items())


def test_an_analyst_who_is_attached_as_a_researcher_stays_blind(world: Study, client: Client) -> None:
    analyst = User.objects.get(username="analyst as researcher")
    StudyMember.objects.create(study=world, user=analyst, role="researcher")
    client.force_login(analyst)
    response = client.get(reverse("modelhub:arms", args=[world.slug, world.version]))
    assert response.status_code == 403 and "You are blinded in this study" in response.content.decode()


def test_an_analyst_who_is_attached_as_one_leaves_a_mark_for_each_look(world: Study, client: Client) -> None:
    client.force_login(User.objects.get(username="member analyst"))
    for looks in (1, 2):
        assert client.get(reverse("modelhub:arms", args=[world.slug, world.version])).status_code == 200
        assert world.audit_log.filter(action="arms_seen", user__username="member analyst").count() == looks


@pytest.mark.parametrize(
    ("username", "name", "says"),
    [
        ("no role", "study_list", "neither a researcher"),
        ("no role", "study", "neither a researcher"),
        ("member analyst", "participant_links", "attached to this study as an analyst"),
        ("member", "members", "Only the owner"),
    ],
)
def test_a_refusal_says_why(username: str, name: str, says: str, world: Study, client: Client) -> None:
    client.force_login(User.objects.get(username=username))
    args = [] if name == "study_list" else [world.slug, world.version]
    response = client.get(reverse(f"annotation:{name}", args=args))
    assert response.status_code == 403 and says in response.content.decode()


def test_a_message_that_was_not_written_for_readers_is_shown_to_nobody(world: Study, client: Client) -> None:
    client.force_login(User.objects.get(username="stranger"))
    missing = client.get(reverse("annotation:study", args=[world.slug, world.version])).content.decode()
    assert world.title not in missing and "There is nothing at this address" in missing
