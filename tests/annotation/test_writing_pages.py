"""Writing a persona over HTTP: drafts, sending, and waiting for the responses."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from annotation.models import Output, OutputWorker, Persona, Slot
from annotation.services.outputs import outputs_retry
from annotation.services.workers import worker_start
from tests.annotation.walking import Walker, make_ready
from tests.factories import make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def living_worker(db: None) -> OutputWorker:
    return worker_start(key="a worker", study=None, host="here")


class TestWriting:
    @pytest.fixture
    def walker(self) -> Walker:
        study = make_study(given_items=0, given_per_participant=0, written_items=3, written_per_participant=2)
        return Walker(study).begin()

    def draft(self, walker: Walker, text: str, version: int = 0, tab: uuid.UUID | None = None) -> Any:
        data = {"text": text, "version": version, "tab": tab or uuid.uuid4()}
        return walker.post(f"parts/{walker.assignment.key}/draft/", **data)

    def test_a_draft_survives_a_reload(self, walker):
        assert self.draft(walker, "The user is").status_code == 200
        assert ">\nThe user is</textarea>" in walker.get().content.decode()

    def test_text_is_kept_exactly_as_typed(self, walker):
        text = "  I am “Zoë” 🐈 & I prefer\n\n<b>bold</b> claims, =1+1 \t"
        walker.write(text.replace("\n", "\r\n"))
        assert Persona.objects.get().text == text

    def test_advice_is_given_while_typing_and_is_no_wall(self, walker):
        html = self.draft(walker, "old").content.decode()
        assert html.count('class="met"') == 1
        assert walker.write("cats", version=1).status_code == 302
        assert Persona.objects.get().submitted_at

    def test_a_blank_persona_is_refused_with_a_reason(self, walker):
        response = walker.write("  \n ")
        assert response.status_code == 422
        assert "Write a sentence" in response.content.decode()
        assert not Output.objects.exists()

    def test_what_databases_cannot_store_is_refused_and_kept_on_the_page(self, walker):
        assert self.draft(walker, "The user\x00 is calm").status_code == 422
        response = walker.write("The user\x00 is calm")
        assert response.status_code == 422
        assert "cannot be stored" in response.content.decode()
        assert "is calm</textarea>" in response.content.decode()
        assert Persona.objects.get().text == ""

    def test_another_tab_is_told_and_nothing_is_overwritten_unseen(self, walker):
        mine, other = uuid.uuid4(), uuid.uuid4()
        self.draft(walker, "From the first tab", tab=mine)
        response = self.draft(walker, "From the second tab", tab=other)
        assert response.status_code == 409
        assert "From the first tab" in response.content.decode()
        assert Persona.objects.get().text == "From the first tab"
        assert self.draft(walker, "From the second tab", version=1, tab=other).status_code == 200

    def test_a_tab_whose_reply_was_lost_does_not_conflict_with_itself(self, walker):
        tab = uuid.uuid4()
        self.draft(walker, "The user", version=0, tab=tab)
        assert self.draft(walker, "The user is", version=0, tab=tab).status_code == 200

    def test_sending_a_stale_persona_shows_both_texts(self, walker):
        self.draft(walker, "From the first tab")
        response = walker.write("From the second tab")
        html = response.content.decode()
        assert response.status_code == 409
        assert "From the first tab</blockquote>" in html
        assert "From the second tab</textarea>" in html
        assert walker.write("From the second tab", version=1).status_code == 302

    def test_a_submitted_persona_cannot_be_changed(self, walker):
        key = walker.assignment.key
        walker.write("The user is calm and prefers tea.")
        data = {"text": "Changed", "version": 1, "tab": uuid.uuid4()}
        walker.post(f"parts/{key}/persona/", **data)
        walker.post(f"parts/{key}/draft/", **data)
        assert Persona.objects.get().text == "The user is calm and prefers tea."

    def test_submitting_requests_one_output_per_arm_and_twice_changes_nothing(self, walker):
        key = walker.assignment.key
        data = {"text": "I am calm and prefer tea.", "version": 0, "tab": uuid.uuid4()}
        walker.post(f"parts/{key}/persona/", **data)
        walker.post(f"parts/{key}/persona/", **data)
        assert Output.objects.filter(state="requested").count() == 2
        assert Slot.objects.count() == 2

    def test_nothing_is_shown_until_both_outputs_are_ready(self, walker):
        walker.write()
        one = Output.objects.first()
        Output.objects.filter(pk=one.pk).update(state="ready", ready_at=timezone.now(), text="SECRET TEXT")
        assert walker.step == "wait"
        assert "SECRET TEXT" not in walker.get().content.decode()
        slot = Slot.objects.get(output=one)
        answer = walker.post(f"answers/{slot.key}/answerability/", value=3, version=0, client_key=uuid.uuid4())
        assert answer.status_code == 404

    def test_the_waiting_page_polls_and_goes_on_by_itself(self, walker, living_worker):
        walker.write()
        url = f"parts/{walker.assignment.key}/wait/"
        assert "next in line" in walker.get(url, **{"HX-Request": "true"}).content.decode()
        make_ready()
        assert walker.get(url, **{"HX-Request": "true"}).headers["HX-Redirect"] == walker.base

    def test_the_pages_of_a_study_with_three_arms_speak_of_no_pair(self):
        study = make_study(arms=3, given_items=0, written_items=2, written_per_participant=1)
        walker = Walker(study).begin()
        pages = [walker.get().content.decode()]
        walker.write()
        pages.append(walker.get().content.decode())
        Output.objects.filter(pk=Output.objects.earliest("pk").pk).update(lease_until=timezone.now())
        pages.append(walker.get().content.decode())
        make_ready()
        pages.append(walker.get().content.decode())
        assert not re.findall(r"\b(?:two|both)\b(?! sentences)[^.<]*", " ".join(pages), re.IGNORECASE)
        assert [letter for letter in "ABCD" if f"Response {letter}</h2>" in pages[-1]] == ["A", "B", "C"]
        walker.complete()
        assert walker.step == "done"
        assert sorted(Slot.objects.values_list("position", flat=True)) == [1, 2, 3]

    def test_text_runs_in_the_direction_of_its_own_script(self, walker):
        walker.write("المستخدم ممرضة وتفضل الإجابات القصيرة 🙂")
        make_ready("اذهبي في نزهة.")
        shown = re.findall(r'dir="auto"[^>]*>\s*([^<]+)<', walker.get().content.decode())
        assert {"المستخدم ممرضة وتفضل الإجابات القصيرة 🙂", "اذهبي في نزهة."} <= set(shown)

    def test_the_waiting_page_counts_only_requests_before_mine(self, walker, living_worker):
        walker.write()
        later = Walker(walker.participant.study).begin()
        later.write()
        assert "1 request before yours" in later.get().content.decode()
        assert "next in line" in walker.get().content.decode()

    def test_a_slow_generation_can_be_left_for_another_prompt(self, walker, living_worker):
        walker.write()
        assert "Go on with another prompt" not in walker.get().content.decode()
        Output.objects.update(requested_at=timezone.now() - timedelta(minutes=5))
        assert "Go on with another prompt" in walker.get().content.decode()

    def test_after_a_failed_generation_one_goes_on_with_another_item(self, walker):
        walker.write()
        Output.objects.filter(pk=Output.objects.first().pk).update(state="failed", error="CUDA out of memory")
        assert walker.step == "failed"
        assert "CUDA" not in walker.get().content.decode()
        first = walker.assignment
        walker.post(f"parts/{first.key}/set-aside/")
        assert walker.step == "write"
        assert walker.assignment.persona.item != first.persona.item

    def test_the_page_without_responses_asks_ever_more_seldom_and_leads_on_once_they_are_queued(self, walker):
        walker.write()
        Output.objects.update(state="failed", error="CUDA out of memory")
        found = re.search(
            r'hx-get="/p/[^/]+/(parts/\w+/failed/)\?polls=1" hx-trigger="every 5s"', walker.get().content.decode()
        )
        assert found
        periods = []
        for polls in range(1, 7):
            part = walker.get(f"{found[1]}?polls={polls}", **{"HX-Request": "true"}).content.decode()
            assert f"?polls={polls + 1}" in part
            periods += re.findall(r'hx-trigger="every (\d+)s"', part)
        assert periods == ["10", "20", "40", "60", "60", "60"]
        outputs_retry(study=walker.participant.study, user=None)
        led_on = walker.get(f"{found[1]}?polls=7", **{"HX-Request": "true"})
        assert led_on.headers["HX-Redirect"] == walker.base
        assert walker.step == "wait"

    def test_a_given_persona_whose_outputs_failed_is_handed_to_nobody_until_they_are_made(self):
        study = make_study(given_items=2, given_per_participant=2)
        failed = Persona.objects.earliest("pk")
        Output.objects.filter(pk=failed.outputs.earliest("pk").pk).update(state="failed")
        walker = Walker(study).begin()
        assert walker.assignment.persona != failed
        Output.objects.filter(state="failed").update(state="ready")
        walker.complete()
        assert (walker.step, walker.assignment.persona) == ("rate", failed)

    def test_outputs_on_the_page_cannot_be_set_aside(self, walker):
        walker.write()
        make_ready()
        walker.get()
        walker.post(f"parts/{walker.assignment.key}/set-aside/")
        assert walker.step == "rate"
