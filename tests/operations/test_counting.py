"""What a real web server of several processes counts: all of it, once, whatever ends in between."""

import os
import re
import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from prometheus_client.mmap_dict import MmapedDict

from annotation.models import Rating
from annotation.services.participants import participant_create
from personaeval.operations.folder import (
    FOLDER_VARIABLE,
    counting_files_held,
    counting_files_settle,
    counting_folder_make,
)
from tests.annotation.test_storms import (
    Answer,
    Browser,
    all_at_once,
    browser_without_page,  # noqa: F401 - a fixture
    questions,
    rating_participants,
)
from tests.factories import make_study
from tests.operations.scraping import Series, counters, scrape, value
from tests.tools.processes import Server, wait_until

SAVES = {"method": "POST", "route": "annotation:rating_save", "status": "2xx"}
COUNT = "http_request_seconds_count"


@contextmanager
def scraped(base_url: str) -> Iterator[list[dict[Series, float]]]:
    """Read the figures again and again meanwhile; what cannot be read fails the test."""
    over, seen = threading.Event(), [scrape(base_url)]

    def go() -> None:
        while True:
            seen.append(scrape(base_url))
            if over.is_set():
                return

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_figures_read_in_a_storm_only_grow_and_are_those_of_the_database_when_it_is_over(
    server: Server,
    browser_without_page: Browser,  # noqa: F811
) -> None:
    study = make_study(given_items=20, given_per_participant=1, raters_per_item=3)
    answers = [Answer(url, 3, uuid.uuid4()) for one in rating_participants(study, 30) for url in questions(one)]
    with scraped(server.base_url) as seen:
        replies = all_at_once(browser_without_page, answers)
    assert {reply.status_code for reply in replies} == {200}
    seen.append(scrape(server.base_url))
    for before, after in zip(seen, seen[1:], strict=False):
        less = {key for key, count in counters(before).items() if counters(after).get(key, -1) < count}
        assert not less
    assert value(seen[-1], COUNT, **SAVES) - value(seen[0], COUNT, **SAVES) == len(answers) == Rating.objects.count()
    assert value(scrape(server.base_url), "http_requests_under_way") == 1


def test_addresses_are_counted_by_name_and_never_by_path(server: Server) -> None:
    participant = participant_create(study=make_study())
    text = ""
    with httpx.Client(base_url=server.base_url) as client:
        before = scrape(server.base_url)
        for path in (f"/p/{participant.token}/", f"/p/{participant.token}/nothing/", f"/p/{participant.token}x/"):
            client.get(path)
        client.request("BREW", "/health")
        text = client.get("/metrics").text
    after = scrape(server.base_url)

    def more(**labels: str) -> float:
        return value(after, COUNT, **labels) - value(before, COUNT, **labels)

    assert more(route="annotation:participant", method="GET", status="2xx") == 1
    assert more(route="annotation:participant", method="GET", status="4xx") == 1
    assert more(route="unmatched", status="4xx") == 1
    assert more(route="health", method="other", status="4xx") == 1
    assert participant.token not in text and "BREW" not in text


def folder_of(server: Server) -> Path:
    """The folder in which a running server counts."""
    assert server.process
    files = [str(file.readlink()) for file in Path(f"/proc/{server.process.pid}/fd").iterdir()]
    held = [file for file in files if re.search(r"/metrics/server-\w+/lock$", file)]
    assert len(held) == 1
    return Path(held[0]).parent


def test_a_process_has_the_disk_space_of_its_counts_before_the_disk_can_fill_up(server: Server) -> None:
    scrape(server.base_url)
    living = [file for file in folder_of(server).glob("histogram_*.db") if file.stat().st_size >= 1 << 20]
    assert len(living) == 2
    assert all(file.stat().st_blocks * 512 >= file.stat().st_size for file in living)


def test_what_a_killed_process_has_counted_stays_and_what_it_had_under_way_goes(server: Server) -> None:
    folder = folder_of(server)
    for _ in range(20):
        httpx.get(f"{server.base_url}/health")
    before = scrape(server.base_url)
    assert server.process
    processes = {int(path.stem.split("_")[1]) for path in folder.glob("histogram_*.db")}
    assert len(processes) >= 2
    victim = max(processes)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not (folder / f"gauge_livesum_{victim}.db").exists(), seconds=30, what="The end of a process")
    wait_until(lambda: not (folder / f"histogram_{victim}.db").exists(), seconds=30, what="Adding up")
    after = scrape(server.base_url)
    assert value(after, COUNT, route="health") == value(before, COUNT, route="health")
    assert value(after, "http_requests_under_way") == 1


def test_a_process_that_ends_while_figures_are_read_is_counted_once_and_its_file_goes_later(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    for process in (1, 2, 3):
        counts = MmapedDict(str(tmp_path / f"histogram_{process}.db"))
        counts.write_value("key", 10.0**process, 0.0)
        counts.close()
    counting_files_settle(1)
    assert stored(tmp_path) == {"histogram_ended.db": 10, "histogram_2.db": 100, "histogram_3.db": 1000}
    with counting_files_held():
        counting_files_settle(2)
        assert stored(tmp_path) == {"histogram_ended.db": 10, "histogram_2.db": 100, "histogram_3.db": 1000}
    counting_files_settle(3)
    assert stored(tmp_path) == {"histogram_ended.db": 1110}


def stored(folder: Path) -> dict[str, float]:
    """What each file has counted."""
    files = {path.name: MmapedDict.read_all_values_from_file(str(path)) for path in folder.glob("*.db")}
    return {name: sum(value for _, value, *_ in values) for name, values in files.items()}


def test_a_server_removes_what_a_dead_one_has_left_and_nothing_of_one_that_lives(server: Server) -> None:
    folder = folder_of(server)
    dead = Path(settings.VAR_DIR) / "metrics" / "server-dead"
    dead.mkdir()
    (dead / "lock").touch()
    before = os.environ.get(FOLDER_VARIABLE)
    try:
        mine = counting_folder_make(Path(settings.VAR_DIR))
    finally:
        os.environ.pop(FOLDER_VARIABLE)
        if before:
            os.environ[FOLDER_VARIABLE] = before
    assert mine.is_dir() and folder.is_dir() and not dead.exists()
