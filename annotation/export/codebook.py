"""The codebook: what every column means, and what has to be known about the study to read the tables."""

import platform
from dataclasses import asdict
from typing import Any

import django
from django.utils import timezone

from annotation.controls.flags import rules_in_words
from annotation.export.columns import Column
from annotation.export.images import ItemImages
from annotation.export.tables import Table
from annotation.models import Aspect, Study
from annotation.overlap import overlap_report
from annotation.protocol import amendment_documents
from personaeval import __version__

DEMONSTRATION = (
    "This is a demonstration: outputs are written by the scripted engine, not a language model. "
    "The ratings say nothing about any model."
)
BEFORE_PERSONA = (
    "Asked before the persona was shown, with prompt and responses alone; the answers were fixed when it was shown."
)
EXCLUSION = (
    "The exclusion rules were written in the study file and fixed when the study was opened: they are part of what the "
    "protocol hash covers. They flag participants; nobody is left out of these tables because of them."
)


def codebook_data(
    study: Study, tables: dict[str, Table], *, counts: dict[str, int], command: str, include_bots: bool
) -> dict[str, Any]:
    """Return the codebook of these tables as JSON data; `counts` are the rows per table, `command` what made them."""
    return {
        "study": _study(study),
        "amendments": amendment_documents(study),
        "demonstration": DEMONSTRATION if study.demonstration else "",
        "bots_and_previews": "included" if include_bots else "left out",
        "aspects": [_aspect(aspect) for aspect in study.aspects.order_by("ordinal")],
        "exclusion_rules": {"rules": rules_in_words(study), "statement": EXCLUSION},
        "quiz": study.quiz,
        "questionnaires": study.questionnaires,
        "followup": study.followup,
        "skip_reasons": study.skip_reasons,
        "elicitation": study.elicitation,
        # Which of them is a control would say which system it is, or nearly so; the unblinded export says it.
        "arms": list(study.arms.order_by("code").values("code")),
        "tables": [
            {
                "name": table.name,
                "meaning": table.meaning,
                "rows": counts[table.name],
                "columns": [_column(column) for column in table.columns],
            }
            for table in tables.values()
        ],
        "made": {
            "at": timezone.now().isoformat(timespec="seconds"),
            "command": command,
            "versions": {
                "personaeval": __version__,
                "django": django.get_version(),
                "python": platform.python_version(),
            },
        },
    }


def _study(study: Study) -> dict[str, Any]:
    return {
        "slug": study.slug,
        "version": study.version,
        "title": study.title,
        "kind": study.kind,
        "state": study.state,
        "protocol_hash": study.protocol_hash,
        "opened_at": study.opened_at.isoformat() if study.opened_at else None,
        "closed_at": study.closed_at.isoformat() if study.closed_at else None,
        "written_personas_per_participant": study.written_personas_per_participant,
        "given_personas_per_participant": study.given_personas_per_participant,
        "raters_per_item": study.raters_per_item,
        "overlap_share": study.overlap_share,
        "overlap": asdict(overlap_report(study)),
        "repeat_share": study.repeat_share,
        "blocks": study.blocks,
        "show_responses": study.show_responses,
        "items": study.items.filter(planted_part__isnull=True).count(),
        "images": len(ItemImages(study).files),
        "planted_pairs": study.items.filter(planted_part__isnull=False).count(),
        "seed": study.seed,
        "consent": study.consent,
        "instructions": study.instructions,
    }


def _aspect(aspect: Aspect) -> dict[str, Any]:
    return {
        "key": aspect.key,
        "name": aspect.name,
        "kind": aspect.kind,
        "level": aspect.level,
        "question": aspect.question,
        "question_for_others": aspect.question_for_others,
        "labels": {str(value): label for value, label in aspect.options},
        **({"passages": _marking(aspect)} if aspect.is_span else {}),
        "before_persona": aspect.before_persona,
        **({"expected": aspect.expected, "part": aspect.part, "is_loud": aspect.is_loud} if aspect.part else {}),
    }


def _marking(aspect: Aspect) -> dict[str, Any]:
    labels = dict(zip(aspect.marking["labels"], aspect.labels, strict=True))
    return {"labels": labels, "reason": aspect.marking["reason"], "most": aspect.maximum}


def _column(column: Column) -> dict[str, Any]:
    return {"name": column.name, "type": column.type, "meaning": column.meaning, "values": column.values}


def codebook_markdown(codebook: dict[str, Any]) -> str:
    """Return the same codebook for people."""
    study, made = codebook["study"], codebook["made"]
    lines = [f"# Codebook: {study['title']}", ""]
    lines += [f"**{codebook['demonstration']}**", ""] if codebook["demonstration"] else []
    lines += [
        f"- Study `{study['slug']}`, version {study['version']}, {study['state']}",
        f"- Protocol hash: `{study['protocol_hash'] or 'none: the study is a draft'}`",
        f"- Bots and previews: {codebook['bots_and_previews']}",
        f"- Arms: {', '.join('`' + arm['code'] + '`' for arm in codebook['arms'])}",
        *([f"- Images of prompts: {study['images']}; `image_file` names them"] if study["images"] else []),
        f"- Made {made['at']} by `{made['command']}`",
        f"- Versions: {', '.join(f'{name} {version}' for name, version in made['versions'].items())}",
        "",
        "## Questions",
        "",
    ]
    for aspect in codebook["aspects"]:
        lines += _aspect_lines(aspect)
    if codebook["exclusion_rules"]["rules"]:
        rules = codebook["exclusion_rules"]
        lines += ["## Exclusion rules", "", rules["statement"], "", *(f"- {rule}" for rule in rules["rules"]), ""]
    if codebook["amendments"]:
        lines += [
            "## Amendments",
            "",
            "What was changed after the study had opened; each is part of the hash after it.",
            "",
        ]
        lines += [_amendment_line(amendment) for amendment in codebook["amendments"]] + [""]
    for table in codebook["tables"]:
        lines += _table_lines(table)
    return "\n".join(lines) + "\n"


def _amendment_line(amendment: dict[str, Any]) -> str:
    what = "; ".join(
        f"{len(one['added'])} items added" if "added" in one else f"`{one['what']}`" for one in amendment["changes"]
    )
    before = amendment["hash_before"]
    return f"{amendment['number']}. {amendment['at']}: {what}. {amendment['reason']} (hash before: `{before}`)"


def _aspect_lines(aspect: dict[str, Any]) -> list[str]:
    return [
        f"### {aspect['name']} (`{aspect['key']}`, {aspect['kind']}, {aspect['level']})",
        "",
        f"- Asked of the persona's author: {aspect['question']}",
        f"- Asked of others: {aspect['question_for_others']}",
        *([f"- {BEFORE_PERSONA}"] if aspect["before_persona"] else []),
        *(f"- {value} = {label}" for value, label in aspect["labels"].items()),
        "",
    ]


def _table_lines(table: dict[str, Any]) -> list[str]:
    head = [f"## {table['name']} ({table['rows']} rows)", "", table["meaning"], ""]
    rows = [
        f"| `{column['name']}` | {column['type']} | {_cell(column['meaning'])} | {_cell(_values(column['values']))} |"
        for column in table["columns"]
    ]
    return [*head, "| column | type | meaning | values |", "|---|---|---|---|", *rows, ""]


def _values(values: dict[str, str]) -> str:
    return "; ".join(f"`{value}` {meaning}" for value, meaning in values.items())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
