"""Databases of their own, in which commands run as processes: Ray's nodes are processes too."""

import json
import sqlite3
from pathlib import Path

from tests.tools.processes import ProjectProcess
from tests.tools.raycluster import QUIET


class Place:
    """A database of its own with made-up pairs, and two names for one model."""

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

    def fill(self, *, pairs: int, engine: str, model: Path, **options: object) -> None:
        """Import so many pairs and register the systems `plain` and `spread`."""
        self.manage("migrate", "--verbosity", "0")
        file = self.folder / "train.jsonl"
        with file.open("w") as rows:
            for number in range(pairs):
                row = {"prompt": f"{number} how do I cook?", "chosen": f"Begin {number} times.", "rejected": "Watch."}
                rows.write(json.dumps(row) + "\n")
        self.manage("import_preferences", str(file), "--dataset", "BeaverTails")
        for name in ("plain", "spread"):
            self.manage(
                "register_system", name, "--engine", engine, "--model", str(model), "--persona-style", "none",
                "--decoding", '{"max_new_tokens": 8, "min_new_tokens": 1, "dtype": "float32"}',
                "--options", json.dumps(options),
            )  # fmt: skip
