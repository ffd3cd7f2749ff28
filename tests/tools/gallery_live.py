"""Pages of the live loop: held personas, workers, and models that cannot be reached."""

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from annotation.models import ArmTrouble, OutputWorker, Participant, Persona, PersonaFinding, PersonaHold, Study, User
from annotation.services.holds import hold_place
from annotation.services.workers import worker_start
from modelhub.models import OutputFinding
from tests.factories import make_study
from tests.tools.spots import Spot, path_of, writer_of


def hold(participant: Participant, stage: PersonaHold.Stage, kind: str) -> None:
    """Hold the persona of a writer, for a reason that is found in it or in a response."""
    persona = Persona.objects.get(author=participant, submitted_at__isnull=False)
    hold_place(persona_id=persona.pk, stage=stage, reason=kind)
    if stage == PersonaHold.Stage.OUTPUTS:
        OutputFinding.objects.create(output=persona.outputs.all()[0], kind=kind, detail="Says “I am Llama-3.1-8B”.")
        return
    PersonaFinding.objects.create(
        persona=persona, kind=kind, detail="Begins a field of the prompt: “Response:”.", source="rule", action="held"
    )


def living_worker(study: Study | None) -> OutputWorker:
    """A worker that is heard as long as pictures are taken."""
    worker = worker_start(key=f"gallery {study}", study=study, host="gpu-1")
    OutputWorker.objects.filter(pk=worker.pk).update(heard_at=timezone.now() + timedelta(hours=3))
    return worker


def trouble_spots(owner: User) -> list[Spot]:
    """A study of which nothing can be answered: somebody waits for a model that is down."""
    study = make_study(
        slug="gallery-trouble", owner=owner, given_items=0, written_items=2, given_per_participant=0,
        written_per_participant=1,
    )  # fmt: skip
    waiting, _ = writer_of(study, submitted=True)
    now = timezone.now()
    for arm in study.arms.all():
        for worker in OutputWorker.objects.all():
            ArmTrouble.objects.create(
                worker=worker, arm=arm, kind=ArmTrouble.Kind.DOWN, since=now, retry_at=now + timedelta(seconds=8),
                reason="The connection to the server could not be made (ClientConnectorError).",
            )  # fmt: skip
    return [
        Spot("wait-trouble", path_of(waiting)),
        Spot("study-trouble", reverse("annotation:study", args=[study.slug, study.version]), signed_in=True),
        Spot("arms-trouble", reverse("modelhub:arms", args=[study.slug, study.version]), signed_in=True),
    ]
