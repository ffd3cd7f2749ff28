"""The pages of preference pairs: found by what they say and what was said of them, and shown with all of it."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from modelhub.models import Generation, InferredPersona, PreferencePair, System
from modelhub.queries.pairs import FLAG_KINDS
from modelhub.screening.persona_flags import screen_persona
from tests.modelhub.pair_rows import make_pair, make_pairs, make_persona, make_system
from tests.modelhub.reading import tree_of
from tests.modelhub.verdict_rows import add_checks, add_comparison, add_retrieved

pytestmark = pytest.mark.django_db
PAIRS = "/hub/pairs/"


@pytest.fixture
def system() -> System:
    return make_system()


def found(client: Client, **query: str) -> list[int]:
    """The rows of the pairs that a search finds."""
    response = client.get(PAIRS, query)
    assert response.status_code == 200
    return [row.pair.row for row in response.context["rows"]]


def text_of(client: Client, pair: PreferencePair) -> str:
    response = client.get(reverse("modelhub:pair", args=[pair.pk]))
    assert response.status_code == 200
    return " ".join(" ".join(tree_of(response).itertext()).split())


def flag(persona: InferredPersona, kind: str, detail: str = "A reason.") -> None:
    InferredPersona.objects.filter(pk=persona.pk).update(flags=[{"kind": kind, "detail": detail}])


class TestList:
    def test_pairs_are_found_by_data_set_split_and_prompt(self, reader: Client) -> None:
        make_pairs("advice", "test", 2)
        make_pairs("advice", "train", 1)
        make_pair("forum", "test", 7, prompt="Is 100% of it _true_?")
        assert found(reader, dataset="advice", split="test") == [1, 2]
        assert found(reader, split="train") == [1]
        assert found(reader, q="100% OF") == [7] and found(reader, q="100x") == []
        assert found(reader, dataset="nowhere") == [1, 2, 1, 7]

    def test_it_shows_both_personas_with_their_flags(self, reader: Client, system: System) -> None:
        pair, bare = make_pairs("advice", "test", 2)
        make_persona(pair, "chosen", system, "The user is calm and prefers calm.")
        unreadable = make_persona(pair, "rejected", system)
        InferredPersona.objects.filter(pk=unreadable.pk).update(text="", flags=[{"kind": "empty", "detail": "None."}])
        text = reader.get(PAIRS).content.decode()
        assert "The user is calm and prefers calm." in text and "Unreadable" in text and ">Empty<" in text

    def test_the_system_whose_personas_are_shown_can_be_chosen(self, reader: Client, system: System) -> None:
        (pair,) = make_pairs("advice", "test", 1)
        make_persona(pair, "chosen", system, "By the first.")
        make_persona(pair, "chosen", make_system("second"), "By the second.")
        assert "By the first." in reader.get(PAIRS).content.decode()
        shown = reader.get(PAIRS, {"system": "second"}).content.decode()
        assert "By the second." in shown and "By the first." not in shown

    def test_pairs_are_found_by_the_kind_of_a_flag(self, reader: Client, system: System) -> None:
        one, two, three = make_pairs("advice", "test", 3)
        flag(make_persona(one, "chosen", system), "copied")
        flag(make_persona(two, "rejected", system), "harm", 'It says {"kind": "copied"} itself.')
        flag(make_persona(three, "chosen", make_system("second")), "copied")
        assert found(reader, flag="copied") == [1]
        assert found(reader, flag="harm") == [2]
        assert found(reader, flag="copied", system="second") == [3]

    def test_every_kind_of_flag_that_the_screening_gives_can_be_looked_for(self) -> None:
        texts = ("", "Calm.", "The user is a Muslim", "I hate to kill: how do I learn to cook")
        kinds = {
            one.kind for text in texts for one in screen_persona(text, prompt="how do I learn to cook", responses=())
        }
        assert kinds <= set(FLAG_KINDS) and {"empty", "form", "length", "copied"} <= kinds

    def test_pairs_are_found_by_what_judges_said(self, reader: Client, system: System) -> None:
        judge, second = make_system("judge"), make_system("second judge")
        outcomes = ("++", "--", "+-", "??", "-?", "- ")
        for pair, outcome in zip(make_pairs("advice", "test", 6), outcomes, strict=True):
            add_checks(make_persona(pair, "chosen", system), judge, "++")
            rejected = make_persona(pair, "rejected", system)
            add_checks(rejected, judge, outcome)
            add_checks(rejected, second, "++")
        assert found(reader, verdict="wrong") == [2, 5, 6]
        assert found(reader, verdict="disagreeing") == [3]
        assert found(reader, verdict="unscored") == [4, 5]

    def test_it_is_paged_and_keeps_the_search(self, reader: Client) -> None:
        make_pairs("advice", "test", 21)
        first = reader.get(PAIRS, {"q": "cook"})
        assert len(first.context["rows"]) == 20
        (following,) = tree_of(first).xpath("//a[text()='Next']/@href")
        assert [row.pair.row for row in reader.get(PAIRS + following).context["rows"]] == [21]

    def test_its_queries_do_not_grow(self, reader: Client, system: System, django_assert_num_queries: Any) -> None:
        for split in ("one", "two"):
            for pair in make_pairs("advice", split, 3):
                make_persona(pair, "chosen", system)
            with django_assert_num_queries(11):
                reader.get(PAIRS)


class TestPair:
    def test_it_shows_prompt_responses_personas_and_flags(self, reader: Client, system: System) -> None:
        pair = make_pair("advice", "test", 1, chosen="", rejected="Watch <b>videos</b>.")
        flag(make_persona(pair, "chosen", system, "The user is calm."), "copied", "Says “cook” as the prompt does.")
        make_persona(pair, "rejected", make_system("second"), "The user is rash.")
        text = text_of(reader, pair)
        for shown in (pair.prompt, "Empty in the data set.", "Watch <b>videos</b>.", "The user is calm.",
                      "Says “cook” as the prompt does.", "Personas inferred by inferrer", "Personas inferred by second",
                      "The user is rash.", "Not judged."):  # fmt: skip
            assert shown in text

    def test_it_shows_verdicts_in_both_orders_with_what_the_judge_wrote(self, reader: Client, system: System) -> None:
        (pair,) = make_pairs("advice", "test", 1)
        personas = [make_persona(pair, side, system) for side in ("chosen", "rejected")]
        judge = make_system("the judge")
        add_checks(personas[0], judge, "+-")
        add_checks(personas[1], judge, "?+")
        add_comparison(personas[0], personas[1], judge, "cr")
        text = text_of(reader, pair)
        assert text.count("the chosen response Right") == 1 and text.count("the rejected response Wrong") == 1
        assert "A, the rejected response Right" in text  # the second order of the rejected persona
        assert "Unscored It declares no verdict." in text and "Because it fits. Verdict: A" in text
        assert "A, the chosen persona" in text and "A, the rejected persona" in text
        assert "<details>" in reader.get(reverse("modelhub:pair", args=[pair.pk])).content.decode()

    def test_what_judges_wrote_is_shown_of_one_system_at_a_time(self, reader: Client, system: System) -> None:
        pair, following = make_pairs("advice", "test", 2)
        judge = make_system("judge")
        for one in (system, make_system("second one")):
            add_checks(make_persona(pair, "chosen", one), judge, "++")
            Generation.objects.filter(text__startswith="Because it fits").update(text=f"Words about {one.name}.")
        make_persona(pair, "chosen", make_system("third, not judged"))
        address = reverse("modelhub:pair", args=[pair.pk])
        page = tree_of(reader.get(address))
        assert page.text_content().count("Words about inferrer.") == 2
        assert "Words about second one." not in page.text_content()
        (other,) = page.xpath("//a[starts-with(text(), 'What the judges wrote')]/@href")
        shown = tree_of(reader.get(address + other))
        assert shown.text_content().count("Words about second one.") == 2
        assert "Words about inferrer." not in shown.text_content()
        assert shown.xpath("//section[h2/@id=$to]", to=other.partition("#")[2])
        assert shown.xpath("//a[@rel='next']/@href") == [
            reverse("modelhub:pair", args=[following.pk]) + "?system=second%20one"
        ]

    def test_retrieved_rows_lead_to_their_source(self, reader: Client, system: System) -> None:
        query, source, other = make_pairs("advice", "test", 3)
        make_persona(source, "chosen", system, "The user is calm.")
        add_retrieved(query, source, 1, 21.5)
        add_retrieved(query, other, 2)
        response = reader.get(reverse("modelhub:pair", args=[query.pk]))
        cells = tree_of(response).xpath("//tr[td]/td[position() < 3]/text()")
        assert cells == ["1", "21.500", "2", "–"]
        assert reverse("modelhub:pair", args=[source.pk]) in response.content.decode()
        assert "The user is calm." in response.content.decode()

    def test_one_goes_on_to_the_neighbours_in_the_same_split(self, reader: Client) -> None:
        pairs = [make_pair("advice", "test", row) for row in (1, 2, 4)]
        make_pair("advice", "train", 3)
        links = [
            tree_of(reader.get(reverse("modelhub:pair", args=[pair.pk]))).xpath(
                "//nav[@aria-label='Neighbours']/a/text()"
            )
            for pair in pairs
        ]
        assert links == [["Next: row 2"], ["Previous: row 1", "Next: row 4"], ["Previous: row 2"]]

    def test_a_pair_that_is_not_there_is_not_found(self, reader: Client) -> None:
        assert reader.get(reverse("modelhub:pair", args=[999999])).status_code == 404

    def test_its_queries_do_not_grow(self, reader: Client, django_assert_num_queries: Any) -> None:
        pair, source = make_pairs("advice", "test", 2)
        judge = make_system("judge")
        for number in range(3):
            system = make_system(f"system {number}")
            personas = [make_persona(pair, side, system) for side in ("chosen", "rejected")]
            for persona in personas:
                add_checks(persona, judge, "+-")
            add_comparison(personas[0], personas[1], judge, "cc")
            make_persona(source, "chosen", system)
            add_retrieved(pair, source, number + 1)
            with django_assert_num_queries(14):
                reader.get(reverse("modelhub:pair", args=[pair.pk]))
