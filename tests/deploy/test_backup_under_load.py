"""A backup that is taken while people rate, and the site that is restored from it: nothing is torn or missing."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from django.db import connection
from django.urls import reverse

from annotation.bots import Bot
from annotation.models import Output, Rating, Study
from annotation.protocol import protocol_hash
from annotation.services.participants import participant_create
from annotation.services.queue import outputs_claim
from modelhub.models import Run
from modelhub.runs.lifecycle import run_start
from tests.deploy.sites import Site, manifest_of, original
from tests.factories import make_study
from tests.modelhub.live import make_live_study, write_persona
from tests.tools.processes import Server, wait_until

RATERS = 3


def walk(study: Study, server: Server, number: int) -> str:
    """Let one more bot take the whole study; return its code."""
    try:
        participant = participant_create(study=study)
        link = server.base_url + reverse("annotation:participant", args=[participant.token])
        report = Bot(link, seed=str(number), code=participant.code).walk()
        assert (report.error, report.step) == ("", "done"), report
        return participant.code
    finally:
        connection.close()


@contextmanager
def people_rating(study: Study, server: Server) -> Iterator[None]:
    """Bots rate all the time, one after the other, until the end."""
    over = threading.Event()

    def keep_walking(first: int) -> None:
        for number in count(first):
            walk(study, server, number)
            if over.is_set():
                return

    with ThreadPoolExecutor(RATERS) as pool:
        raters = [pool.submit(keep_walking, 1000 * rater) for rater in range(1, RATERS + 1)]
        wait_until(lambda: Rating.objects.count() > 0, seconds=60, what="A first answer")
        try:
            yield
        finally:
            over.set()
        for rater in raters:
            rater.result()


def exported(site: Site, folder: Path, codes: set[str]) -> dict[str, list[str]]:
    """The lines that an export has of these participants, by file."""
    done = site.manage("export_ratings", "study", "--format", "jsonl", "--out", folder)
    assert done.returncode == 0, done.stderr
    files = {path.name: path.read_text(encoding="utf-8").splitlines() for path in folder.glob("*.jsonl")}
    return {
        name: [line for line in lines if json.loads(line).get("participant") in codes] for name, lines in files.items()
    }


@pytest.mark.slow
def test_what_was_answered_before_a_backup_is_exported_alike_and_others_rate_on(
    server: Server, place: Site, tmp_path: Path
) -> None:
    study, backup = make_study(given_items=20, raters_per_item=500), tmp_path / "site.zip"
    Study.objects.update(protocol_hash=protocol_hash(study))  # as when it was opened
    finished = {walk(study, server, number) for number in range(3)}
    before = Rating.objects.count()
    with people_rating(study, server):
        assert (done := original().manage("backup", backup)).returncode == 0, done.stderr
    rows = manifest_of(backup)["rows"]
    assert before <= rows["annotation_rating"] < Rating.objects.count(), "Nobody rated while it was made."

    assert (done := place.manage("restore", backup)).returncode == 0, done.stderr
    assert {table: place.ask(f"SELECT count(*) FROM {table}")[0][0] for table in rows} == rows
    if connection.vendor == "sqlite":
        assert place.ask("PRAGMA foreign_key_check") == []
    ours = exported(original(), tmp_path / "ours", finished)
    assert len(ours["ratings.jsonl"]) == before
    assert exported(place, tmp_path / "theirs", finished) == ours
    assert others_rate_on(place, tmp_path) > rows["annotation_rating"]


def others_rate_on(place: Site, folder: Path) -> int:
    """Let a bot take the study on the restored site; return how many answers that has then."""
    server = Server(folder / "restored.log", place.environment)
    try:
        server.start()
        done = place.manage("simulate_study", "study", "--participants", 1, "--url", server.base_url)
        assert "1 completed" in done.stdout, done.stderr
    finally:
        server.stop()
    return int(place.ask("SELECT count(*) FROM annotation_rating")[0][0])


def test_what_was_being_made_at_the_moment_of_the_backup_is_made_on_the_restored_site(
    transactional_db: None, place: Site, tmp_path: Path
) -> None:
    backup = tmp_path / "site.zip"
    write_persona(make_live_study(tmp_path))
    run = run_start(stage="serve_outputs", arguments={}, lease_seconds=0)
    assert len(outputs_claim(holder=run.key, limit=5, lease_seconds=0)) == 2
    assert (done := original().manage("backup", backup)).returncode == 0, done.stderr
    assert (done := place.manage("restore", backup)).returncode == 0, done.stderr

    assert (done := place.manage("run_worker", "--once")).returncode == 0, done.stderr
    assert place.ask("SELECT state FROM annotation_output") == [(Output.State.READY,)] * 2
    assert place.ask(f"SELECT state FROM modelhub_run WHERE key = '{run.key}'") == [(Run.State.LOST,)]
