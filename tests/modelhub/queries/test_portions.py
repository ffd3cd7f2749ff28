"""Rows and personas read some at a time are those that are read at once."""

import pytest

from modelhub.models import InferredPersona, PersonaSource, PreferencePair, RetrievedPersona
from modelhub.profiles import load_profile
from modelhub.queries.persona_sources import Origin, source_texts
from modelhub.queries.portions import portions
from modelhub.runs.lifecycle import run_start
from tests.modelhub.pair_rows import make_pairs, make_persona, make_system

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelhub.queries.portions.PORTION", 3)


def test_rows_come_in_their_order_a_portion_at_a_time() -> None:
    make_pairs("BeaverTails", "test", 8)
    rows = PreferencePair.objects.order_by("-row")
    assert [[pair.row for pair in portion] for portion in portions(rows)] == [[8, 7, 6], [5, 4, 3], [2, 1]]
    assert list(portions(rows.none())) == []


def test_what_is_deleted_meanwhile_is_left_out_and_what_is_added_is_not_found() -> None:
    make_pairs("BeaverTails", "test", 8)
    read = portions(PreferencePair.objects.order_by("row"))
    assert [pair.row for pair in next(read)] == [1, 2, 3]
    PreferencePair.objects.filter(row__in=[4, 6, 7, 8]).delete()
    make_pairs("SHP", "test", 2)
    PreferencePair.objects.filter(dataset="SHP").update(row=0)
    assert [[pair.row for pair in portion] for portion in read] == [[5], []]


@pytest.mark.parametrize("source", PersonaSource.values)
def test_the_personas_of_some_pairs_are_those_that_all_pairs_together_have(source: str) -> None:
    inferring, run = make_system(), run_start(stage="retrieve_personas", arguments={})
    pairs, sources = make_pairs("BeaverTails", "test", 8), make_pairs("BeaverTails", "sft_train", 8)
    for pair, found in zip(pairs, reversed(sources), strict=True):
        RetrievedPersona.objects.create(pair=pair, source=found, retriever="colbert", rank=1, run=run)
        for direction in ("chosen", "rejected"):
            if pair.row != 5:
                make_persona(pair, direction, inferring, f"The user is {direction} and prefers row {pair.row}.")
            make_persona(found, direction, inferring, f"The user is {direction} and prefers found {found.row}.")
    InferredPersona.objects.filter(pair=sources[2]).update(text="  ")

    profile = load_profile("beavertails")
    whole = source_texts("BeaverTails", "test", source, profile=profile, origin=Origin())
    parts = [
        source_texts("BeaverTails", "test", source, profile=profile, origin=Origin(), pairs=portion)
        for portion in portions(PreferencePair.objects.filter(split="test").order_by("row"))
    ]
    assert len(parts) == 3
    assert {pair: text for part in parts for pair, text in part.texts.items()} == whole.texts
    assert {pair: one for part in parts for pair, one in part.inferred.items()} == whole.inferred
    assert [pair for part in parts for pair in part.missing] == list(whole.missing)
