"""How much of a prompt ColBERT reads: said, counted, and a setting."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from django.test import Client
from django.urls import reverse

from annotation.errors import ServiceError
from modelhub.models import InferredPersona, PreferencePair, RetrievedPersona, Run
from modelhub.retrieval.checkpoint import find_checkpoint
from modelhub.retrieval.lengths import ReadLengths
from tests.factories import make_user
from tests.modelhub.pair_rows import make_pair
from tests.modelhub.retrieval.test_retrieve_personas import TESTS, TRAINING, add_training, call, pairs, retrieve
from tests.tools.tinycolbert import DOCUMENT_TOKENS, QUERY_TOKENS

__all__ = ["pairs"]
pytestmark = pytest.mark.django_db(transaction=True)

BEGINNING = "tell me about my home " * 8  # 40 tokens, which no query of 32 tells apart
LONG = TRAINING + 1


@pytest.fixture
def long_prompts(pairs: None) -> None:
    """Two training rows and a test row that differ behind the 32nd token only; the second one is meant."""
    system = InferredPersona.objects.first().system
    for number, end in enumerate(("the old maps", "a good knife"), start=LONG):
        add_training(number, BEGINNING + end, system=system)
    make_pair("D", "test", LONG, prompt=f"{BEGINNING}a good knife please")


def usage(stage: str = "retrieve_personas") -> dict[str, Any]:
    found = Run.objects.filter(stage=stage).order_by("-pk")[0].usage
    return found["test in sft_train"] if stage == "retrieve_personas" else found


def test_a_text_is_read_up_to_its_number_of_tokens_with_three_marks_among_them(tiny_colbert: Path) -> None:
    lengths = ReadLengths(find_checkpoint(str(tiny_colbert)))
    assert (lengths.query, lengths.document, lengths.changed) == (QUERY_TOKENS, DOCUMENT_TOKENS, {})
    words = ["home"] * (QUERY_TOKENS - 3)
    assert lengths.cut_queries([" ".join(words), " ".join([*words, "home"])]) == 1
    words = ["home"] * (DOCUMENT_TOKENS - 3)
    assert lengths.cut_documents([" ".join(words), " ".join([*words, "home"]), "home"]) == 1


@pytest.mark.parametrize("number", [7, 513])
def test_a_number_that_the_model_cannot_read_is_refused(tiny_colbert: Path, number: int) -> None:
    with pytest.raises(ServiceError, match=rf"--query-tokens is {number}; .* reads 8 to 512 tokens"):
        ReadLengths(find_checkpoint(str(tiny_colbert)), number)
    with pytest.raises(ServiceError, match=f"--document-tokens is {number}"):
        ReadLengths(find_checkpoint(str(tiny_colbert)), None, number)


def test_prompts_that_are_read_in_part_are_counted_in_the_log_the_run_and_on_its_page(
    long_prompts: None, tiny_colbert: Path, client: Client
) -> None:
    printed = retrieve(tiny_colbert, "--batch-size", "5", "--document-tokens", "30")
    assert f"1 of {TESTS + 1} prompts that searched are longer than 32 tokens" in printed
    assert f"2 of {TRAINING + 2} prompts that are searched are longer than 30 tokens" in printed
    assert {name: usage()[name] for name in ("queries", "queries_cut", "query_tokens")} == {
        "queries": TESTS + 1, "queries_cut": 1, "query_tokens": 32,
    }  # fmt: skip
    assert (usage()["documents_cut"], usage()["document_tokens"]) == (2, 30)
    client.force_login(make_user("admin", is_superuser=True))
    page = client.get(reverse("modelhub:run", args=[Run.objects.latest("pk").key])).content.decode()
    assert "&quot;queries_cut&quot;: 1" in page and "&quot;documents_cut&quot;: 2" in page


def test_nothing_is_said_where_everything_is_read(pairs: None, tiny_colbert: Path) -> None:
    assert "tokens; the rest" not in retrieve(tiny_colbert)
    assert (usage()["queries_cut"], usage()["documents_cut"]) == (0, 0)


def test_more_tokens_tell_apart_what_the_beginning_does_not(long_prompts: None, tiny_colbert: Path) -> None:
    meant = PreferencePair.objects.get(split="sft_train", row=LONG + 1)
    retrieve(tiny_colbert, "--query-tokens", "64", "--k", "2")
    nearest, second = RetrievedPersona.objects.filter(pair__row=LONG).order_by("rank")
    assert nearest.source == meant and (nearest.score or 0) > (second.score or 0)
    assert usage()["queries_cut"] == 0


def test_rows_that_were_found_with_other_lengths_are_not_mixed(long_prompts: None, tiny_colbert: Path) -> None:
    retrieve(tiny_colbert)
    with pytest.raises(CommandError, match="query_tokens was None, is 64"):
        retrieve(tiny_colbert, "--query-tokens", "64")
    with pytest.raises(CommandError, match="document_tokens was None, is 30"):
        retrieve(tiny_colbert, "--document-tokens", "30")
    retrieve(tiny_colbert, "--query-tokens", "64", "--again")
    with pytest.raises(CommandError, match="query_tokens was 64, is None"):
        retrieve(tiny_colbert)
    assert "retrieved for 0 pairs" in retrieve(tiny_colbert, "--query-tokens", "64")


def test_encoding_beforehand_counts_too_and_keeps_each_length_apart(long_prompts: None, tiny_colbert: Path) -> None:
    printed = call("index_personas", tiny_colbert, "--document-tokens", "30")
    assert f"2 of {TRAINING + 2} prompts that are searched are longer than 30 tokens" in printed
    assert usage("index_personas")["documents_cut"] == {"test in sft_train": 2}
    assert f"{TRAINING + 2} of {TRAINING + 2} prompts encoded" in call("index_personas", tiny_colbert)
    assert f"0 of {TRAINING + 2} prompts encoded" in call("index_personas", tiny_colbert, "--document-tokens", "30")
    assert f"0 of {TRAINING + 2} prompts encoded" in call("index_personas", tiny_colbert, "--document-tokens", "120")
