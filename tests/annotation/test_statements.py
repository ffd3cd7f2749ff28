"""How many statements a participant's click sends to the database: a promise that speed rests on.

BEGIN and COMMIT count, which are savepoints in these tests.
"""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.models import Persona, Rating, Study
from tests.annotation.eliciting import elicitation
from tests.annotation.walking import Walker
from tests.factories import make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def walker() -> Walker:
    """Somebody in front of a page with four questions."""
    walker = Walker(make_study()).begin()
    walker.get()
    return walker


def click(walker: Walker, value: int, version: int) -> int:
    """Save an answer and return how many statements that took."""
    slot = walker.assignment.slots.first()
    assert slot
    values = {"value": value, "version": version, "client_key": uuid.uuid4()}
    with CaptureQueriesContext(connection) as sent:
        assert walker.post(f"answers/{slot.key}/answerability/", **values).status_code == 200
    return len(sent)


def test_a_first_answer_takes_one_read_and_one_transaction_of_two_writes(walker):
    assert click(walker, 3, 0) == 5


def test_a_changed_answer_takes_one_write_more(walker):
    click(walker, 3, 0)
    assert click(walker, 4, 1) == 6


def test_continue_with_four_new_answers_takes_no_more_than_twelve_statements(walker):
    form, address = walker.answers(), f"parts/{walker.assignment.key}/complete/"
    with CaptureQueriesContext(connection) as sent:
        assert walker.post(address, **form).status_code == 302
    assert len(sent) <= 12
    assert Rating.objects.count() == 4


def test_continue_takes_as_many_statements_however_many_questions_there_are():
    counts = []
    for arms in (2, 5):
        walker = Walker(make_study(slug=f"arms-{arms}", arms=arms)).begin()
        form, address = walker.answers(), f"parts/{walker.assignment.key}/complete/"
        with CaptureQueriesContext(connection) as sent:
            walker.post(address, **form)
        counts.append(len(sent))
    assert counts[0] == counts[1]


def test_the_answers_that_stand_on_a_page_are_looked_up_by_its_slots(walker):
    """SQLite keeps no statistics, and would go through nearly all ratings if an index offered it current ones."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL knows how many ratings are current.")
    plan = Rating.objects.filter(slot__assignment=walker.assignment, superseded_by__isnull=True).explain()
    assert "superseded_by" not in plan
    assert "(slot_id=?)" in plan


def test_a_draft_and_a_persona_that_is_sent_cost_the_same_whether_or_not_a_study_can_help_to_write_it():
    """Those who write in the condition `free` of a study with both, and all in studies without the section."""
    counts = []
    for slug, section in (("plain", {}), ("both", elicitation(condition="both"))):
        study = make_study(
            slug=slug, given_items=0, given_per_participant=0, written_items=2, written_per_participant=2
        )
        Study.objects.filter(pk=study.pk).update(elicitation=section)
        walker = Walker(study).begin()
        Persona.objects.filter(author=walker.participant).update(condition="free" if section else "")
        key, tab = walker.assignment.key, uuid.uuid4()
        for where in ("draft", "persona"):
            with CaptureQueriesContext(connection) as sent:
                walker.post(f"parts/{key}/{where}/", text="The user is calm.", version=0, tab=tab)
            counts.append(len(sent))
    assert counts[:2] == counts[2:]
