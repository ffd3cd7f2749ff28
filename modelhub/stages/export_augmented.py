"""Write preference pairs with their personas as files for training: one per split, ready for `load_dataset`."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from annotation.errors import ServiceError
from modelhub.models import PreferencePair, Run, System
from modelhub.queries.datasets import inferring_system, splits_of
from modelhub.queries.personas import Texts, gold_personas, retrieved_personas, retriever_of, retrievers_of
from modelhub.runs.parameters import Option
from modelhub.runs.recording import recorded_run
from modelhub.runs.stage import Reporting, Stage
from modelhub.stages.shared.parameters import Name, OfDataset

COLUMNS = (
    "prompt", "chosen", "rejected",
    "chosen_persona_gold", "rejected_persona_gold", "chosen_persona_retr", "rejected_persona_retr",
)  # fmt: skip
PERSONA_COLUMNS = COLUMNS[3:]
NOTHING = "Nothing was written."
CARD = "README.md"
_BATCH = 1000

Row = dict[str, str]


class AugmentedOptions(OfDataset):
    """What `export_augmented` can be told."""

    out: Annotated[Path, Option(metavar="FOLDER")] = Field(description="made if it does not exist")
    system: Name = Field(default="", description="whose personas; default: the only ones")
    retriever: Name = Field(default="", description="what retrieved; default: the only one")
    format: Literal["parquet", "jsonl"] = Field(default="parquet", description="of the files")
    force: bool = Field(default=False, description="write into a folder that is not empty")


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
    wanted: AugmentedOptions,
    reporting: Reporting,
) -> AugmentedExport:
    """Write every split of a data set, in the order of its source, with the seven columns of the method.

    A missing persona is an empty text. Files are written beside their place and moved there at the end. Raises
    ServiceError for unknown names, where several systems or retrievers could be meant, and unless `out` is empty or
    `force` is given.
    """
    dataset, out = wanted.dataset, wanted.out
    splits = splits_of(dataset)
    made_by = inferring_system(dataset, wanted.system)
    known = retrievers_of(dataset, splits)
    retriever = retriever_of(dataset, splits, wanted.retriever) if known or wanted.retriever else ""
    _check_place(out, force=wanted.force)
    total = PreferencePair.objects.filter(dataset=dataset).count()
    arguments = wanted.stored() | {"system": made_by.name, "retriever": retriever}
    with recorded_run(stage="export_augmented", arguments=arguments, total=total, leaves=NOTHING) as execution:
        reporting.start(total)
        try:
            written = _write(dataset, splits, made_by, retriever, out, wanted.format, reporting)
        except OSError as error:
            raise ServiceError(f"{out} cannot be written: {error.strerror or error}.") from error
        execution.advance(total)
    return AugmentedExport(execution.run, written, made_by, retriever)


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
    reporting: Reporting,
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
            write(beside / f"{split}.{format}", _counted(_rows(dataset, split, gold, retrieved), export, reporting))
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


def _counted(rows: Iterator[Row], export: SplitExport, reporting: Reporting) -> Iterator[Row]:
    for row in rows:
        export.rows += 1
        for name in PERSONA_COLUMNS:
            export.missing[name] += not row[name]
        reporting.advance(1)
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


def _run(wanted: AugmentedOptions, reporting: Reporting) -> None:
    report = export_augmented(wanted, reporting)
    reporting.say(f"Run {report.run.key}: personas by {report.system}, retrieved by {report.retriever or 'nothing'}")
    for split in report.splits:
        reporting.say("\n".join(_lines(split)))


def _lines(split: SplitExport) -> Iterator[str]:
    yield f"{split.name}: {split.rows} rows"
    yield from (f"  {count} without {name}" for name, count in split.missing.items() if count)


STAGE = Stage(
    name="export_augmented",
    summary=f"Write a data set with its personas, one file per split, for datasets.load_dataset: {', '.join(COLUMNS)}.",
    unit="rows",
    parameters=AugmentedOptions,
    run=_run,
    leaves=NOTHING,
)
