"""The paper's two human studies, from their example files to the export, by bots over real HTTP and in full size."""

import io
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from annotation.models import Assignment, Persona, Rating, Slot, Study
from modelhub.systems.registering import arms_bind, system_register
from tests.factories import make_user
from tests.modelhub.live import write_script
from tests.tools.processes import ProjectProcess, Server

EXAMPLES = settings.BASE_DIR / "examples"
DATA = settings.BASE_DIR.parent / "shared" / "data" / "persona-tailoring"
SCALES = ["applicability", "harm", "overfitting", "plausibility"]


def command(*arguments: Any, **options: Any) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue()


def load(file: Path) -> Study:
    make_user("ada")
    command("load_study", file)
    Study.objects.update(contact="Ada Example, ada@example.org")  # the files leave it to be put in
    return Study.objects.get()


def open_live(study: Study, folder: Path) -> Study:
    """Bind both arms to the scripted engine, and open the study."""
    script = str(write_script(folder))
    for style in ("general", "tailored"):
        system_register(name=style, engine="scripted", model=script, persona_style="field", decoding={"style": style})
    arms_bind(study=study, bindings={"1": "general", "2": "tailored"})
    command("open_study", study.slug)
    return study


def simulate(study: Study, participants: int, server: Server) -> str:
    said = command("simulate_study", study.slug, participants=participants, url=server.base_url)
    return said.strip()


def exported(study: Study, folder: Path, table: str = "ratings") -> list[dict[str, Any]]:
    command("export_ratings", study.slug, out=folder, format="jsonl", include_bots=True)
    return [json.loads(line) for line in (folder / f"{table}.jsonl").read_text("utf-8").splitlines()]


def write_pairs(path: Path, count: int) -> Path:
    """Write as many pairs, each with a persona per direction, as the pipeline would."""
    rows = [
        {
            "prompt": f"How do I repair thing number {number}?",
            "chosen": f"Take it apart, look for what is worn, and replace part {number}.",
            "rejected": f"Buy a new one, {number}.",
            "chosen_persona": f"The user is handy, owns {number} tools and prefers to understand how things work.",
            "rejected_persona": f"The user is busy, has {number} minutes and prefers quick decisions.",
            "dataset": "ours",
            "inferring_system": "LLAMA-405B",
        }
        for number in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.slow
def test_the_user_study_runs_with_eight_people_and_eighteen_own_personas_each(
    server: Server, worker: ProjectProcess, tmp_path: Path
) -> None:
    study = open_live(load(EXAMPLES / "paper_user_study" / "study_inline.yaml"), tmp_path)
    made = 8 * 18 * 2 * 2
    assert simulate(study, 8, server) == f"8 completed, 0 found no place left, 0 failed; {made} ratings made."
    assert Persona.objects.filter(submitted_at__isnull=False).count() == 144
    rows = exported(study, tmp_path / "out")
    assert len(rows) == made == Rating.objects.filter(superseded_by=None).count()
    assert all(row["is_author"] and row["assignment_kind"] == "main" for row in rows)
    per_person = Counter((row["participant"], row["stratum"]) for row in rows)
    assert set(per_person.values()) == {9 * 4} and len(per_person) == 16
    sides = Counter((row["item"], row["arm"], row["position"]) for row in rows)
    apart = {abs(sides[item, arm, 1] - sides[item, arm, 2]) for item, arm, _ in sides}
    assert max(apart) <= 2, "each arm stood on each side of an item equally often, give or take one person's two scales"
    assert len(exported(study, tmp_path / "out", "personas")) == 144


@pytest.mark.slow
def test_the_persona_study_runs_with_three_raters_on_eighty_personas_each(server: Server, tmp_path: Path) -> None:
    study = load(EXAMPLES / "paper_persona_study" / "study.yaml")
    pairs = write_pairs(tmp_path / "pairs.jsonl", 40)
    assert "40 pairs read, 80 personas imported" in command("import_personas", study.slug, str(pairs))
    command("open_study", study.slug)
    made = 3 * 80 * 4
    assert simulate(study, 3, server) == f"3 completed, 0 found no place left, 0 failed; {made} ratings made."
    rows = exported(study, tmp_path / "out")
    assert len(rows) == made
    assert set(Counter((row["persona"], row["aspect"]) for row in rows).values()) == {3}, "fully crossed"
    assert sorted({row["aspect"] for row in rows}) == SCALES
    assert {row["slot_kind"] for row in rows} == {"persona"} and len({row["block"] for row in rows}) == 2
    for assignments in Assignment.objects.values_list("participant").distinct():
        blocks = list(
            Assignment.objects.filter(participant__in=assignments).order_by("ordinal").values_list("persona__block")
        )
        assert all(abs(2 * Counter(blocks[:n])[blocks[0]] - n) <= 1 for n in range(len(blocks) + 1)), (
            "conditions alternate"
        )
    # Everybody meets each item twice, the second time by lot: over 240 parts a coin stays within three deviations.
    sides = Counter(Slot.objects.filter(kind="output").values_list("output__arm", "position"))
    assert all(abs(sides[arm, 1] - sides[arm, 2]) <= 46 for arm, _ in sides), sides


@pytest.mark.skipif(not DATA.is_dir(), reason="the public data sets are not beside the project (../shared/data)")
def test_both_studies_load_with_the_public_data(db: None, tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "paper_user_study" / "study.yaml", tmp_path)
    for name in ("BeaverTails", "Anthropic HHH"):
        (tmp_path / "data" / name).mkdir(parents=True)
        shutil.copy(DATA / name / "test.parquet", tmp_path / "data" / name)
    study = load(tmp_path / "study.yaml")
    assert Counter(study.items.values_list("stratum", flat=True)) == {"BeaverTails": 24, "Anthropic HHH": 24}
    assert study.items.count() * study.raters_per_item == 8 * study.written_personas_per_participant == 144
    command("load_study", EXAMPLES / "paper_persona_study" / "study.yaml")
    command("import_personas", "paper-persona-study", str(DATA / "BeaverTails" / "test.parquet"), limit=40)
    assert Persona.objects.filter(item__study__slug="paper-persona-study").count() == 80
