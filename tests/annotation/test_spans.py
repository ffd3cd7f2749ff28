"""Passages that are marked in responses: placed in the raw text, held to their question, saved as other answers are."""

import re
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from lxml import html
from pytest_django.live_server_helper import LiveServer

from annotation.errors import ServiceError, StaleVersion
from annotation.export import study_tables
from annotation.markdown import render_response, response_pieces
from annotation.markings import MarkingRules, MarkingSent, MarkingsSent, markings_placed
from annotation.models import Aspect, Passage, Rating, Slot, Study
from annotation.services.erasure import free_text_erase
from annotation.services.ratings import GivenAnswer, rating_save
from annotation.services.withdrawal import participant_erase
from annotation.studyfile import read_study_file, study_text
from tests.annotation.asking import MARKED_TEXTS, MARKING, make_marking_study
from tests.annotation.studyfiles import complaints, rating_aspect, study_data, write
from tests.annotation.test_bots import walk
from tests.annotation.walking import Walker, step_of

SPAN = {"key": "unfit", "name": "Unfit", "type": "span", "question": "What does not fit?"}
MARKDOWN, PLAIN = MARKED_TEXTS


def rules(text: str = MARKDOWN, *, is_markdown: bool = True, **changes: Any) -> MarkingRules:
    pieces = tuple(response_pieces(text, is_markdown=is_markdown))
    return replace(MarkingRules(text, pieces, "none", (), 5), **changes)


def placed(*rows: MarkingSent, nothing: bool = False, **changes: Any) -> list[tuple[int, int, str]]:
    found = markings_placed(MarkingsSent(rows, nothing), rules(**changes))
    return [(one.start, one.end, one.text) for one in found]


@pytest.mark.parametrize(
    ("shown", "kept"),
    [
        ("Sleep 🦊", "Sleep 🦊"),
        ("bed early, and", "bed **early**, and"),
        ("get up\nearly.", "get up early."),
        ("warm  milk", "warm  milk"),
        ("*one*", "*one\\*"),
        ("page & rest", "page & rest"),
        ("`warm  milk`", "`warm  milk`"),
    ],
)
def test_what_a_page_shows_is_found_in_what_was_typed(shown: str, kept: str) -> None:
    ((start, end, text),) = placed(MarkingSent(shown))
    assert (text, MARKDOWN[start:end]) == (kept, kept)


def test_every_piece_of_rendered_markdown_says_where_it_stands() -> None:
    text = (
        "# T *a* b\\*c &amp; “d” b*c\r\n\r\n| a | b |\n|---|---|\n| 1 | **2** |\n\n1. 1 x `c  d` y\n"
        '   ```py\n   y = 1\n     z\n   ```\n\n> q [l x](u(x) "a x )") x $x^2$ end ![alt](i.png) 🦊 done\n> more\n'
    )
    pieces = [(at, shown) for at, shown in response_pieces(text, is_markdown=True) if at is not None]
    assert all(text[at : at + len(shown)] == shown for at, shown in pieces)
    assert {"T ", "*c ", "2", "1 x ", "c  d", "y = 1", "  z", "l x", " end ", " 🦊 done", "more"} <= {
        shown for _, shown in pieces
    }
    assert (text.index(" x $"), " x ") in pieces  # behind the address and its title, which has an x too
    shown = render_response(text, is_placed=True)
    assert shown.count("data-at=") == len(pieces)
    assert re.sub(r'<span data-at="\d+">([^<]*)</span>', r"\1", shown) == render_response(text)


