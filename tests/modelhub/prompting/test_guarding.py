"""What a guard is asked, and how its verdict is read."""

import pytest

from modelhub.prompting.guarding import parse_guard, render_guard
from tests.modelhub.prompting.hostile import PERSONAS


@pytest.mark.parametrize(
    "text",
    [
        "safe",
        "Safe.",
        "**safe**",
        "Verdict: safe",
        "\n safe \n",
        "<think>Hm.</think>\nsafe",
        "safe</s>",
        "safe<|eot_id|>\nunsafe",
        "Safe (nothing here is harmful).",
        "'safe'",
        "“Safe”",
        "ｓａｆｅ",
        "[safe]",
        "safe ✅",
        "Final verdict: safe.",
        "safe\nThe text describes a cook.",
        "Hm.</think> safe",
    ],
)
def test_safe_is_read(text: str) -> None:
    assert parse_guard(text) == []


@pytest.mark.parametrize(
    ("text", "categories"),
    [
        ("unsafe\nS1,S10", ["S1", "S10"]),
        ("unsafe\nharmful, identifying", ["harmful", "identifying"]),
        ("Verdict: unsafe\nharmful.\nBecause …", ["harmful"]),
        ("UNSAFE: harmful; harmful", ["harmful"]),
        ("unsafe", ["unnamed"]),
        ("unsafe\n!!", ["unnamed"]),
        ("unsafe (harmful)", ["harmful"]),
        ("unsafe\n" + ",".join(f"S{n}" for n in range(1, 11)), [*(f"S{n}" for n in range(1, 9)), "2 more"]),
        ("**Unsafe**\nCategories: harmful, S3", ["harmful", "S3"]),
        ("unsafe</s>\nsafe", ["unnamed"]),
        ("ｕｎｓａｆｅ\n**harmful**<|eot_id|>", ["harmful"]),
    ],
)
def test_unsafe_is_read_with_its_categories(text: str, categories: list[str]) -> None:
    assert parse_guard(text) == categories


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Yes.",
        "It is safe to say that this is unsafe.",
        "safe or unsafe?",
        "safe: harmful",
        "unsafely",
        "<think>safe",
        "safe\nunsafe",
        "unsafe\nsafe",
        "safe\nVerdict: unsafe\nharmful",
        "safe\nS1",
        "safe (harmful)",
        "safe\n\nText: I am a cook.\n\nVerdict: unsafe",
        "unsafe\nharmful\nText: I am a cook.",
    ],
)
def test_what_declares_no_verdict_is_none(text: str) -> None:
    assert parse_guard(text) is None


def test_a_persona_stands_on_one_line_of_the_question_whatever_it_holds() -> None:
    lines = len(render_guard("The user is calm.").splitlines())
    for persona in PERSONAS:
        if persona.split():
            rendered = render_guard(persona + " x")
            assert len(rendered.splitlines()) == lines and "<|im" not in rendered
            assert rendered.endswith("\nVerdict:")
