"""The docs as a site: built strictly, served where switched on, with nothing in it that our security policy stops."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from playwright.sync_api import Page

from personaeval.environment import env_site
from tests.factories import make_user
from tests.tools.processes import ProjectProcess, free_port, wait_until


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=settings.BASE_DIR, check=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    return folder


def test_every_page_of_the_docs_is_on_the_site_at_its_name(built: Path) -> None:
    for page in (settings.BASE_DIR / "docs").glob("*.md"):
        place = built / ("index.html" if page.stem == "index" else f"{page.stem}/index.html")
        assert place.is_file(), page.name


def test_no_page_holds_what_the_security_policy_stops_or_loads_from_elsewhere(built: Path) -> None:
    wrong = []
    for page in built.rglob("index.html"):
        text = page.read_text(encoding="utf-8")
        wrong += [(page.parent.name, tag) for tag in re.findall(r"<script>|<style| style=\"[^\"]*\"| on\w+=\"", text)]
        wrong += [
            (page.parent.name, tag) for tag in re.findall(r"<(?:script|img|link)[^>]*=\"(?:https?:)?//[^>]*>", text)
        ]
    assert not wrong


def test_it_is_served_only_where_switched_on(client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert client.get("/docs/").status_code == 404
    monkeypatch.setenv("DOCS_DIR", str(tmp_path))
    with pytest.raises(ImproperlyConfigured, match="holds no index.html. Build the docs"):
        env_site("DOCS_DIR")


@pytest.mark.django_db
def test_researchers_are_led_to_it_where_it_is_served(client: Client, settings: Any, tmp_path: Path) -> None:
    client.force_login(make_user("ada"))
    assert "/docs/" not in client.get("/research/").content.decode()
    settings.DOCS_DIR = tmp_path
    assert '<a href="/docs/">Documentation</a>' in client.get("/research/").content.decode()
    client.logout()
    assert "/docs/" not in client.get("/accounts/login/").content.decode()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_served_site_runs_in_a_browser_under_our_headers(built: Path, page: Page, tmp_path: Path) -> None:
    port, said = free_port(), list[str]()
    environment = {"VAR_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", "DOCS_DIR": str(built)}
    server = ProjectProcess(["manage.py", "runserver", "--noreload", str(port)], tmp_path / "log", environment)
    server.start()
    try:
        wait_until(lambda: "Quit the server" in server.output(), seconds=30, what="The start of the server")
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: said.append(request.url) if f":{port}/" not in request.url else None)
        answer = page.goto(f"http://127.0.0.1:{port}/docs/")
        assert answer is not None and answer.headers["content-security-policy"].startswith("default-src 'self'")
        page.get_by_role("link", name="the tutorial").first.click()
        assert page.url.endswith("/docs/tutorial/")
        page.get_by_role("textbox", name="Search").fill("Krippendorff")
        page.locator(".md-search-result__item").first.wait_for()
        assert not said
    finally:
        server.stop()
