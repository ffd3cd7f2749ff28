"""Conditions that are drawn, personas that are proposed, and what becomes of both in exports and erasures."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from annotation.elicitation.questions import DEFAULT_QUESTIONS
from annotation.export import study_tables
from annotation.models import Assignment, ElicitationAnswer, Persona, PersonaProposal, Study
from annotation.protocol import definition_document, protocol_hash
from annotation.services.participants import participant_create
from annotation.services.studies import study_save
from annotation.services.withdrawal import participant_erase
from tests.annotation.eliciting import Writer, make_eliciting_study
from tests.annotation.studyfiles import complaints, definition, study_data, write
from tests.factories import make_user

pytestmark = pytest.mark.django_db
PROPOSED = (
    "The user is a nurse and prefers calm words, shorter answers, answers without examples and plain statements "
    "without hedging."
)


def writer_of(study: Study, personas: list[str]) -> Writer:
    """Somebody who has written these personas, liked the short response of each, and is on the next writing page."""
    writer = Writer(study).begin()
    for text in personas:
        writer.send("persona", writer.form(text))
        writer.rate()
        writer.get()
    return writer


@pytest.fixture
def writer() -> Writer:
    """Somebody who is offered a persona."""
    study = make_eliciting_study(written=4, propose_after=2)
    return writer_of(study, ["The user is a cook.", "I am a nurse and prefer calm words."])


def proposal() -> PersonaProposal:
    return PersonaProposal.objects.earliest("pk")


# --- Proposals ---------------------------------------------------------------------------------------------------


def test_after_so_many_rated_parts_a_persona_is_proposed_from_them(writer: Writer) -> None:
    assert PROPOSED in writer.get().content.decode()
    assert proposal().persona == writer.persona
    assert proposal().attributes == ["length:less", "examples:less", "hedging:less"]
    assert PersonaProposal.objects.count() == 1


def test_before_that_and_without_the_key_nothing_is_proposed() -> None:
    writer_of(make_eliciting_study(written=3, propose_after=2), ["The user is a cook."])
    writer_of(make_eliciting_study(slug="never", written=3), ["The user is a cook.", "The user is a nurse."])
    assert not PersonaProposal.objects.exists()


def test_an_accepted_proposal_is_the_persona_at_once(writer: Writer) -> None:
    persona = writer.persona
    assert writer.send("persona", {**writer.form(), "accept": "yes"}).status_code == 302
    persona.refresh_from_db()
    assert (persona.text, persona.written_as) == (PROPOSED, "proposed") and persona.submitted_at
    assert (proposal().decision, proposal().decided_at is not None) == ("accepted", True)


def test_a_proposal_to_be_edited_goes_into_the_box(writer: Writer) -> None:
    persona = writer.persona
    assert writer.send("proposal", {**writer.form(), "decision": "edited"}).status_code == 302
    page = writer.get().content.decode()
    assert f">\n{PROPOSED}</textarea>" in page and "From your answers so far" not in page
    writer.send("persona", writer.form("The user is a nurse and prefers shorter answers."))
    persona.refresh_from_db()
    assert (persona.written_as, persona.offered_text, proposal().decision) == ("proposed_edited", PROPOSED, "edited")


def test_a_refused_proposal_is_put_away_and_what_was_typed_stays(writer: Writer) -> None:
    part = writer.send("proposal", {**writer.form("I am calm"), "decision": "refused"}, htmx=True).content.decode()
    assert '<div id="proposal" hx-swap-oob="true"></div>' in part and "data-put" not in part
    page = writer.get().content.decode()
    assert "From your answers so far" not in page and ">\nI am calm</textarea>" in page
    persona = writer.persona
    writer.send("persona", writer.form("I am calm."))
    persona.refresh_from_db()
    assert (persona.written_as, proposal().decision) == ("free", "refused")


@pytest.mark.parametrize("htmx", [False, True])
def test_a_proposal_replaces_a_text_of_ones_own_only_when_one_says_so(writer: Writer, htmx: bool) -> None:
    page = writer.send("proposal", {**writer.form("I am calm"), "decision": "edited"}, htmx=htmx).content.decode()
    assert "holds a text of your own" in page and proposal().decision == ""
    assert writer.persona.text == "I am calm"
    replace = {**writer.form("I am calm"), "decision": "edited", "replace": writer.persona.draft_version}
    writer.send("proposal", replace, htmx=htmx)
    assert (writer.persona.text, proposal().decision) == (PROPOSED, "edited")


def test_what_was_refused_is_not_proposed_again(writer: Writer) -> None:
    writer.send("proposal", {**writer.form(), "decision": "refused"})
    writer.send("persona", writer.form("The user is calm."))
    writer.rate(liked=1, other=1)
    writer.get()
    assert PersonaProposal.objects.count() == 1
    assert "From your answers so far" not in writer.get().content.decode()


def test_a_decision_stands(writer: Writer) -> None:
    form = writer.form()
    writer.send("proposal", {**form, "decision": "refused"})
    writer.send("proposal", {**form, "decision": "edited"})
    assert (proposal().decision, writer.persona.text) == ("refused", "")


def test_an_accepted_proposal_does_not_overwrite_what_another_tab_has_saved_unseen(writer: Writer) -> None:
    stale = writer.form()
    other = {"text": "From elsewhere", "version": 0, "tab": "00000000-0000-0000-0000-0000000000ff"}
    writer.post(f"parts/{writer.assignment.key}/draft/", **other)
    refused = writer.send("persona", {**stale, "accept": "yes"})
    assert refused.status_code == 409
    assert (writer.persona.text, proposal().decision) == ("From elsewhere", "")


def test_nothing_on_the_page_of_a_proposal_tells_an_arm(writer: Writer) -> None:
    page = writer.get().content.decode()
    assert not [arm.code for arm in writer.participant.study.arms.all() if arm.code in page]


# --- Conditions --------------------------------------------------------------------------------------------------


def test_of_both_conditions_each_writes_half_and_only_in_one_of_them_questions_and_proposals_stand() -> None:
    study = make_eliciting_study(written=4, condition="both", propose_after=1)
    seen: list[tuple[str, bool, bool]] = []
    for _ in range(3):
        writer = Writer(study).begin()
        for number in range(4):
            page = writer.get().content.decode()
            helped, offered = "Put together" in page, "From your answers so far" in page
            seen.append((writer.persona.condition, helped, offered))
            assert offered == (helped and number > 0)
            writer.send("persona", writer.form("The user is a cook and prefers tea."))
            writer.rate()
        assert Counter(Persona.objects.filter(author=writer.participant).values_list("condition", flat=True)) == {
            "free": 2, "elicited": 2,
        }  # fmt: skip
    assert all((condition == "elicited") == helped for condition, helped, _ in seen)


def test_a_part_that_was_set_aside_does_not_count_for_the_balance() -> None:
    writer = Writer(make_eliciting_study(written=2, condition="both")).begin()
    first = writer.persona.condition
    writer.participant.assignments.update(state="set_aside")
    writer.get()
    second = writer.persona.condition
    writer.send("persona", writer.form("The user is a cook."))
    writer.rate()
    writer.get()
    assert {second, writer.persona.condition} == {"free", "elicited"} and first


# --- Exports and erasure -----------------------------------------------------------------------------------------


def rows(study: Study, table: str) -> list[dict[str, Any]]:
    return list(study_tables(study)[table].rows())


def test_the_export_tells_the_condition_from_what_was_done_and_holds_answers_and_proposals(writer: Writer) -> None:
    study = writer.participant.study
    writer.send("proposal", {**writer.form(needs="cheap meals"), "decision": "refused"})
    assert not rows(study, "elicitation")  # a draft is its writer's alone
    writer.assemble(needs="cheap meals")
    writer.send("persona", writer.form("The user wants cheap meals.", needs="cheap meals"))
    writer.rate()
    (answer,) = rows(study, "elicitation")
    assert (answer["question"], answer["text"], answer["participant"]) == ("needs", "cheap meals", "P-001")
    (made,) = rows(study, "proposals")
    assert (made["text"], made["decision"]) == (PROPOSED, "refused")
    assert made["attributes"] == "length:less\nexamples:less\nhedging:less"
    found = [(row["writing_condition"], row["written_as"], row["offered_text"]) for row in rows(study, "personas")]
    assert sorted(found) == [
        ("elicited", "elicited", "The user wants cheap meals."), ("elicited", "free", ""), ("elicited", "free", ""),
    ]  # fmt: skip
    for table in ("ratings", "ratings_wide"):
        assert {(row["writing_condition"], row["written_as"]) for row in rows(study, table)} == {
            ("elicited", "free"), ("elicited", "elicited"),
        }  # fmt: skip
        columns = [*rows(study, table)[0]]
        assert columns.index("written_as") == columns.index("writing_condition") + 1


def test_answers_and_proposals_are_erased_with_the_participant(writer: Writer) -> None:
    writer.assemble(needs="cheap zyxquilt meals")
    counts = participant_erase(participant=writer.participant).tombstone["counts"]
    assert (counts["elicitation_answers"], counts["persona_proposals"]) == (1, 1)
    assert not ElicitationAnswer.objects.exists() and not PersonaProposal.objects.exists()


def test_of_a_persona_that_somebody_else_rates_no_offered_text_stays(writer: Writer) -> None:
    writer.assemble(needs="cheap zyxquilt meals")
    persona = writer.persona
    writer.send("persona", writer.form("The user is poor."))
    other = participant_create(study=writer.participant.study)
    Assignment.objects.create(
        participant=other, persona=persona, kind="overlap", ordinal=1, expires_at="2100-01-01T00:00Z"
    )
    participant_erase(participant=writer.participant)
    persona.refresh_from_db()
    assert (persona.text, persona.offered_text) == ("", "")


# --- The study file ----------------------------------------------------------------------------------------------

QUESTIONS: list[dict[str, Any]] = [
    {"key": "needs", "question": "What for?", "opening": "wants"},
    {"key": "style", "question": "How?", "type": "choice", "options": ["short", "long"], "opening": "prefers"},
]
TWO = {"given_personas_per_participant": 1, "written_personas_per_participant": 1, "seed": 5}


def test_the_section_is_read_with_defaults_stored_and_frozen(tmp_path: Path) -> None:
    given = definition(tmp_path, elicitation={"condition": "elicited"})
    assert given.elicitation == {"condition": "elicited", "questions": [dict(one) for one in DEFAULT_QUESTIONS]}
    study = study_save(definition=given, owner=make_user())
    assert definition_document(Study.objects.get(pk=study.pk)) == given.document()
    before = protocol_hash(study)
    study.elicitation["questions"][0]["opening"] = "needs"
    assert protocol_hash(study) != before


@pytest.mark.parametrize("changes", [{}, {"elicitation": {"condition": "free"}}])
def test_a_study_in_which_all_write_freely_keeps_the_document_that_it_had(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    given = definition(tmp_path, **changes)
    assert "elicitation" not in given.document()
    assert "elicitation" not in definition_document(study_save(definition=given, owner=make_user()))


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"propose_after": 1}, "elicitation.condition: this key is missing"),
        ({"condition": "some"}, "elicitation.condition: 'some' is not one of the values it can have: free, elicited"),
        ({"condition": "free", "questions": QUESTIONS}, "elicitation.questions: has no use while condition is free"),
        ({"condition": "free", "propose_after": 1}, "elicitation.propose_after: has no use while condition is free"),
        ({"condition": "both"}, "elicitation.condition: is both, and each participant writes one persona"),
        ({"condition": "elicited", "propose_after": 1},
         "elicitation.propose_after: is 1, and each participant writes 1"),
        ({"condition": "elicited", "propose_after": 0}, "elicitation.propose_after: 0 is out of range"),
        ({"condition": "elicited", "questions": QUESTIONS[:1]}, "elicitation.questions: has 1 entries; at least 2"),
        ({"condition": "elicited", "questions": [QUESTIONS[0]] * 2},
         "questions[1].key: 'needs' is the key of questions[0]"),
        ({"condition": "elicited", "questions": [{**QUESTIONS[0], "opening": "Wants"}, QUESTIONS[1]]},
         "questions[0].opening: 'Wants' does not go on from “The user …”"),
        ({"condition": "elicited", "questions": [{**QUESTIONS[0], "opening": "wants:"}, QUESTIONS[1]]},
         "questions[0].opening: 'wants:' does not go on"),
        ({"condition": "elicited", "questions": [{**QUESTIONS[0], "options": ["a", "b"]}, QUESTIONS[1]]},
         "questions[0].options: does not belong to a question of type text"),
        ({"condition": "elicited", "questions": [QUESTIONS[0], {**QUESTIONS[1], "options": ["a", "a"]}]},
         "questions[1].options: a question of type choice needs two or more different options"),
        ({"condition": "elicited", "questions": [QUESTIONS[0], {**QUESTIONS[1], "options": ["a", "b", "a"]}]},
         "questions[1].options: holds the same answer twice"),
    ],
)  # fmt: skip
def test_what_can_never_come_about_is_refused_with_what_would_be_right(
    tmp_path: Path, section: dict[str, Any], complaint: str
) -> None:
    (found,) = complaints(write(tmp_path, study_data(elicitation=section)))
    assert complaint in found


def test_a_study_in_which_nobody_writes_has_no_use_for_it(tmp_path: Path) -> None:
    data = study_data(elicitation={"condition": "elicited"}, design={**TWO, "written_personas_per_participant": 0})
    data["items"] = data["items"][:2]
    (found,) = complaints(write(tmp_path, data))
    assert "elicitation: helps to write personas, and nobody writes any" in found
