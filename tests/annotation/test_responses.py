"""Responses and prompts as Markdown: what it makes of them, what it lets through, and where it is shown."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.formulas import MATHML_TAGS, formula
from annotation.markdown import render_response
from annotation.models import Output, Study
from annotation.protocol import definition_document
from annotation.services.studies import study_save
from tests.annotation.studyfiles import complaints, definition, study_data, write
from tests.annotation.walking import Walker
from tests.factories import make_study, make_user

MARKDOWN = {"formats": {"responses": "markdown"}}
HARMLESS = {
    "p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "h3", "h4", "h5", "h6", "div",
    "span", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/x.png)",
    "[x](javascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](https://evil.example/ \"a' onclick='alert(1)\")",
    "```html\n<svg onload=alert(1)>\n```",
    '```"onfocus=alert(1)\nx\n```',
    r"$\href{javascript:alert(1)}{x}$",
    r"$\text{<script>alert(1)</script>}$",
    r"$$\style{background:url(https://evil.example)}{y}$$",
    r"\(\class{x}{<img src=x onerror=alert(1)>}\)",
    "| <b onclick=x> |\n|--|\n| </table><script>alert(1)</script> |",
    '<math><mtext></p><img src=x onerror="alert(1)">',
]


def tags_of(html: str) -> set[str]:
    return set(re.findall(r"<([a-z0-9]+)", html))


def formats(**values: str) -> dict[str, Any]:
    return {"formats": values}


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_response_runs_loads_or_leads_away(text: str) -> None:
    html = render_response(text)
    assert tags_of(html) <= HARMLESS | MATHML_TAGS
    attributes = {name for tag in re.findall(r"<[a-z0-9]+([^>]*)>", html) for name in re.findall(r"\s([\w-]+)=", tag)}
    assert not {name for name in attributes if name.startswith("on")} | attributes & {"href", "src", "style", "id"}


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="$\\{}[]()_^&<>|`*#!-\n ab1\"'", max_size=60))
def test_whatever_a_model_writes_is_shown(text: str) -> None:
    assert tags_of(render_response(text)) <= HARMLESS | MATHML_TAGS


def test_headings_stand_below_that_of_the_response() -> None:
    assert re.findall(r"<(h\d)", render_response("# One\n\n### Two\n\n# Three")) == ["h3", "h4", "h3"]


def test_a_link_and_an_image_are_their_words_and_their_address() -> None:
    shown = re.sub(r"<[^>]+>", "", render_response("[Docs](https://a.example/x) ![plan](https://b.example/p.png)"))
    assert shown.strip() == "Docs (https://a.example/x) plan (https://b.example/p.png)"
    assert re.sub(r"<[^>]+>", "", render_response("<https://a.example>")).strip() == "https://a.example"


def test_code_and_tables_can_be_scrolled_by_keyboard_and_have_a_name() -> None:
    html = render_response("```py\nx = 1 < 2\n```\n\n|a|b|\n|-|-:|\n|1|2|")
    named = re.findall(r'<(?:pre|div)[^>]*role="group" aria-label="([\w ]+)" tabindex="0">', html)
    assert named == ["Source code", "Table"]
    assert "x = 1 &lt; 2" in html and '<td class="number">2</td>' in html


@pytest.mark.parametrize("typed", ["$x^2$", r"\(x^2\)", "$$x^2$$", "$$\nx^2\n$$", r"\[x^2\]", "\\[\nx^2\n\\]"])
def test_formulas_between_each_kind_of_marks_become_mathml(typed: str) -> None:
    html = render_response(f"{typed}")
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in html and "$" not in html and "\\" not in html
    assert f'display="{"inline" if typed.startswith(("$x", chr(92) + "(")) else "block"}"' in html


def test_lines_of_a_formula_are_no_list_and_words_beside_it_stay() -> None:
    assert "<mo>+</mo>" in render_response("\\[\na\n+ b\n\\]")
    assert render_response(r"so \[a\] and").startswith('<p dir="auto">so <math') and "and" in render_response(
        r"\[a\] and"
    )


@pytest.mark.parametrize("typed", ["costs $5 and $10", "$5-$10", "a $ b $ c", r"\\(x\\)", "`$x$`"])
def test_money_and_code_are_no_formulas(typed: str) -> None:
    assert "<math" not in render_response(typed)


@pytest.mark.parametrize("latex", [r"\left(", r"\begin{foo}", "{" * 1500, r"\nosuchcommand x", "x" * 3000, "x^a^b"])
def test_what_cannot_be_read_as_a_formula_stands_as_typed(latex: str) -> None:
    assert formula(latex, "$", "$", is_block=False) == f"<code>${latex}$</code>"


def test_each_block_of_a_response_has_the_direction_of_its_own_script() -> None:
    html = render_response("مرحبا\n\nHello\n\n```\nx\n```")
    assert html.count('<p dir="auto">') == 2 and '<pre dir="ltr"' in html


def test_a_study_that_says_nothing_of_formats_keeps_its_document(tmp_path: Path) -> None:
    silent = definition(tmp_path).document()
    assert "formats" not in silent
    assert definition(tmp_path, **formats(responses="plain", prompts="plain")).document() == silent
    assert definition(tmp_path, **MARKDOWN).document()["formats"] == {"responses": "markdown"}


@pytest.mark.django_db
def test_formats_are_stored_and_part_of_the_protocol(tmp_path: Path) -> None:
    made = definition(tmp_path, **formats(responses="markdown", prompts="markdown"))
    study = study_save(definition=made, owner=make_user())
    assert definition_document(study) == made.document()


def test_a_format_that_there_is_not_is_named(tmp_path: Path) -> None:
    (said,) = complaints(write(tmp_path, study_data(**formats(responses="html"))))
    assert "formats.responses" in said and "plain or markdown" in said


@pytest.fixture
def study(db: None) -> Study:
    study = make_study(given_items=1, given_per_participant=1, practice=1)
    study.practice[0]["responses"] = ["Cook **rice**.", "Cook **rice** with *beans*."]
    study.save()
    study.items.update(prompt="Human: What is **this**?\n\nAssistant: That?\n\nHuman: Yes, *this*.")
    Output.objects.filter(arm__study=study, arm__ordinal=1).update(text="Take a **walk**.")
    Output.objects.filter(arm__study=study, arm__ordinal=2).update(text="Take a **nap**.")
    return study


def pages_of(study: Study) -> tuple[str, str]:
    """Return the practice page and the first page to rate."""
    walker = Walker(study)
    walker.post("consent/", answer="agree")
    walker.post("instructions/")
    practice = walker.get().content.decode()
    walker.post("practice/", index=0, **dict.fromkeys(re.findall(r'name="(answer-[\w-]+)"', practice), 3))
    return practice, walker.get().content.decode()


def test_responses_are_plain_unless_the_study_says_otherwise(study: Study) -> None:
    practice, rating = pages_of(study)
    assert "Cook **rice**." in practice and "Take a **walk**." in rating and "Take a **nap**." in rating
    assert "data-raw" not in rating


def test_all_arms_and_practice_are_shown_in_the_format_of_the_study(study: Study) -> None:
    Study.objects.update(**formats(responses="markdown"))
    practice, rating = pages_of(study)
    assert "Cook <strong>rice</strong>." in practice
    assert "Take a <strong>walk</strong>." in rating and "Take a <strong>nap</strong>." in rating
    assert rating.count("data-raw") == 2 and ">Take a **walk**.</pre>" in rating  # as it was written
    assert "What is **this**?" in rating


def test_prompts_have_a_format_of_their_own(study: Study) -> None:
    Study.objects.update(**formats(prompts="markdown"))
    _, rating = pages_of(study)
    assert "What is <strong>this</strong>?" in rating and "Take a **walk**." in rating


def test_a_prompt_of_several_turns_says_who_speaks(study: Study) -> None:
    _, rating = pages_of(study)
    assert re.findall(r'<p class="turn-speaker">(\w+)</p>', rating) == ["User", "Assistant", "User"]


@pytest.mark.usefixtures("study")
def test_researchers_see_outputs_that_they_judge_as_participants_do(client: Any) -> None:
    draft = make_study(slug="draft", state="draft")
    Study.objects.filter(pk=draft.pk).update(**formats(responses="markdown"))
    Output.objects.filter(arm__study=draft).update(text="As an AI persona model, I would say **yes**.")
    client.force_login(draft.owner)
    page = client.get(reverse("modelhub:scan", args=[draft.slug, 1])).content.decode()
    assert "I would say <strong>yes</strong>" in page
