"""A site with a live study: PostgreSQL, the web server, a worker, and the model server that its systems ask.

Everything is set up by commands, so that another checkout of the project can stand in: `--project`.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import yaml

from benchmarks.loading.servers import ROOT, WebServer, free_port, run_quietly
from tests.tools.postgres import postgres_server

ARMS = {"dpo": "none", "pt-dpo": "field"}
_LONG = 600.0  # seconds for one command


@dataclass(frozen=True)
class Model:
    """A model server: its address, what its two systems are called there, and how they decode."""

    url: str
    names: tuple[str, str] = ("dpo", "pt-dpo")
    decoding: dict[str, object] = field(default_factory=lambda: {"max_new_tokens": 64})
    options: dict[str, object] = field(default_factory=dict)
    server: WebServer | None = None  # its process, where it is ours


@dataclass
class Site:
    """What is measured."""

    project: Path
    folder: Path
    environment: dict[str, str]
    worker_options: Sequence[str] = ()

    def manage(self, *arguments: str) -> str:
        """Run a command of the project and return what it says."""
        command = [sys.executable, "manage.py", *arguments]
        return run_quietly(command, folder=self.project, environment=self.environment, seconds=_LONG)

    def study(self, slug: str, model: Model, *, written: int = 0, given: int = 0, people: int = 0) -> list[str]:
        """Make and open a live study of so many given personas, or one written by each person; return their links."""
        path = self.folder / f"{slug}.yaml"
        definition = _definition(slug, written=written, given=given, people=people)
        if (self.project / "annotation" / "screening.py").is_file():  # earlier versions do not know it
            definition["screening"] = {"outputs": "flag"}  # answers are cut off here, and say which model they are of
        path.write_text(yaml.safe_dump(definition))
        self.manage("load_study", str(path), "--owner", "owner")
        bound = []
        for number, (name, style) in enumerate(ARMS.items()):
            self.manage(
                "register_system", f"{slug} {name}", "--engine", "openai", "--endpoint", model.url,
                "--model", model.names[number], "--persona-style", style, "--decoding", json.dumps(model.decoding),
                "--options", json.dumps(model.options),
            )  # fmt: skip
            bound.append(f"{number + 1}={slug} {name}")
        self.manage("bind_arms", slug, *bound)
        self.manage("open_study", slug)
        links: list[str] = []
        while len(links) < people:
            count = min(500, people - len(links))
            said = self.manage("create_participants", slug, "--count", str(count), "--url", "http://site.test")
            links += re.findall(r"http://site\.test(/p/\S+/)", said)
        return links

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Run the web server; yields its address."""
        port = free_port()
        command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "--bind",
                   f"127.0.0.1:{port}", "personaeval.wsgi"]  # fmt: skip
        with WebServer(command, port=port, folder=self.folder, environment=self.environment, cwd=self.project):
            yield f"http://127.0.0.1:{port}"

    @contextlib.contextmanager
    def working(self) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a worker."""
        with (self.folder / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "manage.py", "run_worker", *self.worker_options],
                cwd=self.project, env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log,
            )  # fmt: skip
        try:
            yield worker
        finally:
            worker.terminate()
            worker.wait(60)

    def made(self, slug: str) -> list[float]:
        """Return the seconds from request to both outputs ready, by persona, of a study."""
        query = """
            SELECT EXTRACT(EPOCH FROM MAX(o.ready_at) - MIN(o.requested_at)) FROM annotation_output o
            JOIN annotation_arm a ON a.id = o.arm_id JOIN annotation_study s ON s.id = a.study_id
            WHERE s.slug = %s GROUP BY o.persona_id HAVING COUNT(*) = COUNT(o.ready_at)
        """
        with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
            return sorted(float(row[0]) for row in connection.execute(query, [slug]))


@contextlib.contextmanager
def site(folder: Path, *, project: Path = ROOT, worker_options: Sequence[str] = ()) -> Iterator[Site]:
    """Set up an empty site on a PostgreSQL of its own."""
    with postgres_server() as url:
        plain = dict.fromkeys(("DEBUG", "HTTPS", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "SECRET_KEY_FILE"), "")
        environment = {**plain, "VAR_DIR": str(folder / "var"), "DATABASE_URL": url,
                       "DJANGO_SUPERUSER_PASSWORD": "a long enough password"}  # fmt: skip
        made = Site(project, folder, environment, worker_options)
        made.manage("migrate", "--noinput", "--verbosity", "0")
        made.manage("collectstatic", "--noinput", "--verbosity", "0")
        made.manage("createsuperuser", "--noinput", "--username", "owner", "--email", "")
        yield made


@contextlib.contextmanager
def standing_in(folder: Path, *options: str) -> Iterator[Model]:
    """Run a model server of known latency (tests/tools/standin.py) with these options."""
    port = free_port()
    command = [sys.executable, "-m", "tests.tools.standin", str(port), *options]
    log = folder / "model"
    log.mkdir(exist_ok=True)
    with WebServer(command, port=port, folder=log, environment={}) as server:
        yield Model(f"http://127.0.0.1:{port}/v1", server=server)


def _definition(slug: str, *, written: int, given: int, people: int) -> dict[str, object]:
    texts = dict.fromkeys(("consent", "instructions", "debrief"), "Nothing is kept.")
    items = [{"id": f"i{number}", "prompt": f"How do I spend evening number {number}?"} for number in range(1, 31)]
    if given:
        persona = "The user is a nurse and prefers short answers."
        items = [{**items[0], "id": f"g{number}", "persona": persona} for number in range(given)]
    scale = {1: "Bad", 2: "Poor", 3: "Fair", 4: "Good", 5: "Very good"}
    return {
        "slug": slug,
        "title": slug,
        "kind": "output_rating",
        **texts,
        "aspects": [{"key": "fit", "name": "Fit", "question": "How good is it?", "scale": scale}],
        "arms": 2,
        "design": {
            "written_personas_per_participant": written,
            "given_personas_per_participant": 1 if given else 0,
            "raters_per_item": max(people, 1),
        },
        "items": items,
    }
