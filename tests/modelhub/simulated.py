"""Studies of which everything is known: which arm was bound and imported first, which is slow, and what people saw.

They go through the real services and pages, by a clock that runs as fast as is needed, and with keys drawn from a seed.
"""

import csv
import json
import random
import re
import types
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from annotation.export.codebook import codebook_data, codebook_markdown
from annotation.export.tables import study_tables
from annotation.export.writers import table_write
from annotation.models import Arm, ArmTrouble, Output, Participant, PersonaHold, Study
from annotation.services.exclusions import participant_exclude
from annotation.services.holds import hold_release, outputs_hold
from annotation.services.outputs import outputs_retry
from annotation.services.queue import output_fail, output_fill, outputs_claim
from annotation.services.studies import study_open, study_save
from annotation.services.workers import Trouble, worker_start, worker_troubles_set
from modelhub.stages.import_outputs import ImportOptions, import_outputs
from modelhub.systems.registering import arms_bind, system_register
from tests.annotation.studyfiles import definition, rating_aspect
from tests.annotation.walking import Walker
from tests.factories import make_user
from tests.modelhub.live import write_script
from tests.predicting import Row

WORKER = "worker"
GIVEN, WRITTEN = 4, 3  # parts of each participant
PEOPLE = 2


Look = Callable[[Study, str], None]


class Clock:
    """Stands for the time of day; it goes on a little with each look at it."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the time."""
        self.time += timedelta(milliseconds=7)
        return self.time

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.time += timedelta(seconds=seconds)


def seeded_keys(chance: random.Random) -> types.SimpleNamespace:
    """Return what stands for the module `secrets`."""
    return types.SimpleNamespace(
        token_hex=lambda size: chance.randbytes(size).hex(),
        token_urlsafe=lambda size: urlsafe_b64encode(chance.randbytes(size)).decode(),
        choice=chance.choice,
    )


@dataclass
class Simulated:
    """A study that has been run; `first` was bound and imported first, `slow` takes longer and fails more often."""

    study: Study
    first: str
    slow: str
    codes: tuple[str, str]
    # For each participant: on which side the arm of the first code stood in each part, -1 left; and that page.
    sides: list[list[int]] = field(default_factory=list)
    pages: list[tuple[int, str]] = field(default_factory=list)

    def truth(self, arm: str) -> int:
        """Return what a right clue says of an arm: -1 for the first code."""
        return -1 if arm == self.codes[0] else 1


def simulate(folder: Path, seed: int, monkeypatch: pytest.MonkeyPatch, look: Look) -> Simulated:
    """Return a study of two arms with given and written personas and a planted pair, worked on by PEOPLE people.

    `look` is called with the study and the name of the moment when one arm is ahead of the other.
    """
    chance, clock = random.Random(seed), Clock()
    monkeypatch.setattr("annotation.keys.secrets", seeded_keys(chance))
    monkeypatch.setattr(timezone, "now", clock.now)
    study = _draft(folder, seed)
    slow = chance.choice(list(study.arms.order_by("ordinal")))
    _bind_and_import(study, folder, slow, chance, clock, look)
    study_open(study=study, user=study.owner)
    worker_start(key=f"{WORKER}-{seed}", study=study, host="here")
    codes: list[str] = sorted(arm.code for arm in study.arms.all())
    done = Simulated(study, study.arms.get(ordinal=1).code, slow.code, (codes[0], codes[1]))
    for number in range(PEOPLE):
        person = _Person(done, slow, chance, clock, f"{WORKER}-{seed}")
        person.look = look if number == 0 else None
        person.work(fails=number == 0)
    _afterwards(study, slow, clock, f"{WORKER}-{seed}")
    return done


def _draft(folder: Path, seed: int) -> Study:
    preference = {"key": "preferred", "type": "comparison", "name": "Preferred", "question": "Which?"}
    items: list[dict[str, Any]] = [
        {"id": f"given-{n}", "prompt": f"Question {n}?", "persona": f"The user is number {n}."}
        for n in range(GIVEN + 2)
    ]
    items += [{"id": f"written-{n}", "prompt": f"Question {n}, for you?"} for n in range(WRITTEN + 2)]
    planted = {"part": 3, "id": "tea", "prompt": "Tea?", "persona": "The user is thirsty.", "good": "Boil it.",
               "bad": "Paris is in France.", "aspect": "fit"}  # fmt: skip
    design = {"given_personas_per_participant": GIVEN, "written_personas_per_participant": WRITTEN,
              "raters_per_item": PEOPLE + 1, "repeat_share": 0.2, "overlap_share": 0.2, "seed": seed}  # fmt: skip
    # One by one in some studies, side by side in the others.
    aspects = [rating_aspect(), *([preference] if seed % 2 else [])]
    file = definition(folder, slug=f"simulated-{seed}", aspects=aspects, items=items, planted=[planted], design=design)
    return study_save(definition=file, owner=make_user())


