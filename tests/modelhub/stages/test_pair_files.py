"""Files of preference pairs mean the same and are refused alike, whether they go into a study or into the database."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.models import Item
from modelhub.files.pairs import pair_key
from modelhub.models import InferredPersona, PersonaOrigin, PreferencePair, Run
from tests.modelhub.preference_files import pair, parquet, persona
from tests.modelhub.stages.test_import_personas import load

pytestmark = pytest.mark.django_db

SIDES = ("chosen", "rejected")
Row = dict[str, Any]


def wide(number: int, ending: str = "", **changes: Any) -> Row:
    return {**pair(number), **{f"{side}_persona{ending}": persona(side, number) for side in SIDES}, **changes}


def long(number: int, **changes: Any) -> list[Row]:
    return [{**pair(number), "direction": side, "persona": persona(side, number), **changes} for side in SIDES]


LAYOUTS = {
    "one row per pair": [wide(1), wide(2)],
    "columns called gold": [wide(1, "_gold"), wide(2, "_gold")],
    "with retrieved ones": [
        {**wide(n), "chosen_persona_retr": "Near.", "rejected_persona_retr": "Far."} for n in (1, 2)
    ],
    "one row per persona": [*long(1), *long(2)],
    "one row per persona, with its source": [*long(1, source="gold"), *long(2, source="gold")],
    "with the system": [wide(1, inferring_system="one"), wide(2, inferring_system="two")],
    "with the system by its other name": [wide(1, system="one"), wide(2, system="two")],
    "of two systems": [*long(1, inferring_system="one"), *long(1, inferring_system="two")],
    "of two systems, one row per pair": [wide(1, inferring_system="one"), wide(1, inferring_system="two")],
    "with a data set": [wide(1, dataset="A"), wide(2, dataset="B")],
    "blanks at the ends": [wide(1, chosen=" Good. \n", chosen_persona=" Calm. "), wide(1, chosen="Good.")],
    "a persona missing": [wide(1, chosen_persona=""), wide(2)],
    "a pair twice": [wide(1), wide(2), wide(1)],
    "a pair twice, with other personas": [wide(1), wide(1, chosen_persona="Somebody else.")],
    "a pair twice, with its sides swapped": [wide(1), wide(1, chosen="Poor answer 1.", rejected="Good answer 1.")],
    "a persona twice": [*long(1), *long(1)],
    "both sides alike": [wide(1), wide(2, rejected="Good answer 2.")],
}
BROKEN: dict[str, tuple[list[Row], str]] = {
    "an empty response": ([wide(1), wide(2, chosen=" ")], "row 2: 'chosen' is empty; --allow-empty takes such rows"),
    "no prompt": ([wide(1), wide(2, prompt="")], "row 2: 'prompt' is empty; every pair needs a prompt"),
    "another name": ([{"question": "?", "chosen": "A", "rejected": "B"}], "row 1: no row has a column 'prompt'"),
    "a number": ([wide(1), wide(2, chosen=7)], "row 2: 'chosen' must be text, not int"),
    "a persona that is a number": ([wide(1), wide(2, chosen_persona=7)], "row 2: 'chosen_persona' must be text"),
    "half a character": ([wide(1, rejected="\ud800")], "row 1: 'rejected' holds a character that cannot be stored"),
    "NUL in a persona": ([wide(1, chosen_persona="a\0b")], "row 1: 'chosen_persona' holds a character that cannot"),
    "NUL in a persona of its own row": ([*long(1, persona="a\0b")], "row 1: 'persona' holds a character that cannot"),
    "a direction": ([*long(1, direction="left")], "row 1: direction must be chosen or rejected, not 'left'"),
    "a source": ([*long(1, source="guessed")], "row 1: source must be gold or retrieved, not 'guessed'"),
    "no persona": ([*long(1), *long(2, persona=" ")], "row 3: 'persona' is missing or empty"),
    "two personas": ([*long(1), *long(1, persona="Other.")], "row 3: pairs.json row 1 has another chosen persona"),
    "a long name": ([wide(1, system="s" * 81)], "row 1: 'system' must name what inferred the personas"),
    "a text for a name": ([wide(1, inferring_system="a\nb")], "row 1: 'inferring_system' must name what inferred"),
}


def written(path: Path, rows: list[Row]) -> str:
    if path.suffix == ".parquet":
        return parquet(path, rows)
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        lines = [json.dumps(row) for row in rows]
        path.write_text("\n".join(lines) if path.suffix == ".jsonl" else f"[{','.join(lines)}]", encoding="utf-8")
    return str(path)


def into_the_database(file: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("import_preferences", file, dataset="Ours", split="test", system="default", stdout=out, **options)
    return out.getvalue()


def into_a_study(folder: Path, file: str, **options: Any) -> str:
    out = io.StringIO()
    study = load(folder)
    call_command("import_personas", f"{study.slug}@{study.version}", file, system="default", stdout=out, **options)
    return out.getvalue()


def notes(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("    ") or line.endswith("left out:")]


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".parquet"])
@pytest.mark.parametrize("rows", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_in_every_format_gives_the_same_pairs_and_personas(
    rows: list[Row], ending: str, tmp_path: Path
) -> None:
    file = written(tmp_path / f"pairs{ending}", rows)
    said = [notes(into_the_database(file)), notes(into_a_study(tmp_path, file))]
    assert said[0] == said[1]
    stored = PreferencePair.objects.values_list("key", "prompt", "chosen", "rejected")
    for key, *texts in stored:
        assert key == pair_key(*(text.strip() for text in texts))
    assert {(key, prompt.strip()) for key, prompt, *_ in stored} == set(Item.objects.values_list("key", "prompt"))
    inferred = InferredPersona.objects.values_list("pair__key", "direction", "system__name", "text")
    brought = PersonaOrigin.objects.values_list(
        "persona__item__key", "direction", "inferring_system__name", "persona__text"
    )
    assert sorted(inferred) == sorted(brought) and len(inferred) >= 2


@pytest.mark.parametrize(("rows", "problem"), BROKEN.values(), ids=BROKEN)
def test_both_refuse_the_same_rows_in_the_same_words(rows: list[Row], problem: str, tmp_path: Path) -> None:
    file = written(tmp_path / "pairs.json", rows)
    refused = []
    for bring in (lambda: into_the_database(file), lambda: into_a_study(tmp_path, file)):
        with pytest.raises(CommandError) as caught:
            bring()
        refused.append(str(caught.value))
    assert refused[0] == refused[1]
    assert f"pairs.json {problem}" in refused[0]
    assert not Run.objects.exists()


def test_both_take_other_names_of_columns_and_rows_without_a_response(tmp_path: Path) -> None:
    rows = [{"q": one["prompt"], "good": one["chosen"], "bad": one["rejected"], **one} for one in (wide(1), wide(2))]
    rows = [{name: text for name, text in row.items() if name not in pair(1)} for row in rows]
    rows[1]["bad"] = ""
    file = written(tmp_path / "pairs.json", rows)
    options = {"prompt_column": "q", "chosen_column": "good", "rejected_column": "bad", "allow_empty": True}
    for said in (into_the_database(file, **options), into_a_study(tmp_path, file, **options)):
        assert "pairs.json row 2: 'bad' is empty." in said
    assert set(Item.objects.values_list("key")) == set(PreferencePair.objects.filter(row=1).values_list("key"))


def test_both_read_folders(tmp_path: Path) -> None:
    parquet(tmp_path / "data" / "test.parquet", [wide(1)])
    parquet(tmp_path / "data" / "train.parquet", [wide(2)])
    call_command("import_preferences", str(tmp_path / "data"), dataset="Ours", stdout=io.StringIO())
    into_a_study(tmp_path, str(tmp_path / "data"))
    assert set(Item.objects.values_list("key")) == set(PreferencePair.objects.values_list("key"))
    assert Item.objects.count() == 2


def test_a_study_alone_needs_a_persona_in_every_file(tmp_path: Path) -> None:
    file = written(tmp_path / "pairs.json", [pair(1)])
    assert "1 pairs imported" in into_the_database(file)
    with pytest.raises(CommandError, match="pairs.json row 1: no row brings a persona"):
        into_a_study(tmp_path, file)
