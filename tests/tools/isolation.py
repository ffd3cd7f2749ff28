"""Loaded by pytest before the settings are: gives each test run its own folder for everything local.

Runs started side by side then never share a database, and none touches the developer's own `var/`.
"""

import os
import tempfile
from pathlib import Path

from tests.tools.leftovers import interrupt_on_sigterm, make_folder

interrupt_on_sigterm()
FOLDER = make_folder("personaeval-tests-")
VAR_DIR = str(FOLDER / "var")
Path(VAR_DIR, "static").mkdir(parents=True)  # where a server that has not collected its files yet looks for them

# What tests, browsers and model servers put into temporary folders goes when the run does. To keep the `tmp_path` of
# failed tests, set PYTEST_DEBUG_TEMPROOT to a folder.
tempfile.tempdir = os.environ["TMPDIR"] = str(FOLDER / "tmp")
Path(tempfile.tempdir).mkdir()

# What a developer has configured for the own server must not change what the tests see.
for name in (
    "DEBUG",
    "SECRET_KEY",
    "SECRET_KEY_FILE",
    "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS",
    "HTTPS",
    "BACKUP_STATEMENT",
):
    os.environ.pop(name, None)
os.environ["VAR_DIR"] = VAR_DIR

# Set before anything imports the Hub's client: no test reaches for the network, or finds a developer's downloads.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = str(Path(VAR_DIR, "huggingface"))
os.environ["HF_HUB_CACHE"] = str(Path(VAR_DIR, "huggingface", "hub"))
Path(os.environ["HF_HUB_CACHE"]).mkdir(parents=True)  # a model server insists on it
os.environ["OMP_NUM_THREADS"] = "1"  # models here are tiny, and several test files run at once
os.environ["TOKENIZERS_PARALLELISM"] = "false"  # some tests start processes after tokenizing

# Playwright's synchronous interface leaves an event loop running in the main thread, and Django then refuses to
# touch the database there. Nothing in the project is async, and the servers under test do not inherit this.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