def _bind_and_import(study: Study, folder: Path, slow: Arm, chance: random.Random, clock: Clock, look: Look) -> None:
    script = str(write_script(folder))
    for number, style in ((1, "none"), (2, "field")):
        name = f"{study.slug}-{number}"
        decoding = {"style": "general", "fail_on": ""}
        system_register(name=name, engine="scripted", model=script, persona_style=style, decoding=decoding)
        arms_bind(study=study, bindings={str(number): name}, user=study.owner)
        clock.wait(60)
    rows = [{"item": f"given-{n}", "text": f"Response {chance.randbytes(8).hex()}."} for n in range(GIVEN + 2)]
    for number in (1, 2):
        for row in rows:
            row["text"] = f"Response {chance.randbytes(8).hex()}."
        _import(study, folder, rows, ImportOptions(arm=str(number)))
        if number == 1:
            look(study, "between two imports")
        clock.wait(600)
    replaced = [{**rows[0], "text": f"Response {chance.randbytes(8).hex()}."}]
    _import(study, folder, replaced, ImportOptions(arm=str(slow.ordinal), replace=True))


def _import(study: Study, folder: Path, rows: list[dict[str, str]], options: ImportOptions) -> None:
    path = folder / "outputs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    import_outputs(study=study, files=[path], options=options, user=study.owner)


class _Person:
    """Somebody on the pages, whose responses are made while they wait."""

    def __init__(self, done: Simulated, slow: Arm, chance: random.Random, clock: Clock, worker: str) -> None:
        self.done, self.slow, self.chance, self.clock, self.worker = done, slow, chance, clock, worker
        self.walker = Walker(done.study).begin()
        self.sides: list[int] = []
        self.fails = False
        self.look: Look | None = None

    def work(self, *, fails: bool) -> None:
        """Go through the whole study; where it `fails`, the slow arm cannot answer the first persona."""
        self.fails = fails
        doors = {"write": self._write, "wait": self._wait, "rate": self._rate, "failed": self._failed,
                 "held": self._held}  # fmt: skip
        while (step := self.walker.step) in doors:
            doors[step]()
            self.clock.wait(self.chance.uniform(20, 60))
        assert step == "done", step
        self.done.sides.append(self.sides)

    def _write(self) -> None:
        assert self.walker.write(f"The user is {self.chance.randbytes(4).hex()}.").status_code == 302

    def _wait(self) -> None:
        held = self.chance.random() < 0.3
        for output in sorted(self._claim(), key=lambda one: one.arm_id == self.slow.pk):
            is_slow = output.arm_id == self.slow.pk
            if is_slow and self.look and not self.fails:
                self.look(self.done.study, "while one response is waited for")
                self.look = None
            self.clock.wait(self.chance.uniform(15, 30) if is_slow else self.chance.uniform(1, 3))
            if is_slow and self.fails:
                output_fail(output_id=output.pk, holder=self.worker, error="It broke.", final=True)
                self.fails = False
                continue
            if is_slow and self.chance.random() < 0.5:  # once more
                output_fail(output_id=output.pk, holder=self.worker, error="No answer.", final=False)
                self._claim()
            if is_slow == held:
                outputs_hold(persona=output.persona, kinds=["loop"])
            text = f"Response {self.chance.randbytes(8).hex()}."
            assert output_fill(output_id=output.pk, holder=self.worker, text=text, fingerprint=output.arm.fingerprint)

    def _claim(self) -> list[Output]:
        return outputs_claim(holder=self.worker, limit=9, lease_seconds=600, study=self.done.study)

    def _rate(self) -> None:
        assignment = self.walker.assignment
        if assignment.kind != "check":
            slots = assignment.slots.filter(kind="output").order_by("position")
            arms = list(slots.values_list("output__arm__code", flat=True))
            side = -1 if arms[0] == self.done.codes[0] else 1
            self.sides.append(side)
            self.done.pages.append((side, self.walker.get().content.decode()))
        answers = {name: self.chance.choice([1, 2, 3]) for name in self.walker.answers() if name.startswith("answer-")}
        for name in list(answers):
            if name.endswith("preferred"):
                answers[name] = self.chance.choice([1, 2, 3, 4])
        assert self.walker.complete(**answers).status_code == 302

    def _failed(self) -> None:
        key = self.walker.assignment.key
        assert self.walker.post(f"parts/{key}/set-aside/").status_code == 302

    def _held(self) -> None:
        for hold in PersonaHold.objects.filter(persona__item__study=self.done.study, released_at=None):
            hold_release(hold=hold, user=self.done.study.owner)


