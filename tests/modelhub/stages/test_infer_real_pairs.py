"""Persona inference over the 300 released BeaverTails pairs with a model trained here, killed twice on its way."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from modelhub.models import Generation, InferredPersona, PreferencePair, Run
from modelhub.systems.registering import system_register
from tests.tools.processes import ProjectProcess, wait_until
from tests.tools.tinymodels import make_llama

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

PAIRS = Path(settings.BASE_DIR).parent / "shared" / "data" / "persona-inference" / "BeaverTails" / "train.parquet"
# Few enough that the test is short; what is tested does not depend on it.
NEW_TOKENS = 24
CONTEXT = 8192  # tokens: the longest of the prompts fits


@pytest.fixture
def inference(tmp_path: Path) -> Iterator[ProjectProcess]:
    """The command, not started yet, on the released pairs."""
    if not PAIRS.exists():
        pytest.skip(f"{PAIRS} is absent: the released data is not part of the project.")
    call_command("import_preferences", str(PAIRS), "--dataset", "BeaverTails", "--split", "train")
    make_llama(tmp_path / "llama", context=CONTEXT)
    decoding = {"max_new_tokens": NEW_TOKENS}
    options = {"batch_size": 16, "device": "cpu"}
    system_register(
        name="tiny", engine="transformers", model=str(tmp_path / "llama"), persona_style="none", decoding=decoding,
        options=options,
    )  # fmt: skip
    command = ["manage.py", "infer_personas", "--dataset", "BeaverTails", "--system", "tiny", "--shots", "0"]
    process = ProjectProcess([*command, "--batch-size", "32"], tmp_path / "inference.log")
    try:
        yield process
    finally:
        process.stop()


def made() -> int:
    return InferredPersona.objects.count()


def test_inference_killed_twice_makes_each_of_600_personas_once(inference: ProjectProcess) -> None:
    for least in (32, 200):
        inference.start()
        wait_until(lambda least=least: made() >= least, seconds=120, what=f"{least} personas")  # type: ignore[misc]
        inference.kill9()
        assert least <= made() < 600
    inference.start()
    assert inference.process.wait(timeout=300) == 0, inference.output()
    keys = Counter(InferredPersona.objects.values_list("pair__key", "direction"))
    assert (len(keys), keys.total()) == (600, 600)
    assert PreferencePair.objects.count() == 300
    # No answer was made twice either, and every persona has the one it was read from.
    assert Generation.objects.count() == 600
    assert not InferredPersona.objects.filter(generation=None).exists()
    states = list(Run.objects.filter(stage="infer_personas").order_by("pk").values_list("state", flat=True))
    assert states == ["lost", "lost", "finished"]
    assert Run.objects.filter(stage="infer_personas").last().done < 600
