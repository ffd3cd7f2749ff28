"""A study that recruits on Prolific, and people who arrive from there, for tests."""

from typing import Any
from urllib.parse import urlencode

from django.test import Client

from annotation.models import OpenLink, Participant, Study
from annotation.services.entrance import Terms
from annotation.services.openlinks import open_link_create
from tests.annotation.walking import Walker
from tests.factories import make_study

CODES = {"completed": "CDONE11", "screened_out": "CSCREEN", "no_consent": "CNOCONS", "over_quota": "COVERQU"}
PID = "5f0c9a1b2c3d4e5f60718293"
SESSION = "aaaaaaaaaaaaaaaaaaaaaaaa"


def prolific_study(*, quota: int | None = None, **fields: Any) -> Study:
    study = make_study(**fields)
    study.recruitment = {"prolific": CODES, **({} if quota is None else {"quota": quota})}
    study.save(update_fields=["recruitment"])
    return study


def link_of(study: Study, cap: int = 100) -> OpenLink:
    return open_link_create(study=study, terms=Terms(cap=cap), user=None)


def query(person: str = PID, session: str = SESSION) -> dict[str, str]:
    return {"PROLIFIC_PID": person, "STUDY_ID": "cccccccccccccccccccccccc", "SESSION_ID": session}


def address_of(link: OpenLink, person: str = PID, session: str = SESSION) -> str:
    return f"/arrive/{link.token}/?{urlencode(query(person, session))}"


def a_browser() -> Client:
    return Client(headers={"host": "localhost"})


def arrive(link: OpenLink, person: str = PID, session: str = SESSION, *, browser: Client | None = None) -> Any:
    """Click on "Start" on the page of the arrival, in a browser that has never been here unless one is given."""
    return (browser or a_browser()).post(address_of(link, person, session))


def walker_of(link: OpenLink, person: str = PID, session: str = SESSION, *, browser: Client | None = None) -> Walker:
    response = arrive(link, person, session, browser=browser)
    assert response.status_code == 302
    participant = Participant.objects.select_related("study").get(study=link.study, external_id=person)
    assert response["Location"] == f"/p/{participant.token}/"
    return Walker(link.study, participant)
