"""The authors' released files, as they are: real data, read from beside the checkout where it is present."""

from pathlib import Path

import pyarrow.parquet
import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from annotation.models import Item, Output, Persona, Study
from modelhub.models import Generation, PersonaOrigin
from tests.factories import make_study

pytestmark = pytest.mark.django_db

DATA = Path(settings.BASE_DIR).parent / "shared" / "data"


def study_of(dataset: str, column: str) -> Study:
    """Return a draft with one unit per row of the test split, the persona from `column`."""
    path = DATA / "persona-tailoring" / dataset / "test.parquet"
    if not path.exists():
        pytest.skip(f"{path} is absent: the released data is not part of the project.")
    study = make_study(state="draft", given_items=0, slug="released")
    study.arms.update(fingerprint="")
    for number, row in enumerate(pyarrow.parquet.read_table(path).to_pylist(), start=1):
        start = f"{row['prompt'].title()} sounds like" if dataset == "Mnemonic" else ""
        item = Item.objects.create(
            study=study, ordinal=number, key=f"{number:03d}", prompt=row["prompt"], answer_start=start
        )
        Persona.objects.create(item=item, source="given", text=row[column], submitted_at=timezone.now())
    return study


def import_pair(dataset: str, inference: str) -> None:
    for training, system in (("none", "DPO"), ("chosen", "PT-DPO")):
        name = f"dpo_Persona(training_type={training}, inference_type={inference}).jsonl"
        call_command("import_outputs", "released", str(DATA / "released-outputs" / dataset / name), system=system)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inference", "column", "origin"),
    [
        ("gold-chosen", "chosen_persona_gold", ("chosen", "gold")),
        ("gold-rejected", "rejected_persona_gold", ("rejected", "gold")),
        ("retr-chosen", "chosen_persona_retr", ("chosen", "retrieved")),
        ("retr-rejected", "rejected_persona_retr", ("rejected", "retrieved")),
    ],
)
def test_every_beavertails_pair_joins(inference: str, column: str, origin: tuple[str, str]) -> None:
    study = study_of("BeaverTails", column)
    import_pair("BeaverTails", inference)
    for arm in study.arms.all():
        assert Output.objects.filter(arm=arm, state="ready").values("persona").distinct().count() == 499
    assert PersonaOrigin.objects.filter(direction=origin[0], source=origin[1]).count() == 499
    assert not Output.objects.filter(text__contains="end_of_text").exists()
    # Each row went to the unit whose prompt and persona it was made from.
    for made in Generation.objects.select_related("output__persona__item", "system"):
        persona = made.output.persona.text
        shown = persona if made.system.name == "PT-DPO" else persona.replace("The user is", "I am")
        assert made.rendered_prompt.startswith(f"Prompt: {made.output.persona.item.prompt}")
        assert shown in made.rendered_prompt


@pytest.mark.slow
def test_truncated_released_outputs_are_known_by_their_missing_end() -> None:
    study_of("BeaverTails", "rejected_persona_gold")
    import_pair("BeaverTails", "gold-rejected")
    assert Generation.objects.filter(finish_reason="length").count() == 2


def test_dialogue_and_mnemonic_files_join_too() -> None:
    study_of("Anthropic HHH", "chosen_persona_gold")
    import_pair("Anthropic HHH", "gold-chosen")
    assert Output.objects.count() == 48


def test_answers_that_start_with_given_words_are_whole() -> None:
    study_of("Mnemonic", "chosen_persona_retr")
    name = "dpo_Persona(training_type=chosen, inference_type=retr-chosen).jsonl"
    call_command("import_outputs", "released", str(DATA / "released-outputs" / "Mnemonic" / name), system="PT-DPO")
    assert Output.objects.filter(text__contains=" sounds like ").count() == 24
