"""Files of preference pairs, and their import, for tests."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from django.conf import settings
from django.core.management import call_command

TAILORING = settings.BASE_DIR.parent / "shared" / "data" / "persona-tailoring"


def pair(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "prompt": f"What about {number}?",
        "chosen": f"Good answer {number}.",
        "rejected": f"Poor answer {number}.",
        **changes,
    }


def augmented(number: int, retrieved: int | None = None, **changes: Any) -> dict[str, Any]:
    """A row with gold personas and, where `retrieved` is given, those of that row as the retrieved ones."""
    row = pair(number)
    for side in ("chosen", "rejected"):
        row[f"{side}_persona_gold"] = persona(side, number)
        row[f"{side}_persona_retr"] = "" if retrieved is None else persona(side, retrieved)
    return {**row, **changes}


def persona(side: str, number: int) -> str:
    return f"The user is patient and prefers {side} answers of kind {number}."


def jsonl(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def parquet(path: Path, rows: list[dict[str, Any]]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return str(path)


def run(*sources: str, dataset: str = "Ours", **options: Any) -> str:
    out = io.StringIO()
    call_command("import_preferences", *sources, dataset=dataset, stdout=out, **options)
    return out.getvalue()


def public(folder: Path) -> str:
    if not folder.exists():
        pytest.skip(f"{folder} is absent: the public data sets are not part of the project.")
    return str(folder)
