"""Free answers become one sentence about “the user”, and what a persona speaks for becomes a proposal."""

import pytest

from annotation.elicitation.attributes import contrasts_of
from annotation.elicitation.conditions import choose_condition
from annotation.elicitation.outcomes import written_as_sent
from annotation.elicitation.proposing import OwnPart, RatedResponse, propose
from annotation.elicitation.questions import DEFAULT_QUESTIONS
from annotation.elicitation.sentences import assembled_sentence, clause_of
from tests.annotation.eliciting import LONG, SHORT

LISTED = "Do this:\n- walk\n- sit\n- look"


def sentence(needs: str = "", detail: str = "", boundaries: str = "") -> str:
    answers = {"needs": needs, "detail": detail, "boundaries": boundaries}
    return assembled_sentence(DEFAULT_QUESTIONS, answers)


@pytest.mark.parametrize(
    ("answer", "clause"),
    [
        ("tips for today", "wants tips for today"),
        ("Tips for today!!", "wants tips for today"),
        ("I want tips", "wants tips"),
        ("want tips", "wants tips"),
        ("wants tips", "wants tips"),
        ("I'd like to save my money", "would like to save their money"),
        ("i am a nurse", "is a nurse"),
        ("I’m a nurse", "is a nurse"),
        ("I really just need the steps", "really just needs the steps"),
        ("I don't have time", "does not have time"),
        ("I try, and I carry what I can", "tries, and they carry what they can"),
        ("I am retired, have time, and prefer stories", "is retired, has time, and prefers stories"),
        ("We have two kids", "has two kids"),
        ("The user hates maths", "hates maths"),
        ("As a nurse I need quick tips", "needs quick tips as a nurse"),
        ("How to fix my bike?", "wants to know how to fix their bike"),
        ("Please give me numbers", "wants the answer to give them numbers"),
        ("IT advice for us", "wants IT advice for them"),
        ("English texts", "wants English texts"),
        ("US news", "wants US news"),
        ("что-то короткое", "wants что-то короткое"),
    ],
)
def test_an_answer_is_fitted_behind_its_opening(answer: str, clause: str) -> None:
    assert sentence(needs=answer) == f"The user {clause}."


@pytest.mark.parametrize(
    ("answer", "clause"),
    [
        ("jargon", "does not want jargon"),
        ("No jargon, no maths", "wants no jargon, no maths"),
        ("Nothing about politics", "wants nothing about politics"),
        ("Avoid long introductions", "does not want long introductions"),
        ("I don't want to be lectured", "does not want to be lectured"),
        ("don't want jargon", "does not want jargon"),
        ("Don't use emojis", "does not want the answer to use emojis"),
        ("Not too long", "does not want the answer to be too long"),
        ("I can't stand emojis", "cannot stand emojis"),
    ],
)
def test_what_is_unwanted_is_denied_once(answer: str, clause: str) -> None:
    assert sentence(boundaries=answer) == f"The user {clause}."


def test_clauses_are_joined_in_the_order_of_the_questions_and_what_is_preferred_comes_last() -> None:
    assert sentence("cheap meals", "short answers") == "The user wants cheap meals and prefers short answers."
    assert sentence("cheap meals", "short answers", "meat") == (
        "The user wants cheap meals, does not want meat and prefers short answers."
    )
    assert sentence("bread and butter", "lists") == "The user wants bread and butter, and prefers lists."


def test_further_sentences_follow_and_lists_become_one() -> None:
    assert sentence("I want a plan. i was never good at maths. My car is old.", "lists") == (
        "The user wants a plan and prefers lists. They were never good at maths. Their car is old."
    )
    assert sentence("I want:\n- a list\n2) a price\n") == "The user wants a list and a price."
    assert sentence("tips, e.g. on food\nand drink") == "The user wants tips, e.g. on food and drink."


@pytest.mark.parametrize("answer", ["", "  \n", "Nothing", "no idea.", "-", "???", "N/A", "I don't know"])
def test_answers_that_say_nothing_make_no_clause(answer: str) -> None:
    assert sentence(answer) == ""
    assert sentence(answer, "lists") == "The user prefers lists."


def test_an_opening_of_the_researchers_own_is_used_as_it_stands() -> None:
    assert clause_of("is looking for", "A quiet place") == "is looking for a quiet place"
    assert clause_of("needs", "Need help with tax") == "needs help with tax"


@pytest.mark.parametrize(
    ("source", "text", "written_as"),
    [("", "a", "free"), ("free", "a", "free"), ("elicited", " o ", "elicited"), ("proposed", "a", "proposed_edited")],
)
def test_what_is_sent_is_told_apart_from_what_was_offered(source: str, text: str, written_as: str) -> None:
    assert written_as_sent(source=source, text=text, offered="o") == written_as


# --- Conditions --------------------------------------------------------------------------------------------------


