"""The pages of systems and of what they answered: a few-shot system, two adapters and a generic one, with loops."""

from django.urls import reverse
from playwright.sync_api import Page

from modelhub.models import PairOutput, System
from modelhub.runs.lifecycle import run_start
from tests.modelhub.output_rows import make_output
from tests.modelhub.pair_rows import make_pair, make_system
from tests.tools.spots import Spot

DATASET = "weekends"
STAGES = ("import_preferences", "generate")
_PERSONA = "The user is a patient beginner and prefers thorough explanations with several examples."
_ANSWER = (
    "Begin with what you like to eat. Choose one dish, read its recipe twice, and put everything on the table before "
    "you light the stove. Taste often: salt is what most first dishes lack. Then cook the same dish again on the "
    "next day, and change one thing. After three times you will not need the recipe. For example, {example}."
)
_EXAMPLES = ("a risotto teaches patience", "an omelette teaches heat", "a stew forgives everything", "a curry scales")
_LOOP = "Choose one dish and cook it until you know it. " * 12


def system_spots() -> list[Spot]:
    """Return the pages; a researcher who is an analyst must be there."""
    systems = [
        make_system(name) for name in ("few-shot-llama-8b", "sft-llama-8b", "pt-dpo-weekends", "generic-llama-8b")
    ]
    _describe(systems)
    imported, made = (run_start(stage=stage, arguments={"dataset": DATASET}) for stage in STAGES)
    for row in range(1, 8):
        pair = make_pair(DATASET, "test", row, run=imported, prompt=f"How do I become a better cook in {row} weekends?")
        for number, system in enumerate(systems[:3]):
            text = _LOOP if (row, number) == (2, 1) else _ANSWER.format(example=_EXAMPLES[(row + number) % 4])
            finish = "length" if row == 3 else "stop"
            make_output(pair, system, "gold_chosen", text=text, persona=_PERSONA, finish=finish, run=made)
        make_output(pair, systems[3], text=_ANSWER.format(example=_EXAMPLES[row % 4]), run=made)
    PairOutput.objects.filter(pair__dataset=DATASET, pair__row=2, source="gold_chosen").update(
        excluded_reason="loop: 87% of 5-word sequences repeated by sft-llama-8b"
    )
    outputs = f"{reverse('modelhub:outputs')}?dataset={DATASET}&split=test&source=gold_chosen"
    chosen = "".join(f"&systems={system.name}" for system in systems[:3])
    return [
        Spot("systems", reverse("modelhub:systems"), signed_in=True),
        Spot("system", reverse("modelhub:system", args=[systems[0].pk]), signed_in=True, act=_open_first),
        Spot("outputs", f"{outputs}{chosen}", signed_in=True, act=_open_first),
        Spot("outputs-none", f"{outputs}{chosen}&q=nowhere", signed_in=True),
    ]


def _describe(systems: list[System]) -> None:
    exemplars = [
        {"prompt": f"How do I learn {what}?", "persona": _PERSONA, "response": _ANSWER.format(example=_EXAMPLES[0])}
        for what in ("to bake", "to fry", "to plan meals for a week")
    ]
    for system, adapter in zip(systems, ("", "var/models/sft-chosen", "var/models/dpo-chosen", ""), strict=True):
        System.objects.filter(pk=system.pk).update(
            engine="transformers", model="meta-llama/Llama-3.1-8B", adapter=adapter, persona_style="field",
            fingerprint="0123456789abcdef" * 4, decoding={"max_new_tokens": 512, "stop": ["\nPrompt:"]},
            options={"batch_size": 16},
        )  # fmt: skip
    System.objects.filter(pk=systems[0].pk).update(exemplars=exemplars)


def _open_first(page: Page) -> None:
    page.locator("summary").first.click()
