"""The demonstration with a real model: two adapters made on the spot, and a study that they answer while people wait.

Each step finds out whether it has been done, so that what was interrupted goes on with the next run.
"""

import os
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from annotation.models import Study, User
from annotation.services.studies import study_open, study_save
from annotation.studyfile import read_study_file
from modelhub.demo import Demo, first_password, free_link, researcher_ready
from modelhub.pipeline.config import read_pipeline
from modelhub.pretrained.catalogue import MODELS
from modelhub.pretrained.fetching import Say, fetch
from modelhub.systems.registering import arms_bind

LIVE_FOLDER = settings.BASE_DIR / "examples" / "live"
PIPELINE = LIVE_FOLDER / "pipeline.toml"
LIVE_SLUG = "demo-live"
MODEL = "smollm2-135m-instruct"
HONESTLY = (
    "What answers is a language model of 135 million parameters, on your processor: its answers are often wrong. "
    "An answer takes seconds, the first one longer, since the model is loaded for it."
)


def live_prepare(say: Say, *, base: Path | None = None) -> Demo:
    """Fetch the model, make both systems and open their study, as far as they are missing; `say` is told each step.

    `base` is a model to stand in for the one that is fetched. Raises ServiceError or CommandError with what stands in
    the way; what is finished by then is not made again.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # Threads that wait sleep instead of spinning, which took two thirds of the time where others use the cores too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    call_command("migrate", verbosity=0, interactive=False)
    researcher = researcher_ready()
    if base is None:
        base = Path(settings.VAR_DIR) / "models" / MODEL
        fetch(MODELS[MODEL], base, say=say)
    study = Study.objects.filter(slug=LIVE_SLUG).order_by("-version").first()
    if study is None or study.state == Study.State.DRAFT:
        call_command("reproduce", config=PIPELINE, base=str(base))
        study = _live_study(researcher)
    return Demo(study=study, link=free_link(study, researcher), password=first_password(researcher))


def _live_study(researcher: User) -> Study:
    """Load the study, bind it to both systems, and open it."""
    study = study_save(definition=read_study_file(LIVE_FOLDER / "study.yaml"), owner=researcher)
    answering = read_pipeline(PIPELINE, {}).answering
    arms_bind(study=study, bindings={str(arm): name for arm, name in enumerate(answering, start=1)}, user=researcher)
    study.refresh_from_db()
    study_open(study=study, user=researcher)
    return study
