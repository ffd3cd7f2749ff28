"""A system that is asked for an output cannot see the item's image, so it is told in words what that shows."""

import pytest

from annotation.models import Output
from modelhub.models import System
from modelhub.systems.requests import output_request
from tests.factories import make_study

pytestmark = pytest.mark.django_db


def test_a_system_is_told_in_words_what_the_image_of_a_prompt_shows() -> None:
    study = make_study()
    image = {"sha256": "0" * 64, "alt": "Three pots.", "width": 1, "height": 1}
    study.items.filter(key="item-1").update(image=image)
    asked = {
        output.persona.item.key: output_request(System(name="s", persona_style="none"), output)
        for output in Output.objects.filter(arm__study=study, arm__ordinal=1).select_related("persona__item")
    }
    assert asked["item-1"].prompt.endswith("\n\n[Image: Three pots.]")
    assert "[Image: Three pots.]" in asked["item-1"].rendered
    assert "[Image" not in asked["item-2"].rendered
