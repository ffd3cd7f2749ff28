"""Study texts as HTML, and prompts as turns."""

import re

import pytest

from annotation.markdown import render_markdown
from annotation.prompts_display import split_turns


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("# One\n\n## Two\n\n# Three", ["h2", "h3", "h2"]),
        ("### Deep first\n\n# Then top", ["h2", "h2"]),
        ("# One\n\n#### Skips two\n\n## Back", ["h2", "h3", "h3"]),
        ("# 1\n\n## 2\n\n### 3\n\n#### 4\n\n##### 5\n\n###### 6", ["h2", "h3", "h4", "h5", "h6", "h6"]),
    ],
)
def test_headings_start_at_h2_and_never_skip_a_level(text: str, levels: list[str]) -> None:
    html = render_markdown(text)

    assert re.findall(r"<(h\d)>", html) == levels
    assert re.findall(r"</(h\d)>", html) == levels


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "a <b onclick=x>c</b>"])
def test_html_is_shown_as_it_was_typed(text: str) -> None:
    html = render_markdown(text)

    assert "&lt;" in html
    assert not re.search(r"<(script|img|b)\b", html)


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "JaVaScRiPt:alert(1)"])
def test_a_link_that_would_run_something_leads_nowhere(address: str) -> None:
    assert "href" not in render_markdown(f"[text]({address})")


def test_a_link_keeps_its_address_and_tells_nothing_about_where_it_stood() -> None:
    html = render_markdown("[text](https://example.org/?a=1&b=2)")

    assert 'href="https://example.org/?a=1&amp;b=2"' in html
    assert 'rel="noopener noreferrer nofollow"' in html


def test_an_image_becomes_its_description() -> None:
    assert render_markdown('![a <plan> "of it"](https://example.org/x.png)') == ('<p>a &lt;plan&gt; "of it"</p>\n')


def test_lists_emphasis_and_numbering_survive() -> None:
    html = render_markdown("3. *a*\n4. **b**")

    assert '<ol start="3">' in html
    assert "<em>a</em>" in html
    assert "<strong>b</strong>" in html


def test_a_dialogue_is_shown_turn_by_turn() -> None:
    prompt = "Human: Hello\n\nAssistant: Hi.\nSecond line: yes.\n\nHuman: Bye"

    assert split_turns(prompt) == [("Human", "Hello"), ("Assistant", "Hi.\nSecond line: yes."), ("Human", "Bye")]


def test_an_empty_last_turn_is_left_out() -> None:
    assert split_turns("Human: Hello\n\nAssistant:") == [("Human", "Hello")]


@pytest.mark.parametrize("prompt", ["What is a Human: machine?", "Compare\nHuman: a\nAssistant: b", "", "Human rights"])
def test_any_other_prompt_is_one_turn_without_a_speaker(prompt: str) -> None:
    assert split_turns(prompt) == [("", prompt)]
