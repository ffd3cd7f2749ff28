"""Persona assessments: their presets in the study file, their pages, and what is stored of the answers."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from lxml import html
from pytest_django.live_server_helper import LiveServer

from annotation.bots import Bot
from annotation.export import study_tables
from annotation.models import Arm, Output, Participant, Persona, Rating, Slot, Study
from annotation.presets import PRESETS, preset_aspects
from annotation.services.participants import participant_create
from annotation.services.studies import study_open, study_save
from annotation.studyfile import StudyDefinition, read_study_file
from tests.annotation.studyfiles import assessment_data, complaints, rating_aspect, write
from tests.factories import make_user

SCALES = ["plausibility", "applicability", "harm", "overfitting"]
PICK = "preferred_response"
PRACTICE = {"prompt": "Practise on what?", "persona": "The user is new here."}
RESPONSES = ["Walk in the morning.", "Walk in the evening."]


def definition(folder: Path, **changes: Any) -> StudyDefinition:
    return read_study_file(write(folder, assessment_data(**changes)))


def open_study(folder: Path, **changes: Any) -> Study:
    """Return an open assessment; where responses are shown, every persona has those of RESPONSES, by arm."""
    study = study_save(definition=definition(folder, **changes), owner=make_user())
    for arm in study.arms.all():
        Arm.objects.filter(pk=arm.pk).update(fingerprint="f" * 64)
        for persona in Persona.objects.filter(item__study=study):
            text = f"{RESPONSES[arm.ordinal - 1]} {persona.item.key}"
            Output.objects.create(
                persona=persona, arm=arm, text=text, state="ready", ready_at=study.created_at, fingerprint="f" * 64
            )
    study_open(study=study, user=None)
    return study


def begin(study: Study) -> tuple[Participant, Client]:
    participant, client = participant_create(study=study), Client()
    for step, data in (("consent", {"answer": "agree"}), ("instructions", {})):
        client.post(reverse(f"annotation:{step}", args=[participant.token]), data)
    return participant, client


def page(participant: Participant, client: Client) -> Any:
    response = client.get(reverse("annotation:participant", args=[participant.token]))
    assert response.status_code == 200
    return html.fromstring(response.content.decode())


def walk(study: Study, server: LiveServer, seed: str = "1") -> None:
    bot = participant_create(study=study, kind=Participant.Kind.BOT)
    report = Bot(server.url + reverse("annotation:participant", args=[bot.token]), code=bot.code, seed=seed).walk()
    assert (report.step, report.error) == ("done", "")


# --- The study file ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "keys"),
    [
        ("persona_assessment", SCALES),
        ("persona_pick", [PICK]),
        ("persona_assessment_with_pick", [*SCALES, PICK]),
    ],
)
def test_a_preset_stands_for_its_questions(preset: str, keys: list[str], tmp_path: Path) -> None:
    study = definition(tmp_path, preset=preset, show_responses=True)
    assert [aspect.key for aspect in study.aspects] == keys
    assert {aspect.kind for aspect in study.aspects} <= {"persona", "pick"}
    assert study.arms == [False, False] and study.show_responses


def test_every_point_of_a_preset_scale_has_a_label_of_its_own() -> None:
    for aspect in preset_aspects("persona_assessment", {}):
        assert list(aspect["scale"]) == [1, 2, 3, 4, 5] and len(set(aspect["scale"].values())) == 5
        assert aspect["level"] == "ordinal"


def test_a_scale_of_a_preset_can_be_asked_as_yes_or_no(tmp_path: Path) -> None:
    preset = {"name": "persona_assessment", "scales": {"harm": "yes_no", "plausibility": "five_points"}}
    aspects = {aspect.key: aspect for aspect in definition(tmp_path, preset=preset).aspects}
    harm = aspects["harm"]
    assert (harm.level, harm.minimum, harm.maximum, harm.labels) == ("nominal", 1, 2, ["No", "Yes"])
    assert harm.question != next(a for a in preset_aspects(PRESETS[0], {}) if a["key"] == "harm")["question"]
    assert {aspects[key].maximum for key in SCALES if key != "harm"} == {5}


def test_own_questions_follow_a_preset_or_stand_alone(tmp_path: Path) -> None:
    own = rating_aspect(type="persona", key="warmth")
    assert [aspect.key for aspect in definition(tmp_path, aspects=[own]).aspects] == [*SCALES, "warmth"]
    assert [aspect.key for aspect in definition(tmp_path, aspects=[own], preset=None).aspects] == ["warmth"]


def test_without_responses_a_study_has_no_arms(tmp_path: Path) -> None:
    assert definition(tmp_path).arms == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"arms": 2}, "arms: a persona assessment has none"),
        ({"preset": None}, "aspects: this key is missing; write `preset: persona_assessment`"),
        ({"preset": "persona_quiz"}, "preset.name: 'persona_quiz' is not one of the values it can have"),
        ({"preset": {"name": "persona_pick", "scales": {"harm": "yes_no"}}, "show_responses": True},
         "preset.scales.harm: the preset persona_pick asks nothing of that name"),
        ({"aspects": [rating_aspect(type="persona", key="harm")]}, "aspects[0].key: 'harm' is a key of the preset too"),
        ({"preset": "persona_pick"}, "show_responses: is false, and aspects of type pick are about the responses"),
        ({"aspects": [rating_aspect()]}, "show_responses: is false, and aspects of type rating"),
        ({"aspects": [rating_aspect()], "preset": None, "show_responses": True}, "asks nothing about the persona"),
        ({"design": {"written_personas_per_participant": 1}}, "shows given personas only"),
        ({"practice": [{**PRACTICE, "responses": ["A", "B"]}]}, "practice[0].responses: has 2 responses"),
        ({"practice": [PRACTICE], "show_responses": True}, "practice[0].responses: has 0 responses"),
        ({"design": {"given_personas_per_participant": 2, "blocks": "condition"}}, "design.blocks: condition is known"),
        ({"design": {"given_personas_per_participant": 2, "overlap_share": 0.5}}, "overlap_share: is a share of"),
        ({"design": {"given_personas_per_participant": 2, "repeat_share": 1.5}}, "repeat_share: 1.5 is out of range"),
        ({"items": "import"}, "items: expected a list, found 'import'"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    found = complaints(write(tmp_path, assessment_data(**changes)))
    assert any(complaint in line for line in found), found


@pytest.mark.parametrize("key", ["preset", "show_responses"])
def test_an_output_rating_has_none_of_the_keys_of_an_assessment(key: str, tmp_path: Path) -> None:
    data = assessment_data(kind="output_rating", arms=2, aspects=[rating_aspect()])
    assert any(
        line.startswith("study.yaml") and f"{key}: belongs to" in line for line in complaints(write(tmp_path, data))
    )


@pytest.mark.django_db
def test_a_loaded_assessment_says_what_its_file_says(tmp_path: Path) -> None:
    again = definition(tmp_path, preset="persona_assessment_with_pick", show_responses=True)
    study = study_save(definition=again, owner=make_user())
    assert study_save(definition=again, owner=make_user()).pk == study.pk
    assert study.aspects.get(key=PICK).labels == ["Response A", "Response B"]


# --- The page ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_without_responses_the_page_has_prompt_persona_and_its_scales(tmp_path: Path) -> None:
    study = open_study(tmp_path)
    participant, client = begin(study)
    shown = page(participant, client)
    assert shown.xpath("//main/@data-step") == ["rate"]
    persona = participant.assignments.get().persona
    text = shown.text_content()
    assert persona.item.prompt in text and persona.text in text
    assert "Response A" not in text and not shown.find_class("responses")
    assert [legend.text_content() for legend in shown.xpath("//legend")] == [
        f"Persona: {key.capitalize()}" for key in SCALES
    ]
    slot = Slot.objects.get()
    assert (slot.kind, slot.persona, slot.output, slot.position) == ("persona", persona, None, 1)


@pytest.mark.django_db
def test_with_responses_both_are_shown_unrated_and_only_persona_and_pick_are_asked(tmp_path: Path) -> None:
    study = open_study(tmp_path, preset="persona_assessment_with_pick", show_responses=True)
    participant, client = begin(study)
    shown = page(participant, client)
    key = participant.assignments.get().persona.item.key
    texts = [text.text_content() for text in shown.find_class("response-text")]
    assert sorted(texts) == sorted(f"{text} {key}" for text in RESPONSES)
    assert not shown.xpath("//article//fieldset")
    abouts = [legend.text_content().partition(":")[0] for legend in shown.xpath("//legend")]
    assert abouts == ["Both responses", *["Persona"] * 4]
    kinds = list(Slot.objects.order_by("position").values_list("kind", "position"))
    assert kinds == [("output", 1), ("output", 2), ("pair", 3), ("persona", 4)]


@pytest.mark.django_db
def test_outputs_can_be_rated_beside_the_persona(tmp_path: Path) -> None:
    study = open_study(tmp_path, aspects=[rating_aspect()], show_responses=True)
    participant, client = begin(study)
    assert len(page(participant, client).xpath("//article//fieldset")) == 2


@pytest.mark.django_db
def test_a_practice_item_has_the_questions_of_the_study_and_stores_nothing(tmp_path: Path) -> None:
    practice = [{**PRACTICE, "responses": RESPONSES}]
    study = open_study(tmp_path, preset="persona_assessment_with_pick", show_responses=True, practice=practice)
    participant, client = begin(study)
    shown = page(participant, client)
    assert shown.xpath("//main/@data-step") == ["practice"]
    names = set(shown.xpath("//input[@type='radio']/@name"))
    assert names == {f"answer-practice-{key}" for key in [*SCALES, PICK]}
    url = reverse("annotation:practice", args=[participant.token])
    assert client.post(url, {"index": 0}).status_code == 422
    client.post(url, {"index": 0, **dict.fromkeys(names, "1")})
    assert page(participant, client).xpath("//main/@data-step") == ["rate"]
    assert not Rating.objects.exists()


@pytest.mark.django_db
def test_a_pick_has_no_third_answer(tmp_path: Path) -> None:
    study = open_study(tmp_path, preset="persona_pick", show_responses=True)
    participant, client = begin(study)
    url = page(participant, client).xpath("//fieldset/@data-url")[0]
    data = {"value": 3, "version": 0, "client_key": "6b7c3f9a-9a55-4c4e-8f57-0d2b7c1c7c11"}
    assert client.post(url, data).status_code == 422
    assert client.post(url, {**data, "value": 2}).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("preset", PRESETS)
def test_bots_finish_every_preset_and_the_export_has_their_answers(
    preset: str, live_server: LiveServer, tmp_path: Path
) -> None:
    study = open_study(tmp_path, preset=preset, show_responses=True)
    for seed in ("1", "2", "3"):
        walk(study, live_server, seed)
    rows = list(study_tables(study, include_bots=True)["ratings"].rows())
    assert len(rows) == 3 * 2 * len(preset_aspects(preset, {}))
    picks = [row for row in rows if row["aspect_kind"] == "pick"]
    sides = {
        (assignment, position): arm
        for assignment, position, arm in Slot.objects.filter(kind="output").values_list(
            "assignment__key", "position", "output__arm__code"
        )
    }
    assert all(row["preferred_arm"] == sides[row["assignment"], row["value"]] for row in picks)
    assert all(row["arm"] is None and row["output"] is None for row in rows)
    wide = next(iter(study_tables(study, include_bots=True)["ratings_wide"].rows()))
    expected = {f"value.{key}" for key in SCALES} if preset != "persona_pick" else set()
    assert {name for name in wide if name.startswith("value.")} == expected
    assert all(wide[name] is not None for name in expected)
