"""Everything that can be killed is killed again and again while people write: nothing is lost, doubled or stuck.

A site of its own on a PostgreSQL of its own, since that is killed too.
"""

import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from benchmarks.loading.servers import ROOT, free_port
from benchmarks.loading.site import Model, Site
from tests.annotation.walking import STEP
from tests.tools.leftovers import make_folder
from tests.tools.postgres import DurablePostgres
from tests.tools.processes import ProjectProcess, Server, wait_until

ROUNDS = 20
WRITERS = 3  # in each round


@dataclass
class Storm:
    """What may be killed, by name, and the site that they make up."""

    site: Site
    parts: dict[str, ProjectProcess | DurablePostgres]
    links: list[str]
    host: str

    def is_calm(self, writers: "list[StubbornWriter]") -> bool:
        """Whether everybody has got what they wait for. What has ended by itself is started again, as systemd does."""
        for part in self.parts.values():
            if isinstance(part, ProjectProcess) and part.process is not None and part.process.poll() is not None:
                part.start()
        return all(writer.step == "rate" for writer in writers)

    def rows(self, query: str) -> list[tuple[int, ...]]:
        with psycopg.connect(self.site.environment["DATABASE_URL"]) as connection:
            return list(connection.execute(query))


@pytest.fixture
def storm(tmp_path: Path) -> Iterator[Storm]:
    with ExitStack() as stack:
        database = DurablePostgres(make_folder("personaeval-storm-"))
        stack.callback(database.stop)
        plain = dict.fromkeys(("DEBUG", "HTTPS", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "SECRET_KEY_FILE"), "")
        environment = {**plain, "VAR_DIR": str(tmp_path / "var"), "DATABASE_URL": database.url,
                       "DJANGO_SUPERUSER_PASSWORD": "a long enough password"}  # fmt: skip
        site = Site(ROOT, tmp_path, environment)
        port = free_port()
        model = ProjectProcess(
            ["-m", "tests.tools.standin", str(port), "--seconds", "0.3", "--spread", "0.2"], tmp_path / "m.log", {}
        )
        web = Server(tmp_path / "web.log", environment)
        worker = ProjectProcess(["manage.py", "run_worker"], tmp_path / "worker.log", environment)
        for command in (("migrate", "--noinput"), ("collectstatic", "--noinput"),
                        ("createsuperuser", "--noinput", "--username", "owner", "--email", "")):  # fmt: skip
            site.manage(*command)
        model.start()
        stack.callback(model.stop)
        links = site.study("live", Model(f"http://127.0.0.1:{port}/v1"), written=1, people=ROUNDS * WRITERS)
        for part in (web, worker):
            part.start()
            stack.callback(part.stop)
        yield Storm(site, {"web": web, "worker": worker, "model": model, "database": database}, links, web.base_url)


class StubbornWriter(threading.Thread):
    """Somebody who tries again until it works, as people and the pages' scripts do."""

    def __init__(self, host: str, link: str, over: threading.Event) -> None:
        super().__init__(name=link, daemon=True)
        self.link, self.over, self.step = link, over, ""
        self.browser = httpx.Client(base_url=host, timeout=20)

    def run(self) -> None:
        """Go from the link to the responses."""
        while self.step != "rate" and not self.over.is_set():
            try:
                self._go_on()
            except httpx.TransportError:
                self.over.wait(0.2)
        self.browser.close()

    def _go_on(self) -> None:
        reply = self.browser.get(self.link)
        found = STEP.search(reply.text)
        if reply.status_code != 200 or not found:
            self.over.wait(0.2)
            return
        self.step = found[1]
        if self.step in ("consent", "instructions"):
            self._send(reply.text, f"{self.link}{self.step}/", answer="agree")
        elif self.step == "write":
            self._send(
                reply.text, *re.findall(r'action="([^"]+/persona/)"', reply.text), text="I prefer short answers."
            )
        else:
            self.over.wait(0.2)

    def _send(self, page: str, url: str, **fields: str) -> None:
        hidden = dict(re.findall(r'name="(csrfmiddlewaretoken|version|tab)" value="([^"]*)"', page))
        self.browser.post(url, data={**hidden, **fields})


@pytest.mark.slow
def test_twenty_rounds_of_kills_lose_double_and_hold_up_nothing(storm: Storm) -> None:
    over, draw = threading.Event(), random.Random(11)
    names = [name for name in storm.parts for _ in range(ROUNDS // len(storm.parts))]
    draw.shuffle(names)
    writers = []
    try:
        for number, name in enumerate(names):
            for link in storm.links[number * WRITERS : (number + 1) * WRITERS]:
                writers.append(StubbornWriter(storm.host, link, over))
                writers[-1].start()
            time.sleep(draw.uniform(0.0, 0.8))  # where in the round it strikes is part of the storm
            storm.parts[name].kill9()
            storm.parts[name].start()
        wait_until(lambda: storm.is_calm(writers), seconds=120, what="Everybody's responses")
    finally:
        over.set()
        for writer in writers:
            writer.join()
    states: list[tuple[object, ...]] = [("ready", 2 * len(writers))]
    assert storm.rows("SELECT state, COUNT(*) FROM annotation_output GROUP BY state") == states
    twice = "SELECT persona_id FROM annotation_output GROUP BY persona_id HAVING COUNT(*) <> 2"
    assert not storm.rows(twice)
    assert storm.rows("SELECT COUNT(*), COUNT(DISTINCT output_id) FROM modelhub_generation") == [
        (2 * len(writers), 2 * len(writers))
    ]
    assert storm.rows("SELECT COUNT(*) FROM annotation_output WHERE lease_holder <> ''") == [(0,)]
