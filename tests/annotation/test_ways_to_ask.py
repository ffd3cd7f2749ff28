"""Sliders, rankings, and best and worst: asked, answered without a script, held to their rules, exported by arm."""

import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from annotation.errors import StaleVersion, ValueOutOfScale
from annotation.export import study_tables
from annotation.models import Aspect, Rating, Slot
from annotation.orders import orders_among, orders_of
from annotation.services.ratings import GivenAnswer, rating_save
from tests.annotation.asking import asking_definition, make_asking_study
from tests.annotation.studyfiles import complaints, rating_aspect, study_data, write
from tests.annotation.test_bots import walk
from tests.annotation.walking import Walker
from tests.factories import make_study

SLIDER = {"key": "how", "name": "How", "type": "slider", "question": "How?", "ends": {"low": "Bad", "high": "Good"}}
WHY = rating_aspect(key="why", only_if={"aspect": "fit", "values": [1, 2]})
RANKING = {"key": "order", "name": "Order", "type": "ranking", "question": "Which?"}


def test_the_number_of_an_order_leads_back_to_it() -> None:
    assert orders_of(3, all_places=True)[5] == (3, 2, 1)
    assert orders_of(4, all_places=False)[:3] == ((1, 2), (1, 3), (1, 4))
    for responses in (3, 4, 5):
        for all_places in (True, False):
            orders = orders_of(responses, all_places=all_places)
            assert orders_among(len(orders), all_places=all_places) == orders
    with pytest.raises(ValueError, match="7 is not how many orders"):
        orders_among(7, all_places=True)


