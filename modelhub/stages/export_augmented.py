"""Write preference pairs with their personas as files for training: one per split, ready for `load_dataset`."""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from annotation.errors import ServiceError
from modelhub.models import PreferencePair, Run, System
from modelhub.queries.datasets import inferring_system, splits_of
from modelhub.queries.personas import Texts, gold_personas, retrieved_personas, retriever_of, retrievers_of
from modelhub.runs.lifecycle import run_finish, run_heartbeat, run_start

COLUMNS = (
    "prompt", "chosen", "rejected",
    "chosen_persona_gold", "rejected_persona_gold", "chosen_persona_retr", "rejected_persona_retr",
)  # fmt: skip
PERSONA_COLUMNS = COLUMNS[3:]
FORMATS = ("parquet", "jsonl")
CARD = "README.md"
_BATCH = 1000

Row = dict[str, str]


@dataclass
class SplitExport:
    """A file written: its rows, and how many of them lack a persona, by column."""

    name: str
    rows: int = 0
    missing: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PERSONA_COLUMNS, 0))


@dataclass(frozen=True)
class AugmentedExport:
    """What an export wrote, and whose personas."""

    run: Run
    splits: list[SplitExport]
    system: System
    retriever: str


def export_augmented(
    *,
    dataset: str,
    out: Path,
    system: str = "",
    retriever: str = "",
    format: str = "parquet",
    force: bool = False,
    on_start: Callable[[int], object] = lambda total: None,
    on_rows: Callable[[int], object] = lambda count: None,
) -> AugmentedExport:
    """Write every split of a data set into `out`, in the order of its source, with the seven columns of the method.

    A missing persona is an empty text. Files are written beside their place and moved there at the end. Raises
    ServiceError for unknown names, where several systems or retrievers could be meant, and unless `out` is empty or
    `force` is given.
    """
    splits = splits_of(dataset)
    made_by = inferring_system(dataset, system)
    known = retrievers_of(dataset, splits)
    retriever = retriever_of(dataset, splits, retriever) if known or retriever else ""
    _check_place(out, force=force)
    total = PreferencePair.objects.filter(dataset=dataset).count()
    named = {"dataset": dataset, "out": str(out), "system": made_by.name, "retriever": retriever}
    run = run_start(stage="export_augmented", arguments={**named, "format": format, "force": force}, total=total)
    on_start(total)
    state, message = Run.State.FAILED, "It ended with an error; see the terminal. Nothing was written."
    try:
        written = _write(dataset, splits, made_by, retriever, out, format, on_rows)
        run_heartbeat(run=run, done=total)
        state, message = Run.State.FINISHED, ""
    except KeyboardInterrupt:
        state, message = Run.State.STOPPED, "Stopped by a signal. Nothing was written."
        raise
    except OSError as error:
        message = f"{out} cannot be written: {error.strerror or error}."
        raise ServiceError(message) from error
    finally:
        run_finish(run=run, state=state, message=message)
    return AugmentedExport(run, written, made_by, retriever)


def _check_place(out: Path, *, force: bool) -> None:
    if out.exists() and not out.is_dir():
        raise ServiceError(f"{out} is no folder.")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise ServiceError(f"{out} is not empty. Name another folder, or give --force to replace what is there.")


def _write(
    dataset: str,
    splits: Sequence[str],
    system: System,
    retriever: str,
    out: Path,
    format: str,
    on_rows: Callable[[int], object],
) -> list[SplitExport]:
    out.mkdir(parents=True, exist_ok=True)
    write = {"parquet": _write_parquet, "jsonl": _write_jsonl}[format]
    written = []
    with tempfile.TemporaryDirectory(dir=out, prefix=".export-") as name:
        beside = Path(name)
        for split in splits:
            export = SplitExport(split)
            gold = gold_personas(dataset, [split], system)
            retrieved = retrieved_personas(dataset, [split], system, retriever)
            write(beside / f"{split}.{format}", _counted(_rows(dataset, split, gold, retrieved), export, on_rows))
            written.append(export)
        (beside / CARD).write_text(_card(dataset, splits, format), encoding="utf-8")
        for path in sorted(beside.iterdir()):
            path.replace(out / path.name)
    return written


def _rows(dataset: str, split: str, gold: Texts, retrieved: Texts) -> Iterator[Row]:
    pairs = PreferencePair.objects.filter(dataset=dataset, split=split).order_by("row", "pk")
    for pair in pairs.iterator(chunk_size=_BATCH):
        own, found = gold.get(pair.pk, {}), retrieved.get(pair.pk, {})
        yield {
            "prompt": pair.prompt,
            "chosen": pair.chosen,
            "rejected": pair.rejected,
            "chosen_persona_gold": own.get("chosen", ""),
            "rejected_persona_gold": own.get("rejected", ""),
            "chosen_persona_retr": found.get("chosen", ""),
            "rejected_persona_retr": found.get("rejected", ""),
        }


def _counted(rows: Iterator[Row], export: SplitExport, on_rows: Callable[[int], object]) -> Iterator[Row]:
    for row in rows:
        export.rows += 1
        for name in PERSONA_COLUMNS:
            export.missing[name] += not row[name]
        on_rows(1)
        yield row


def _write_parquet(path: Path, rows: Iterator[Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := list(islice(rows, _BATCH)):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))


def _write_jsonl(path: Path, rows: Iterator[Row]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _card(dataset: str, splits: Sequence[str], format: str) -> str:
    """Return the folder's card: without it, `load_dataset` would join all splits with "train" in their names."""
    lines = ["---", "configs:", "- config_name: default", "  data_files:"]
    for split in splits:
        lines += [f"  - split: {split}", f"    path: {split}.{format}"]
    return "\n".join([*lines, "---", "", f"# {dataset}", "", "Preference pairs with inferred personas.", ""])
