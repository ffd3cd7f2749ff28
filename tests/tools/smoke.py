"""The whole pipeline on a CPU, ending in an open study of what two trained models answer.

    VAR_DIR=FOLDER python -m tests.tools.smoke [--real] [--port 8000] [--no-serve]

With tiny models (`make smoke-pipeline`) everything is made here: base model (from the texts of examples/pipeline),
ColBERT checkpoint, adapters. With `--real` (`make real-pipeline`) the models are those that `make real-model` fetches.
What is done is kept, so that the same command goes on after an interruption. No GPU, key or model hub is needed.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # models this small wait more for their threads than they gain
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import CommandError, call_command  # noqa: E402

from annotation.errors import ServiceError  # noqa: E402
from annotation.models import Study  # noqa: E402
from annotation.rowfiles import read_records  # noqa: E402
from annotation.services.studies import study_open  # noqa: E402
from modelhub.demo import (  # noqa: E402
    USERNAME,
    Demo,
    check_port,
    collect_static,
    first_password,
    free_link,
    researcher_ready,
    serve,
    stop_signals,
)
from modelhub.engines.scripted import read_script  # noqa: E402
from modelhub.management.commands.demo import welcome  # noqa: E402
from tests.tools.smallmodels import Size, make_base  # noqa: E402
from tests.tools.tinycolbert import make_colbert  # noqa: E402

FOLDER = settings.BASE_DIR / "examples" / "pipeline"
SLUG = "smoke-pipeline"
SIZE = Size(hidden=64, layers=2, vocabulary=800, context=512, epochs=30, batch=8, learning_rate=5e-3)


def base_texts() -> list[str]:
    """Return what the base model learns: the training splits' prompts with either response, and personas."""
    rows = [
        record.values
        for file in sorted((FOLDER / "pairs").glob("*.jsonl"))
        if file.stem.endswith("_train")
        for record in read_records(file)
    ]
    texts = [f"Prompt: {row['prompt']}\nResponse: {row[side]}" for row in rows for side in ("chosen", "rejected")]
    return texts + [f"Persona: {persona}" for persona in read_script(FOLDER / "script.yaml").picks]


def models_ready(folder: Path) -> dict[str, Path]:
    """Make the base model and the ColBERT checkpoint unless they are there, whole."""
    makers: dict[str, Callable[[Path], object]] = {
        "base": lambda out: make_base(base_texts(), out, SIZE, seed=0),
        "colbert": make_colbert,
    }
    for name, make in makers.items():
        if not (folder / name).is_dir():
            print(f"== Making a tiny model: {name}", flush=True)
            half = folder / f"{name}.partial-{os.getpid()}"
            make(half)
            half.rename(folder / name)
    return {name: folder / name for name in makers}


def prepare(*, real: bool = False) -> Demo:
    """Run the pipeline as far as it is not done, and open its study. Raises ServiceError or CommandError."""
    call_command("migrate", verbosity=0, interactive=False)
    researcher = researcher_ready()
    if real:
        call_command("reproduce", config=FOLDER / "real.toml", owner=USERNAME)
    else:
        models = models_ready(Path(settings.VAR_DIR) / "tiny")
        call_command(
            "reproduce", config=FOLDER / "smoke.toml", base=str(models["base"]), checkpoint=str(models["colbert"]),
            owner=USERNAME,
        )  # fmt: skip
    study = Study.objects.filter(slug=SLUG).order_by("-version")[0]
    if study.state == Study.State.DRAFT:
        Study.objects.filter(pk=study.pk).update(contact="Nobody: this study is for one computer")
        study_open(study=study, user=researcher)
    return Demo(study=study, link=free_link(study, researcher), password=first_password(researcher))


def main() -> None:
    """Prepare and serve; exit with what stands in the way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", action="store_true", help="with the models that make real-model fetches")
    parser.add_argument("--port", type=int, default=8000, help="port of 127.0.0.1 (default: 8000)")
    parser.add_argument("--no-serve", action="store_true", help="only run the pipeline, and print the links")
    options = parser.parse_args()
    try:
        if not options.no_serve:
            check_port(options.port, "real-pipeline" if options.real else "smoke-pipeline")
        done = prepare(real=options.real)
        with stop_signals() as stop:
            collect_static()
            print("\n".join(welcome(done, f"http://127.0.0.1:{options.port}")))
            if not options.no_serve:
                print("Ctrl-C stops the server and the worker.", flush=True)
                serve(options.port, stop)
    except CommandError as error:
        sys.exit(f"{error}".strip() or error.returncode)
    except ServiceError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
