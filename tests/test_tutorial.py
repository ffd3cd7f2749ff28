"""The tutorial works as it is written: every command of its page, in order, from an empty folder and database."""

import csv
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import datasets
import pytest
from django.conf import settings

from tests.tools.processes import free_port, wait_until

pytestmark = pytest.mark.slow
PAGE = settings.BASE_DIR / "docs" / "tutorial.md"


def blocks() -> list[str]:
    """The commands of the page, block by block; the first one serves until it is stopped."""
    return re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[tuple[Path, int, dict[str, str]]]:
    """A folder that looks like a checkout, with `make demo` serving at a port that is free."""
    port = free_port()
    for name in ("manage.py", "examples", "docs"):
        (tmp_path / name).symlink_to(settings.BASE_DIR / name)
    script(tmp_path / ".venv" / "bin" / "python", f'exec "{sys.executable}" "$@"')
    script(tmp_path / "bin" / "make", f'[ "$*" = demo ] && exec .venv/bin/python manage.py demo --port {port}')
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE", "DJANGO"))}
    environment |= {"VAR_DIR": str(tmp_path / "var"), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    log = tmp_path / "demo.log"
    with log.open("wb") as sink:
        demo = subprocess.Popen(
            ["sh", "-c", blocks()[0]], cwd=tmp_path, env=environment, stdout=sink, stderr=sink, start_new_session=True
        )
    try:
        wait_until(lambda: "Ctrl-C stops" in log.read_text() or demo.poll() is not None, seconds=90, what="The demo")
        assert demo.poll() is None, log.read_text()
        yield tmp_path, port, environment
    finally:
        demo.terminate()
        demo.wait(timeout=40)


def script(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)


def test_every_command_of_the_tutorial_does_what_the_page_says(
    checkout: tuple[Path, int, dict[str, str]],
) -> None:
    folder, port, environment = checkout
    said = ""
    for block in blocks()[1:]:
        done = subprocess.run(
            ["sh", "-ec", block], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        said += done.stdout
    assert said.count(f"http://127.0.0.1:{port}/p/") == 20
    assert "Bots and previews are left out" in said and "personalization: 60 answers of 5 participants" in said
    with (folder / "results" / "ratings.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == []
    ratings = datasets.load_dataset(str(folder / "rehearsal"), cache_dir=str(folder / "cache"))["train"]
    assert set(ratings["participant_kind"]) == {"bot"}
    assert "baseline" in (folder / "report" / "report.html").read_text(encoding="utf-8")
