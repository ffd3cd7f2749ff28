"""The pages on which data are brought into a draft: what it has, files with and without mistakes, arms, shapes."""

import json

from django.urls import reverse
from django.utils import timezone

from annotation.models import Output, Upload, User
from annotation.services.uploads import upload_store
from modelhub.models import System, Trial
from modelhub.systems.registering import arms_bind
from tests.factories import make_study
from tests.modelhub.pair_rows import make_system
from tests.tools.spots import Spot


def bring_spots(owner: User) -> list[Spot]:
    """Return the pages of a draft of this person, who is an analyst too."""
    study = make_study(slug="gallery-bring", state="draft", owner=owner)
    for output in Output.objects.filter(arm__study=study, arm__ordinal=2):
        text = f"## A plan\n\n1. **Begin** early.\n2. Use `{output.key}` as a mark.\n\n" + "Take your time. " * 40
        Output.objects.filter(pk=output.pk).update(text=text)
    for name in ("gallery-bring-one", "gallery-bring-two"):
        make_system(name)
    arms_bind(study=study, bindings={"1": "gallery-bring-one"})
    tried = {"study": study, "user": owner, "prompt": "How do I fall asleep?", "persona": "The user is a nurse."}
    for name, ended in (
        ("gallery-bring-one", {"text": "Rest early, and dim the lights before you do so.", "seconds": 1.8}),
        ("gallery-bring-two", {"error": "The server refused the connection."}),
    ):
        system = System.objects.get(name=name)
        Trial.objects.create(system=system, ended_at=timezone.now(), **tried, **ended)
    rows = "kennung;Frage;persona;;\n" + "".join(
        f"new-{number};{'' if number % 4 == 3 else f'What do I do on evening {number}?'};The user is a night nurse.;;\n"
        for number in range(1, 16)
    )
    outputs = "\n".join(json.dumps({"item": f"item-{number}", "text": "Take a walk."}) for number in range(1, 5))
    wrong, right = (
        upload_store(study=study, user=owner, kind=kind, name=name, content=content.encode())
        for kind, name, content in (
            (Upload.Kind.ITEMS, "fragen.csv", rows), (Upload.Kind.OUTPUTS, "baseline.jsonl", outputs)
        )
    )  # fmt: skip
    here = [study.slug, study.version]
    closed = make_study(slug="gallery-brought", owner=owner)
    return [
        Spot("data", reverse("modelhub:data", args=here), signed_in=True),
        Spot("data-open", reverse("modelhub:data", args=[closed.slug, closed.version]), signed_in=True),
        Spot("upload-problems", reverse("modelhub:upload", args=[*here, wrong.pk]), signed_in=True),
        Spot("upload-outputs", reverse("modelhub:upload", args=[*here, right.pk]), signed_in=True),
        Spot("scan-shapes", reverse("modelhub:scan", args=here), signed_in=True),
        Spot("arms-draft", reverse("modelhub:arms", args=here), signed_in=True),
    ]
