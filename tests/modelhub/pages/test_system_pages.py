"""The pages of systems and of what they answered: what is shown, to whom, and what a look leaves behind."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotation.models import AuditLog
from modelhub.models import PairOutput, System
from modelhub.systems.registering import arm_bind
from tests.factories import make_study, make_user
from tests.modelhub.output_rows import make_output
from tests.modelhub.pair_rows import make_pair, make_pairs, make_persona, make_system
from tests.modelhub.reading import tree_of, words_of
from tests.modelhub.verdict_rows import add_checks, add_comparison

pytestmark = pytest.mark.django_db
SYSTEMS, OUTPUTS = "/hub/systems/", "/hub/outputs/"


def page_of(system: System) -> str:
    return reverse("modelhub:system", args=[system.pk])


def rows_of(client: Client, **query: Any) -> list[int]:
    return [row.pair.row for row in client.get(OUTPUTS, query).context["rows"]]


class TestSystems:
    def test_the_list_counts_what_each_made(self, reader: Client) -> None:
        inferring, answering = make_system("inferring"), make_system("answering")
        for pair in make_pairs("advice", "test", 3):
            make_persona(pair, "chosen", inferring)
            make_output(pair, answering)
            make_output(pair, answering, source="system", persona="The user is calm.")
        rows = tree_of(reader.get(SYSTEMS)).xpath("//tbody/tr")
        cells = [[" ".join(cell.itertext()).strip() for cell in row] for row in rows]
        assert [(row[0], row[5:]) for row in cells] == [("answering", ["6", "0", "0"]), ("inferring", ["0", "3", "0"])]

    def test_a_system_shows_all_that_makes_it(self, reader: Client) -> None:
        system = make_system("tailored")
        System.objects.filter(pk=system.pk).update(
            engine="transformers", model="var/models/base", adapter="var/models/dpo", decoding={"max_new_tokens": 77},
            options={"batch_size": 13}, fingerprint="f1" * 32, persona_style="field",
            exemplars=[{"prompt": "How do I bake?", "persona": "The user is calm.", "response": "Mix."}],
        )  # fmt: skip
        text = words_of(reader, page_of(system))
        for shown in ("transformers", "var/models/base", "var/models/dpo", "77", "13", "f1" * 32, "How do I bake?",
                      "The user is calm.", "Mix.", "Own line of the prompt, as trained"):  # fmt: skip
            assert shown in text

    @pytest.mark.parametrize(
        ("probe", "shown"),
        [
            (
                {"difference": 0.8437, "dtype": "float32"},
                "logits of probe texts, by up to 0.844, when it was registered",
            ),
            ({"not_tried": "a name on the Hub is not downloaded"}, "not probed: a name on the Hub is not downloaded"),
            ({}, "What the adapter changes not probed"),
        ],
    )
    def test_what_its_adapter_changes_is_shown_or_that_nobody_has_looked(
        self, reader: Client, probe: dict[str, Any], shown: str
    ) -> None:
        system = make_system("tailored")
        assert "What the adapter changes" not in words_of(reader, page_of(system))
        System.objects.filter(pk=system.pk).update(adapter="var/models/dpo", adapter_probe=probe)
        assert shown in words_of(reader, page_of(system))
        study = make_study(state="draft", owner=make_user("analyst"))
        arm_bind(arm=study.arms.get(ordinal=1), system=system)
        assert shown in words_of(reader, reverse("modelhub:arms", args=[study.slug, study.version]))

    def test_a_system_shows_its_procedure_and_where_its_exemplars_come_from(self, reader: Client) -> None:
        system = make_system("near")
        how = {"name": "retrieved-exemplars", "from": "advice/sft_train", "shots": 4, "pool": "ab12" * 16}
        System.objects.filter(pk=system.pk).update(procedure=how)
        text = words_of(reader, page_of(system))
        assert "Retrieved exemplars of the nearest personas: 4 of advice/sft_train ab12ab12ab12" in text
        assert "Retrieved exemplars of the nearest personas" in words_of(reader, SYSTEMS)
        assert "Procedure" not in words_of(reader, page_of(make_system("plain")))

    def test_what_it_made_leads_to_its_outputs(self, reader: Client) -> None:
        system = make_system("tailored")
        for pair in make_pairs("advice", "test", 2):
            make_output(pair, system, source="gold_chosen", persona="The user is calm.")
        PairOutput.objects.filter(pair__row=1).update(excluded_reason="loop: 50%")
        page = tree_of(reader.get(page_of(system)))
        (row,) = page.xpath("//tbody/tr")
        assert [" ".join(cell.itertext()).strip() for cell in row] == [
            "advice/test", "Gold, of the chosen response", "2", "1",
        ]  # fmt: skip
        (link,) = row.xpath(".//a/@href")
        assert reader.get(link).context["search"].systems == ["tailored"]

    def test_what_it_inferred_and_judged_is_counted_and_leads_there(self, reader: Client) -> None:
        system = make_system("large")
        (pair,) = make_pairs("advice", "test", 1)
        chosen, rejected = (make_persona(pair, side, system) for side in ("chosen", "rejected"))
        add_checks(chosen, system, "++")
        add_comparison(chosen, rejected, system, "cr")
        page = tree_of(reader.get(page_of(system)))
        links = dict(zip(page.xpath("//main//p/a/text()"), page.xpath("//main//p/a/@href"), strict=True))
        assert reader.get(links["2 inferred personas"]).context["system"] == "large"
        assert links["4 verdicts on personas"] == reverse("modelhub:persona_accuracy")
        row = words_of(reader, SYSTEMS).rpartition("large")[2].partition("English")[0]
        assert row.split()[-2:] == ["2", "4"]

    def test_where_it_is_bound_is_shown_to_those_who_may_see_the_study_and_logged(self, reader: Client) -> None:
        mine, foreign = make_study(state="draft", owner=make_user("analyst")), make_study(state="draft", slug="foreign")
        system = make_system("tailored")
        for study in (mine, foreign):
            arm_bind(arm=study.arms.get(ordinal=2), system=system)
        text = words_of(reader, page_of(system))
        assert mine.arms.get(ordinal=2).code in text and foreign.arms.get(ordinal=2).code not in text
        log = AuditLog.objects.get(action="system_seen")
        assert (log.study, log.user.username) == (mine, "analyst")
        assert "tailored" not in str(log.data)

    def test_a_system_that_is_not_there_is_not_found(self, reader: Client) -> None:
        assert reader.get(reverse("modelhub:system", args=[999])).status_code == 404

    def test_their_queries_do_not_grow(self, reader: Client, django_assert_num_queries: Any) -> None:
        for split in ("one", "two"):
            system = make_system(split)
            for pair in make_pairs("advice", split, 3):
                make_output(pair, system)
            with django_assert_num_queries(8):
                reader.get(SYSTEMS)
            with django_assert_num_queries(15):
                reader.get(page_of(system))


class TestOutputs:
    def test_answers_of_the_systems_stand_side_by_side_with_how_they_were_made(self, reader: Client) -> None:
        (pair,) = make_pairs("advice", "test", 1)
        persona = "The user is calm and prefers steps."
        loop = "I am sure of it. " * 20
        make_output(pair, make_system("A"), text="Mix <b>well</b>.", source="gold_chosen", persona=persona)
        make_output(pair, make_system("B"), text=loop, source="gold_chosen", persona=persona, finish="length")
        PairOutput.objects.update(excluded_reason="loop: 94% repeated by B")
        text = words_of(reader, OUTPUTS)
        for shown in (pair.prompt, persona, "Mix <b>well</b>.", "2 words, 10 tokens, ended by itself, 0.5 s",
                      "Left out. loop: 94% repeated by B", "Truncated.", "Loop.",
                      f"Prompt: {pair.prompt} Persona: {persona} Response:"):  # fmt: skip
            assert shown in text
        assert "<details>" in reader.get(OUTPUTS).content.decode()

    def test_what_a_procedure_made_on_the_way_can_be_opened(self, reader: Client) -> None:
        (pair,) = make_pairs("advice", "test", 1)
        made = make_output(pair, make_system("A"), text="Mix well.").generation
        assert made is not None
        texts = {"rubric": "Short & kind.", "draft": "Mix it.", "feedback": "Say how."}
        made.steps = [{"step": step, "text": text} for step, text in texts.items()]
        made.steps.append({"step": "retrieval", "exemplars": [{"row": 7, "score": 1.5}]})
        made.save()
        text = words_of(reader, OUTPUTS)
        shown = ("The rubric it made first Short & kind.", "Its draft Mix it.", "Its feedback on the draft Say how.")
        assert all(one in text for one in shown)

    def test_what_is_shown_can_be_chosen(self, reader: Client) -> None:
        systems = [make_system(name) for name in "ABC"]
        for dataset in ("advice", "forum"):
            for pair in make_pairs(dataset, "test", 2):
                for system in systems:
                    make_output(pair, system, text=f"{system.name} on {dataset} {pair.row} plainly")
                    make_output(
                        pair, system, text=f"{system.name} tailored", source="system", persona="The user is calm."
                    )
        first = words_of(reader, OUTPUTS)
        assert "A on advice 1 plainly" in first and "B on advice 2" in first and "C on" not in first
        query = {"dataset": "forum", "split": "test", "source": "system", "systems": ["C", "A"]}
        text = words_of(reader, OUTPUTS, **query)
        assert "C tailored" in text and "A tailored" in text and "B tailored" not in text and "plainly" not in text
        assert [one.system for one in reader.get(OUTPUTS, query).context["rows"][0].outputs] == ["C", "A"]

    def test_at_most_four_systems_are_shown(self, reader: Client) -> None:
        (pair,) = make_pairs("advice", "test", 1)
        for name in "ABCDE":
            make_output(pair, make_system(name))
        response = reader.get(OUTPUTS, {"systems": list("ABCDE")})
        assert [one.system for one in response.context["rows"][0].outputs] == list("ABCD")

    def test_a_missing_output_and_an_empty_one_are_told_apart(self, reader: Client) -> None:
        one, two = make_pairs("advice", "test", 2)
        first, second = make_system("A"), make_system("B")
        make_output(one, first)
        make_output(two, second)
        PairOutput.objects.filter(pair=two).update(text="")
        text = words_of(reader, OUTPUTS, systems=["A", "B"])
        assert text.count("No output.") == 2 and text.count("Empty.") == 2  # the text, and the flag

    def test_personas_of_one_pair_have_a_row_each(self, reader: Client) -> None:
        (pair,) = make_pairs("advice", "test", 1)
        system = make_system("A")
        for who in ("calm", "rash"):
            make_output(pair, system, text=f"For the {who}.", source="gold_chosen", persona=f"The user is {who}.")
        assert [row.persona for row in reader.get(OUTPUTS).context["rows"]] == [
            "The user is calm.",
            "The user is rash.",
        ]

    def test_pairs_are_found_by_their_prompt_and_by_what_is_left_out(self, reader: Client) -> None:
        system = make_system("A")
        for row in (1, 2, 3):
            make_output(make_pair("advice", "test", row, prompt=f"100% of prompt {row}"), system)
        PairOutput.objects.filter(pair__row=2).update(excluded_reason="loop: 40%")
        assert rows_of(reader, q="100% OF PROMPT 3") == [3] and rows_of(reader, q="100x") == []
        assert rows_of(reader, shown="left_out") == [2] and rows_of(reader, shown="kept") == [1, 3]

    def test_they_are_paged_and_keep_the_choice(self, reader: Client) -> None:
        system = make_system("A")
        for pair in make_pairs("advice", "test", 6):
            make_output(pair, system)
        first = reader.get(OUTPUTS, {"systems": ["A"], "q": "cook"})
        (following,) = tree_of(first).xpath("//a[text()='Next']/@href")
        assert len(first.context["rows"]) == 5
        assert [row.pair.row for row in reader.get(OUTPUTS + following).context["rows"]] == [6]

    @pytest.mark.parametrize(
        "query", [{"dataset": "nowhere"}, {"systems": "ghost"}, {"source": "written"}, {"page": "x"}]
    )
    def test_an_address_that_makes_no_sense_is_answered(self, reader: Client, query: dict[str, str]) -> None:
        make_output(make_pairs("advice", "test", 1)[0], make_system("A"))
        assert reader.get(OUTPUTS, query).status_code == 200

    def test_without_any_output_it_says_how_to_make_some(self, reader: Client) -> None:
        assert "see the commands generate and import_pair_outputs" in words_of(reader, OUTPUTS)

    def test_their_queries_do_not_grow(self, reader: Client, django_assert_num_queries: Any) -> None:
        systems = [make_system(name) for name in "ABCD"]
        for row in (1, 2, 3):
            pair = make_pair("advice", "test", row)
            for system in systems:
                make_output(pair, system)
            with django_assert_num_queries(10):
                reader.get(OUTPUTS, {"systems": list("ABCD")})
