"""Rows that are answered on a Ray cluster are those of a plain run, whatever becomes of its nodes."""

import json
import sqlite3
from pathlib import Path

import pytest

from tests.tools.processes import ProjectProcess, wait_until
from tests.tools.raycluster import QUIET, ray_cluster

pytestmark = pytest.mark.slow
PAIRS = 600


class Place:
    """A database of its own, in which commands run as processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.var = folder / "var"
        self._environment = {"VAR_DIR": str(self.var), "DATABASE_URL": "", "OMP_NUM_THREADS": "1", **QUIET}

    def start(self, *command: str) -> ProjectProcess:
        self._last = ProjectProcess(["manage.py", *command], self.folder / "log", self._environment)
        self._last.start()
        return self._last

    def manage(self, *command: str) -> None:
        process = self.start(*command)
        assert process.process and process.process.wait(300) == 0, self.said()

    def answer_files(self) -> int:
        """Return how many files of answers there are; AssertionError with what was said if the command has ended."""
        assert self._last.process and self._last.process.poll() is None, self.said()
        return len(list(self.var.glob("exchange/*/answers/*.parquet")))

    def said(self) -> str:
        return (self.folder / "log").read_text()[-3000:]

    def personas(self, system: str) -> dict[tuple[str, str], tuple[str, str, int]]:
        """Return text, finish and number of tokens of each persona by pair and direction."""
        with sqlite3.connect(self.var / "db.sqlite3") as database:
            rows = database.execute(
                "SELECT pair.key, persona.direction, made.text, made.finish_reason, made.completion_tokens "
                "FROM modelhub_inferredpersona persona JOIN modelhub_preferencepair pair ON pair.id = persona.pair_id "
                "JOIN modelhub_generation made ON made.id = persona.generation_id "
                "JOIN modelhub_system system ON system.id = persona.system_id WHERE system.name = ?",
                [system],
            ).fetchall()
        assert len(rows) == len({row[:2] for row in rows})
        return {row[:2]: row[2:] for row in rows}


@pytest.fixture
def place(tmp_path: Path, tiny_llama: Path) -> Place:
    place = Place(tmp_path)
    place.manage("migrate", "--verbosity", "0")
    pairs = tmp_path / "train.jsonl"
    with pairs.open("w") as file:
        for number in range(PAIRS):
            row = {"prompt": f"{number} how do I cook?", "chosen": f"Begin {number} times.", "rejected": "Watch."}
            file.write(json.dumps(row) + "\n")
    place.manage("import_preferences", str(pairs), "--dataset", "BeaverTails")
    for name in ("plain", "spread"):
        place.manage(
            "register_system", name, "--engine", "transformers", "--model", str(tiny_llama), "--persona-style", "none",
            "--decoding", '{"max_new_tokens": 8, "min_new_tokens": 1, "dtype": "float32"}',
            "--options", '{"device": "cpu"}',
        )  # fmt: skip
    return place


def test_a_node_that_dies_in_the_middle_costs_nothing_and_the_rows_are_those_of_a_plain_run(
    place: Place,
) -> None:
    asked = ("infer_personas", "--dataset", "BeaverTails", "--shots", "0", "--system")
    with ray_cluster() as cluster:
        (other,) = cluster.others
        running = place.start(*asked, "spread", "--on", f"ray:{cluster.address}")
        wait_until(lambda: place.answer_files() > 4 and other.works(), seconds=120, what="Answers of both nodes")
        other.kill()
        stored = len(place.personas("spread"))
        assert stored < 2 * PAIRS
        assert running.process and running.process.wait(300) == 0, place.said()
    place.manage(*asked, "plain")
    assert len(place.personas("spread")) == 2 * PAIRS
    assert place.personas("spread") == place.personas("plain")
    assert not list((place.var / "exchange").iterdir())
