"""Who may do what: every address, for every role and every method. A new address without a row here fails."""

import copy
from collections.abc import Iterator
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
from tests.matrix import MATRIX, METHODS, ROLES
from tests.modelhub.judged_rows import add_judgements
from tests.modelhub.output_rows import make_outputs
from tests.modelhub.pair_rows import make_pairs, make_system

pytestmark = pytest.mark.django_db


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
