"""Outputs keep which inferred personas they were made for, and older ones are linked to them by their texts."""

import importlib
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modelhub.models import InferredPersona, PairOutput, PreferencePair, RetrievedPersona, System
from modelhub.queries.judgements import judged_results
from modelhub.runs.lifecycle import run_start
from tests.modelhub.judged_rows import add_judgements
from tests.modelhub.output_rows import make_output
from tests.modelhub.pair_rows import make_pair, make_pairs, make_persona, make_system
from tests.modelhub.stages.test_generate import register

pytestmark = pytest.mark.django_db

SOURCES = ("gold_chosen", "gold_rejected", "retrieved_chosen", "retrieved_rejected")


@pytest.fixture
def pairs() -> list[PreferencePair]:
    """Three pairs with a training pair each, and personas of two systems, who say the same of the first."""
    run = run_start(stage="retrieve_personas", arguments={})
    systems = [make_system(name) for name in ("small", "large")]
    found = make_pairs("BeaverTails", "test", 3)
    for pair in found:
        training = make_pair("BeaverTails", "sft_train", pair.row, prompt=f"Training {pair.row}")
        RetrievedPersona.objects.create(pair=pair, source=training, retriever="colbert", rank=1, run=run)
        for one in (pair, training):
            for direction in ("chosen", "rejected"):
                for system in systems:
                    name = "anybody" if pair.row == 1 else system.name
                    text = f"The user is {name} and prefers {one.split} {direction} {one.row}."
                    make_persona(one, direction, system, text)
    return found


def answer(inferrer: str, **options: Any) -> None:
    call_command(
        "generate", "--dataset", "BeaverTails", "--system", "A", "--persona", *SOURCES, "--inferring-system", inferrer,
        stdout=io.StringIO(), **options,
    )  # fmt: skip


def linked(output: PairOutput) -> set[str]:
    return set(output.inferred_personas.values_list("system__name", flat=True))


def test_generate_links_each_output_to_the_persona_it_was_made_for(pairs: list[PreferencePair], tmp_path: Path) -> None:
    register(tmp_path)
    answer("small")
    assert PairOutput.objects.count() == 12
    for output in PairOutput.objects.select_related("pair"):
        persona = output.inferred_personas.select_related("pair").get()
        assert (persona.text, persona.system.name) == (output.persona, "small")
        assert persona.direction == output.source.partition("_")[2]
        explained = output.pair.retrieved.get().source if output.source.startswith("retr") else output.pair
        assert persona.pair == explained
    answer("large")
    assert PairOutput.objects.count() == 20  # what both say of the first pair was asked once
    assert all(linked(one) == {"small", "large"} for one in PairOutput.objects.filter(pair=pairs[0]))
    assert {frozenset(linked(one)) for one in PairOutput.objects.exclude(pair=pairs[0])} == {
        frozenset({"small"}), frozenset({"large"})
    }  # fmt: skip


def test_an_imported_output_is_linked_to_the_persona_that_is_meant(pairs: list[PreferencePair], tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    rows = [{"key": pair.key, "text": "One."} for pair in pairs]
    file.write_text(json.dumps(rows), encoding="utf-8")
    for inferrer in ("large", "small"):
        call_command(
            "import_pair_outputs", str(file), "--dataset", "BeaverTails", "--system", "B", "--persona",
            "retrieved_rejected", "--inferring-system", inferrer, stdout=io.StringIO(),
        )  # fmt: skip
        assert linked(PairOutput.objects.filter(pair=pairs[0]).get()) >= {inferrer}
    assert PairOutput.objects.count() == 5 and linked(PairOutput.objects.get(pair=pairs[0])) == {"small", "large"}
    for output in PairOutput.objects.exclude(pair=pairs[0]):
        assert output.inferred_personas.get().text == output.persona


def test_a_linked_output_counts_for_those_it_was_made_for_whoever_says_the_same(pairs: list[PreferencePair]) -> None:
    sides = [
        make_output(
            pairs[0], make_system(name), "gold_chosen", persona="The user is anybody and prefers test chosen 1."
        )
        for name in ("base", "test")
    ]
    add_judgements([sides[0]], [sides[1]], make_system("judge"), "quality", ["win"])
    assert [row.result.inferred_by for row in judged_results()] == ["large or small"]
    for output in sides:
        output.inferred_personas.add(
            InferredPersona.objects.get(pair=pairs[0], direction="chosen", system__name="small")
        )
    assert [row.result.inferred_by for row in judged_results()] == ["small"]


def test_results_take_as_many_queries_however_many_links_there_are(pairs: list[PreferencePair]) -> None:
    base, test = ([make_output(pairs[0], make_system(name), "gold_chosen")] for name in ("base", "test"))
    add_judgements(base, test, make_system("judge"), "quality", ["win"])
    counts = []
    for personas in (InferredPersona.objects.all()[:1], InferredPersona.objects.all()):
        for output in PairOutput.objects.all():
            output.inferred_personas.set(personas)
        with CaptureQueriesContext(connection) as queries:
            judged_results()
        counts.append(len(queries))
    assert counts[0] == counts[1]


class TestOlderOutputs:
    def migrate(self) -> None:
        migration = importlib.import_module("modelhub.migrations.0008_link_outputs_to_personas")
        migration.link(apps, SimpleNamespace(connection=connection))

    @pytest.mark.parametrize("batch", [1, 3, 500])
    def test_results_and_names_stay_as_they_were(
        self, pairs: list[PreferencePair], batch: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("modelhub.migrations.0008_link_outputs_to_personas.BATCH", batch)
        for source in SOURCES:
            for inferrer in ("small", "large"):
                for pair in pairs[inferrer == "large" :]:
                    self.judged(pair, source, inferrer)
        RetrievedPersona.objects.create(
            pair=pairs[2], source=pairs[1].retrieved.get().source, retriever="plaid", rank=2,
            run=run_start(stage="retrieve_personas", arguments={}),
        )  # fmt: skip
        before = judged_results()
        assert before and not PairOutput.inferred_personas.through.objects.exists()
        assert {"small", "large"} <= {row.result.inferred_by for row in before}
        self.migrate()
        assert judged_results() == before
        assert not PairOutput.objects.exclude(persona="").filter(inferred_personas=None).exists()
        links = set(PairOutput.inferred_personas.through.objects.values_list("pairoutput", "inferredpersona"))
        self.migrate()
        assert set(PairOutput.inferred_personas.through.objects.values_list("pairoutput", "inferredpersona")) == links

    def judged(self, pair: PreferencePair, source: str, inferrer: str) -> None:
        explained = pair.retrieved.get().source if source.startswith("retrieved") else pair
        persona = InferredPersona.objects.get(
            pair=explained, direction=source.partition("_")[2], system__name=inferrer
        ).text
        sides = []
        for name in ("base", "test", "judge"):
            system = System.objects.filter(name=name).first() or make_system(name)
            if name != "judge":
                sides.append(make_output(pair, system, source, persona=persona))
        add_judgements([sides[0]], [sides[1]], System.objects.get(name="judge"), "quality", ["win"])

    def test_a_persona_that_is_stored_nowhere_has_no_link_and_its_name_stays(self, pairs: list[PreferencePair]) -> None:
        sides = [make_output(pairs[0], make_system(name), "gold_chosen", persona="New.") for name in ("base", "test")]
        add_judgements([sides[0]], [sides[1]], make_system("judge"), "quality", ["win"])
        before = judged_results()
        self.migrate()
        assert judged_results() == before
        assert before[0].result.inferred_by == "an unknown system" and not linked(sides[0])
