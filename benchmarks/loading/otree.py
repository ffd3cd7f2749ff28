"""oTree (PyPI `otree`) with the same task as an app of one page and 40 rounds, and its participants."""

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.loading import task
from benchmarks.loading.crowd import READY, Script
from benchmarks.loading.peers import environment_of, program
from benchmarks.loading.servers import ServerTrouble, WebServer, free_port, run_quietly
from benchmarks.loading.systems import Running, System, Wanted, shares
from benchmarks.loading.tally import Tally
from benchmarks.loading.wire import Browser, Reply

PACKAGES = ("otree==6.0.15",)
_PAGE = re.compile(r"^/p/(\w+)/rating/Rate/(\d+)$")
_SETTINGS = """\
SESSION_CONFIGS = [dict(name="rating", app_sequence=["rating"], num_demo_participants=1)]
SESSION_CONFIG_DEFAULTS = dict(real_world_currency_per_point=1.00, participation_fee=0.00, doc="")
PARTICIPANT_FIELDS = []
SESSION_FIELDS = []
LANGUAGE_CODE = "en"
REAL_WORLD_CURRENCY_CODE = "USD"
USE_POINTS = True
ADMIN_USERNAME = "admin"
ADMIN_PASSWORD = "only on the loopback"
SECRET_KEY = "only on the loopback"
"""
_APP = """\
from otree.api import *

LABELS = {labels}


class C(BaseConstants):
    NAME_IN_URL = "rating"
    PLAYERS_PER_GROUP = None
    NUM_ROUNDS = {items}


class Subsession(BaseSubsession):
    pass


class Group(BaseGroup):
    pass


def scale(label):
    return models.IntegerField(label=label, choices=LABELS, widget=widgets.RadioSelect)


class Player(BasePlayer):
{fields}


class Rate(Page):
    form_model = "player"
    form_fields = {names}

    @staticmethod
    def vars_for_template(player):
        return TEXTS[player.round_number]


TEXTS = {texts}
page_sequence = [Rate]
"""
_TEMPLATE = """\
{{{{ block title }}}}Rate the responses{{{{ endblock }}}}
{{{{ block content }}}}
<h2>Prompt</h2><p>{{{{ prompt }}}}</p>
<h2>Persona</h2><p>{{{{ persona }}}}</p>
{responses}
{{{{ next_button }}}}
{{{{ endblock }}}}
"""


def submits(host: str, links: Sequence[str], tally: Tally) -> Script:
    """Fill page after page; whoever has finished hands over to the next link."""
    for number, link in enumerate(links):
        browser = Browser(host)
        page = yield from _follow(browser, (yield browser.get(link)))
        if not page:
            tally.failed("no page with scales")
            return
        if not number:
            yield READY
        while found := _PAGE.match(page):
            since = time.monotonic()
            values = {name: (int(found[2]) + place) % 5 + 1 for place, name in enumerate(task.SCALES)}
            reply = browser.keep((yield browser.post(page, values)))
            if reply.status != 302:
                tally.failed(f"page: status {reply.status}")
                return
            tally.acknowledged[f"{found[1]}/{found[2]}"] = list(values.values())
            page = yield from _follow(browser, reply)
            if not page:
                tally.failed("no next page")
                return
            tally.took("submit", since)
    tally.failed("no link left")


def _follow(browser: Browser, reply: Reply) -> Generator[bytes, Reply, str]:
    """Get the page that a redirect leads to and return its address; nothing where none comes."""
    browser.keep(reply)
    page = reply.location
    if reply.status not in (302, 307) or not page:
        return ""
    return page if browser.keep((yield browser.get(page))).status == 200 else ""


