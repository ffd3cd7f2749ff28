"""Questions that help to write a persona, over HTTP: with htmx, and as a browser without JavaScript sends forms."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.models import ElicitationAnswer, Persona
from tests.annotation.eliciting import Writer, make_eliciting_study
from tests.annotation.walking import Walker
from tests.factories import make_study

pytestmark = pytest.mark.django_db
SENTENCE = "The user wants cheap meals and prefers answers as a list."
OWN = "I am a sailor and prefer knots."


@pytest.fixture
def writer() -> Writer:
    return Writer(make_eliciting_study()).begin()


def shown(writer: Writer) -> str:
    return writer.get().content.decode()


def test_the_questions_stand_on_the_page_and_none_in_a_study_without_the_section(writer: Writer) -> None:
    page = shown(writer)
    assert "What do you want to get out of an answer" in page
    assert page.index("Put together") < page.index("Your persona")
    plain = Walker(make_study(slug="plain", given_items=0, given_per_participant=0, written_items=2,
                              written_per_participant=1)).begin()  # fmt: skip
    assert "Put together" not in plain.get().content.decode()
    form = {"text": "", "version": 0, "tab": uuid.uuid4()}
    assert plain.post(f"parts/{plain.assignment.key}/assemble/", **form).status_code == 302
    assert plain.post(f"parts/{plain.assignment.key}/answers/", **form).status_code == 422


def test_answers_are_put_together_into_an_empty_box_without_javascript(writer: Writer) -> None:
    assert writer.assemble(needs="I want cheap meals.", detail="").status_code == 302
    assert ">\nThe user wants cheap meals.</textarea>" in shown(writer)
    persona = writer.persona
    assert (persona.text, persona.offered_text, persona.written_as) == ("The user wants cheap meals.",) * 2 + (
        "elicited",
    )


def test_with_htmx_the_sentence_comes_as_a_part_of_the_page_with_the_version_to_go_on_with(writer: Writer) -> None:
    part = writer.assemble(needs="cheap meals", htmx=True).content.decode()
    assert "<html" not in part
    assert 'data-sentence="The user wants cheap meals."' in part
    assert f'data-version="{writer.persona.draft_version}"' in part


@pytest.mark.parametrize("htmx", [False, True])
def test_a_text_of_ones_own_is_replaced_only_when_one_says_so(writer: Writer, htmx: bool) -> None:
    asked = writer.assemble(OWN, needs="cheap meals", htmx=htmx)
    page = asked.content.decode()
    assert asked.status_code == 200
    assert "holds a text of your own" in page and "The user wants cheap meals." in page
    assert writer.persona.text == OWN
    assert htmx or f">\n{OWN}</textarea>" in page
    version = writer.persona.draft_version
    assert f'name="replace" value="{version}"' in page
    writer.send("assemble", {**writer.form(OWN, needs="cheap meals"), "replace": version}, htmx=htmx)
    assert writer.persona.text == "The user wants cheap meals."


def test_a_sentence_that_was_left_as_it_was_is_replaced_by_the_next_and_an_edited_one_is_not(writer: Writer) -> None:
    writer.assemble(needs="cheap meals")
    writer.assemble("The user wants cheap meals.", needs="quick meals")
    assert writer.persona.text == "The user wants quick meals."
    writer.assemble("The user wants quick, hot meals.", needs="warm meals")
    assert writer.persona.text == "The user wants quick, hot meals."


def test_a_text_that_another_tab_saved_is_shown_before_it_is_replaced(writer: Writer) -> None:
    stale = writer.form(needs="cheap meals")
    writer.post(f"parts/{writer.assignment.key}/draft/", text="From elsewhere", version=0, tab=uuid.uuid4())
    page = writer.send("assemble", stale).content.decode()
    assert "From elsewhere</blockquote>" in page
    assert writer.persona.text == "From elsewhere"
    writer.send("assemble", {**stale, "replace": writer.persona.draft_version})
    assert writer.persona.text == "The user wants cheap meals."


def test_without_any_answer_it_says_what_to_do(writer: Writer) -> None:
    refused = writer.assemble("Half a sen", needs=" ")
    assert refused.status_code == 422
    assert "Answer at least one of the questions first" in refused.content.decode()
    assert ">\nHalf a sen</textarea>" in refused.content.decode()


class TestAnswers:
    def save(self, writer: Writer, *, version: str = "", tab: uuid.UUID | None = None, **answers: str) -> object:
        form = {**writer.form(**answers), "answers_version": version, "tab": tab or writer.tab}
        return writer.send("answers", form)

    def test_answers_are_saved_as_typed_and_survive_a_reload(self, writer: Writer) -> None:
        assert writer.send("answers", writer.form(needs="  cheap\r\nmeals ", boundaries="")).status_code == 200
        assert list(ElicitationAnswer.objects.values_list("key", "text")) == [("needs", "  cheap\nmeals ")]
        assert ">\n  cheap\nmeals </textarea>" in shown(writer)

    def test_another_tabs_answers_are_not_overwritten_unseen(self, writer: Writer) -> None:
        stale = writer.form(needs="mine")
        writer.send("answers", {**writer.form(needs="other"), "tab": uuid.uuid4()})
        refused = writer.send("answers", stale)
        assert refused.status_code == 409
        assert refused.json()["answers"] == {"needs": "other"}
        again = writer.send("answers", {**stale, "answers_version": refused.json()["version"]})
        assert again.status_code == 200
        assert ElicitationAnswer.objects.get().text == "mine"

    def test_a_page_whose_reply_was_lost_does_not_conflict_with_itself(self, writer: Writer) -> None:
        first = writer.form(needs="che")
        for needs in ("che", "cheap", "cheap"):
            assert writer.send("answers", {**first, "elicited-needs": needs}).status_code == 200
        assert ElicitationAnswer.objects.get().text == "cheap"

    def test_putting_together_over_another_tabs_answers_shows_them_and_a_second_press_takes_ones_own(
        self, writer: Writer
    ) -> None:
        stale = writer.form(needs="tea")
        writer.send("answers", {**writer.form(needs="other"), "tab": uuid.uuid4()})
        page = writer.send("assemble", stale)
        assert page.status_code == 409
        html = page.content.decode()
        assert "other</blockquote>" in html and ">\ntea</textarea>" in html
        version = html.split('name="answers_version" value="')[1].split('"')[0]
        writer.send("assemble", {**stale, "answers_version": version})
        assert writer.persona.text == "The user wants tea."

    @pytest.mark.parametrize(
        ("answers", "reason"),
        [
            ({"detail": "an answer of another kind"}, "has no answer"),
            ({"needs": "x" * 501}, "501 characters long; at most 500"),
            ({"needs": "a\x00b"}, "cannot be stored"),
        ],
    )
    def test_what_cannot_be_kept_is_refused_with_a_reason(
        self, writer: Writer, answers: dict[str, str], reason: str
    ) -> None:
        refused = writer.send("answers", writer.form(**answers))
        assert refused.status_code == 422
        assert reason in refused.json()["message"]
        assert not ElicitationAnswer.objects.exists()

    def test_a_submitted_part_takes_no_answers_any_more(self, writer: Writer) -> None:
        form = writer.form(OWN, needs="late")
        writer.write(OWN)
        assert writer.send("answers", form).status_code == 403
        assert writer.send("assemble", form).status_code == 302
        assert not ElicitationAnswer.objects.exists()


@pytest.mark.parametrize(
    ("put_together", "sent", "written_as"),
    [
        (False, OWN, "free"),
        (True, "The user wants cheap meals.", "elicited"),
        (True, "The user wants cheap meals and tea.", "elicited_edited"),
    ],
)
def test_how_a_persona_came_about_is_kept_apart_from_the_condition(
    writer: Writer, put_together: bool, sent: str, written_as: str
) -> None:
    if put_together:
        writer.assemble(needs="cheap meals")
    assert writer.send("persona", writer.form(sent, needs="cheap meals")).status_code == 302
    persona = Persona.objects.get(submitted_at__isnull=False)
    assert (persona.text, persona.written_as, persona.condition) == (sent, written_as, "elicited")


def test_answers_on_the_form_that_sends_the_persona_are_kept(writer: Writer) -> None:
    writer.send("persona", writer.form(OWN, needs="cheap meals"))
    assert ElicitationAnswer.objects.get().text == "cheap meals"


def test_a_click_on_a_page_without_questions_takes_no_statement_more() -> None:
    study = make_study(given_items=0, given_per_participant=0, written_items=2, written_per_participant=1)
    counts = []
    for walker in (Walker(study).begin(), Writer(make_eliciting_study(slug="helped")).begin()):
        with CaptureQueriesContext(connection) as sent:
            walker.get()
        counts.append(
            [query["sql"] for query in sent if "elicitationanswer" in query["sql"] or "proposal" in query["sql"]]
        )
    assert [len(count) for count in counts] == [0, 2]
