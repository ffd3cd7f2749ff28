"""Run the demonstration: `manage.py demo`."""

import threading
from shlex import quote
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.db import connection
from django.urls import reverse

from annotation.management.base import ProjectCommand, served_file
from annotation.models import Study
from modelhub.demo import USERNAME, Demo, check_port, collect_static, demo_prepare, serve, stop_signals


class Command(ProjectCommand):
    help = "Set up the demonstration study, then run the server and the worker until Ctrl-C. Data is kept between runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="port of 127.0.0.1 (default: 8000)")
        parser.add_argument("--no-serve", action="store_true", help="only set up, and print the links")

    def handle(self, *args: Any, **options: Any) -> None:
        """Set up and serve; raise CommandError with what stands in the way."""
        port, serving = options["port"], not options["no_serve"]
        if serving:
            check_port(port)
        with stop_signals() as stop:
            self.present(demo_prepare(), port, serving, stop)

    def present(self, demo: Demo, port: int, serving: bool, stop: threading.Event) -> None:
        """Print the links of a study that is ready, and serve it until `stop` is set, if it is to be served."""
        collect_static()
        self.stdout.write("\n".join(welcome(demo, f"http://127.0.0.1:{port}")))
        if serving and not stop.is_set():
            self.stdout.write("Ctrl-C stops the server and the worker.")
            self.stdout.flush()
            served_file().write_text(f"http://127.0.0.1:{port}\n", encoding="utf-8")
            try:
                serve(port, stop)
            finally:
                served_file().unlink(missing_ok=True)


def welcome(demo: Demo, address: str) -> list[str]:
    """Return what a visitor is told: the links, the password once, and how to start afresh."""
    lines = [
        "",
        f"Participant  {address}{reverse('annotation:join', args=[demo.link.token])}",
        f"Researcher   {address}{reverse('annotation:study_list')}",
        f"             user {USERNAME}, password {demo.password or 'as printed by the first run'}",
        "",
    ]
    if demo.password:
        lines.append("The password is printed this once.")
    else:
        lines.append(
            f"The data of earlier runs is kept. New password: .venv/bin/python manage.py changepassword {USERNAME}"
        )
        if connection.vendor == "sqlite":
            folder = quote(str(settings.VAR_DIR))
            lines.append(f"To start afresh, stop the demonstration and remove the data: rm -r {folder}")
    if demo.study.state != Study.State.OPEN:
        lines.append(f"The study is {demo.study.state}: participants cannot take it at the moment.")
    return lines
