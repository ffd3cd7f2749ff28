"""Potato (PyPI `potato-annotation`) with the same task, served by its own command, and its participants."""

import contextlib
import json
import re
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.loading import task
from benchmarks.loading.crowd import READY, Script
from benchmarks.loading.peers import environment_of, program
from benchmarks.loading.servers import WebServer, free_port
from benchmarks.loading.systems import Running, System, Wanted, shares
from benchmarks.loading.tally import Tally
from benchmarks.loading.wire import Browser, Reply, with_body

PACKAGES = ("potato-annotation==2.12.1",)
_INSTANCE = re.compile(r'id="instance_id"[^>]*value="([^"]+)"')
_FLUSH_SECONDS = 5.0


class Annotator:
    """One annotator and the page in their browser: what is chosen on it, and how its script sends that."""

    def __init__(self, host: str, name: str, tally: Tally) -> None:
        self.browser, self.name, self.tally = Browser(host), name, tally
        self.item = ""
        self.chosen: dict[str, int] = {}
        self.clicks = 0

    def sign_in(self) -> Generator[bytes, Reply, bool]:
        """Sign in by name and open the first page."""
        self.browser.keep((yield self.browser.post("/auth", {"email": self.name, "pass": ""})))
        return (yield from self.open_page())

    def open_page(self) -> Generator[bytes, Reply, bool]:
        """Get the page that stands now; False where it has no scales."""
        reply = self.browser.keep((yield self.browser.get("/annotate")))
        found = _INSTANCE.search(reply.text)
        if reply.status != 200 or not found:
            return False
        self.item, self.chosen = found[1], {}
        kind = "application/json"
        self.update_head = self.browser.head_of_post("/updateinstance", accept="*/*", kind=kind)
        self.next_head = self.browser.head_of_post("/annotate", accept="*/*\r\nX-Potato-Navigation: 1", kind=kind)
        return True

    def choose(self, scale: str, value: int) -> None:
        """Click on a value."""
        self.chosen[scale] = value
        self.clicks += 1

    def update(self) -> Generator[bytes, Reply, bool]:
        """Send everything chosen on the page, as its script does half a second after a click."""
        sent = {
            "instance_id": self.item,
            "annotations": {f"{scale}:{value}": str(value) for scale, value in self.chosen.items()},
            "cleared_schemas": [],
            "span_annotations": [],
            "client_timestamp": "2026-01-01T12:00:00.000Z",
            "response_time_seconds": self.clicks / 2,
        }
        reply = yield with_body(self.update_head, json.dumps(sent, separators=(",", ":")).encode())
        if reply.status == 200 and b'"status":"success"' in reply.body:
            self.tally.acknowledged[f"{self.name}/{self.item}"] = dict(self.chosen)
            return True
        self.tally.failed(f"update: status {reply.status}")
        return False

    def fill(self, page: int, *, reports: bool = False) -> Generator[bytes, Reply, bool]:
        """Answer everything and go on; `reports` sends what the script notes, too."""
        for place, scale in enumerate(task.SCALES):
            self.choose(scale, (page + place) % 5 + 1)
        if reports:
            yield from self.report()
        return (yield from self.go_on())

    def report(self) -> Generator[bytes, Reply, None]:
        """Send what the page's script notes of a page by default when it is left; it is kept with the answers."""
        events = [self._event("navigation", "instance_load")]
        for scale, value in self.chosen.items():
            change = {"label": str(value), "action": "select", "old_value": None, "new_value": str(value)}
            where = f"input:{scale}"
            events += [self._event("focus_in", where), self._event("click", where, {"x": 400, "y": 300})]
            events += [self._event("annotation_change", f"schema:{scale}", change)]
            events += [self._event("save", f"instance:{self.item}"), self._event("focus_out", where)]
        events.append(self._event("navigation", "next"))
        seen = {"focus_time": {f"input:{scale}": 2000 for scale in self.chosen}, "scroll_depth": 100}
        sent = {"instance_id": self.item, "events": events, **seen}
        head = self.browser.head_of_post("/api/track_interactions", accept="*/*", kind="application/json")
        yield with_body(head, json.dumps(sent).encode())

    def _event(self, kind: str, target: str, more: dict[str, Any] | None = None) -> dict[str, Any]:
        now = time.time()
        return {
            "event_type": kind, "timestamp": now, "client_timestamp": round(now * 1000), "target": target,
            "instance_id": self.item, "metadata": more or {},
        }  # fmt: skip

    def go_on(self) -> Generator[bytes, Reply, bool]:
        """Click on "Next": save, be moved on, get the page. False after the last one."""
        last = self.item
        if not (yield from self.update()):
            return False
        asked = {"action": "next_instance", "instance_id": self.item}
        reply = yield with_body(self.next_head, json.dumps(asked).encode())
        if reply.status not in (200, 302):
            self.tally.failed(f"next: status {reply.status}")
            return False
        return (yield from self.open_page()) and self.item != last


