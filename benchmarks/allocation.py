"""What handing out a part costs in small and large studies: `python -m benchmarks.allocation`, and with a PostgreSQL.

Fills a database of its own with studies of 20 and of 20,000 items and one of 1,000 items and five arms, with given and
with written personas, fresh and well under way, and lets people go to the consent page, agree, begin, and go on.
Prints the median CPU time, wall time and number of statements of each step, and the ratios of the largest study to the
smallest. SQLite lies in a temporary folder; for PostgreSQL: `python -m tests.tools.postgres python -m
benchmarks.allocation`, which sets DATABASE_URL to an empty database.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.database import own_database, settle

PEOPLE = 15  # measured per study
PARTS = 6
STEPS = ("consent page", "agree", "first part", "next part")
BATCH = 2000


@dataclass(frozen=True)
class Design:
    """A study to measure; `done` is how many parts others have finished in it before."""

    items: int
    arms: int
    source: str
    done: int = 0

    def __str__(self) -> str:
        return f"{self.items:,} items, {self.arms} arms, {self.source}" + (f", {self.done:,} done" if self.done else "")


SMALL, LARGE = 20, 20_000
DESIGNS = [
    *(Design(items, 2, source) for source in ("given", "written") for items in (SMALL, LARGE)),
    *(Design(items, 2, "given", done=2 * items) for items in (SMALL, LARGE)),
    *(Design(1000, 5, source) for source in ("given", "written")),
]


def main() -> None:
    """Fill, measure and print."""
    with own_database() as connection:
        studies = {design: fill(design) for design in DESIGNS}
        settle(connection)
        walk(studies[DESIGNS[0]], people=3)  # to be warm
        measured = {design: walk(study, people=PEOPLE) for design, study in studies.items()}
        print(f"{connection.vendor}: medians of {PEOPLE} people; CPU ms, wall ms, statements")
        print(f"{'':<52}" + "".join(f"{step:>20}" for step in STEPS))
        for design, steps in measured.items():
            print(f"{design!s:<52}" + "".join(f"{_cell(steps[step]):>20}" for step in STEPS))
        for small, large in zip(DESIGNS[:6:2], DESIGNS[1:6:2], strict=True):
            pairs = (zip(measured[small][step], measured[large][step], strict=True) for step in STEPS)
            ratios = (" ".join(f"{b / a:.2f}" for a, b in pair) for pair in pairs)
            print(f"{f'ratio to {small.items}: {large}':<52}" + "".join(f"{ratio:>20}" for ratio in ratios))


def _cell(values: tuple[float, float, float]) -> str:
    cpu, wall, statements = values
    return f"{cpu:.1f} {wall:.1f} {statements:.0f}"


def fill(design: Design) -> Any:
    """Make an open study and what others have done in it."""
    from tests.factories import make_study, make_user

    given = design.source == "given"
    study = make_study(
        slug=f"benchmark-{design.items}-{design.arms}-{design.source}-{design.done}",
        owner=make_user(), arms=design.arms, raters_per_item=9 if design.items > SMALL else 2 * PEOPLE,
        given_items=design.items if given else 0, given_per_participant=PARTS if given else 0,
        written_items=0 if given else design.items, written_per_participant=0 if given else PARTS,
    )  # fmt: skip
    if design.done:
        _work(study, design.done)
    _make_ready(study)
    return study


def _make_ready(study: Any) -> None:
    """Do what opening a study does for those who will take part."""
    from django.db import transaction

    from annotation.services.tallies import tallies_make

    with transaction.atomic():
        tallies_make(study=study, kind="person")


def _work(study: Any, done: int) -> None:
    """Let others have finished so many parts, spread evenly over the personas and in both orders."""
    from annotation.models import Assignment, Participant, Persona, Slot

    personas = list(Persona.objects.filter(item__study=study).order_by("pk").prefetch_related("outputs"))
    now = datetime.now(UTC)
    people = Participant.objects.bulk_create(
        Participant(study=study, number=number, consented_at=now, consent_hash="c", completed_at=now)
        for number in range(1, -(-done // PARTS) + 1)
    )
    assignments = Assignment.objects.bulk_create(
        (
            Assignment(
                participant=people[number // PARTS], persona=personas[number % len(personas)],
                ordinal=number % PARTS + 1, state="completed", expires_at=now + timedelta(hours=1), completed_at=now,
            )
            for number in range(done)
        ),
        batch_size=BATCH,
    )  # fmt: skip
    Slot.objects.bulk_create(
        (
            Slot(assignment=assignment, kind="output", position=place, output=output)
            for number, assignment in enumerate(assignments)
            for place, output in enumerate(_turned(assignment.persona, number // len(personas)), start=1)
        ),
        batch_size=BATCH,
    )


def _turned(persona: Any, times: int) -> list[Any]:
    outputs = list(persona.outputs.all())
    return outputs[times % len(outputs) :] + outputs[: times % len(outputs)]


def walk(study: Any, *, people: int) -> dict[str, tuple[float, float, float]]:
    """Let so many people come and do PARTS parts each; return the medians of every step."""
    from annotation.services.participants import participant_create

    found: defaultdict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for _ in range(people):
        for step, measures in _steps(participant_create(study=study).pk):
            found[step].append(measures)
    return {step: _medians(rows) for step, rows in found.items()}


def _medians(rows: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    cpu, wall, statements = (statistics.median(column) for column in zip(*rows, strict=True))
    return cpu, wall, statements


def _steps(pk: int) -> Iterator[tuple[str, tuple[float, float, float]]]:
    from annotation.services.participants import participant_consent, participant_instructed
    from annotation.services.places import participant_place

    yield "consent page", _measure(participant_place, pk)
    yield "agree", _measure(participant_consent, pk)
    participant_instructed(participant=_person(pk))
    for number in range(PARTS):
        yield STEPS[2 if number == 0 else 3], _measure(participant_place, pk)
        _finish(pk)


def _person(pk: int) -> Any:
    """Return the participant as a request finds them."""
    from annotation.models import Participant

    return Participant.objects.select_related("study").get(pk=pk)


def _finish(pk: int) -> None:
    """End the open part by the services, as if every question had been answered."""
    import uuid

    from django.db import transaction

    from annotation.models import Assignment
    from annotation.services.personas import persona_submit
    from annotation.services.tallies import assignment_recount

    part = Assignment.objects.select_related("participant__study", "persona__item").get(participant=pk, state="open")
    if part.persona.submitted_at is None:
        persona_submit(assignment=part, text="A gardener.", version=0, tab=uuid.uuid4())
        part.persona.outputs.update(state="ready", text="Text", ready_at=datetime.now(UTC))
    with transaction.atomic():
        Assignment.objects.filter(pk=part.pk).update(state="completed", completed_at=datetime.now(UTC))
        assignment_recount(assignment=part)


def _measure(service: Callable[..., Any], pk: int) -> tuple[float, float, float]:
    """Return CPU milliseconds, wall milliseconds, and the number of statements that the service takes."""
    from django.db import connection

    person, statements = _person(pk), list[str]()

    def count(execute: Any, sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(count):
        cpu, wall = time.process_time(), time.perf_counter()
        service(participant=person)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return cpu * 1000, wall * 1000, len(statements)


if __name__ == "__main__":
    main()
