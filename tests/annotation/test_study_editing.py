"""Editing a draft in the browser: its sections, its items, the page beside them, and its versions."""

import pytest
from django.conf import settings
from django.test import Client

from annotation.models import Output, Study
from annotation.protocol import definition_hash, definition_of
from annotation.services.studies import study_open
from annotation.studyfile import study_text
from tests.annotation.making import at, draft, form_on, page_of, said, sent_by, upload
from tests.annotation.making import researcher as researcher  # a fixture
from tests.factories import make_study, make_user

pytestmark = pytest.mark.django_db


class TestEdit:
    def test_what_is_typed_is_saved_and_nothing_else_changes(self, researcher: Client) -> None:
        study = draft(researcher)
        before, address = definition_of(study).document(), at("make_edit", study, "texts")
        sent = {**form_on(researcher, address), "contact": "Ada, ada@example.org", "consent": "One.\r\n\r\nTwo.\r\n"}
        assert researcher.post(address, {**sent, "do": "save"}).status_code == 302
        study.refresh_from_db()
        after = definition_of(study).document()
        assert after == {**before, "contact": "Ada, ada@example.org", "consent": "One.\n\nTwo.\n"}

    def test_a_mistake_is_told_at_its_field_with_the_file_s_words_and_nothing_typed_is_lost(
        self, researcher: Client
    ) -> None:
        study = draft(researcher)
        address = at("make_edit", study, "questions")
        sent = {**form_on(researcher, address), "aspects.1.name": "", "aspects.0.question": "Kept?"}
        response = researcher.post(address, {**sent, "do": "save"})
        assert response.status_code == 422
        page = page_of(response)
        field = page.get_element_by_id("f-aspects.1.name")
        assert field.get("aria-invalid") == "true"
        assert "is empty; write some text" in page.get_element_by_id(field.get("aria-describedby")).text_content()
        assert page.get_element_by_id("f-aspects.0.question").get("value") == "Kept?"
        assert page.xpath("//a[@href='#f-aspects.1.name']")

    def test_what_does_not_go_together_with_another_section_leads_there(self, researcher: Client) -> None:
        study = draft(researcher)
        address = at("make_edit", study, "design")
        sent = {**form_on(researcher, address), "design.written_personas_per_participant": "7"}
        response = researcher.post(address, {**sent, "do": "save"})
        assert response.status_code == 422 and "but the number of items without a persona is 6" in said(response)
        sent = {**form_on(researcher, at("make_edit", study, "rules")), "exclusion_rules.failed_checks": "1"}
        response = researcher.post(at("make_edit", study, "rules"), {**sent, "do": "save"})
        assert "the study has no `checks`" in said(response)

    def test_a_row_is_added_without_anything_being_saved(self, researcher: Client) -> None:
        study = draft(researcher)
        address, before = at("make_edit", study, "questions"), definition_hash(study)
        sent = form_on(researcher, address)
        response = researcher.post(address, {**sent, "do": "add aspects"})
        page = page_of(response)
        assert response.status_code == 200 and page.get_element_by_id("f-aspects.2.key").get("value") == ""
        assert definition_hash(study) == before

    def test_another_type_of_question_brings_its_own_inputs(self, researcher: Client) -> None:
        study = draft(researcher)
        address = at("make_edit", study, "questions")
        sent = {**form_on(researcher, address), "aspects.1.type": "comparison"}
        response = researcher.post(address, {**sent, "do": "use"})
        page = page_of(response)
        assert page.get_element_by_id("f-aspects.1.options.tie") is not None
        assert not page.xpath("//*[@name='aspects.1.scale.rows']")
        form = sent_by(page)
        assert researcher.post(address, {**form, "do": "save"}).status_code == 302
        assert study.aspects.get(key="personalization").labels[0] == "Response A is better"

    def test_a_change_from_elsewhere_is_never_overwritten_silently(self, researcher: Client) -> None:
        study = draft(researcher)
        address = at("make_edit", study, "texts")
        mine, other = form_on(researcher, address), form_on(researcher, address)
        assert researcher.post(address, {**other, "title": "Theirs", "do": "save"}).status_code == 302
        response = researcher.post(address, {**mine, "title": "Mine", "do": "save"})
        assert response.status_code == 409
        assert "− title: Theirs" in said(response) and "+ title: Mine" in said(response)
        study.refresh_from_db()
        assert study.title == "Theirs"
        page = page_of(response)
        again = sent_by(page)
        assert researcher.post(address, {**again, "do": "save"}).status_code == 302
        study.refresh_from_db()
        assert study.title == "Mine"

    def test_outputs_are_discarded_only_when_that_is_said(self, researcher: Client) -> None:
        study = make_study(slug="with-outputs", state="draft", owner=make_user())
        address = at("make_edit", study, "design")
        sent = form_on(researcher, address)
        there = Output.objects.filter(arm__study=study).count()
        sent |= {"arms.rows": "3", "do": "save"}
        response = researcher.post(address, sent)
        assert response.status_code == 409 and f"{there} responses that were made" in said(response)
        assert Output.objects.filter(arm__study=study).count() == there and there

    def test_what_is_frozen_is_told_to_be_so(self, researcher: Client) -> None:
        study = make_study(owner=make_user())
        address = at("make_edit", study, "texts")
        assert "what it says is frozen" in said(researcher.get(address))
        before = definition_hash(study)
        assert researcher.post(address, {"title": "New", "do": "save"}).status_code == 409
        assert definition_hash(study) == before


