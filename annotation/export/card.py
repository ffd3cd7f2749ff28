"""The data card: README.md of an export, by which `datasets.load_dataset` finds its tables and people what they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from annotation.export.columns import Column, ColumnType
from annotation.export.tables import Table
from annotation.languages import languages_of
from annotation.models import Study
from annotation.retention import limits_of

UNKNOWN = "unknown"  # as the Hub calls a licence that nobody has named
DEFAULT_TABLE = "ratings"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_TYPES: dict[ColumnType, str] = {
    "string": "string",
    "integer": "int64",
    "number": "float64",
    "boolean": "bool",
    "timestamp": "timestamp[us, tz=UTC]",
}
# What pandas makes of a CSV's column: integers and truth values have no gaps, and times stay as they are written.
_IN_CSV: dict[ColumnType, str] = {"timestamp": "string"}
_IN_CSV_WITH_HOLES: dict[ColumnType, str] = {"integer": "float64", "boolean": "string"}


@dataclass(frozen=True)
class CardFacts:
    """How an export was written: `holes` are the columns with nulls, by table."""

    format: str
    formula_safe: bool
    external_ids: bool
    license: str
    holes: dict[str, set[str]]


def card(study: Study, tables: dict[str, Table], codebook: dict[str, Any], facts: CardFacts) -> str:
    """Return the data card of an export whose codebook is `codebook`: facts of the study, and none that it lacks."""
    rows = {table["name"]: table["rows"] for table in codebook["tables"]}
    head = {
        "pretty_name": study.title,
        "license": facts.license,
        "language": [code.split("-")[0] for code in languages_of(study)],
        "size_categories": [_size(rows[DEFAULT_TABLE])],
        "task_categories": ["text-generation" if study.kind == Study.Kind.OUTPUT_RATING else "text-classification"],
        "tags": ["human-evaluation", "personalization"],
        "configs": _configs([table for table in tables.values() if rows[table.name]], facts),
    }
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=120)
    return "\n".join([f"---\n{front}---\n", *_text(study, codebook, facts)]) + "\n"


def _size(rows: int) -> str:
    return next((name for below, name in _SIZES if rows < below), "n>1M")


def _configs(filled: list[Table], facts: CardFacts) -> list[dict[str, Any]]:
    """One for each table with rows, as `datasets` takes none without. The first is the default: ratings, if there."""
    configs = [_config(table, facts) for table in filled]
    if configs:
        configs[0]["default"] = True
    return configs


def _config(table: Table, facts: CardFacts) -> dict[str, Any]:
    config: dict[str, Any] = {"config_name": table.name, "data_files": f"{table.name}.{facts.format}"}
    if facts.format == "parquet":
        return config  # a Parquet file says itself what its columns are
    holes = facts.holes[table.name]
    config["features"] = [{"name": column.name, "dtype": _dtype(column, facts, holes)} for column in table.columns]
    if facts.format == "csv":
        # A text may be "NA" or "None"; only an empty cell is none.
        config |= {"keep_default_na": False, "na_values": [""]}
        config |= {"encoding": "utf-8-sig"} if facts.formula_safe else {}
    return config


def _dtype(column: Column, facts: CardFacts, holes: set[str]) -> str:
    if facts.format != "csv":
        return _TYPES[column.type]
    with_holes = _IN_CSV_WITH_HOLES if column.name in holes else {}
    return (with_holes | _IN_CSV).get(column.type, _TYPES[column.type])


def _text(study: Study, codebook: dict[str, Any], facts: CardFacts) -> Iterator[str]:
    yield from (f"# {study.title}", "")
    if codebook["demonstration"]:
        yield from (f"**{codebook['demonstration']}**", "")
    yield from _what_it_was(study, codebook)
    yield from _consent(study, codebook, facts)
    yield from ("## Tables", "", "| table | rows | one row is |", "|---|---|---|")
    for table in codebook["tables"]:
        yield f"| `{table['name']}` | {table['rows']} | {table['meaning'].removeprefix('One row per ')} |"
    yield from ("", "Tables without rows are files, but `load_dataset` does not offer them.", "")
    yield from ("[codebook.md](codebook.md) describes every column, and gives the questions word for word.", "")
    yield from _images(codebook)
    yield from _reading(facts)
    yield from _citing(study, codebook, facts)


def _what_it_was(study: Study, codebook: dict[str, Any]) -> Iterator[str]:
    facts = codebook["study"]
    opened, closed = (f"{at:%Y-%m-%d}" if at else "not yet" for at in (study.opened_at, study.closed_at))
    yield from ("## The study", "", f"- {study.get_kind_display()}: `{study.slug}`, version {study.version}")
    yield f"- {facts['items']} items, {len(codebook['arms'])} arms, which appear by random codes: the export is blinded"
    yield f"- Opened: {opened}; closed: {closed}"
    yield f"- Protocol hash: `{study.protocol_hash or 'none: the study is a draft'}`"
    yield f"- Amendments after opening: {len(codebook['amendments'])}"
    yield f"- Bots and previews: {codebook['bots_and_previews']}"
    yield from ("", "Questions:", "")
    yield from (f"- `{aspect['key']}` ({aspect['kind']}): {aspect['question']}" for aspect in codebook["aspects"])
    yield ""


def _consent(study: Study, codebook: dict[str, Any], facts: CardFacts) -> Iterator[str]:
    yield from ("## What participants agreed to", "")
    yield "Whether these data may be passed on is for this text to say, and for whoever passes them on to respect."
    yield "The column `consent_hash` of `participants` says which text each of them agreed to."
    yield from ("", *(f"> {line}".rstrip() for line in study.consent.strip().splitlines()), "")
    limits = limits_of(study)
    for limit in limits:
        done = f"; done on {limit.done_at:%Y-%m-%d}" if limit.done_at else ""
        yield f"- Erased {limit.days} days after closing: {limit.kind.label.lower()}{done}"
    if not limits:
        yield "- The study file sets no limit to how long data are kept."
    yield f"- {_free_text(codebook['free_text'])}"
    if facts.external_ids:
        yield "- `participants` holds ids of lists or platforms, which may tell who somebody is: not for others' eyes."
    yield ""


def _free_text(told: dict[str, Any]) -> str:
    if told["released"]:
        return (
            "E-mail addresses and telephone numbers that a rule found are replaced by marks; names are not looked for."
        )
    found = "; ".join(told["found"]) or "no e-mail address and no telephone number was found"
    return f"Free text is as it was typed ({found}). `--release` replaces what is found by marks."


def _images(codebook: dict[str, Any]) -> Iterator[str]:
    if number := codebook["study"]["images"]:
        yield from ("## Images", "")
        yield f"`images/` holds {number} image{'' if number == 1 else 's'} that prompts show, once each, as they were "
        yield "uploaded: with whatever a camera wrote into them, and in a release too. In `items` and in"
        yield "`ratings_with_texts`, `image_file` names an item's image, and `image_alt` says in words what it shows."
        yield ""


def _reading(facts: CardFacts) -> Iterator[str]:
    readers = {
        "csv": 'pd.read_csv("ratings.csv", dtype=str, keep_default_na=False)  # ids stay texts; value: .astype(int)',
        "jsonl": 'pd.read_json("ratings.jsonl", lines=True, dtype=False)',
        "parquet": 'pd.read_parquet("ratings.parquet")',
    }
    yield from ("## Reading it", "", "```python", "from datasets import load_dataset")
    yield 'ratings = load_dataset(".")["train"]  # this folder; load_dataset(".", "personas") and so on for the others'
    yield from ("import pandas as pd", readers[facts.format], "```", "")
    if facts.formula_safe:
        yield from ("Made for spreadsheets: texts that could be formulas have one apostrophe in front.", "")


def _citing(study: Study, codebook: dict[str, Any], facts: CardFacts) -> Iterator[str]:
    yield from ("## Licence and citation", "")
    if facts.license == UNKNOWN:
        yield "No licence was named when this was exported; without one, nobody else may use it."
    else:
        yield f"Licence: `{facts.license}`."
    contact = f" Contact: {study.contact}." if study.contact else ""
    hashed = f", protocol {study.protocol_hash[:12]}" if study.protocol_hash else ""
    yield f"Cite it as: {study.title} ({study.slug}, version {study.version}{hashed}), data set.{contact}"
    made = codebook["made"]
    yield f"Made {made['at']} with personaeval {made['versions']['personaeval']} by `{made['command']}`."
