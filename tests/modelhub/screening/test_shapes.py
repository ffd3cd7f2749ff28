"""What tells arms apart by shape alone: Markdown, lists, code, emoji, length, script."""

import pytest
from django.test import Client
from django.urls import reverse

from annotation.models import Output, Study
from annotation.services.outputs import outputs_exclude
from modelhub.screening.scan import scan_study
from modelhub.screening.shapes import FEWEST, arm_shape, pair_shapes, shape_of, telling_shapes
from tests.factories import make_study

PLAIN = "Walk home slowly and look at the trees."


@pytest.mark.parametrize(
    ("text", "features"),
    [
        (PLAIN, set()),
        ("# A plan\nWalk.", {"markdown"}),
        ("Do **this** now.", {"markdown"}),
        ("| a | b |\n|---|---|\n| 1 | 2 |", {"markdown"}),
        ("See [the docs](https://example.org).", {"markdown"}),
        ("1. Walk\n2. Look", {"lists"}),
        ("Take:\n- a bag\n- a map", {"lists"}),
        ("```python\nprint(1)\n```", {"markdown", "code"}),
        ("Call `print` first.", {"code"}),
        ("Well done 🎉", {"emoji"}),
        ("2 * 3 * 4 is 24, #1 of 5 - or 1.5 | 2", set()),
    ],
)
def test_features_are_those_that_people_see(text: str, features: set[str]) -> None:
    assert shape_of(text).features == features


@pytest.mark.parametrize(
    ("text", "words", "script"),
    [
        (PLAIN, 8, "LATIN"),
        ("No.", 1, ""),
        ("早点睡。", 3, "CJK"),
        ("カレーを食べる", 7, "CJK"),
        ("تعلم الطبخ يحتاج إلى وقت", 5, "ARABIC"),
        ("", 0, ""),
    ],
)
def test_words_and_script_are_counted_in_every_script(text: str, words: int, script: str) -> None:
    assert (shape_of(text).words, shape_of(text).script) == (words, script)


def told(first: list[str], second: list[str]) -> list[str]:
    return [
        flag.kind
        for flag in telling_shapes([
            arm_shape(code, [shape_of(text) for text in texts]) for code, texts in (("one", first), ("two", second))
        ])
    ]  # fmt: skip


def test_arms_of_another_shape_are_told_apart() -> None:
    assert told([PLAIN] * 4, [PLAIN] * 4) == []
    assert told([PLAIN] * 4, [f"**{PLAIN}**"] * 2 + [PLAIN] * 2) == ["markdown"]
    assert told([PLAIN] * 4, [f"**{PLAIN}**"] + [PLAIN] * 3) == []  # a quarter of them
    assert told([PLAIN] * 6, [f"**{PLAIN}**"] * 2 + [PLAIN] * 4) == ["markdown"]  # a third, where the other has none
    some = [f"**{PLAIN}**"] + [PLAIN] * 5
    assert told(some, [f"**{PLAIN}**"] * 3 + [PLAIN] * 3) == []
    assert told([PLAIN] * 4, [PLAIN * 4] * 4) == ["length"]
    assert told([PLAIN] * 4, ["Иди домой медленно и смотри на деревья."] * 4) == ["script"]
    assert told([PLAIN] * FEWEST, [f"- {PLAIN}"] * (FEWEST - 1)) == []


def test_a_pair_is_flagged_where_its_texts_are_extreme() -> None:
    short, long = shape_of("No."), shape_of("word " * 1500)
    assert [flag.detail for flag in pair_shapes([short, long])] == ["The shortest text has 1 words, the longest 1500."]
    assert pair_shapes([short, shape_of(PLAIN)]) == ()
    (flag,) = pair_shapes([shape_of(PLAIN), shape_of("早点睡。")])
    assert flag.detail == "The texts are in different scripts: Cjk, Latin."


@pytest.mark.django_db
def test_the_page_says_what_tells_the_arms_of_a_study_apart(client: Client) -> None:
    study: Study = make_study(state="draft", given_items=4)
    client.force_login(study.owner)
    address = reverse("modelhub:scan", args=[study.slug, study.version])
    code = study.arms.get(ordinal=2).code
    assert code not in client.get(address).content.decode()
    Output.objects.filter(arm__study=study).update(text=PLAIN)
    second = Output.objects.filter(arm__code=code)
    second.update(text=f"# Plan\n{PLAIN}")
    shown = client.get(address).content.decode()
    assert "The arms can be told apart by their shape" in shown and f"In 100% of the texts of {code}" in shown
    for output in second[:2]:
        outputs_exclude(persona=output.persona, reason="Markdown", user=None)
    assert scan_study(study).flags == []  # two texts are too few
