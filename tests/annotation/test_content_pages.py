"""What a study shows people, for researchers to look through: items, outputs, texts, and one participant's way."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from lxml import html

from annotation.models import Event, Followup, Output, Participant, QuestionnaireAnswer, Slot, Study
from tests.annotation.study_rows import (
    add_assignment,
    add_participant,
    add_rating,
    add_written_persona,
    make_frozen_study,
)
from tests.factories import make_study, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    return make_frozen_study()


@pytest.fixture
def researcher(client: Client, study: Study) -> Client:
    client.force_login(study.owner)
    return client


def seen(client: Client, study: Study, name: str, *args: Any, **query: str) -> Any:
    response = client.get(reverse(f"annotation:{name}", args=[study.slug, study.version, *args]), query)
    assert response.status_code == 200
    return html.fromstring(response.content.decode())


# --- Items -------------------------------------------------------------------------------------------------------


def test_items_stand_with_their_personas_and_how_often_they_were_rated(study: Study, researcher: Client) -> None:
    add_assignment(add_participant(study))
    item = study.items.get(key="item-1")
    row = next(row for row in seen(researcher, study, "items").xpath("//tbody/tr") if "item-1" in row.text_content())
    text = " ".join(row.text_content().split())
    assert item.prompt in text and item.personas.get().text in text
    assert [cell.text for cell in row.xpath("td[@class='number']")] == ["1", "0", str(study.raters_per_item)]


@pytest.mark.parametrize("by", ["key", "prompt", "persona", "stratum"])
def test_items_are_found_by_what_they_hold(by: str, study: Study, researcher: Client) -> None:
    item = study.items.get(key="item-1")
    item.prompt, item.stratum = "How do owls hunt?", "birds"
    item.save()
    item.personas.update(text="The user keeps falcons.")
    query = {
        "key": {"q": "ITEM-1"},
        "prompt": {"q": "owls"},
        "persona": {"q": "falcons"},
        "stratum": {"stratum": "birds"},
    }
    found = seen(researcher, study, "items", **query[by]).xpath("//tbody/tr/th/a/text()")
    assert found == ["item-1"]


def test_pages_of_items_and_outputs_cost_the_same_however_many_there_are(
    researcher: Client, study: Study, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for size in (4, 30):
        large = make_study(slug=f"size-{size}", given_items=size, owner=study.owner)
        for name in ("items", "study_outputs"):
            with django_assert_max_num_queries(13):
                seen(researcher, large, name)
    assert len(seen(researcher, large, "items").xpath("//tbody/tr")) == 25
    assert len(seen(researcher, large, "items", page="2").xpath("//tbody/tr")) > 4


# --- Outputs -----------------------------------------------------------------------------------------------------


def test_outputs_stand_by_code_in_the_order_of_the_codes(study: Study, researcher: Client) -> None:
    codes = sorted(study.arms.values_list("code", flat=True))
    (first, *_) = seen(researcher, study, "study_outputs", q="item-1").xpath("//section[.//h3]")
    assert first.xpath(".//h3/code/text()") == codes
    by_code = {o.arm.code: o.text for o in Output.objects.filter(persona__item__key="item-1").select_related("arm")}
    texts = [text.text_content().strip() for text in first.xpath(".//*[contains(@class, 'response-text')]")]
    assert texts == [by_code[code].strip() for code in codes]


def test_no_output_is_shown_before_all_of_its_persona_are_there(study: Study, researcher: Client) -> None:
    persona = add_written_persona(add_participant(study), item_key="item-3", text="The user is a diver.")
    late = persona.outputs.order_by("arm__ordinal").first()
    Output.objects.filter(pk=late.pk).update(state=Output.State.REQUESTED, text="")
    found = seen(researcher, study, "study_outputs", q="diver")
    assert "For The user is a diver." not in found.text_content() and "not all there yet" in found.text_content()
    Output.objects.filter(pk=late.pk).update(state=Output.State.READY, text="Here.")
    assert "For The user is a diver." in seen(researcher, study, "study_outputs", q="diver").text_content()


def test_outputs_are_rendered_as_participants_see_them(study: Study, researcher: Client) -> None:
    Output.objects.filter(persona__item__key="item-1").update(text="**Yes**, do.")
    assert not seen(researcher, study, "study_outputs", q="item-1").xpath("//article//strong")
    Study.objects.update(formats={"responses": "markdown"})
    assert seen(researcher, study, "study_outputs", q="item-1").xpath("//article//strong")


def test_what_a_bot_or_nobody_has_sent_is_not_shown(study: Study, researcher: Client) -> None:
    draft = add_written_persona(add_participant(study), item_key="item-3", text="The user dives.")
    type(draft).objects.filter(pk=draft.pk).update(submitted_at=None)
    add_written_persona(add_participant(study, kind=Participant.Kind.BOT), item_key="item-3", text="The user dives.")
    assert "No persona matches" in seen(researcher, study, "study_outputs", q="dives").text_content()


# --- Texts -------------------------------------------------------------------------------------------------------


def test_every_page_that_participants_see_is_shown_in_a_frame_without_scripts(researcher: Client, study: Study) -> None:
    links = seen(researcher, study, "study_texts").xpath("//nav[@aria-label='Pages that participants see']/a")
    assert [link.text for link in links][:1] == ["Consent"] and links[-1].text == "The end"
    for link in links:
        shown = seen(researcher, study, "study_texts", shows=link.get("href").rpartition("=")[2])
        (frame,) = shown.xpath("//iframe[@sandbox]/@srcdoc")
        assert "<script" not in frame and study.title in frame


def test_texts_are_shown_in_each_language_of_the_study(researcher: Client, study: Study) -> None:
    Study.objects.update(languages=["en", "de"], translations={"de": {"consent": "Ich stimme zu."}})
    (frame,) = seen(researcher, study, "study_texts", language="de").xpath("//iframe/@srcdoc")
    assert 'lang="de"' in frame
    assert 'lang="en"' in seen(researcher, study, "study_texts", language="xx").xpath("//iframe/@srcdoc")[0]


# --- One participant ---------------------------------------------------------------------------------------------


def test_a_way_shows_steps_answers_replaced_ones_and_remarks(study: Study, researcher: Client) -> None:
    participant = add_participant(study, external_id="panel-4711")
    part = add_assignment(participant, values=((4, 5), (2, 1)))
    Event.objects.create(participant=participant, kind=Event.Kind.CONSENTED)
    slot = part.slots.filter(kind=Slot.Kind.OUTPUT).order_by("position").first()
    assert slot
    aspect = slot.ratings.order_by("aspect__ordinal")[0].aspect
    add_rating(slot, aspect, 1)
    Followup.objects.create(slot=slot, chips=["too long"], text="It rambles.")
    found = seen(researcher, study, "participant_seen", participant.number)
    text = " ".join(found.text_content().split())
    assert "agreed to take part" in text and "It rambles." in text and "too long" in text
    (replaced,) = found.xpath("//*[@class='superseded']//del/text()")
    assert replaced.startswith("4")
    content = html.tostring(found).decode()
    assert participant.token not in content and "panel-4711" not in content


def test_a_way_shows_questionnaires_in_words_and_no_unsent_persona(study: Study, researcher: Client) -> None:
    question = {
        "key": "age",
        "question": "How old are you?",
        "type": "choice",
        "required": True,
        "options": ["young", "old"],
        "labels": [],
    }
    Study.objects.update(questionnaires={"before": [question]})
    participant = add_participant(study)
    QuestionnaireAnswer.objects.create(participant=participant, page="before", key="age", value="old")
    persona = add_written_persona(participant, item_key="item-3", text="The user is shy.")
    persona.outputs.update(text="Hello.")
    add_assignment(participant, "item-3", persona=persona)
    assert "The user is shy." in seen(researcher, study, "participant_seen", participant.number).text_content()
    type(persona).objects.filter(pk=persona.pk).update(submitted_at=None)
    text = " ".join(seen(researcher, study, "participant_seen", participant.number).text_content().split())
    assert "How old are you? Before the work old" in text and "The user is shy." not in text


def test_a_way_costs_the_same_however_many_parts_there_are(
    study: Study, researcher: Client, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    participant = add_participant(study, consented_at=timezone.now(), consent_hash="c" * 64)
    for item in study.items.filter(personas__isnull=False):
        add_assignment(participant, item.key)
        with django_assert_max_num_queries(17):
            seen(researcher, study, "participant_seen", participant.number)


def test_a_participant_of_another_study_is_not_found(study: Study, researcher: Client) -> None:
    other = make_frozen_study(slug="other", owner=make_user("other"))
    add_participant(other)
    address = reverse("annotation:participant_seen", args=[study.slug, study.version, 1])
    assert researcher.get(address).status_code == 404
