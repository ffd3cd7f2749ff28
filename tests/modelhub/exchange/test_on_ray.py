"""Rows that are answered on a Ray cluster are those of a plain run, whatever becomes of its nodes."""

import shutil
from pathlib import Path

import pytest

from tests.modelhub.exchange.places import Place
from tests.tools.processes import wait_until
from tests.tools.raycluster import ray_cluster

pytestmark = pytest.mark.slow
PAIRS = 600
ASKED = ("infer_personas", "--dataset", "BeaverTails", "--shots", "0", "--system")


def test_a_node_that_dies_in_the_middle_costs_nothing_and_the_rows_are_those_of_a_plain_run(
    tmp_path: Path, tiny_llama: Path
) -> None:
    place = Place(tmp_path)
    place.fill(pairs=PAIRS, engine="transformers", model=tiny_llama, device="cpu")
    with ray_cluster() as cluster:
        (other,) = cluster.others
        running = place.start(*ASKED, "spread", "--on", f"ray:{cluster.address}")
        wait_until(lambda: place.answer_files() > 4 and other.works(), seconds=120, what="Answers of both nodes")
        other.kill()
        stored = len(place.personas("spread"))
        assert stored < 2 * PAIRS
        assert running.process and running.process.wait(300) == 0, place.said()
    place.manage(*ASKED, "plain")
    assert len(place.personas("spread")) == 2 * PAIRS
    assert place.personas("spread") == place.personas("plain")
    assert not list((place.var / "exchange").iterdir())


def test_an_engine_that_cannot_be_used_on_ray_ends_the_run_with_its_reason(tmp_path: Path, tiny_llama: Path) -> None:
    place, model = Place(tmp_path), tmp_path / "model"
    shutil.copytree(tiny_llama, model)
    place.fill(pairs=2, engine="transformers", model=model, device="cuda")
    running = place.start(*ASKED, "spread", "--on", "ray")
    assert running.process and running.process.wait(120) == 1
    assert "Ray cannot go on: The device cuda is asked for, but torch sees no GPU here." in place.said()


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path, tiny_llama: Path) -> None:
    place = Place(tmp_path)
    place.fill(pairs=2, engine="transformers", model=tiny_llama, device="cpu")
    running = place.start(*ASKED, "spread", "--on", "ray:127.0.0.1:9")
    assert running.process and running.process.wait(120) == 1
    assert "There is no Ray cluster at 127.0.0.1:9" in place.said()