class TestItems:
    def test_an_item_is_added_changed_and_removed(self, researcher: Client) -> None:
        study = draft(researcher)
        new = at("make_item", study, 0)
        sent = {**form_on(researcher, new), "items.6.prompt": "What is new?", "items.6.id": "007", "do": "save"}
        assert researcher.post(new, sent).status_code == 302
        seventh = at("make_item", study, 7)
        sent = {**form_on(researcher, seventh), "items.6.stratum": "odd", "do": "save"}
        assert researcher.post(seventh, sent).status_code == 302
        assert study.items.filter(key="007", prompt="What is new?", stratum="odd").exists()
        page = page_of(researcher.get(seventh))
        removal = dict(page.get_element_by_id("removal").form_values())
        assert researcher.post(seventh, {**removal, "do": "remove"}).status_code == 302
        assert study.items.count() == 6

    def test_a_form_changes_the_item_it_was_made_for_though_another_one_stands_there_now(
        self, researcher: Client
    ) -> None:
        study = draft(researcher)
        second = at("make_item", study, 2)
        mine = {**form_on(researcher, second), "items.1.prompt": "Mine?", "do": "save"}
        first = at("make_item", study, 1)
        assert researcher.post(first, {**form_on(researcher, first), "do": "remove"}).status_code == 302
        response = researcher.post(second, mine)
        assert response.status_code == 409
        page = page_of(response)
        again = sent_by(page)
        assert researcher.post(second, {**again, "do": "save"}).status_code == 302
        assert list(study.items.order_by("ordinal").values_list("prompt", flat=True))[0] == "Mine?"
        assert study.items.count() == 5

    def test_a_mistake_in_an_item_is_told_at_its_field(self, researcher: Client) -> None:
        study = draft(researcher)
        address = at("make_item", study, 2)
        response = researcher.post(address, {**form_on(researcher, address), "items.1.id": "sleep", "do": "save"})
        assert response.status_code == 422
        page = page_of(response)
        assert "is the id of" in page.get_element_by_id("help-items.1.id").text_content()


class TestPreview:
    @pytest.mark.parametrize(
        ("section", "page", "typed", "shown"),
        [
            ("texts", "consent", {"consent": "It is **voluntary**."}, "It is <strong>voluntary</strong>."),
            ("texts", "done", {"debrief": "Thanks."}, "<p>Thanks.</p>"),
            ("questions", "rate", {"aspects.0.question": "New question?"}, "New question?"),
            ("practice", "practice", {"practice.0.prompt": "Which kite?"}, "Which kite?"),
        ],
    )
    def test_a_page_shows_what_is_typed_and_saves_nothing(
        self, section: str, page: str, typed: dict[str, str], shown: str, researcher: Client
    ) -> None:
        study = draft(researcher)
        before = definition_hash(study)
        sent = {**form_on(researcher, at("make_edit", study, section)), **typed, "shows": page}
        response = researcher.post(at("make_preview", study, section), sent)
        (frame,) = page_of(response).xpath("//iframe")
        assert shown in frame.get("srcdoc") and "<script" not in frame.get("srcdoc")
        assert frame.get("sandbox") == "allow-same-origin" and definition_hash(study) == before

    def test_every_page_of_a_study_with_everything_is_shown(self, researcher: Client) -> None:
        text = (settings.BASE_DIR / "examples" / "controls" / "study.yaml").read_bytes()
        upload(researcher, "study.yaml", text)
        study = Study.objects.get()
        sent = form_on(researcher, at("make_edit", study, "texts"))
        form = page_of(researcher.get(at("make_edit", study, "texts")))
        pages = form.xpath("//select[@id='shows']/*/@value")
        assert len(pages) >= 6
        for page in pages:
            response = researcher.post(at("make_preview", study, "texts"), {**sent, "shows": page})
            assert "<iframe" in response.content.decode(), page

    def test_a_mistake_is_named_where_the_page_would_be(self, researcher: Client) -> None:
        study = draft(researcher)
        sent = {**form_on(researcher, at("make_edit", study, "texts")), "consent": " "}
        assert "consent: is empty" in said(researcher.post(at("make_preview", study, "texts"), sent))


class TestVersions:
    def test_the_next_version_is_a_draft_with_the_same_content_and_unbound_arms(self, researcher: Client) -> None:
        study = make_study(owner=make_user(), state="draft")
        study_open(study=study, user=study.owner)
        assert researcher.post(at("make_renew", study)).status_code == 302
        made = Study.objects.get(slug=study.slug, version=2)
        assert definition_of(made) == definition_of(study) and made.state == "draft" and made.owner == study.owner
        assert not made.arms.exclude(fingerprint="").exists()

    def test_what_differs_between_versions_is_shown_section_by_section(self, researcher: Client) -> None:
        study = make_study(owner=make_user())
        assert "One version so far" in said(researcher.get(at("make_differences", study)))
        researcher.post(at("make_renew", study))
        made = Study.objects.get(version=2)
        assert "Both say the same" in said(researcher.get(at("make_differences", made)))
        address = at("make_edit", made, "texts")
        researcher.post(address, {**form_on(researcher, address), "debrief": "Bye.", "do": "save"})
        shown = said(researcher.get(at("make_differences", made)))
        assert "+ debrief: Bye." in shown and "consent" not in shown
        assert "− debrief: Bye." in said(researcher.get(f"{at('make_differences', study)}?with=2"))
        assert researcher.get(f"{at('make_differences', study)}?with=9").status_code == 404

    def test_the_file_can_be_downloaded_in_any_state(self, researcher: Client) -> None:
        study = make_study(owner=make_user(), state="closed")
        response = researcher.get(at("make_file", study))
        assert response["Content-Disposition"] == f'attachment; filename="{study.slug}-v1.yaml"'
        assert response.content.decode() == study_text(definition_of(study))
        assert study.audit_log.filter(action="study_download").exists()
