"""Studies whose arms are served by the scripted engine, for tests."""

from pathlib import Path

import yaml
from django.utils import timezone

from annotation.models import Output, Participant, Persona, Study
from annotation.services.outputs import outputs_request
from modelhub.systems.registering import arms_bind, system_register
from tests.factories import make_study

SCRIPT = {
    "prompts": [
        {
            "prompt": "How do I spend free evening number 1?",
            "general": "Take a walk.",
            "tailored": "As you are {trait}, and prefer {preference}, stay at home.",
        }
    ],
    "fallback": {"general": "It depends.", "tailored": "Since you prefer {preference}: it depends."},
}


def write_script(folder: Path) -> Path:
    path = folder / "script.yaml"
    path.write_text(yaml.safe_dump(SCRIPT), encoding="utf-8")
    return path


def make_live_study(
    folder: Path, *, items: int = 3, state: str = "open", fail_on: str = "", slug: str = "live"
) -> Study:
    """Return a study for written personas: arm 1 is general, arm 2 tailored."""
    study = make_study(slug=slug, given_items=0, written_items=items, given_per_participant=0, state="draft")
    script = str(write_script(folder))
    for style, persona_style in (("general", "none"), ("tailored", "field")):
        decoding = {"style": style, "fail_on": fail_on}
        system_register(
            name=f"{slug} {style}", engine="scripted", model=script, persona_style=persona_style, decoding=decoding
        )
    arms_bind(study=study, bindings={"1": f"{slug} general", "2": f"{slug} tailored"})
    Study.objects.filter(pk=study.pk).update(state=state, protocol_hash="" if state == "draft" else "0" * 64)
    study.refresh_from_db()
    return study


def write_persona(study: Study, item: int = 1, text: str = "The user is a nurse and prefers short answers.") -> Persona:
    """Return a persona as if a new participant had submitted it, with its outputs requested."""
    author = Participant.objects.create(study=study, number=Participant.objects.filter(study=study).count() + 1)
    persona = Persona.objects.create(
        item=study.items.get(ordinal=item),
        source=Persona.Source.WRITTEN,
        author=author,
        text=text,
        submitted_at=timezone.now(),
    )
    outputs_request(persona=persona)
    return persona


def states(persona: Persona) -> list[str]:
    return list(Output.objects.filter(persona=persona).order_by("arm__ordinal").values_list("state", flat=True))