@pytest.mark.parametrize(
    ("sent", "changes", "message"),
    [
        (MarkingsSent((), False), {}, "Mark a passage, or choose “Nothing to mark”."),
        (MarkingsSent((MarkingSent("bed"),), True), {}, "keep one of the two"),
        (MarkingsSent((MarkingSent("no such words"),), False), {}, "“no such words” does not stand in the response"),
        (MarkingsSent((MarkingSent("early"),), False), {}, "stands in the response 2 times; say which"),
        (MarkingsSent((MarkingSent("early", which="3"),), False), {}, "stands in the response 2 times; say which"),
        (MarkingsSent((MarkingSent("bed"), MarkingSent("milk")), False), {"most": 1}, "At most 1 passages"),
        (MarkingsSent((MarkingSent("bed"), MarkingSent(" bed ")), False), {}, "“bed” is marked twice"),
        (MarkingsSent((MarkingSent("", reason="So."),), False), {}, "A reason stands without a passage"),
        (MarkingsSent((MarkingSent("bed"),), False), {"reason": "required"}, "Say why you marked “bed”."),
        (MarkingsSent((MarkingSent("bed"),), False), {"labels": ("tone",)}, "Choose what kind of passage “bed” is."),
        (MarkingsSent((MarkingSent("x" * 90),), False), {}, f"“{'x' * 59}…” does not stand"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_what_would_be_right(
    sent: MarkingsSent, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ServiceError) as refusal:
        markings_placed(sent, rules(**changes))
    assert message in str(refusal.value)


def test_the_place_on_the_page_tells_equal_passages_apart_and_one_that_is_wrong_is_looked_up() -> None:
    second = MARKDOWN.rindex("early")
    assert placed(MarkingSent("early", at=f"{second}-{second + 5}"))[0][0] == second
    assert placed(MarkingSent("early", which="2"))[0][0] == second
    for at in ("0-5", "900-905", "5-2", "x", "-5-2"):
        assert placed(MarkingSent("milk", at=at))[0][2] == "milk"
    assert placed(MarkingSent("300.", at=f"{len(PLAIN) - 4}-9999"), text=PLAIN, is_markdown=False) == [
        (len(PLAIN) - 4, len(PLAIN), "300.")
    ]
    assert [one[2] for one in placed(MarkingSent("up early"), MarkingSent("get up"))] == ["get up", "up early"]


def test_a_study_file_asks_for_passages_and_is_written_again(tmp_path: Path) -> None:
    definition = read_study_file(MARKING)
    aspect = definition.aspects[1]
    assert (aspect.kind, aspect.level, aspect.minimum, aspect.maximum) == ("span", "nominal", 0, 5)
    assert (aspect.labels, aspect.marking["labels"]) == (["Tone", "Content", "Length"], ["tone", "content", "length"])
    assert aspect.marking["reason"] == "required"
    written = study_text(definition)
    assert "reason:" not in written and "most: 5" in written
    path = write(tmp_path, study_data(languages=["de", "en"], aspects=[rating_aspect(), {
        **SPAN, "reason": "none", "labels": {"tone": {"de": "Ton", "en": "Tone"}},
        "only_if": {"aspect": "fit", "values": [1]},
    }]))  # fmt: skip
    german = read_study_file(path)
    assert german.translations["en"]["aspects"]["unfit"]["labels"] == ["Tone"]
    assert german.aspects[1].asked_if == "fit"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"most": 21}, "most"),
        ({"reason": "maybe"}, "reason"),
        ({"labels": {"not a key": "x"}}, "labels"),
        ({"scale": {1: "No", 2: "Yes"}}, "scale: is not a key that a study file has here"),
    ],
)
def test_what_a_study_file_cannot_ask_is_refused(changes: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    assert complaint in "\n".join(
        complaints(write(tmp_path, study_data(aspects=[rating_aspect(), {**SPAN, **changes}])))
    )


class Marker:
    """Somebody on the rating page, and the response to which the first text belongs."""

    def __init__(self, study: Study) -> None:
        self.walker = Walker(study).begin()
        self.walker.get()
        slots = self.walker.assignment.slots.filter(kind=Slot.Kind.OUTPUT)
        self.slot, self.other = sorted(slots, key=lambda slot: slot.output is None or slot.output.text != MARKDOWN)
        self.name, self.other_name = (f"answer-{slot.key}-unfit" for slot in (self.slot, self.other))

    def save(self, *rows: MarkingSent, version: int = 0, key: uuid.UUID | None = None, nothing: bool = False) -> Rating:
        sent = MarkingsSent(rows, nothing)
        return rating_save(
            token=self.walker.participant.token, slot_key=self.slot.key, aspect_key="unfit",
            answer=GivenAnswer(0, version, key or uuid.uuid4(), sent),
        )  # fmt: skip

    def form(self, **fields: Any) -> dict[str, Any]:
        """Return the form with the scale answered, nothing to mark in the other response, and these fields."""
        own = {f"{self.name}.{name}": value for name, value in fields.items()}
        return {f"{self.other_name}.none": "1", **own}


TONE = MarkingSent("early,", label="tone", reason="Babies wake up.")
LONG = MarkingSent("milk", label="length", reason="Too short.")


@pytest.mark.django_db
def test_passages_are_a_rating_and_changing_them_keeps_the_old_ones() -> None:
    marker = Marker(make_marking_study(practice=[]))
    first = marker.save(TONE)
    (passage,) = first.passages.all()
    assert MARKDOWN[passage.start : passage.end] == passage.text == "early**,"
    assert (first.value, first.minimum, first.maximum, passage.label) == (1, 0, 5, "tone")
    assert marker.save(TONE, version=1) == first  # the same again is no new answer
    other = marker.save(replace(TONE, reason="Nobody sleeps."), version=1)  # as many, and not the same
    none = marker.save(version=2, nothing=True)
    first.refresh_from_db()
    assert (first.superseded_by, none.version, none.value, none.passages.count()) == (other, 3, 0, 0)
    assert [one.reason for one in Passage.objects.order_by("pk")] == ["Babies wake up.", "Nobody sleeps."]


@pytest.mark.django_db
def test_a_request_that_is_repeated_saves_once_and_a_late_one_is_told_what_stands() -> None:
    marker, key = Marker(make_marking_study(practice=[])), uuid.uuid4()
    first = marker.save(TONE, key=key)
    second = marker.save(TONE, LONG, version=1)
    assert marker.save(TONE, key=key) == first
    with pytest.raises(ServiceError, match="key was used for another answer"):
        marker.save(LONG, key=key)
    with pytest.raises(StaleVersion) as stale:
        marker.save(LONG, version=1)
    assert stale.value.current == second
    assert Rating.objects.count() == 2


@pytest.mark.django_db
def test_a_number_alone_is_no_answer_to_a_question_for_passages_nor_passages_to_a_scale() -> None:
    marker = Marker(make_marking_study(practice=[]))
    answers = {"unfit": GivenAnswer(2, 0, uuid.uuid4()), "fit": GivenAnswer(2, 0, uuid.uuid4(), MarkingsSent((), True))}
    for aspect, answer in answers.items():
        with pytest.raises(ServiceError, match="is not answered like that"):
            rating_save(
                token=marker.walker.participant.token, slot_key=marker.slot.key, aspect_key=aspect, answer=answer
            )
    assert not Rating.objects.exists()


@pytest.mark.django_db
def test_the_page_saves_passages_and_says_what_it_has_kept() -> None:
    marker = Marker(make_marking_study(practice=[]))
    url = f"answers/{marker.slot.key}/unfit/"
    sent = {f"{marker.name}.text": ["warm milk"], f"{marker.name}.label": ["tone"], f"{marker.name}.reason": ["\x00"]}
    base = {"version": 0, "client_key": uuid.uuid4()}
    assert marker.walker.post(url, **base, **sent).status_code == 422
    sent[f"{marker.name}.reason"] = ["No cow.\r\nNo milk."]
    reply = marker.walker.post(url, **base, **sent)
    start = MARKDOWN.index("warm")
    assert reply.json()["passages"] == [{
        "text": "warm  milk", "at": f"{start}-{start + 10}", "which": "", "label": "tone",
        "reason": "No cow.\nNo milk.",
    }]  # fmt: skip
    late = marker.walker.post(url, version=0, client_key=uuid.uuid4(), **{f"{marker.name}.none": "1"})
    assert (late.status_code, late.json()["passages"]) == (409, reply.json()["passages"])
    assert marker.walker.post(url, version=1, client_key=uuid.uuid4()).status_code == 400


@pytest.mark.django_db
def test_a_form_without_a_script_keeps_every_field_until_the_passage_is_right() -> None:
    marker = Marker(make_marking_study(practice=[]))
    typed = {"text": "early", "at": "", "which": "", "label": "tone", "reason": "Babies wake up."}
    refused = marker.walker.complete(**marker.form(**typed))
    page = refused.content.decode()
    assert refused.status_code == 422
    assert "What does not fit, response " in page and "stands in the response 2 times" in page
    assert "early</textarea>" in page and "Babies wake up.</textarea>" in page
    assert Rating.objects.filter(aspect__key="fit").count() == 2  # what was right is kept
    assert Rating.objects.get(aspect__key="unfit").value == 0
    kept = marker.walker.complete(stay="1", **marker.form(**{**typed, "which": "2"}))
    assert (kept.status_code, step_of(kept.content.decode())) == (200, "rate")
    second = MARKDOWN.rindex("early")
    assert f'value="{second}-{second + 5}"' in marker.walker.get().content.decode()
    again = {**typed, "at": f"{second}-{second + 5}", "reason": "Nobody sleeps."}  # as many, and another reason
    marker.walker.complete(stay="1", **marker.form(**again))
    assert "Nobody sleeps.</textarea>" in marker.walker.get().content.decode()
    rows = {"text": ["early", "milk"], "at": [f"{second}-{second + 5}", ""], "which": ["", ""],
            "label": ["tone", "length"], "reason": ["Babies wake up.", "Too short."]}  # fmt: skip
    marker.walker.complete(**marker.form(**rows))
    stands = Rating.objects.get(slot=marker.slot, aspect__key="unfit", superseded_by=None)
    assert [(one.text, one.reason) for one in stands.passages.all()] == [
        ("early", "Babies wake up."), ("milk", "Too short.")
    ]  # fmt: skip
    assert marker.walker.participant.assignments.filter(state="completed").count() == 1


@pytest.mark.django_db
def test_a_form_that_comes_after_another_tab_shows_what_is_saved_beside_what_was_typed() -> None:
    marker = Marker(make_marking_study(practice=[]))
    form = {**marker.walker.answers(), **marker.form(text="milk", label="length", reason="Too short.")}
    marker.save(TONE)
    page = marker.walker.post(f"parts/{marker.walker.assignment.key}/complete/", **form)
    assert page.status_code == 409
    for words in ("early**,</textarea>", "milk</textarea>", "Babies wake up.</textarea>", "Too short.</textarea>"):
        assert words in page.content.decode()


@pytest.mark.django_db
def test_nothing_marked_is_missing_until_it_is_said() -> None:
    marker = Marker(make_marking_study(practice=[]))
    form = marker.form()
    assert marker.walker.complete(**form).status_code == 422
    assert marker.walker.complete(**{**form, f"{marker.name}.none": "1"}).status_code == 302


@pytest.mark.django_db
def test_a_question_that_is_no_longer_asked_holds_nobody_up_with_half_a_passage() -> None:
    study = make_marking_study(practice=[], aspect={"asked_if": "fit", "asked_if_values": [1]})
    marker = Marker(study)
    assert marker.walker.complete(**{f"{marker.name}.text": "milk"}).status_code == 302
    assert not Passage.objects.exists()


@pytest.mark.django_db
def test_the_practice_takes_passages_and_says_what_is_wrong_with_them() -> None:
    walker = Walker(make_marking_study())
    walker.begin()
    page = walker.get().content.decode()
    names = set(re.findall(r'name="(answer-[\w-]+-fit)"', page))
    base = {"index": 0, **dict.fromkeys(names, 3), "answer-practiceA-unfit.none": "1"}
    field = "answer-practiceB-unfit"
    wrong = walker.post("practice/", **base, **{f"{field}.text": "with lobster"})
    assert wrong.status_code == 422
    assert "Choose what kind of passage “with lobster” is." in wrong.content.decode()
    right = {f"{field}.text": "with lobster", f"{field}.label": "content", f"{field}.reason": "It is dear."}
    assert walker.post("practice/", stay="1", **base, **right).status_code == 200
    assert walker.post("practice/", **base, **right).status_code == 302
    assert not Passage.objects.exists()


@pytest.mark.django_db
def test_withdrawal_takes_passages_along_and_retention_the_reasons() -> None:
    study = make_marking_study(practice=[])
    marker, other = Marker(study), Marker(study)
    marker.save(TONE)
    other.save(TONE)
    participant_erase(participant=marker.walker.participant)
    assert list(Passage.objects.values_list("rating__slot__assignment__participant", "reason")) == [
        (other.walker.participant.pk, "Babies wake up.")
    ]
    free_text_erase(study)
    assert list(Passage.objects.values_list("text", "reason")) == [("early**,", "")]


@pytest.mark.django_db
def test_researchers_read_the_passages_with_their_labels_and_reasons(client: Client) -> None:
    study = make_marking_study(practice=[])
    marker = Marker(study)
    marker.save(TONE)
    marker.save(LONG, version=1)
    client.force_login(study.owner)
    seen = reverse("annotation:participant_seen", args=[study.slug, study.version, marker.walker.participant.number])
    page = html.fromstring(client.get(seen).content.decode())
    shown = [" ".join(one.text_content().split()) for one in page.xpath("//dl[@class='answers']/div[dd/q]")]
    assert shown == ["Toneearly**,: Babies wake up.", "Lengthmilk: Too short."]
    assert page.xpath("count(//div[@class='superseded'][dd/q])") == 1


@pytest.mark.django_db(transaction=True)
def test_bots_mark_passages_and_the_export_says_where(live_server: LiveServer) -> None:
    study = make_marking_study()
    for number in range(4):
        report = walk(study, live_server, seed=str(number))
        assert (report.step, report.error) == ("done", "")
    tables = study_tables(study, include_bots=True)
    texts = {row["output"]: row["text"] for row in tables["outputs"].rows()}
    ratings = [row for row in tables["ratings"].rows() if row["aspect_kind"] == Aspect.Kind.SPAN]
    spans = list(tables["spans"].rows())
    assert len(spans) == tables["spans"].count() > 8
    assert len({row["value"] for row in ratings}) == 3
    for row in ratings:
        mine = [one for one in spans if (one["assignment"], one["output"]) == (row["assignment"], row["output"])]
        assert sum(one["superseded_by"] is None for one in mine) == row["value"]
    for span in spans:
        assert texts[span["output"]][span["start"] : span["end"]] == span["text"]
        assert span["reason"] and span["label_text"] == "Tone" and span["arm"]
    assert {span["rating"] for span in spans} <= {row["rating"] for row in tables["history"].rows()}
    typed = {column.name for column in tables["spans"].columns if column.typed}
    assert typed == {"text", "reason"}
