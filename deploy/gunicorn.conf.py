"""gunicorn as this project wants it: `gunicorn --config deploy/gunicorn.conf.py personaeval.wsgi`.

Options on the command line (`--bind`, `--workers`) win over this file.
"""

import io
import os
import resource
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from personaeval.operations.folder import counting_files_reserve, counting_files_settle, counting_folder_make
from personaeval.settings import LOG_LEVEL, LOGGING, VAR_DIR

bind = "127.0.0.1:8000"
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
# Enough that somebody else is served while an export is streamed; more only wait for each other's processor time.
threads = 4
# Longer than nginx keeps its connections and than people take from click to click: a connection that is closed just as
# a click comes costs that click another try. Not much longer: each one counts towards the limit below.
keepalive = 20  # seconds
worker_connections = 4000
# Several sites of one user would share the one socket in the home folder, and nothing here needs it.
control_socket_disable = True
# Paths hold participants' secret links: requests are not logged, and errors pass the filter that hides tokens.
accesslog = None
logconfig_dict = {
    **LOGGING,
    "loggers": {**LOGGING["loggers"], "gunicorn.error": {"handlers": ["stderr"], "level": LOG_LEVEL}},
}


def on_starting(server: Any) -> None:
    """Refuse to start on a configuration that the system checks call dangerous; gunicorn itself runs no checks."""
    counting_folder_make(VAR_DIR)  # before anything imports prometheus_client

    import django
    from django.core.management import call_command

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
    django.setup()
    call_command("check", fail_level="ERROR", stdout=io.StringIO())
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)  # a connection is an open file, and 1,024 is a common limit
    enough = 4 * worker_connections
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough if most == resource.RLIM_INFINITY else min(most, enough), most))


def post_fork(server: Any, worker: Any) -> None:
    """Reserve the files in which the process counts its requests."""
    counting_files_reserve(worker.pid)


def child_exit(server: Any, worker: Any) -> None:
    """Settle the figures of a process that has ended."""
    counting_files_settle(worker.pid)
