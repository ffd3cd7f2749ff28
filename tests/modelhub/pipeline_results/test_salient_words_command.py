"""The words that tell the personas of chosen responses from the others, counted by hand; printed and shown."""

import csv
import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from annotation.permissions import Role
from annotation.services.members import role_give
from tests.factories import make_user
from tests.modelhub.pair_rows import make_pairs, make_persona, make_system

pytestmark = pytest.mark.django_db


@pytest.fixture
def personas() -> None:
    """Four pairs; "steps" is said of all chosen and one rejected persona, and after a contrast of another one."""
    system = make_system()
    rejected = ["prefers a short step", "prefers speed rather than steps", "prefers brevity", "prefers brevity"]
    for pair, text in zip(make_pairs("advice", "test", 4), rejected, strict=True):
        make_persona(pair, "chosen", system, "prefers detailed steps")
        make_persona(pair, "rejected", system, text)


def printed(**options: object) -> str:
    out = io.StringIO()
    call_command("salient_words", dataset=options.pop("dataset", "advice"), stdout=out, **options)
    return out.getvalue()


def test_words_are_lemmas_counted_once_per_persona_and_before_a_contrast(personas: None) -> None:
    words = {row["word"]: row for row in json.loads(printed(min_count=2, json=True))["words"]}
    assert (words["step"]["count_chosen"], words["step"]["count_rejected"]) == (4, 1)
    assert words["step"]["share"] == pytest.approx(0.8)
    assert words["step"]["ci_low"] < 0.8 < words["step"]["ci_high"]
    assert words["prefer"]["share"] == 0.5 and words["brevity"]["share"] == 0.0
    assert "speed" not in words


def test_one_side_can_be_asked_for_most_telling_first(personas: None) -> None:
    assert [row["word"] for row in json.loads(printed(min_count=2, json=True, direction="chosen"))["words"]] == [
        "detailed", "step",
    ]  # fmt: skip
    rejected = json.loads(printed(min_count=1, json=True, direction="rejected"))["words"]
    assert {row["word"] for row in rejected} >= {"brevity", "short", "speed"}
    assert [row["share"] for row in rejected] == sorted(row["share"] for row in rejected)


def test_csv_has_one_row_per_word(personas: None) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(min_count=2, csv=True))))
    assert list(rows[0]) == ["word", "count_chosen", "count_rejected", "share", "ci_low", "ci_high"]
    assert rows[0]["word"] == "detailed" and rows[0]["count_chosen"] == "4"


def test_text_says_how_many_personas_and_when_no_word_is_frequent_enough(personas: None) -> None:
    assert "4 personas of chosen and 4 of rejected responses" in printed(min_count=2)
    assert "No word is in as many." in printed()


def test_wrong_names_and_unclear_systems_are_refused(personas: None) -> None:
    with pytest.raises(CommandError, match="no data set called 'forum'"):
        printed(dataset="forum")
    make_persona(make_pairs("advice", "train", 1)[0], "chosen", make_system("second"))
    with pytest.raises(CommandError, match="Several systems have inferred personas of advice: inferrer, second"):
        printed()
    assert json.loads(printed(system="second", json=True))["personas_chosen"] == 1


class TestPage:
    @pytest.fixture
    def analyst(self, client: Client) -> Client:
        user = make_user("analyst")
        role_give(user=user, role=Role.ANALYST)
        client.force_login(user)
        return client

    def test_it_shows_the_words_of_both_sides(self, personas: None, analyst: Client) -> None:
        page = analyst.get(reverse("modelhub:persona_words"), {"min_count": "2"}).content.decode()
        assert page.index("detailed</th>") < page.index("step</th>") < page.index("brevity</th>")
        assert "prefer</th>" not in page

    def test_the_system_can_be_chosen(self, personas: None, analyst: Client) -> None:
        make_persona(make_pairs("forum", "train", 1)[0], "chosen", make_system("second"), "sings loudly")
        page = analyst.get(reverse("modelhub:persona_words"), {"dataset": "forum", "min_count": "1"})
        assert "second" in page.content.decode() and page.context["words"].chosen == 1

    def test_a_count_that_makes_no_sense_is_named(self, personas: None, analyst: Client) -> None:
        page = analyst.get(reverse("modelhub:persona_words"), {"min_count": "none"}).content.decode()
        assert "must be a whole number" in page

    def test_without_personas_it_says_what_to_do(self, analyst: Client) -> None:
        assert "infer_personas" in analyst.get(reverse("modelhub:persona_words")).content.decode()
