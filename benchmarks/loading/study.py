"""Studies to click on, and what stands in the database afterwards: `python -m benchmarks.loading.study make|check`.

A process of its own, because settings know one database. Reads JSON from standard input and writes JSON.
"""

import hashlib
import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

from benchmarks.loading.task import ITEMS


def make(wanted: dict[str, dict[str, int]]) -> dict[str, dict[str, list[str]]]:
    """Make a study of 40 parts for each name, for so many participants; return their links.

    `ready` participants have agreed and read the instructions already: they stand in for those who finish.
    """
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    return {name: _study(name, **numbers) for name, numbers in wanted.items()}


def _study(name: str, people: int, ready: int) -> dict[str, list[str]]:
    from annotation.models import Participant
    from tests.factories import make_study

    total = people + ready
    study = make_study(slug=name, given_items=ITEMS, given_per_participant=ITEMS, raters_per_item=total)
    now = datetime.now(UTC)
    stand = {
        "consented_at": now,
        "consent_hash": hashlib.sha256(study.consent.encode()).hexdigest(),
        "instructed_at": now,
    }
    made = Participant.objects.bulk_create(
        Participant(study=study, number=number, **(stand if number > people else {})) for number in range(1, total + 1)
    )
    links = [f"/p/{participant.token}/" for participant in made]
    return {"people": links[:people], "ready": links[people:]}


def check(acknowledged: dict[str, Any]) -> dict[str, int]:
    """Compare what the server has acknowledged in a study with what is stored."""
    study, everything = acknowledged["study"], acknowledged["answers"]
    answers = {key: value for key, value in everything.items() if len(key) == 32}  # by the keys of their clicks
    submitted = {key: value for key, value in everything.items() if len(key) != 32}
    stored = {key.hex: list(rest) for key, *rest in _ratings(study).values_list("client_key", "value", "version")}
    parts = _completed(study)
    return {
        "answers": len(answers),
        "parts": len(submitted),
        "lost": _missing(answers, stored) + _missing(submitted, parts),
        "doubled": len(set(stored) - set(answers)) + len(set(parts) - set(submitted)) + _not_latest(study),
    }


def _missing(acknowledged: dict[str, Any], stored: dict[str, Any]) -> int:
    return sum(stored.get(key) != value for key, value in acknowledged.items())


def _ratings(study: str) -> Any:
    from annotation.models import Rating

    return Rating.objects.filter(slot__assignment__participant__study__slug=study)


def _completed(study: str) -> dict[str, list[int]]:
    """Return the answers that count for each completed part, by its key."""
    from annotation.models import Assignment

    done = Assignment.objects.filter(participant__study__slug=study, state="completed")
    parts: dict[str, list[int]] = {key: [] for key in done.values_list("key", flat=True)}
    current = _ratings(study).filter(superseded_by__isnull=True, slot__assignment__state="completed")
    for key, value in current.order_by("value").values_list("slot__assignment__key", "value"):
        parts[key].append(value)
    return parts


def _not_latest(study: str) -> int:
    """Return how many questions have more answers than their current one's version says, or fewer."""
    from django.db.models import Count, Max

    counted = _ratings(study).values("slot", "aspect").annotate(rows=Count("pk"), latest=Max("version"))
    current = _ratings(study).filter(superseded_by__isnull=True).values_list("slot", "aspect", "version")
    standing = {(slot, aspect): version for slot, aspect, version in current}
    return sum(not row["rows"] == row["latest"] == standing.get((row["slot"], row["aspect"])) for row in counted)


def main(command: str) -> None:
    """Do what is asked on the database in DATABASE_URL."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
    import django

    django.setup()
    json.dump({"make": make, "check": check}[command](json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
