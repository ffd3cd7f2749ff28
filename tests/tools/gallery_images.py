"""Prompts with an image: on participants' pages, of every shape, and on researchers'."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from annotation.models import Output, Persona, Study, User
from annotation.services.studies import study_open, study_save
from annotation.studyfile import file_data, read_study_data, read_study_file
from tests.factories import make_user
from tests.tools.charts import chart
from tests.tools.spots import Spot, participant_at_work, path_of

EXAMPLE = settings.BASE_DIR / "examples" / "images" / "study.yaml"
TALK = [
    {"role": "user", "content": "Here is the rain of a year."},
    {"role": "assistant", "content": "It rains most in summer. What would you like to know?"},
    {"role": "user", "content": "When should I bring in the hay, and how sure are you of that?"},
]
ARABIC = {
    "prompt": "متى أحصد القش بحسب هذا الرسم؟",
    "persona": "المستخدم مزارع.",
    "language": "ar",
}
LONG = "It rains least in February and most from May to August, so the hay is best brought in before June. " * 12
SHAPES: dict[str, tuple[int, int, dict[str, Any]]] = {
    "plain": (480, 240, {}), "wide": (1600, 200, {}), "tall": (300, 1500, {}), "tiny": (20, 20, {}),
    "talk": (480, 360, {"prompt": TALK}), "arabic": (480, 360, ARABIC),
}  # fmt: skip


def make_image_study(shape: str = "plain", owner: User | None = None) -> Study:
    """Return the example with a chart of this shape, open, with outputs."""
    width, height, changes = SHAPES[shape]
    data = file_data(read_study_file(EXAMPLE))
    data["slug"] = f"images-{shape}"
    shown = {"image": "chart.png", "image_alt": "Bars for the rain of twelve months."}
    data["items"] = [{**item, **shown, **changes} for item in data["items"]]
    data["practice"] = [{**item, **shown} for item in data["practice"]]
    with TemporaryDirectory() as folder:
        (Path(folder) / "chart.png").write_bytes(chart(width, height))
        study = study_save(definition=read_study_data(data, Path(folder)), owner=owner or make_user())
    study.arms.update(fingerprint="f" * 64)
    for persona in Persona.objects.filter(item__study=study):
        for arm in study.arms.all():
            Output.objects.create(
                persona=persona, arm=arm, state=Output.State.READY, ready_at=timezone.now(), fingerprint="f" * 64,
                text=f"{persona.item.key} {'AB'[arm.ordinal - 1]}: {LONG}",
            )  # fmt: skip
    study_open(study=study, user=study.owner)
    study.refresh_from_db()
    return study


def image_spots(owner: User) -> list[Spot]:
    """Return the rating page with an image of every shape, the practice page, and researchers' pages."""
    studies = {shape: make_image_study(shape, owner) for shape in SHAPES}
    plain = [studies["plain"].slug, studies["plain"].version]
    practising = participant_at_work(studies["plain"], practised=False)
    return [
        *(Spot(f"image-{shape}", path_of(participant_at_work(study))) for shape, study in studies.items()),
        Spot("image-practice", path_of(practising)),
        Spot("image-items", reverse("annotation:items", args=plain), signed_in=True),
        Spot("image-outputs", reverse("annotation:study_outputs", args=plain), signed_in=True),
        Spot("image-texts", f"{reverse('annotation:study_texts', args=plain)}?shows=rate", signed_in=True),
    ]
