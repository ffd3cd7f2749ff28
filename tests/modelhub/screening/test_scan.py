"""The pre-launch scan: what it flags, its command, and its page."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from annotation.models import AuditLog, Output, Persona, Study
from modelhub.models import ArmBinding, Generation, Run, System
from modelhub.runs.lifecycle import run_start
from modelhub.screening.flags import Flag
from modelhub.screening.scan import repeated_share, scan_study, text_flags
from tests.factories import make_study, make_user

LOOP = "and then we walk home again " * 6


def kinds(text: str, **options: object) -> list[str]:
    return [flag.kind for flag in text_flags(text, **{"finish_reason": "stop", **options})]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "As an AI persona model, I answer.",
        "As a large language model I cannot say.",
        "as an AI language model, no.",
        "As an AI assistant, I would.",
        "This persona-tailored answer is short.",
        "It is tailored to your persona.",
        "I am Llama-3.1-8B fine-tuned with DPO.",
        "I'm ChatGPT.",
        "Since I was trained by Meta, no.",
        "I am an assistant fine-tuned with RLHF.",
        "My training data ends in 2023.",
        "As of my last knowledge update, no.",
        "I'm Gemini, a large language model.",
        "I’m an AI language model.",
        "I'm based on Llama 3.",
        "I have been aligned by direct preference optimization.",
        "Served by Llama-8B today.",
        "I am arm-12345678.",
    ],
)
def test_a_text_that_reveals_its_system_is_flagged(text: str) -> None:
    assert kinds(text, names=["llama-8b", "arm-12345678"]) == ["reveal"]


@pytest.mark.parametrize(
    "text",
    [
        "A persona is a mask.",
        "As an aide I model hats.",
        "The llama-8bit sings.",
        "Warm-1.",
        "I am a Gemini.",
        "Models are fine-tuned with DPO.",
        "I am a llama farmer.",
        "I was trained by a chef.",
        "I am palm reading.",
        "My training plan begins in May.",
        "I am an AI fan.",
        "I was made at home, with love.",
    ],
)
def test_ordinary_words_are_not_flagged(text: str) -> None:
    assert kinds(text, names=["llama-8b", "arm-1"]) == []


def test_looping_empty_and_truncated_texts_are_flagged() -> None:
    assert kinds(LOOP) == ["loop"]
    assert kinds(" \n") == ["empty"]
    assert kinds("Cut o", finish_reason="length") == ["truncated"]
    assert kinds("Cut o", finish_reason="content_filter") == ["truncated"]
    (withheld,) = text_flags("", finish_reason="content_filter")
    assert withheld == Flag("empty", "The server's content filter withheld the answer.")


def test_the_share_of_repeated_sequences_is_that_of_5_grams() -> None:
    # Eight words make four 5-grams; the last repeats the first in the second text.
    assert repeated_share("a b c d e f g h") == 0
    assert repeated_share("a b c d e a b c d e") == pytest.approx(1 / 6)
    assert repeated_share("too short") == 0


@pytest.fixture
def study(db: None) -> Study:
    study = make_study(state="draft", given_items=3, slug="scanned")
    for number, arm in enumerate(study.arms.all(), start=1):
        system = System.objects.create(name=f"wizard-{number}", engine="imported", fingerprint="f" * 64)
        ArmBinding.objects.create(arm=arm, system=system)
    return study


@pytest.fixture
def flagged(study: Study) -> Persona:
    persona = Persona.objects.get(item__study=study, item__key="item-2")
    persona.outputs.filter(arm__ordinal=1).update(text=LOOP)
    persona.outputs.filter(arm__ordinal=2).update(text="I am wizard-2 <b>bold</b>.")
    return persona


@pytest.fixture
def researcher(study: Study, client: Client) -> Client:
    client.force_login(study.owner)
    return client


def scan_url(study: Study) -> str:
    return reverse("modelhub:scan", args=[study.slug, study.version])


def act(client: Client, persona: Persona, what: str, **data: str) -> int:
    study = persona.item.study
    url = reverse(f"modelhub:scan_{what}", args=[study.slug, study.version, persona.key])
    return client.post(url, data).status_code


def test_only_flagged_or_excluded_pairs_are_listed(study: Study, flagged: Persona) -> None:
    (pair,) = scan_study(study).pairs
    assert pair.item_key == "item-2"
    assert sorted(flag.kind for text in pair.texts for flag in text.flags) == ["loop", "reveal"]


def test_a_truncated_output_is_known_from_its_generation(study: Study) -> None:
    output = Output.objects.filter(persona__item__key="item-1").earliest("pk")
    run: Run = run_start(stage="test", arguments={})
    Generation.objects.create(run=run, output=output, finish_reason="length")
    assert [flag.kind for pair in scan_study(study).pairs for text in pair.texts for flag in text.flags] == [
        "truncated"
    ]


def test_texts_stand_in_a_seeded_order_that_differs_between_pairs(db: None) -> None:
    study = make_study(state="draft", given_items=24)
    first_arm = study.arms.get(ordinal=1)
    Output.objects.filter(arm=first_arm).update(text=LOOP)
    first_is_left = [pair.texts[0].text == LOOP for pair in scan_study(study).pairs]
    assert {True, False} == set(first_is_left)
    assert first_is_left == [pair.texts[0].text == LOOP for pair in scan_study(study).pairs]


def test_the_command_lists_flags_and_counts(study: Study, flagged: Persona) -> None:
    out = io.StringIO()
    call_command("scan_outputs", "scanned", stdout=out)
    assert "item-2" in out.getvalue() and "1 pairs flagged, 0 excluded" in out.getvalue()
    assert not any(code in out.getvalue() for code in study.arms.values_list("code", flat=True))


def test_the_command_gives_json(study: Study, flagged: Persona) -> None:
    out = io.StringIO()
    call_command("scan_outputs", "scanned", json=True, stdout=out)
    (pair,) = json.loads(out.getvalue())
    assert pair["item_key"] == "item-2" and len(pair["texts"]) == 2


def test_pairs_are_excluded_by_command(study: Study) -> None:
    call_command("exclude_pairs", "scanned", "item-1", "item-3", reason="Loops")
    assert Output.objects.filter(excluded_reason="Loops").count() == 4
    assert AuditLog.objects.filter(action="outputs_excluded").count() == 2


def test_an_unknown_item_excludes_nothing(study: Study) -> None:
    with pytest.raises(CommandError, match="'item-7'"):
        call_command("exclude_pairs", "scanned", "item-1", "item-7", reason="Loops")
    assert not Output.objects.filter(excluded_at__isnull=False).exists()


class TestPage:
    def test_it_shows_texts_escaped_and_no_arm(self, study: Study, flagged: Persona, researcher: Client) -> None:
        page = researcher.get(scan_url(study)).content.decode()
        assert "I am wizard-2 &lt;b&gt;bold&lt;/b&gt;." in page
        assert "wizard-1" not in page
        assert not any(code in page for code in study.arms.values_list("code", flat=True))

    def test_a_pair_is_looked_at_when_every_arm_has_answered(
        self, study: Study, flagged: Persona, researcher: Client
    ) -> None:
        flagged.outputs.filter(arm__ordinal=1).update(state="requested", ready_at=None)
        assert "wizard-2" not in researcher.get(scan_url(study)).content.decode()

    def test_strangers_find_nothing(self, study: Study, flagged: Persona, client: Client) -> None:
        client.force_login(make_user("stranger"))
        assert client.get(scan_url(study)).status_code == 404
        assert act(client, flagged, "exclude", reason="Mine") == 404
        assert act(client, flagged, "include") == 404
        assert not flagged.outputs.filter(excluded_at__isnull=False).exists()

    def test_signed_out_visitors_are_asked_to_sign_in(self, study: Study, client: Client) -> None:
        assert client.get(scan_url(study)).status_code == 302

    def test_superusers_may_look(self, study: Study, client: Client) -> None:
        client.force_login(make_user("root", is_superuser=True))
        assert client.get(scan_url(study)).status_code == 200

    def test_excluding_and_undoing(self, study: Study, flagged: Persona, researcher: Client) -> None:
        assert act(researcher, flagged, "exclude", reason="Loops") == 302
        assert set(flagged.outputs.values_list("excluded_reason", flat=True)) == {"Loops"}
        assert "Excluded: Loops" in researcher.get(scan_url(study)).content.decode()
        assert act(researcher, flagged, "include") == 302
        assert not flagged.outputs.filter(excluded_at__isnull=False).exists()
        actions = AuditLog.objects.filter(user=study.owner).order_by("pk").values_list("action", flat=True)
        assert list(actions) == ["outputs_excluded", "outputs_included"]

    def test_the_reason_is_required_and_what_was_typed_stays(self, flagged: Persona, researcher: Client) -> None:
        study = flagged.item.study
        url = reverse("modelhub:scan_exclude", args=[study.slug, study.version, flagged.key])
        empty = researcher.post(url, {"reason": " "})
        assert empty.status_code == 422 and "Say why this pair is left out." in empty.content.decode()
        long = researcher.post(url, {"reason": "x" * 201})
        assert long.status_code == 422 and "x" * 201 in long.content.decode()
        assert not flagged.outputs.filter(excluded_at__isnull=False).exists()

    def test_an_open_study_is_shown_and_not_changed(self, study: Study, flagged: Persona, researcher: Client) -> None:
        Study.objects.filter(pk=study.pk).update(state="open", protocol_hash="0" * 64)
        page = researcher.get(scan_url(study)).content.decode()
        assert "can no longer be excluded" in page and "Exclude this pair" not in page
        assert act(researcher, flagged, "exclude", reason="Late") == 409
        assert not flagged.outputs.filter(excluded_at__isnull=False).exists()

    def test_wrong_methods_and_unknown_pairs(self, study: Study, flagged: Persona, researcher: Client) -> None:
        url = reverse("modelhub:scan_exclude", args=[study.slug, study.version, flagged.key])
        assert researcher.get(url)["Location"] == scan_url(study)  # a form that was refused, loaded again
        assert researcher.post(scan_url(study)).status_code == 405
        other = Persona.objects.get(item__study=make_study(slug="other", given_items=1))
        url = reverse("modelhub:scan_exclude", args=[study.slug, study.version, other.key])
        assert researcher.post(url, {"reason": "x"}).status_code == 404

    def test_the_number_of_queries_does_not_grow_with_the_study(
        self, db: None, client: Client, django_assert_num_queries: object
    ) -> None:
        client.force_login(make_user())
        counts = []
        for slug, items in (("small", 2), ("large", 9)):
            study = make_study(state="draft", given_items=items, slug=slug)
            Output.objects.filter(arm__study=study).update(text=LOOP)
            with django_assert_num_queries(11):  # type: ignore[operator]
                counts.append(client.get(scan_url(study)).status_code)
        assert counts == [200, 200]

    def test_many_pairs_come_in_pages(self, db: None, client: Client) -> None:
        client.force_login(make_user())
        study = make_study(state="draft", given_items=12)
        Output.objects.filter(arm__study=study).update(text=LOOP)
        assert "Page 1 of 2" in client.get(scan_url(study)).content.decode()
        assert "item-12" in client.get(scan_url(study), {"page": 2}).content.decode()
