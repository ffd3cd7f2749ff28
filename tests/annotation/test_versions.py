"""Versions that a page sends along: one that the server does not have is a conflict, and never an error of ours."""

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from annotation.models import Followup, Persona, PersonaProposal, Rating, Study
from tests.annotation.eliciting import Writer, make_eliciting_study
from tests.annotation.walking import Walker
from tests.factories import make_study

pytestmark = pytest.mark.django_db
AHEAD = ("1", "7", "999999999")
NONE = ("-1", "1.0", "1e3", "½", "٣", "9999999999", "9" * 5000, "abc", " 1", "\x00", "")


def rater(**followup: Any) -> Walker:
    study = make_study(comparison=True)
    Study.objects.filter(pk=study.pk).update(followup=followup)
    study.refresh_from_db()
    walker = Walker(study).begin()
    walker.client.raise_request_exception = False
    return walker


def writer() -> Writer:
    walker = Writer(make_eliciting_study()).begin()
    walker.client.raise_request_exception = False
    return walker


def save(walker: Walker, version: str, value: int = 3) -> Any:
    slot = walker.assignment.slots.filter(kind="output").first()
    return walker.post(f"answers/{slot.key}/answerability/", value=value, version=version, client_key=str(uuid.uuid4()))


def complete(walker: Walker, version: str) -> Any:
    versions = {name: version for name in walker.answers() if re.match("version-answer", name)}
    return walker.complete(**versions)


def draft(walker: Writer, version: str) -> Any:
    return walker.send("draft", {**walker.form("Mine."), "version": version})


def submit(walker: Writer, version: str) -> Any:
    return walker.send("persona", {**walker.form("Mine."), "version": version})


def assemble(walker: Writer, version: str) -> Any:
    return walker.send("assemble", {**walker.form("Mine.", needs="I want tips."), "version": version})


def replaced(walker: Writer, version: str) -> Any:
    return walker.send("assemble", {**walker.form("Mine.", needs="I want tips."), "replace": version})


def proposed(walker: Writer, version: str) -> Any:
    PersonaProposal.objects.update_or_create(
        persona=walker.persona, defaults={"text": "The user is new.", "decision": ""}
    )
    return walker.send("proposal", {**walker.form("Mine."), "version": version, "decision": "edited"})


@pytest.mark.parametrize("version", AHEAD)
@pytest.mark.parametrize("send", [save, complete])
def test_an_answer_that_is_ahead_of_what_stands_is_a_conflict(send: Callable[..., Any], version: str) -> None:
    walker = rater()
    assert send(walker, version).status_code == 409
    assert not Rating.objects.exists()


@pytest.mark.parametrize("version", AHEAD)
@pytest.mark.parametrize("send", [draft, submit, assemble, replaced, proposed])
def test_a_text_that_is_ahead_of_what_stands_is_a_conflict(send: Callable[..., Any], version: str) -> None:
    walker = writer()
    response = send(walker, version)
    assert response.status_code == 409
    assert not Persona.objects.exclude(text="").exists()


def test_an_addition_that_is_ahead_of_what_stands_is_a_conflict() -> None:
    walker = rater(chips=["Wrong"], text="Why?")
    slot = walker.assignment.slots.filter(kind="output").first()
    for version in ("2099-01-01T00:00:00+00:00", "7", "\x00", "x" * 10_000):
        sent = {f"reasons-{slot.key}": "Wrong", f"words-{slot.key}": "It is.", "version": version}
        assert walker.post(f"reasons/{slot.key}/", **sent).status_code == 409
        assert walker.complete(**{**sent, f"version-words-{slot.key}": version}).status_code == 409
    assert not Followup.objects.exists()


@pytest.mark.parametrize("send", [save, complete])
def test_what_is_no_version_of_an_answer_is_no_request(send: Callable[..., Any]) -> None:
    walker = rater()
    assert {version: send(walker, version).status_code for version in NONE} == dict.fromkeys(NONE, 400)
    assert not Rating.objects.exists()


@pytest.mark.parametrize("send", [draft, submit, assemble, proposed])
def test_what_is_no_version_of_a_text_is_no_request(send: Callable[..., Any]) -> None:
    walker = writer()
    assert {version: send(walker, version).status_code for version in NONE} == dict.fromkeys(NONE, 400)
    assert not Persona.objects.exclude(text="").exists()


def test_a_form_whose_answers_share_a_key_keeps_the_first_and_says_so() -> None:
    walker = rater()
    keys = dict.fromkeys((name for name in walker.answers() if name.startswith("key-")), str(uuid.uuid4()))
    response = walker.complete(**keys)
    assert response.status_code == 422
    assert "key was used for another answer" in response.content.decode()
    assert Rating.objects.count() == 1


def test_a_form_with_the_key_of_another_answer_keeps_all_others_and_says_so() -> None:
    walker = rater()
    first, *_ = [name for name in walker.answers() if name.startswith("key-")]
    assert save(other := Walker(walker.participant.study).begin(), "0").status_code == 200
    used = Rating.objects.get(slot__assignment__participant=other.participant).client_key
    response = walker.complete(**{first: str(used)})
    assert response.status_code == 422
    assert "key was used for another answer" in response.content.decode()
    asked = len([name for name in walker.answers() if name.startswith("answer-")])
    assert Rating.objects.filter(slot__assignment__participant=walker.participant).count() == asked - 1
