"""How long a study's report takes from the database to its files, and how that grows with the ratings.

    python -m benchmarks.report [--ratings 10000 100000]

Each size runs in a process of its own with a database of its own, so that memory is that of this size alone.
"""

from tests.tools import isolation  # isort: skip  (before anything reads the settings)

import argparse
import io
import os
import resource
import subprocess
import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
django.setup()

import numpy as np  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

from annotation.models import Assignment, Item, Output, Participant, Persona, Rating, Slot, Study  # noqa: E402
from annotation.protocol import protocol_hash  # noqa: E402
from modelhub.models import ArmBinding, System  # noqa: E402
from tests.factories import make_study  # noqa: E402

PARTS_PER_PARTICIPANT = 50
OVERLAP = 5  # every fifth part is rated by a second person
RATINGS_PER_PART = 4  # two outputs, two questions


def make(ratings: int) -> Study:
    """Return a study with about this many ratings, written straight into the database."""
    study = make_study(given_items=0, written_items=100, state="open", slug="benchmark")
    for arm, name in zip(study.arms.order_by("ordinal"), ("base", "test"), strict=True):
        system = System.objects.create(name=name, engine="imported", fingerprint=arm.fingerprint)
        ArmBinding.objects.create(arm=arm, system=system)
    Item.objects.filter(study=study, ordinal__gt=50).update(stratum="other")
    parts = ratings * OVERLAP // (RATINGS_PER_PART * (OVERLAP + 1))
    people = _people(study, max(parts // PARTS_PER_PARTICIPANT, 2))
    personas = _personas(study, people, parts)
    again = [(people[(n + 1) % len(people)], persona) for n, persona in enumerate(personas) if n % OVERLAP == 0]
    _rate(study, [(people[n % len(people)], persona) for n, persona in enumerate(personas)], Assignment.Kind.MAIN)
    _rate(study, again, Assignment.Kind.OVERLAP)
    Study.objects.filter(pk=study.pk).update(protocol_hash=protocol_hash(study))
    return study


def _people(study: Study, count: int) -> list[Participant]:
    now = timezone.now()
    return Participant.objects.bulk_create(
        [
            Participant(study=study, number=n, consented_at=now, consent_hash="c" * 64, completed_at=now)
            for n in range(1, count + 1)
        ]
    )


def _personas(study: Study, people: list[Participant], count: int) -> list[Persona]:
    now, items = timezone.now(), list(study.items.all())
    personas = Persona.objects.bulk_create(
        [
            Persona(
                item=items[n % len(items)], source=Persona.Source.WRITTEN, author=people[n % len(people)],
                text="The user is a gardener and prefers quiet evenings.", submitted_at=now,
            )
            for n in range(count)
        ],
        batch_size=500,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    Output.objects.bulk_create(
        [
            Output(
                persona=persona, arm=arm, state=Output.State.READY, ready_at=now, fingerprint=arm.fingerprint,
                text="word " * int(rng.integers(20, 120)),
            )
            for persona in personas
            for arm in study.arms.all()
        ],
        batch_size=500,
    )  # fmt: skip
    return personas


def _rate(study: Study, parts: list[tuple[Participant, Persona]], kind: Assignment.Kind) -> None:
    """Write finished parts with their ratings; the second arm gets half a point more."""
    now, rng = timezone.now(), np.random.default_rng(1)
    offset = 0 if kind == Assignment.Kind.MAIN else 10_000
    assignments = Assignment.objects.bulk_create(
        [
            Assignment(
                participant=person, persona=persona, ordinal=offset + n + 1, kind=kind, shown_at=now, completed_at=now,
                state=Assignment.State.COMPLETED, expires_at=now + timedelta(hours=24),
            )
            for n, (person, persona) in enumerate(parts)
        ],
        batch_size=500,
    )  # fmt: skip
    outputs: dict[int, list[Output]] = {}
    for output in (
        Output.objects.filter(persona__in=study.items.values("personas")).order_by("arm__ordinal").defer("text")
    ):
        outputs.setdefault(output.persona_id, []).append(output)
    slots = Slot.objects.bulk_create(
        [
            Slot(assignment=assignment, kind=Slot.Kind.OUTPUT, position=1 + (n + place) % 2, output=output)
            for n, assignment in enumerate(assignments)
            for place, output in enumerate(outputs[assignment.persona_id])
        ],
        batch_size=500,
    )
    aspects = list(study.aspects.order_by("ordinal"))
    Rating.objects.bulk_create(
        [
            Rating(
                slot=slot, aspect=aspect, value=int(np.clip(rng.integers(1, 6) + (n % 2) * rng.integers(0, 2), 1, 5)),
                minimum=1, maximum=5, position=slot.position, version=1, client_key=uuid.uuid4(),
            )
            for n, slot in enumerate(slots)
            for aspect in aspects
        ],
        batch_size=500,
    )  # fmt: skip


def measure(ratings: int) -> None:
    """Make a study, write its report, and print how long the latter took."""
    call_command("migrate", verbosity=0)
    study = make(ratings)
    written, people = Rating.objects.count(), study.participants.count()
    start = time.perf_counter()
    call_command("analyze", study.slug, out=Path(isolation.VAR_DIR) / "report", stdout=io.StringIO())
    seconds = time.perf_counter() - start
    size = sum(path.stat().st_size for path in (Path(isolation.VAR_DIR) / "report").rglob("*") if path.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{written:>8} ratings by {people} participants: report in {seconds:.1f} s, "
        f"{size / 2**20:.1f} MB of files, peak memory {peak:.2f} GB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ratings", type=int, nargs="+", default=[10_000, 100_000])
    sizes = parser.parse_args().ratings
    if len(sizes) == 1:
        measure(sizes[0])
        return
    for size in sizes:
        subprocess.run([sys.executable, "-m", "benchmarks.report", "--ratings", str(size)], check=True)


if __name__ == "__main__":
    main()