def test_what_a_study_file_says_is_what_is_stored() -> None:
    quality, _, lacking, order, extremes = asking_definition().aspects
    assert (lacking.asked_if, lacking.asked_if_values) == ("fit", [1, 2])
    assert (quality.kind, quality.level, quality.minimum, quality.maximum) == ("rating", "interval", 0, 100)
    assert quality.labels == ["Useless", "Acceptable", "Could not be better"]
    assert (order.kind, order.maximum, order.labels) == ("ranking", 6, ["Best", "Worst"])
    assert (extremes.kind, extremes.maximum, extremes.labels) == ("best_worst", 6, ["Written best", "Written worst"])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"aspects": [rating_aspect(), RANKING]}, "needs 3 responses or more, and the study shows 2"),
        ({"aspects": [RANKING], "arms": 3}, "holds no rating of single responses; add an aspect with a scale"),
        ({"aspects": [{**SLIDER, "minimum": 5, "maximum": 5}]}, "the maximum must be the higher one"),
        ({"aspects": [{**SLIDER, "scale": {1: "No", 2: "Yes"}}]}, "scale: is not a key that a study file has here"),
        ({"aspects": [SLIDER, rating_aspect(only_if={"aspect": "how", "values": [1]})]}, "there is none here"),
        (
            {"aspects": [rating_aspect(), WHY, {**WHY, "key": "b", "only_if": {"aspect": "why", "values": [1]}}]},
            "'why' is no scale above this one that is always asked about the same; use one of fit",
        ),
        ({"aspects": [rating_aspect(), {**WHY, "only_if": {"aspect": "fit", "values": [4]}}]}, "4 is no answer to fit"),
        (
            {"followup": {"chips": ["Too long"], "required": True}},
            "is about the answer in own words, and none",
        ),
        ({"aspects": [SLIDER], "analysis": {"margin": {"how": 100}}}, "is 100 points, and the whole scale is 100"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_reason(
    changes: dict[str, Any], complaint: str, tmp_path: Any
) -> None:
    assert complaint in "\n".join(complaints(write(tmp_path, study_data(**changes))))


@pytest.mark.django_db
def test_a_form_without_a_script_gives_each_response_a_place() -> None:
    study = make_asking_study(practice=[])
    walker = Walker(study).begin()
    form = order_fields(walker, order="213", extremes="31")
    walker.complete(**form)
    found = {rating.aspect.key: rating.value for rating in Rating.objects.filter(slot__kind=Slot.Kind.PAIR)}
    assert found == {"order": 3, "extremes": 5}
    assert walker.participant.assignments.filter(state="completed").count() == 1


def order_fields(walker: Walker, **orders: str) -> dict[str, str]:
    pair = walker.assignment.slots.get(kind=Slot.Kind.PAIR)
    return {
        f"answer-{pair.key}-{key}.{place}": position
        for key, order in orders.items()
        for place, position in enumerate(order, start=1)
    }


@pytest.mark.django_db
def test_two_responses_in_one_place_are_no_answer_and_stay_as_they_were_typed() -> None:
    walker = Walker(make_asking_study(practice=[])).begin()
    refused = walker.complete(**order_fields(walker, order="112", extremes="1"))
    assert refused.status_code == 422
    page = refused.content.decode()
    assert page.count("<li data-missing-for") - page.count(' hidden><a href="#answer') == 2
    pair = walker.assignment.slots.get(kind=Slot.Kind.PAIR)
    for place, position in ((1, 1), (2, 1), (3, 2)):
        assert f'name="answer-{pair.key}-order.{place}" value="{position}" checked' in page
    assert Rating.objects.filter(slot__kind=Slot.Kind.OUTPUT).count() == 6  # what was right is kept
    assert not Rating.objects.filter(slot=pair).exists()


@pytest.mark.django_db
def test_nothing_is_chosen_on_a_slider_before_it_is_touched() -> None:
    page = Walker(make_asking_study(practice=[])).begin().get().content.decode()
    assert page.count('type="number"') == 3
    assert page.count('min="0" max="100" step="1" value=""') == 3


@pytest.mark.django_db
@pytest.mark.parametrize(("key", "value"), [("quality", 101), ("quality", -1), ("order", 7), ("order", 0)])
def test_what_is_on_no_scale_is_refused(key: str, value: int) -> None:
    walker = Walker(make_asking_study(practice=[])).begin()
    walker.get()
    kind = Slot.Kind.OUTPUT if key == "quality" else Slot.Kind.PAIR
    slot = walker.assignment.slots.filter(kind=kind)[0]
    with pytest.raises(ValueOutOfScale):
        rating_save(
            token=walker.participant.token,
            slot_key=slot.key,
            aspect_key=key,
            answer=GivenAnswer(value, 0, uuid.uuid4()),
        )


@pytest.mark.django_db(transaction=True)
def test_bots_answer_every_kind_and_the_export_has_it_by_arm(live_server: LiveServer) -> None:
    study = make_asking_study()
    for number in range(4):
        report = walk(study, live_server, seed=str(number))
        assert (report.step, report.error) == ("done", "")
    tables = study_tables(study, include_bots=True)
    ratings, wide = list(tables["ratings"].rows()), list(tables["ratings_wide"].rows())
    always = [row for row in ratings if row["aspect"] != "lacking"]
    assert len(always) == 4 * 3 * (3 * 2 + 2)
    fits = {(row["assignment"], row["output"]): row["value"] for row in ratings if row["aspect"] == "fit"}
    asked = {(row["assignment"], row["output"]) for row in ratings if row["aspect"] == "lacking"}
    assert asked == {place for place, value in fits.items() if value < 3}
    codes = sorted(study.arms.values_list("code", flat=True))
    for row in ratings:
        if row["aspect_kind"] == Aspect.Kind.RANKING:
            check_ranking(row, ratings, wide, codes)
        elif row["aspect_kind"] == Aspect.Kind.BEST_WORST:
            best, worst = row["ranked_arms"].split()
            places = {code: cells_of(row, wide)[f"value.extremes.{code}"] for code in codes}
            assert places == {**dict.fromkeys(codes, 0), best: 1, worst: -1}
        else:
            assert row["ranked_arms"] is None
    sliders = {row["value"]: row["label"] for row in ratings if row["aspect"] == "quality"}
    assert len(sliders) > 10
    assert {label for value, label in sliders.items() if value not in (0, 50, 100)} == {""}
    current = [row for row in tables["history"].rows() if row["superseded_by"] is None]
    assert [row["ranked_arms"] for row in current] == [row["ranked_arms"] for row in ratings]


def cells_of(row: dict[str, Any], wide: list[dict[str, Any]]) -> dict[str, Any]:
    return next(one for one in wide if one["assignment"] == row["assignment"])


def check_ranking(
    row: dict[str, Any], ratings: list[dict[str, Any]], wide: list[dict[str, Any]], codes: list[str]
) -> None:
    """The label has positions, and what stood there has its place."""
    stood = {one["position"]: one["arm"] for one in ratings if one["assignment"] == row["assignment"] and one["arm"]}
    order = [stood[int(position)] for position in row["label"].split(" > ")]
    assert row["ranked_arms"].split() == order
    assert sorted(order) == codes
    assert {code: cells_of(row, wide)[f"value.order.{code}"] for code in codes} == {
        code: place for place, code in enumerate(order, start=1)
    }


def save(walker: Walker, key: str, value: int, version: int = 0) -> Rating:
    """Save an answer about the first response as a click does."""
    answer = GivenAnswer(value, version, uuid.uuid4())
    return rating_save(token=walker.participant.token, slot_key=first(walker).key, aspect_key=key, answer=answer)


def first(walker: Walker) -> Slot:
    return walker.assignment.slots.get(position=1)


def lacking(walker: Walker) -> list[tuple[int, bool]]:
    """Return the answers to the question that is not always asked, and whether each stands."""
    found = Rating.objects.filter(slot=first(walker), aspect__key="lacking").order_by("version")
    return [(rating.value, rating.superseded_by is None) for rating in found]


@pytest.mark.django_db
def test_an_answer_that_nothing_leads_to_any_more_is_kept_and_counts_no_longer() -> None:
    study = make_asking_study(practice=[])
    walker = Walker(study).begin()
    walker.get()
    save(walker, "fit", 2)
    save(walker, "lacking", 3)
    assert lacking(walker) == [(3, True)]
    decided = save(walker, "fit", 5, version=1)
    assert lacking(walker) == [(3, False)]
    ended = Rating.objects.get(aspect__key="lacking")
    assert ended.superseded_by == decided
    assert not [row for row in study_tables(study)["ratings"].rows() if row["aspect"] == "lacking"]
    save(walker, "fit", 1, version=2)  # asked again: as if it had not been, but for the number of the answer
    with pytest.raises(StaleVersion):
        save(walker, "lacking", 1)
    save(walker, "lacking", 1, version=1)
    assert lacking(walker) == [(3, False), (1, True)]


@pytest.mark.django_db
def test_a_question_is_asked_after_the_answers_that_lead_to_it_and_not_before() -> None:
    walker = Walker(make_asking_study(practice=[])).begin()
    orders = order_fields(walker, order="123", extremes="12")
    name = f"answer-{first(walker).key}"
    assert walker.get().content.decode().count('hidden data-scale="answer-') == 3
    form = {**walker.answers(), **orders, f"{name}-fit": 1, f"{name}-lacking": ""}
    refused = walker.post(f"parts/{walker.assignment.key}/complete/", **form).content.decode()
    assert refused.count('hidden data-scale="answer-') == 2
    assert f'<li data-missing-for="{name}-lacking" ><a' in refused
    again = {**walker.answers(), **orders, f"{name}-fit": 1, f"{name}-lacking": 2}
    assert walker.post(f"parts/{walker.assignment.key}/complete/", **again).status_code == 302
    kept = Rating.objects.filter(aspect__key="lacking").values_list("slot__position", "value")
    assert list(kept) == [(1, 2)]  # what a form holds beyond what is asked is not kept


@pytest.mark.django_db
def test_a_part_is_not_finished_before_every_remark_that_has_to_be_given() -> None:
    study = make_asking_study(practice=[], followup={"chips": [], "text": "Why?", "required": True})
    walker = Walker(study).begin()
    orders = order_fields(walker, order="123", extremes="12")
    remarks = {f"words-{slot.key}": "Because." for slot in walker.assignment.slots.filter(kind=Slot.Kind.OUTPUT)}
    lacks = {**orders, **remarks, f"words-{first(walker).key}": "  "}
    refused = walker.complete(**lacks)
    assert refused.status_code == 422
    page = refused.content.decode()
    assert f'<li data-missing-for="words-{first(walker).key}" ><a href="#words-' in page
    assert page.count("1 still to answer:") == 1
    versions = dict(re.findall(r'name="(version-words-\w+)" value="([^"]*)"', page))
    assert walker.complete(**{**orders, **remarks, **versions}).status_code == 302


def test_one_arm_alone_may_be_rated_and_not_compared(tmp_path: Path) -> None:
    assert not complaints(write(tmp_path, study_data(arms=1)))
    comparison = {"key": "pair", "name": "Pair", "type": "comparison", "question": "Which?"}
    found = complaints(write(tmp_path, study_data(arms=1, aspects=[rating_aspect(), comparison, RANKING])))
    assert [line.split(": ", 2)[2] for line in found] == [
        "a comparison needs exactly two responses, and the study has 1 arms; remove one or the other",
        "needs 3 responses or more, and the study shows 1; write `type: comparison`",
    ]


@pytest.mark.django_db(transaction=True)
def test_a_study_of_one_arm_is_taken_to_its_end(live_server: LiveServer) -> None:
    study = make_study(arms=1, given_items=2, given_per_participant=2)
    report = walk(study, live_server)
    assert (report.step, report.error) == ("done", "")
    rows = list(study_tables(study, include_bots=True)["ratings"].rows())
    assert [(row["position"], row["aspect"]) for row in rows] == [(1, "answerability"), (1, "personalization")] * 2
