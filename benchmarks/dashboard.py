"""How long researchers' pages take on a large study: `python -m benchmarks.dashboard`, and again with a PostgreSQL.

Fills a database of its own with a study of 10,000 and one of 100,000 ratings, opens each page several times, and prints
the median times and their ratio. SQLite lies in a temporary folder; for PostgreSQL:
`python -m tests.tools.postgres python -m benchmarks.dashboard`, which sets DATABASE_URL to an empty database.
"""

import statistics
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.database import own_database, settle

SIZES = (10_000, 100_000)
REPEATS = 7
ITEMS, PARTS, ANSWERS = (
    80,
    40,
    5,
)  # items; parts per participant; answers per part: two aspects, two arms, one comparison
PAGES = ("dashboard", "study", "participants", "audit")
BATCH = 5000


def main() -> None:
    """Fill, measure and print."""
    with own_database() as connection:
        studies = {size: fill(size) for size in SIZES}
        settle(connection)
        times = {size: measure(study) for size, study in studies.items()}
        print(f"{connection.vendor}: median of {REPEATS}, in milliseconds")
        print(f"{'page':<14}" + "".join(f"{size:>12,}" for size in SIZES) + f"{'ratio':>8}")
        for page in PAGES:
            small, large = (times[size][page] for size in SIZES)
            print(f"{page:<14}{small:>12.0f}{large:>12.0f}{large / small:>8.1f}")


def fill(size: int) -> Any:
    """Make a study with `size` ratings and return it."""
    from annotation.models import Participant
    from tests.factories import make_study, make_user

    owner = make_user(f"benchmark-{uuid.uuid4().hex[:8]}")
    people = size // (PARTS * ANSWERS)
    study = make_study(
        slug=f"benchmark-{uuid.uuid4().hex[:8]}", owner=owner, comparison=True, given_items=ITEMS,
        given_per_participant=PARTS, raters_per_item=people * PARTS // ITEMS,
    )  # fmt: skip
    now = datetime.now(UTC)
    participants = Participant.objects.bulk_create(
        Participant(study=study, number=number, instructed_at=now, completed_at=now, consented_at=now, consent_hash="c")
        for number in range(1, people + 1)
    )
    _assignments(study, participants, now)
    return study


def _assignments(study: Any, participants: Sequence[Any], now: datetime) -> None:
    from annotation.models import Assignment, PageVisit, Persona

    personas = list(Persona.objects.filter(item__study=study).order_by("pk").prefetch_related("outputs"))
    assignments = Assignment.objects.bulk_create(
        (
            Assignment(
                participant=person, persona=personas[(part + number * PARTS) % ITEMS], ordinal=part + 1,
                state="completed", expires_at=now, shown_at=now, completed_at=now,
            )
            for number, person in enumerate(participants)
            for part in range(PARTS)
        ),
        batch_size=BATCH,
    )  # fmt: skip
    PageVisit.objects.bulk_create(
        (
            PageVisit(assignment=row, client_key=uuid.uuid4(), phase="rate", focused_ms=20_000 + row.pk % 40_000)
            for row in assignments
        ),
        batch_size=BATCH,
    )
    _ratings(study, assignments, now)


def _ratings(study: Any, assignments: Sequence[Any], now: datetime) -> None:
    from annotation.models import Rating, Slot

    slots: list[Any] = []
    for number, assignment in enumerate(assignments):
        outputs = list(assignment.persona.outputs.all())[:: -1 if number % 2 else 1]
        slots += [
            Slot(assignment=assignment, kind="output", position=place, output=output)
            for place, output in enumerate(outputs, start=1)
        ]
        slots.append(Slot(assignment=assignment, kind="pair", position=len(outputs) + 1))
    Slot.objects.bulk_create(slots, batch_size=BATCH)
    *scales, comparison = study.aspects.order_by("ordinal")
    ratings = (
        Rating(
            slot=slot, aspect=aspect, value=1 + slot.pk % 4, minimum=aspect.minimum, maximum=aspect.maximum,
            position=slot.position, version=1, client_key=uuid.uuid4(),
        )
        for slot in slots
        for aspect in (scales if slot.kind == "output" else [comparison])
    )  # fmt: skip
    Rating.objects.bulk_create(ratings, batch_size=BATCH)
    _spread(study, now)


def _spread(study: Any, now: datetime) -> None:
    """Spread the answers over thirty days, as in a study that ran."""
    from annotation.models import Rating

    everybody = study.participants.order_by("number").values_list("pk", flat=True)
    for day in range(30):
        mine = [pk for place, pk in enumerate(everybody) if place % 30 == day]
        Rating.objects.filter(slot__assignment__participant__in=mine).update(saved_at=now - timedelta(days=day))


def measure(study: Any) -> dict[str, float]:
    """Return the median milliseconds of each page, signed in as the study's owner."""
    from django.test import Client
    from django.urls import reverse

    client = Client(headers={"host": "localhost"})
    client.force_login(study.owner)
    times = {}
    for page in PAGES:
        address = reverse(f"annotation:{page}", args=[study.slug, study.version])
        assert client.get(address).status_code == 200, page
        times[page] = statistics.median(_milliseconds(client, address) for _ in range(REPEATS))
    return times


def _milliseconds(client: Any, address: str) -> float:
    start = time.perf_counter()
    client.get(address)
    return (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    main()