def saves(host: str, names: Sequence[str], tally: Tally) -> Script:
    """Work up to a page of one's own, and send one answer after the other there."""
    annotator, scales = Annotator(host, names[0], tally), list(task.SCALES)
    if not (yield from annotator.sign_in()):
        tally.failed("no page to annotate")
        return
    for page in range(task.stands_on(int(names[0].rpartition("p")[2]))):
        yield from annotator.fill(page, reports=True)
    annotator.clicks = 0
    yield READY
    while True:
        scale, since = scales[annotator.clicks % len(scales)], time.monotonic()
        annotator.choose(scale, annotator.chosen.get(scale, 0) % 5 + 1)
        if not (yield from annotator.update()):
            return
        tally.took("save", since)


def submits(host: str, names: Sequence[str], tally: Tally) -> Script:
    """Fill page after page; whoever has finished hands over to the next name."""
    for number, name in enumerate(names):
        annotator = Annotator(host, name, tally)
        if not (yield from annotator.sign_in()):
            tally.failed("no page to annotate")
            return
        if not number:
            yield READY
        for page in range(task.ITEMS):
            since = time.monotonic()
            if not (yield from annotator.fill(page)):
                break
            tally.took("submit", since)
    tally.failed("no name left")


class Potato(System):
    """Potato as its documentation starts it: `potato start`, one process with threads."""

    name = "potato"
    behaviours = {"save": saves, "submit": submits}

    @contextlib.contextmanager
    def prepared(self, folder: Path, wanted: dict[str, Wanted]) -> Iterator[dict[str, list[list[str]]]]:
        """Install it, and write a project with the task."""
        self.installed = environment_of("potato", PACKAGES)
        self.folder = folder
        (folder / "data").mkdir()
        items = (json.dumps({"id": f"item-{n}", "text": _text(n)}) for n in range(1, task.ITEMS + 1))
        (folder / "data" / "items.json").write_text("\n".join(items), encoding="utf-8")
        (folder / "config.yaml").write_text(yaml.safe_dump(_configuration(folder)), encoding="utf-8")
        yield {
            load: shares(
                [f"{load}-p{n}" for n in range(some.people)], [f"{load}-r{n}" for n in range(some.ready)]
            )
            for load, some in wanted.items()
        }  # fmt: skip

    @contextlib.contextmanager
    def serving(self, workers: int | None = None) -> Iterator[Running]:
        """Run it."""
        port = free_port()
        command = [program(self.installed, "potato"), "start", "config.yaml", "--host", "127.0.0.1", "-p", str(port)]
        with WebServer(command, port=port, folder=self.folder, environment={}, cwd=self.folder) as server:
            yield Running(port, {"web": [server.pid]})

    def check(self, load: str, acknowledged: dict[str, Any]) -> str:
        """Compare the answers that count with those in its files; it keeps no key by which to find a doubled one."""
        deadline = time.monotonic() + _FLUSH_SECONDS
        while (lost := self._lost(acknowledged)) and time.monotonic() < deadline:
            time.sleep(0.5)
        return f"{len(acknowledged)} pages acknowledged, {lost} not as acknowledged"

    def _lost(self, acknowledged: dict[str, Any]) -> int:
        stored: dict[str, dict[str, dict[str, int]]] = {}
        for name in {key.split("/")[0] for key in acknowledged}:
            path = self.folder / "annotation_output" / name / "user_state.json"
            with contextlib.suppress(OSError, ValueError):
                stored[name] = _answers(json.loads(path.read_text(encoding="utf-8")))
        pairs = ((key.split("/"), value) for key, value in acknowledged.items())
        return sum(stored.get(name, {}).get(item) != value for (name, item), value in pairs)


def _answers(state: dict[str, Any]) -> dict[str, dict[str, int]]:
    items = state["instance_id_to_label_to_value"]
    return {item: {label["schema"]: int(value) for label, value in labels} for item, labels in items.items()}


def _text(number: int) -> str:
    responses = "\n\n".join(f"Response {letter.upper()}: {task.response(number, letter)}" for letter in "ab")
    return f"Prompt: {task.prompt(number)}\n\nPersona: {task.persona(number)}\n\n{responses}"


def _configuration(folder: Path) -> dict[str, Any]:
    scales = [
        {
            "annotation_type": "likert",
            "name": name,
            "description": f"Response {letter.upper()}: {question}",
            "size": len(task.LABELS),
            "min_label": task.LABELS[0],
            "max_label": task.LABELS[-1],
            "label_requirement": {"required": True},
        }
        for name, (letter, question) in task.SCALES.items()
    ]
    return {
        "annotation_task_name": "Clicks",
        "task_dir": str(folder),
        "output_annotation_dir": "annotation_output",
        "data_files": ["data/items.json"],
        "item_properties": {"id_key": "id", "text_key": "text"},
        "annotation_schemes": scales,
        "require_password": False,
        "user_config": {"allow_all_users": True, "users": []},
        "max_annotations_per_user": task.ITEMS,
    }