class Otree(System):
    """oTree as its documentation starts it in production: `otree prodserver`, with its default database, SQLite."""

    name = "otree"
    behaviours = {"submit": submits}
    absent = {"save": "it saves nothing before a page is sent"}

    @contextlib.contextmanager
    def prepared(self, folder: Path, wanted: dict[str, Wanted]) -> Iterator[dict[str, list[list[str]]]]:
        """Install it, write a project with the task, and create a session for each load."""
        self.installed = environment_of("otree", PACKAGES)
        self.folder = folder
        _write_project(folder)
        path = f"{self.installed / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"  # it starts itself by its name
        self.environment = {"PATH": path, "OTREE_PRODUCTION": "1", "OTREE_AUTH_LEVEL": "STUDY"}
        self._command("resetdb", "--noinput")
        for some in wanted.values():
            self._command("create_session", "rating", str(some.people + some.ready))
        yield dict(zip(wanted, map(self._links, wanted.values(), self._sessions(len(wanted))), strict=True))

    def _command(self, *arguments: str) -> None:
        run_quietly(
            [program(self.installed, "otree"), *arguments],
            folder=self.folder, environment=self.environment, seconds=300,
        )  # fmt: skip

    def _rows(self, query: str, *values: object) -> list[Any]:
        with contextlib.closing(sqlite3.connect(self.folder / "db.sqlite3", timeout=20)) as connection:
            return connection.execute(query, values).fetchall()

    def _sessions(self, count: int) -> list[int]:
        found = [row[0] for row in self._rows("SELECT id FROM otree_session ORDER BY id")]
        if len(found) != count:
            raise ServerTrouble(f"oTree has made {len(found)} of {count} sessions.")
        return found

    def _links(self, wanted: Wanted, session: int) -> list[list[str]]:
        rows = self._rows("SELECT code FROM otree_participant WHERE session_id = ? ORDER BY id", session)
        links = [f"/InitializeParticipant/{code}" for (code,) in rows]
        return shares(links[: wanted.people], links[wanted.people :])

    @contextlib.contextmanager
    def serving(self, workers: int | None = None) -> Iterator[Running]:
        """Run it."""
        port = free_port()
        command = [program(self.installed, "otree"), "prodserver", f"127.0.0.1:{port}"]
        environment = self.environment
        with WebServer(command, port=port, folder=self.folder, environment=environment, cwd=self.folder) as server:
            yield Running(port, {"web": [server.pid]})

    def check(self, load: str, acknowledged: dict[str, Any]) -> str:
        """Compare what it has acknowledged with its database."""
        columns = ", ".join(f"player.{name}" for name in task.SCALES)
        rows = self._rows(
            f"SELECT participant.code, player.round_number, {columns} FROM rating_player AS player"
            " JOIN otree_participant AS participant ON participant.id = player.participant_id"
        )
        stored = {f"{code}/{number}": list(values) for code, number, *values in rows}
        lost = sum(stored.get(key) != values for key, values in acknowledged.items())
        return f"{len(acknowledged)} acknowledged, {lost} lost"


def _write_project(folder: Path) -> None:
    (folder / "settings.py").write_text(_SETTINGS, encoding="utf-8")
    for name in ("rating", "_static"):
        (folder / name).mkdir()
    fields = "\n".join(
        f"    {name} = scale({f'Response {letter.upper()}: {question}'!r})"
        for name, (letter, question) in task.SCALES.items()
    )
    texts = {
        n: {
            "prompt": task.prompt(n), "persona": task.persona(n),
            "response_a": task.response(n, "a"), "response_b": task.response(n, "b"),
        }
        for n in range(1, task.ITEMS + 1)
    }  # fmt: skip
    labels = [[value, label] for value, label in enumerate(task.LABELS, start=1)]
    app = _APP.format(labels=labels, items=task.ITEMS, fields=fields, names=list(task.SCALES), texts=texts)
    (folder / "rating" / "__init__.py").write_text(app, encoding="utf-8")
    (folder / "rating" / "Rate.html").write_text(_TEMPLATE.format(responses=_responses()), encoding="utf-8")


def _responses() -> str:
    """Return the part of the template with both responses and their scales."""
    lines = []
    for letter in "ab":
        lines.append(f"<h2>Response {letter.upper()}</h2><p>{{{{ response_{letter} }}}}</p>")
        lines += [f"{{{{ formfield '{name}' }}}}" for name, (about, _) in task.SCALES.items() if about == letter]
    return "\n".join(lines)
