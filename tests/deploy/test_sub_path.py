"""The site below a path of a host, behind a proxy that takes the path off and behind one that does not."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from annotation.services.entrance import Terms
from annotation.services.openlinks import open_link_create
from annotation.services.participants import participant_create
from personaeval.environment import env_sub_path
from tests.factories import make_study
from tests.test_settings import GOOD_SECRET, manage
from tests.tools.processes import Server, project_environment
from tests.tools.visitor import Visitor

PREFIX = "/studies"
DEPLOY = settings.BASE_DIR / "deploy"


@pytest.fixture
def below(tmp_path: Path, transactional_db: None) -> Iterator[Server]:
    """A server of the site below a path."""
    server = Server(tmp_path / "server.log", {**project_environment(), "SUB_PATH": PREFIX})
    server.start()
    server.make_ready()
    yield server
    server.stop()


def addresses_in(page: str) -> set[str]:
    return set(re.findall(r'(?:href|src|action|data-url|hx-get|hx-post)="(/[^"]*)"', page))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("taken_off", [False, True], ids=["the proxy passes it on", "the proxy takes it off"])
def test_a_study_is_taken_below_a_path_and_every_address_and_cookie_stays_below_it(
    below: Server, taken_off: bool
) -> None:
    study = make_study(given_items=1, given_per_participant=1, practice=0)
    link = open_link_create(study=study, terms=Terms(cap=3), user=None)
    at = "" if taken_off else PREFIX

    def through_the_proxy(request: httpx.Request) -> None:
        if taken_off:
            path = request.url.raw_path.decode().removeprefix(PREFIX)
            request.url = request.url.copy_with(raw_path=path.encode())

    with Visitor(below.base_url) as visitor:
        visitor.client.event_hooks["request"] = [through_the_proxy]
        visitor.get(f"{PREFIX}/join/{link.token}/")
        assert visitor.step == "join", (visitor.response, below.output())
        filled = {name: str(value) for name, value in visitor.form("").fields.items()}
        visitor.post(f"{PREFIX}/join/{link.token}/", filled)
        assert visitor.step == "consent"
        pages = [response.text for response in visitor.seen if "text/html" in response.headers.get("Content-Type", "")]
        assert addresses_in("".join(pages)) and all(
            address.startswith(f"{PREFIX}/") for address in addresses_in("".join(pages))
        )
        for address in [one for one in addresses_in(pages[-1]) if "/static/" in one]:
            assert visitor.client.get(address).status_code == 200, address
        assert {cookie.path.startswith(PREFIX) for cookie in visitor.client.cookies.jar} == {True}
        assert visitor.seen[-1].request.url.path.startswith(f"{at}/")


@pytest.mark.django_db
def test_links_that_commands_print_stand_below_the_path_once(tmp_path: Path) -> None:
    for given in ("https://example.org", "https://example.org/studies/"):
        done = manage(
            "shell", "-c",
            "from annotation.management.base import page_address; from django.urls import reverse;"
            f"print(page_address({given!r}, reverse('annotation:participant', args=['abc'])))",
            SUB_PATH=PREFIX, VAR_DIR=str(tmp_path), SECRET_KEY=GOOD_SECRET,
        )  # fmt: skip
        assert done.stdout.splitlines()[-1] == "https://example.org/studies/p/abc/", done.stderr


@pytest.mark.parametrize("value", ["studies", "/a//b", "/a b", "https://x", "/..", "/a/./b", "/é"])
def test_what_is_no_path_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SUB_PATH", value)
    with pytest.raises(ImproperlyConfigured, match="SUB_PATH"):
        env_sub_path("SUB_PATH")


@pytest.mark.parametrize(("value", "kept"), [("", ""), ("/", ""), ("/a/", "/a"), ("/a/b-1", "/a/b-1")])
def test_a_slash_at_the_end_does_not_matter(monkeypatch: pytest.MonkeyPatch, value: str, kept: str) -> None:
    monkeypatch.setenv("SUB_PATH", value)
    assert env_sub_path("SUB_PATH") == kept


@pytest.mark.django_db(transaction=True)
def test_behind_tls_that_the_settings_do_not_know_both_sides_are_led_to_the_setting(server: Server) -> None:
    participant = participant_create(study=make_study())
    with Visitor(server.base_url) as visitor:
        visitor.client.headers.update({"X-Forwarded-Proto": "https", "Origin": "https://127.0.0.1"})
        visitor.get(f"/p/{participant.token}/")
        response = visitor.send("consent/", answer="agree")
    assert response.status_code == 403 and "HTTPS=1" in response.text
    assert "set HTTPS=1" in server.output()


def test_a_site_set_up_as_described_has_nothing_to_be_warned_of(tmp_path: Path) -> None:
    given = dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / "personaeval.env.example").read_text(encoding="utf-8"), re.M))
    del given["DATABASE_URL"]
    given |= {"VAR_DIR": str(tmp_path), "SECRET_KEY": GOOD_SECRET}
    done = manage("check", "--deploy", "--fail-level", "WARNING", **given)
    assert done.returncode == 0, done.stderr
