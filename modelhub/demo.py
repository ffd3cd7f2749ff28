"""The demonstration: set up its study so that it can be taken at once, and run the server and the worker.

Each step finds out whether it has been done, so that a set-up which was interrupted is completed by the next run.
"""

import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django.db import transaction

from annotation.errors import ServiceError
from annotation.models import OpenLink, Study, User
from annotation.permissions import Role
from annotation.services.entrance import Terms, places_taken
from annotation.services.members import role_give
from annotation.services.openlinks import open_link_create
from annotation.services.studies import study_open, study_save
from annotation.studyfile import read_study_file
from modelhub.prompting.layouts import PersonaStyle
from modelhub.stages.import_outputs import ImportOptions, import_outputs
from modelhub.systems.registering import arms_bind, system_register

FOLDER = settings.BASE_DIR / "examples" / "demo"
SLUG = "demo"
USERNAME = "researcher"
LINK_CAP = 100
# Number of the arm: name, style of the script, and how the persona would enter a model's prompt.
SYSTEMS = {
    "1": ("DPO (demonstration)", "general", PersonaStyle.FIRST_PERSON),
    "2": ("PT-DPO (demonstration)", "tailored", PersonaStyle.FIELD),
}
STOP_SECONDS = 20


@dataclass(frozen=True)
class Demo:
    """What a visitor needs. `password` is None once the researcher's account exists: only its hash is stored."""

    study: Study
    link: OpenLink
    password: str | None


def demo_prepare() -> Demo:
    """Make the database, the researcher, the study and its link, as far as they are missing.

    Raises ServiceError if something that is there already stands in the way.
    """
    call_command("migrate", verbosity=0, interactive=False)
    researcher = researcher_ready()
    study = Study.objects.filter(slug=SLUG).order_by("-version").first()
    if study is None or study.state == Study.State.DRAFT:
        study = _study(researcher)
    link = free_link(study, researcher)
    return Demo(study=study, link=link, password=first_password(researcher))


def collect_static() -> None:
    """Collect the static files, in a process of its own: the settings choose their storage when they are read."""
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    # A session of its own, so that a Ctrl-C meant for the demonstration does not leave half of the files behind.
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False, start_new_session=True
    )
    if done.returncode:
        raise ServiceError(f"The static files could not be collected:\n{done.stderr.strip()}")


def check_port(port: int, target: str = "demo") -> None:
    """Raise ServiceError unless the server can listen on this port of 127.0.0.1; `target` of make is what serves."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does, else its last run blocks it
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "it must be from 1 to 65535"
            raise ServiceError(
                f"Port {port} of 127.0.0.1 cannot be used: {reason}. "
                f"Stop what uses it, or choose another one: make {target} ARGS='--port {port + 1}'"
            ) from error


def serve(port: int, stop: threading.Event) -> None:
    """Run the web server and the worker until `stop` is set; see `stop_signals`.

    Raises ServiceError if one of them ends by itself; the other is stopped then.
    """
    children = {
        "web server": _start("-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "--workers", "1",
                             "--bind", f"127.0.0.1:{port}", "personaeval.wsgi"),
        "worker": _start("manage.py", "run_worker"),
    }  # fmt: skip
    try:
        ended = None
        while ended is None and not stop.wait(0.2):
            ended = next((name for name, child in children.items() if child.poll() is not None), None)
    finally:
        _stop(list(children.values()))
    if ended is not None and not stop.is_set():
        code = children[ended].returncode
        raise ServiceError(f"The {ended} ended by itself (exit code {code}), so the demonstration has been stopped.")


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Give an event that SIGINT and SIGTERM set, instead of ending this process half-way or before its children."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def researcher_ready() -> User:
    """Return the researcher, created without a password: a first run that is interrupted must not waste it."""
    with transaction.atomic():
        user, created = User.objects.get_or_create(username=USERNAME, defaults={"password": make_password(None)})
        if created:
            role_give(user=user, role=Role.ANALYST)
    return user


def first_password(user: User) -> str | None:
    """Set and return a password if there is none yet; the last step of the set-up, just before it is printed."""
    if user.has_usable_password():
        return None
    password = secrets.token_urlsafe(12)
    user.set_password(password)
    user.save(update_fields=["password"])
    return password


def _study(researcher: User) -> Study:
    """Load, bind, fill and open the study."""
    study = study_save(definition=read_study_file(FOLDER / "study.yaml"), owner=researcher)
    for name, style, persona_style in SYSTEMS.values():
        script = str(FOLDER / "script.yaml")
        system_register(
            name=name, engine="scripted", model=script, persona_style=persona_style, decoding={"style": style}
        )
    arms_bind(study=study, bindings={number: system[0] for number, system in SYSTEMS.items()}, user=researcher)
    study.refresh_from_db()
    import_outputs(study=study, files=[FOLDER / "outputs.jsonl"], options=ImportOptions(), user=researcher)
    study_open(study=study, user=researcher)
    return study


def free_link(study: Study, researcher: User) -> OpenLink:
    """Return a link with free places: the same in every run, until it is full."""
    links = OpenLink.objects.filter(study=study, is_active=True).order_by("pk")
    free = next((link for link in links if places_taken(link) < link.cap), None)
    # Somebody who tries it out starts more than once in one browser.
    return free or open_link_create(study=study, terms=Terms(cap=LINK_CAP, shared_browsers=True), user=researcher)


def _start(*arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, *arguments], cwd=Path(settings.BASE_DIR))


def _stop(children: list["subprocess.Popen[bytes]"]) -> None:
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
