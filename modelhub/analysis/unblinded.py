"""Unblinded exports: the blinded tables with the system behind each arm and where each persona comes from."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from annotation.errors import ServiceError
from annotation.export import Column, Table, export_refusal, study_tables
from annotation.export.codebook import codebook_data, codebook_markdown
from annotation.export.files import files_move
from annotation.export.images import IMAGE_FILE, ItemImages
from annotation.export.writers import table_write
from annotation.models import Aspect, Output, Study
from modelhub.files.pairs import RESPONSES
from modelhub.models import ArmBinding, PersonaOrigin, System
from modelhub.models.system import PERSONA_STYLES, PROBE_STATES, PROCEDURES

_BATCH = 500  # rows looked up at a time; below SQLite's limit of variables

_COLUMNS = (
    Column("system", "string", "Name of the system behind the arm; null (CSV: empty) where no output is rated."),
    Column("engine", "string", "What ran the system; `imported` for outputs made elsewhere."),
    Column("persona_style", "string", "How the persona entered the prompt.", PERSONA_STYLES),
    Column("persona_direction", "string", "What the persona explains.", dict(PersonaOrigin.Direction.choices)),
    Column("persona_origin", "string", "Where a given persona comes from.", dict(PersonaOrigin.Source.choices)),
    Column("inferring_system", "string", "Name of the system that inferred a given persona, where known."),
    Column("finish_reason", "string", "Why the output ended.", {
        "stop": "By itself", "length": "Cut off", "content_filter": "Cut off or withheld by a content filter",
        "refusal": "The model refused", "tool_calls": "The model called a tool", "unknown": "Not recorded",
    }),
    Column("fingerprint", "string", "SHA-256 of all that made the output: files, template, decoding."),
    Column("adapter_probe", "string", "Whether the system's adapter was compared with its base.", PROBE_STATES),
    Column("adapter_difference", "number", "Largest difference between logits of probe texts with the adapter and "
           "without, when the system was registered. Null (CSV: empty) unless `adapter_probe` is `probed`."),
)  # fmt: skip
_PREFERRED = (
    Column("preferred_system", "string", "Name of the system behind `preferred_arm`."),
    Column("pick_is_own_direction", "boolean", "Picks: the response preferred is the one that the persona was inferred "
           "from; its mean is the human persona accuracy. Null (CSV: empty) where that is not known."),
)  # fmt: skip
# After all others, so that columns that people know stay where they were.
_PROCEDURE = (
    Column("procedure", "string", "How the system came to its responses; null (CSV: empty) for one request each.",
           PROCEDURES),
)  # fmt: skip
_STEPS = (
    Column("steps", "string", "What the procedure made before the response, as JSON: [{step, text, …}], such as a "
           "rubric, a draft and feedback, or the rows of retrieved exemplars. Null (CSV: empty) without a procedure."),
)  # fmt: skip


def unblinded_tables(study: Study, *, include_bots: bool = False) -> dict[str, Table]:
    """Return the long table of ratings and the table of outputs, with the columns that unblind them."""
    blinded = study_tables(study, include_bots=include_bots)
    systems = {
        binding.arm.code: binding.system
        for binding in ArmBinding.objects.filter(arm__study=study).select_related("arm", "system")
    }
    return {
        f"{name}_unblinded": replace(
            blinded[name],
            name=f"{name}_unblinded",
            meaning=f"{blinded[name].meaning} Unblinded.",
            columns=(*blinded[name].columns, *_COLUMNS, *extra, IMAGE_FILE, *_PROCEDURE, *last),
            rows=partial(_rows, blinded[name], systems, study),
        )
        for name, extra, last in (("ratings", _PREFERRED, ()), ("outputs", (), _STEPS))
    }


def unblinded_write(
    *, study: Study, directory: Path, format: str, command: str, include_bots: bool = False
) -> dict[str, int]:
    """Write the unblinded tables and their codebook into `directory`; return rows by table.

    Files are written beside their place and moved at the end, so a killed export leaves whole files only.
    Raises ServiceError where the study's definition has changed since it was opened, or an image is gone.
    """
    if refusal := export_refusal(study):
        raise ServiceError(refusal)
    directory.mkdir(parents=True, exist_ok=True)
    tables = unblinded_tables(study, include_bots=include_bots)
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory(dir=directory, prefix=".export-") as name:
        beside = Path(name)
        ItemImages(study).write(beside)
        for table in tables.values():
            with (beside / f"{table.name}.{format}").open("wb") as sink:
                counts[table.name], _ = table_write(table, sink, format=format)
        codebook = codebook_data(study, tables, counts=counts, command=command, include_bots=include_bots)
        text = json.dumps(codebook, ensure_ascii=False, indent=2) + "\n"
        (beside / "codebook_unblinded.json").write_text(text, "utf-8")
        (beside / "codebook_unblinded.md").write_text(codebook_markdown(codebook), "utf-8")
        files_move(beside, directory)
    return counts


def _rows(table: Table, systems: dict[str, System], study: Study) -> Iterator[dict[str, Any]]:
    """Yield the blinded rows with the unblinding columns, joined by output key and arm code."""
    rows, images = table.rows(), ItemImages(study)
    while batch := list(islice(rows, _BATCH)):
        keys = {row["output"] for row in batch if row["output"]}
        made = Output.objects.filter(key__in=keys).select_related("generation")
        outputs = {output.key: output for output in made}
        origins = _origins({row["persona"] for row in batch})
        for row in batch:
            preferred = systems.get(row.get("preferred_arm", ""))
            yield {
                **row,
                **_of_output(systems.get(row["arm"]), outputs.get(row["output"])),
                **_of_persona(origins.get(row["persona"])),
                **_of_preference(row, preferred, origins.get(row["persona"])),
                "image_file": images.file(row["item"]),
            }


def _origins(keys: set[str]) -> dict[str, PersonaOrigin]:
    found = PersonaOrigin.objects.filter(persona__key__in=keys).select_related("persona", "inferring_system")
    return {origin.persona.key: origin for origin in found}


def _of_output(system: System | None, output: Output | None) -> dict[str, str | float | None]:
    generation = getattr(output, "generation", None)
    return {
        "system": system.name if system else None,
        "engine": system.engine if system else None,
        "persona_style": system.persona_style if system else None,
        "finish_reason": generation.finish_reason if generation else None,
        "fingerprint": output.fingerprint if output else None,
        "adapter_probe": system.probe_state if system else None,
        "adapter_difference": system.adapter_difference if system else None,
        "procedure": (system.procedure_name or None) if system else None,
        "steps": json.dumps(generation.steps, ensure_ascii=False) if generation and generation.steps else None,
    }


def _of_persona(origin: PersonaOrigin | None) -> dict[str, str | None]:
    inferring = origin.inferring_system if origin else None
    return {
        "persona_direction": origin.direction if origin else None,
        "persona_origin": origin.source if origin else None,
        "inferring_system": inferring.name if inferring else None,
    }


def _of_preference(row: dict[str, Any], preferred: System | None, origin: PersonaOrigin | None) -> dict[str, Any]:
    own = None
    if origin and preferred and row.get("aspect_kind") == Aspect.Kind.PICK and preferred.name in RESPONSES.values():
        own = RESPONSES.get(origin.direction) == preferred.name
    return {"preferred_system": preferred.name if preferred else None, "pick_is_own_direction": own}
