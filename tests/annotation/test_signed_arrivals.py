"""Arrivals that Prolific has signed: checked with its keys, and the one way to come back from any browser."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.management import CommandError, call_command

from annotation.models import OpenLink, Participant
from annotation.prolific_tokens import keys_file
from tests.annotation.prolific import CODES, PID, SESSION, a_browser, link_of, query, walker_of
from tests.annotation.studyfiles import definition
from tests.factories import make_study

pytestmark = pytest.mark.django_db
PROLIFIC = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SOMEBODY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_set(key: rsa.RSAPrivateKey, name: str = "first") -> str:
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return json.dumps({"keys": [{**public, "kid": name, "use": "sig", "alg": "RS256"}]})


@pytest.fixture(autouse=True)
def keys(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.VAR_DIR = tmp_path
    (tmp_path / "keys.json").write_text(key_set(PROLIFIC), encoding="utf-8")
    call_command("prolific_keys", file=tmp_path / "keys.json", stdout=io.StringIO())
    yield


@pytest.fixture
def link() -> OpenLink:
    study = make_study()
    study.recruitment = {"prolific": {**CODES, "signed": True}}
    study.save(update_fields=["recruitment"])
    return link_of(study)


def token(key: Any = PROLIFIC, *, algorithm: str = "RS256", kid: str = "first", **claims: Any) -> str:
    given = {
        "aud": "https://localhost",
        "exp": datetime.now(UTC) + timedelta(minutes=5),
        "prolific": {**query(), "workspace_id": "w"},
        **claims,
    }
    return jwt.encode({k: v for k, v in given.items() if v is not None}, key, algorithm, headers={"kid": kid})


def address(link: OpenLink, signed: str) -> str:
    return f"/arrive/{link.token}/?prolific_token={signed}"


def test_a_signed_arrival_leads_to_ones_own_work_from_any_browser(link: OpenLink) -> None:
    assert a_browser().get(address(link, token())).status_code == 200
    assert not Participant.objects.exists()
    addresses = {a_browser().post(address(link, token()))["Location"] for _ in range(3)}
    person = Participant.objects.get()
    assert addresses == {f"/p/{person.token}/"}
    assert (person.external_id, person.session_id) == (PID, SESSION)


@pytest.mark.parametrize(
    "forged",
    [
        token(SOMEBODY),
        token(aud="https://elsewhere.example.org"),
        token(exp=datetime.now(UTC) - timedelta(hours=1)),
        token(exp=None),
        token(aud=None),
        token(prolific=None),
        token(prolific={"PROLIFIC_PID": PID}),
        token(prolific={**query(), "PROLIFIC_PID": "<b>"}),
        token("", algorithm="none"),
        token("a secret that is long enough to be one", algorithm="HS256"),
        "no.token.atall",
        "",
    ],
)
def test_what_prolific_has_not_signed_for_this_site_lets_nobody_in(link: OpenLink, forged: str) -> None:
    for browser in (a_browser(), a_browser()):
        assert browser.get(address(link, forged)).status_code == 403
        assert browser.post(address(link, forged)).status_code == 403
    assert not Participant.objects.exists()


def test_plain_ids_let_nobody_into_a_study_whose_arrivals_are_signed(link: OpenLink) -> None:
    response = a_browser().post(f"/arrive/{link.token}/?PROLIFIC_PID={PID}&STUDY_ID=somestudy&SESSION_ID={SESSION}")
    assert response.status_code == 403 and not Participant.objects.exists()


def test_without_the_right_key_it_is_told_to_both_sides_and_nobody_gets_in(
    link: OpenLink, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert a_browser().post(address(link, token(kid="newer"))).status_code == 503
        keys_file().unlink()
        response = a_browser().post(address(link, token()))
    assert response.status_code == 503 and "try again" in response.content.decode()
    assert caplog.text.count("run `manage.py prolific_keys`") == 2
    assert not Participant.objects.exists()


def test_a_signature_is_taken_as_proof_where_plain_ids_are_taken_too() -> None:
    study = make_study()
    study.recruitment = {"prolific": CODES}
    study.save(update_fields=["recruitment"])
    link = link_of(study)
    walker = walker_of(link)
    assert a_browser().post(address(link, token()))["Location"] == f"/p/{walker.participant.token}/"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"keys": []}', '{"keys": [{"kty": "RSA"}]}', '{"keys": 3}'])
def test_what_is_no_key_set_is_refused_and_the_keys_stay(tmp_path: Path, text: str) -> None:
    before = keys_file().read_bytes()
    (tmp_path / "wrong.json").write_text(text, encoding="utf-8")
    with pytest.raises(CommandError, match="no JSON Web Key Set"):
        call_command("prolific_keys", file=tmp_path / "wrong.json")
    assert keys_file().read_bytes() == before


def test_keys_that_cannot_be_had_are_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("prolific_keys", file=tmp_path / "missing.json")
    with pytest.raises(CommandError, match="stay in use"):
        call_command("prolific_keys", url="http://127.0.0.1:9/jwks.json")


def test_the_study_file_says_whether_arrivals_are_signed(tmp_path: Path) -> None:
    given = {"prolific": {**CODES, "signed": True}}
    assert definition(tmp_path, recruitment=given).recruitment == given
    assert "signed" not in definition(tmp_path, recruitment={"prolific": CODES}).recruitment["prolific"]
