"""The vllm engine on Ray: Ray Data's own vLLM processor gives the rows of a plain run."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.modelhub.exchange.places import Place

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed here; `make test-vllm` has it"),
]


def test_rows_made_by_the_vllm_processor_of_ray_are_those_of_a_plain_run(tmp_path: Path, tiny_llama: Path) -> None:
    place, asked = Place(tmp_path), ("infer_personas", "--dataset", "BeaverTails", "--shots", "0", "--system")
    place.fill(pairs=40, engine="vllm", model=tiny_llama)
    place.manage(*asked, "spread", "--on", "ray")
    place.manage(*asked, "plain")
    assert len(place.personas("spread")) == 80
    assert place.personas("spread") == place.personas("plain")
