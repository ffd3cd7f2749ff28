"""Live studies whose two systems are served by a stand-in, and participants who wait on their pages."""

from annotation.models import Output, Study
from modelhub.systems.registering import arms_bind, system_register
from tests.annotation.walking import Walker
from tests.factories import make_study
from tests.tools.standin import StandIn

NAMES = {"dpo": "none", "pt-dpo": "field"}


def make_served_study(model: StandIn, *, slug: str = "served", items: int = 6, given: int = 0) -> Study:
    """Return an open study in which each participant writes one persona; arm 1 is `dpo`, arm 2 `pt-dpo`."""
    study = make_study(
        slug=slug, given_items=given, written_items=items, given_per_participant=1 if given else 0,
        written_per_participant=1, raters_per_item=200, state="draft",
    )  # fmt: skip
    for name, style in NAMES.items():
        system_register(
            name=f"{slug} {name}", engine="openai", model="base-8b", adapter=name, endpoint=model.url,
            persona_style=style, decoding={"max_new_tokens": 32},
        )  # fmt: skip
    arms_bind(study=study, bindings={"1": f"{slug} dpo", "2": f"{slug} pt-dpo"})
    # The stand-in says in each answer which model it is, so that tests can tell.
    shown = {"outputs": "flag"}
    Study.objects.filter(pk=study.pk).update(state="open", protocol_hash="0" * 64, screening=shown)
    study.refresh_from_db()
    return study


def waiting(study: Study, count: int = 1) -> list[Walker]:
    """Return participants who have just sent a persona."""
    walkers = [Walker(study).begin() for _ in range(count)]
    for walker in walkers:
        walker.write()
    return walkers


def ready(study: Study) -> int:
    """Return how many outputs of a study are there."""
    return Output.objects.filter(arm__study=study, state="ready").count()