def _afterwards(study: Study, slow: Arm, clock: Clock, worker: str) -> None:
    """Leave what a researcher finds: somebody excluded, failures to make again, a system in trouble."""
    participant_exclude(participant=study.participants.get(number=2), reason="Too quick.", user=study.owner)
    outputs_retry(study=study, user=study.owner)
    now = clock.now()
    down = Trouble(slow.pk, ArmTrouble.Kind.DOWN, "No route to the server.", now, now + timedelta(minutes=1))
    worker_troubles_set(key=worker, troubles=[down])


def exported_rows(study: Study, table: str, format: str, folder: Path) -> tuple[str, list[Row]]:
    """Return a table as a file of that format says it: its text, and its rows as they are read back."""
    path = folder / f"{table}.{format}"
    with path.open("wb") as sink:
        table_write(study_tables(study)[table], sink, format=format)
    if format == "parquet":
        import pyarrow.parquet as pq

        rows = pq.read_table(path).to_pylist()
        return json.dumps(rows, default=str), rows
    text = path.read_text(encoding="utf-8")
    if format == "jsonl":
        return text, [json.loads(line) for line in text.split("\n") if line]
    return text, list(csv.DictReader(StringIO(text, newline="")))


def codebooks(study: Study) -> dict[str, str]:
    """Return both forms of the codebook."""
    tables = study_tables(study)
    counts = {table.name: table.count() for table in tables.values()}
    data = codebook_data(study, tables, counts=counts, command="export", include_bots=False)
    return {"codebook.json": json.dumps(data), "codebook.md": codebook_markdown(data)}


def blinded_pages(study: Study) -> dict[str, str]:
    """Return every page about the study that its owner, who may not unblind it, can open: whatever address has it."""
    client = Client(headers={"host": "localhost"})
    client.force_login(study.owner)
    number = Participant.objects.filter(study=study).order_by("number").values_list("number", flat=True).first() or 1
    known = {"slug": study.slug, "version": study.version, "number": number}
    pages = {}
    for name, parameters in _addresses(get_resolver().url_patterns):
        if "slug" not in parameters or not set(parameters) <= set(known):
            continue
        response = client.get(reverse(name, kwargs={one: known[one] for one in parameters}))
        if response.status_code == 200:
            body = getattr(response, "content", b"") if not response.streaming else response.getvalue()
            headers = "\n".join(f"{header}: {value}" for header, value in sorted(response.headers.items()))
            pages[name] = f"{headers}\n{body.decode()}"
    return pages


def _addresses(patterns: Sequence[URLPattern | URLResolver], namespace: str = "") -> list[tuple[str, list[str]]]:
    found = []
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inside = f"{pattern.namespace}:" if pattern.namespace else namespace
            found += _addresses(pattern.url_patterns, inside)
        else:
            found.append((f"{namespace}{pattern.name}", list(pattern.pattern.regex.groupindex)))
    return found


FIELDS = re.compile(r'name="answer-([0-9a-f]{16})-')
ASSETS = re.compile(r'(?:src|href)="([^"]+)"')
IDS = re.compile(r'id="([^"]+)"')


def page_marks(page: str) -> dict[str, Any]:
    """Return what a rating page holds besides its texts that could differ between two pages of one participant."""
    slots = list(dict.fromkeys(FIELDS.findall(page)))
    return {
        "keys of the two responses": -1 if slots[0] < slots[1] else 1,
        "the first digit of the first key": -1 if int(slots[0][0], 16) < 8 else 1,
        "the first digit of the second key": -1 if int(slots[1][0], 16) < 8 else 1,
        "parity of the number of ids": -1 if len(IDS.findall(page)) % 2 else 1,
        "parity of the number of assets": -1 if len(ASSETS.findall(page)) % 2 else 1,
    }