def conditions(participant: int, parts: int, of_item: dict[str, int] | None = None) -> list[str]:
    chosen: list[str] = []
    for part in range(1, parts + 1):
        mine = {name: chosen.count(name) for name in ("free", "elicited")}
        chosen.append(choose_condition(seed=3, participant=participant, key=part, mine=mine, of_item=of_item or {}))
    return chosen


def test_each_participant_has_both_conditions_equally_often_give_or_take_one_after_every_part() -> None:
    for participant in range(1, 30):
        chosen = conditions(participant, 7)
        assert all(abs(chosen[:n].count("free") * 2 - n) <= 1 for n in range(8))


def test_the_order_of_conditions_is_drawn_and_the_same_for_the_same_seed() -> None:
    orders = {tuple(conditions(participant, 4)) for participant in range(1, 60)}
    assert orders == {(*one, *two) for one in (("free", "elicited"), ("elicited", "free"))
                      for two in (("free", "elicited"), ("elicited", "free"))}  # fmt: skip
    assert conditions(5, 6) == conditions(5, 6)


def test_an_item_is_written_in_both_conditions_where_the_participants_own_balance_leaves_the_choice() -> None:
    assert conditions(1, 1, {"free": 2, "elicited": 1}) == conditions(2, 1, {"free": 2, "elicited": 1}) == ["elicited"]


# --- Proposals ---------------------------------------------------------------------------------------------------


def part(persona: str, *responses: tuple[str, float | None]) -> OwnPart:
    return OwnPart(persona, tuple(RatedResponse(text, score) for text, score in responses))


def proposed(*parts: OwnPart) -> str:
    found = propose(parts)
    return found.text if found else ""


def test_a_proposal_takes_the_persona_that_was_served_best_and_what_preferred_responses_have_in_common() -> None:
    found = propose(
        [
            part("I am a nurse and prefer calm words.", (SHORT, 1.0), (LONG, 0.0)),
            part("The user is a cook and prefers recipes.", (LONG, 0.25), (SHORT, 0.75)),
        ]
    )
    assert found
    assert found.text == (
        "The user is a nurse and prefers calm words, shorter answers, answers without examples and plain statements "
        "without hedging."
    )
    assert found.attributes == ("length:less", "examples:less", "hedging:less")


@pytest.mark.parametrize(
    ("persona", "begin"),
    [
        ("I want cheap meals.", "The user wants cheap meals and prefers "),
        ("I want bread and butter. I have no car.", "The user wants bread and butter, and prefers "),
        ("The user prefers tea", "The user prefers tea, "),
        ("cats", "cats. The user prefers "),
    ],
)
def test_a_persona_in_another_form_is_taken_up_too(persona: str, begin: str) -> None:
    assert proposed(*[part(persona, (LISTED, 1.0), (LONG, 0.0))] * 2).startswith(begin)


def test_an_attribute_is_named_only_where_two_parts_and_two_thirds_agree() -> None:
    longer, shorter = (LONG, SHORT), (SHORT, LONG)
    assert "length" not in contrasts_of([longer])
    assert contrasts_of([longer, longer])["length"] == 1
    assert contrasts_of([longer, longer, shorter])["length"] == 1
    assert "length" not in contrasts_of([longer, longer, shorter, shorter])
    assert "length" not in contrasts_of([longer, longer, (SHORT, SHORT), (SHORT, SHORT)])


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        (LONG, SHORT, "length"),
        (LISTED, "Do this: walk, sit, look.", "lists"),
        ("Walk, for instance.", "Walk on, friend.", "examples"),
        ("Where are you? Walk.", "Where you are, walk.", "questions"),
        ("You might perhaps walk.", "You should really walk.", "hedging"),
        ("Utilise thermodynamic considerations.", "Use heat well, then go.", "long_words"),
    ],
)
def test_what_is_measured_differs_where_it_should(one: str, other: str, key: str) -> None:
    assert contrasts_of([(one, other)] * 2)[key] == 1
    assert contrasts_of([(other, one)] * 2)[key] == -1
    assert key not in contrasts_of([(one, one)] * 2)


def test_what_the_persona_says_itself_is_not_said_again() -> None:
    found = proposed(*[part("The user is new and prefers short answers.", (SHORT, 1.0), (LONG, 0.0))] * 2)
    assert "shorter" not in found and "without examples" in found


def test_where_nothing_can_be_said_nothing_is_proposed() -> None:
    assert propose([]) is None
    assert propose([part("I am a nurse.", (SHORT, 0.25), (LONG, 0.25))] * 3) is None
    assert propose([part("I am a nurse.", (SHORT, None), (LONG, None))]) is None


def test_a_persona_whose_responses_were_rated_low_is_left_out_of_the_proposal() -> None:
    low = part("I am a nurse.", (SHORT, 0.25), (LONG, 0.0))
    assert proposed(low, low).startswith("The user prefers shorter answers")


def test_the_latest_of_equally_good_personas_is_taken() -> None:
    assert proposed(part("I am old.", (SHORT, 1.0)), part("I am new.", (SHORT, 1.0))) == "The user is new."
