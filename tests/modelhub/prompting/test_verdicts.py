"""Verdicts are read where they are declared, the last one counts, and what cannot be read stays unscored."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelhub.prompting.verdicts import ParsedVerdict, parse_verdict

DECLARING = ["verdict", "answer", "choice", "decision", "judg", "preference", "winner", "result", "boxed"]
PROSE = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200).filter(
    lambda text: not any(word in text.casefold() for word in DECLARING) and "<" not in text
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Short and clear suits this user.\nVerdict: A", "A"),
        ("verdict: b", "B"),
        ("VERDICT : B.", "B"),
        ("**Verdict:** (B)", "B"),
        ("**Verdict: A**", "A"),
        ("### Final verdict: **B**", "B"),
        ("- Verdict: B", "B"),
        ("Verdict：A", "A"),
        ("Verdict:\n\n**B**", "B"),
        ("Verdict: Response A", "A"),
        ("Final answer: Response B", "B"),
        ("Verdict: [B]", "B"),
        ("Verdict: 'A'", "A"),
        ("Feedback: the first is too long. [RESULT] A", "A"),
        ("Feedback: fine [RESULT] (B)", "B"),
        ("[RESULT]: B", "B"),
        ("My final choice is B.", "B"),
        ("The answer is: Option A", "A"),
        ('{"reasons": "concise", "verdict": "B"}', "B"),
        ("<verdict>A</verdict>", "A"),
        (r"Thus $\boxed{B}$", "B"),
        (r"\boxed{B}", "B"),
        ("It is plain.\n\nB", "B"),
        ("It is plain.\n[[A]]", "A"),
        ("Verdict: A, because it is brief.", "A"),
        ("Verdict: A is better than B", "A"),
        ("Verdict: B - the user likes detail", "B"),
        ("<think>Verdict: A, or rather not</think>Verdict: B", "B"),
        ("Perhaps Verdict: A </think>\nVerdict: B", "B"),
        # End tokens, and what stands behind them.
        ("Verdict: A</s>", "A"),
        ("Verdict: B<|eot_id|>", "B"),
        ("Verdict: A<|im_end|>\n<|im_start|>user\nVerdict: B", "A"),
        ("Verdict: A<end_of_turn>Verdict: B", "A"),
        ("<s> Verdict: A", "A"),
        # Reasons in brackets.
        ("Verdict: A (it is brief)", "A"),
        ("**Verdict: B** (it has more detail).", "B"),
        ("Verdict: (A) [brief and clear]", "A"),
        ("Verdict: B (not A)", "B"),
        ("Verdict: A (it is bri", "A"),
        ("A (it is brief)", "A"),
        # Markdown, quotes, full stops.
        ("**Verdict** B", "B"),
        ("**Verdict**\n__A__.", "A"),
        ("Verdict – B", "B"),
        ("Verdict: “A”.", "A"),
        ("Verdict: «B»", "B"),
        ("> `A`", "A"),
        ("Verdict: A ✅", "A"),
        ("Verdict: \u200bB\ufeff", "B"),
        # Nouns, lower case, full-width letters.
        ("Response A", "A"),
        ("response b.", "B"),
        ("Verdict: persona b", "B"),
        ("It is plain.\nb", "B"),
        ("Ｖｅｒｄｉｃｔ：Ａ", "A"),
        ("Verdict：Ｂ（更简洁）", "B"),
        ("【Ａ】", "A"),
        # Reasons that name the other one.
        ("Verdict: A, because B is too long", "A"),
        ("Verdict: A, rather than B", "A"),
        ('{"verdict": "B", "reasons": "A is better at maths but long"}', "B"),
        ("In depth the winner is A. Not in tone.\nVerdict: B", "B"),
        ("Verdict: A\nReasons: it is brief.", "A"),
    ],
)
def test_a_declared_verdict_is_read_in_many_spellings(text: str, value: str) -> None:
    assert parse_verdict(text).value == value


def test_the_last_verdict_counts_where_the_judge_says_that_it_has_thought_again() -> None:
    assert parse_verdict("Verdict: A\nOn reflection the other fits.\nVerdict: B").value == "B"
    assert parse_verdict("Verdict: A\nWait, I overlooked the end.\n[RESULT] B").value == "B"


@pytest.mark.parametrize(
    "text",
    [
        "Verdict: A\nVerdict: B",
        "[RESULT] B\nVerdict: A",
        "Verdict: A\nB",
        "Verdict: A\nThere is no tie.\nVerdict: B",
        "Verdict: A\nThe better answer is B.",
        "Verdict: A. Wait, B.",
        "Verdict: A. No, response B.",
        "Verdict: A (or B)",
        "Verdict: A (B)",
        "Verdict: A (B is better)",
        "A (B is clearly the better one)",
        "Verdict: A. B is better.",
        "Verdict: A\nActually, it is B.",
        "Verdict: a\nＢ",
    ],
)
def test_a_verdict_that_is_contradicted_is_unscored(text: str) -> None:
    assert parse_verdict(text) == ParsedVerdict("", "The verdict is contradicted.")


@pytest.mark.parametrize(
    "task",
    [
        "Prompt: How do I sleep?\nResponse A: …\nResponse B: …\nVerdict: B",
        "###Task Description:\nYou are given an instruction",
        "**Question 2:** Which is better?\nVerdict: A",
        "Your task is to decide which of two responses suits a user.",
        "Human: thanks",
        "[INST] Now the next pair [/INST] Verdict: A",
        "<|im_start|>user\nNow the next pair",
        "Next example: …",
    ],
)
def test_a_verdict_that_another_task_follows_is_unscored(task: str) -> None:
    assert parse_verdict(f"It is brief.\nVerdict: A\n\n{task}") == ParsedVerdict(
        "", "Another task follows the verdict."
    )
    assert parse_verdict(f"It is brief.\nVerdict: A</s>\n\n{task}").value == "A"


@pytest.mark.parametrize("text", ["Prompt: How?\nIt is brief.\nVerdict: A", "Question: which?\nAnswer: A"])
def test_a_task_that_stands_before_the_verdict_is_the_one_that_was_set(text: str) -> None:
    assert parse_verdict(text).value == "A"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "A better response would have been shorter.",
        "Response A is detailed, and response B is short.",
        "The user would enjoy B.",
        "A user like this reads a lot.",
        "The answer is a matter of taste.",
        "The choice is between A and B",
        "A (much) better response would be shorter.",
        "i",
        "A;0",
        "It is plain.\nA; it is brief",
    ],
)
def test_prose_holds_no_verdict(text: str) -> None:
    assert parse_verdict(text) == ParsedVerdict("", "No verdict is declared.")


@pytest.mark.parametrize(
    "text",
    [
        "Verdict: A better response would be shorter",
        "Verdict: I cannot decide",
        "Verdict: not A",
        "Verdict: A is worse than B",
        "Verdict: A is clearly not the better one",
        "Verdict: A (more) concise response",
        "Verdict: ~~A~~ B",
        "Verdict: A?",
        "Verdict: A\nVerdict: unclear",
        "Verdict:",
    ],
)
def test_a_declaration_without_a_choice_is_unscored_whatever_stood_before(text: str) -> None:
    assert parse_verdict(text) == ParsedVerdict("", "The last verdict cannot be read.")


@pytest.mark.parametrize(
    "text",
    [
        "Verdict: A or B",
        "Verdict: A/B",
        "Verdict: A, B",
        "Verdict: Response A and Response B.",
        "Verdict: A Verdict: B",
        "Verdict: A\nVerdict: A or Verdict: B",
        "`Verdict: A` or `Verdict: B`",
        "[RESULT] A [RESULT] B",
    ],
)
def test_a_last_line_that_contradicts_itself_is_unscored(text: str) -> None:
    assert parse_verdict(text) == ParsedVerdict("", "The last verdict names more than one choice.")


def test_saying_the_same_twice_contradicts_nothing() -> None:
    assert parse_verdict("Verdict: A. Final verdict: A").value == "A"


@pytest.mark.parametrize(
    "text", ["Verdict: C", "Verdict: tie", "Verdict: both", "Verdict: 1", "Verdict: A\nVerdict: D"]
)
def test_a_verdict_outside_what_was_asked_is_unscored(text: str) -> None:
    assert parse_verdict(text) == ParsedVerdict("", "The verdict is none of A, B.")


@pytest.mark.parametrize(
    "text", ["Verdict: tie", "**Verdict:** Tie.", "Verdict: draw", "Verdict: neither", "[RESULT] TIE"]
)
def test_a_tie_is_a_tie_where_ties_are_allowed(text: str) -> None:
    assert parse_verdict(text, allowed=("A", "B", "tie")) == ParsedVerdict("tie")


def test_an_answer_cut_off_in_its_reasoning_is_unscored() -> None:
    assert parse_verdict("<think>Verdict: A might") == ParsedVerdict("", "The answer ends inside its reasoning.")


def test_an_answer_that_was_cut_off_says_so_if_no_verdict_stands_in_it() -> None:
    cut = ParsedVerdict("", "The answer was cut off before a verdict.")
    assert parse_verdict("The first one is", is_cut=True) == cut
    assert parse_verdict("It is brief.\nVerdict: A\nSince", is_cut=True) == ParsedVerdict("A")


@given(
    reasons=PROSE,
    choice=st.sampled_from(["A", "B"]),
    form=st.sampled_from(["Verdict: {}", "[RESULT] {}", "**Verdict:** ({})"]),
)
def test_reasons_never_change_what_the_last_line_declares(reasons: str, choice: str, form: str) -> None:
    assert parse_verdict(f"{reasons}\n{form.format(choice)}") == ParsedVerdict(choice)


@given(st.text(alphabet="AB abei:.,/[]*\nVverdictRESULTorand", max_size=120))
def test_every_answer_is_either_scored_or_says_why_not(text: str) -> None:
    verdict = parse_verdict(text)
    assert verdict.value in {"A", "B", ""}
    assert bool(verdict.value) != bool(verdict.reason)


@given(PROSE)
def test_text_without_any_declaration_scores_only_by_a_bare_last_line(text: str) -> None:
    verdict = parse_verdict(text)
    if verdict.value:
        last = unicodedata.normalize("NFKC", text).strip().splitlines()[-1]
        assert (
            sum(character.isalnum() for character in last) == 1
            or last.split()[-1].strip("*_.,)!").upper() == verdict.value
            or re.match(r"\W*[AB]\W*[(\[{]", last, re.IGNORECASE)  # a reason in brackets
        )
