"""Making a study in the browser: from a starter, a file, a copy or the version before; and editing it."""

import io
import re
import zipfile
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from lxml import html

from annotation.models import Output, Study, StudyMember
from annotation.protocol import definition_hash, definition_of, problems_before_opening
from annotation.services.studies import study_open
from annotation.studyfile import read_study_data, study_text
from annotation.studyfile.starters import STARTERS
from annotation.studyfile.uploads import MOST_FILES
from tests.annotation.studyfiles import definition, study_data
from tests.factories import make_study, make_user

pytestmark = pytest.mark.django_db
NEW = "/research/new/"


@pytest.fixture
def researcher(client: Client) -> Client:
    client.force_login(make_user())
    return client


def draft(client: Client, starter: str = "own_personas", **changes: Any) -> Study:
    """Make a study from a starter by the page, as the researcher."""
    response = client.post(NEW, {"way": "starter", "starter": starter, "title": "Garden advice", **changes})
    assert response.status_code == 302, said(response)
    return Study.objects.latest("pk")


def page_of(response: Any) -> Any:
    return html.fromstring(response.content.decode())


def said(response: Any) -> str:
    return " ".join(page_of(response).text_content().split())


def at(name: str, study: Study, *more: Any) -> str:
    return reverse(f"annotation:{name}", args=[study.slug, study.version, *more])


def form_on(client: Client, address: str) -> dict[str, str]:
    """Return what a browser would send of the form for editing on a page."""
    return sent_by(page_of(client.get(address)))


def sent_by(page: Any) -> dict[str, str]:
    form = page.get_element_by_id("edit-form")
    for area in form.xpath(".//textarea"):
        area.value = area.value.removeprefix("\n")  # the first line end of a text area is none, as browsers read it
    return {name: value for name, value in form.form_values() if name != "csrfmiddlewaretoken"}


def upload(client: Client, name: str, content: bytes) -> Any:
    return client.post(NEW, {"way": "file", "file": SimpleUploadedFile(name, content)})


def zipped(files: dict[str, str | bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


class TestNew:
    @pytest.mark.parametrize("starter", STARTERS, ids=lambda one: one.name)
    def test_each_study_to_start_from_becomes_a_draft_of_the_one_who_makes_it(
        self, starter: Any, researcher: Client
    ) -> None:
        study = draft(researcher, starter.name)
        assert (study.slug, study.version, study.state, study.title) == ("garden-advice", 1, "draft", "Garden advice")
        assert study.owner.username == "researcher"
        assert study.audit_log.filter(action="study_load", user=study.owner).exists()

    def test_no_study_to_start_from_goes_live_before_its_placeholders_are_replaced(self, researcher: Client) -> None:
        study = draft(researcher, "paper_persona_study")
        problems = " ".join(problems_before_opening(study))
        assert (
            "Its contact still says 'Put here the name" in problems and "Its consent still says '[Put here" in problems
        )
        Study.objects.filter(pk=study.pk).update(
            contact="Ada, ada@example.org", consent="Voluntary. Put here your mind."
        )
        study.refresh_from_db()
        assert "still says" not in " ".join(problems_before_opening(study))

    def test_a_placeholder_in_another_language_stands_in_the_way_too(self) -> None:
        study = make_study(state="draft")
        study.translations = {"de": {"debrief": "Danke. [put here: Namen]"}}
        assert problems_before_opening(study) == [
            "Its debrief still says '[put here: Namen]'; put in what belongs there."
        ]
        study.demonstration = True
        assert problems_before_opening(study) == []

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"title": ""}, "required"),
            ({"title": "A\u2028B"}, "line break"),
            ({"title": "دراسة"}, "Latin letters"),
            ({"slug": "Not A Name"}, "may hold only small letters"),
            ({"starter": "nothing"}, "not one of the available choices"),
        ],
    )
    def test_a_name_that_is_none_is_refused_and_what_was_typed_is_kept(
        self, given: dict[str, str], says: str, researcher: Client
    ) -> None:
        sent = {"way": "starter", "starter": "preference", "title": "Kept title", **given}
        response = researcher.post(NEW, sent)
        assert response.status_code == 422 and says in said(response)
        assert given.get("title", "Kept title") in response.content.decode()
        assert not Study.objects.exists()

    def test_a_name_that_is_taken_is_refused_whoever_has_it(self, researcher: Client) -> None:
        make_study(slug="garden-advice", owner=make_user("somebody"))
        response = researcher.post(NEW, {"way": "starter", "starter": "preference", "title": "Garden advice"})
        assert response.status_code == 409 and "called garden-advice already" in said(response)

    def test_an_empty_list_of_studies_says_what_will_stand_there_and_how_to_begin(self, researcher: Client) -> None:
        listed = researcher.get(reverse("annotation:study_list"))
        assert "how many have finished" in said(listed) and NEW in listed.content.decode()


class TestUpload:
    def test_a_study_file_becomes_the_same_study(self, researcher: Client, tmp_path: Any) -> None:
        made = definition(tmp_path)
        assert upload(researcher, "mine.yaml", study_text(made).encode()).status_code == 302
        assert definition_of(Study.objects.get()) == made

    def test_an_archive_brings_the_files_of_its_items(self, researcher: Client) -> None:
        text = study_text(read_study_data(study_data())).split("\nitems:")[0] + "\nitems: {file: data/items.csv}\n"
        rows = "prompt,persona\nHow?,Somebody\nWhy?,\n"
        packed = zipped({"folder/study.yaml": text, "folder/data/items.csv": rows, "__MACOSX/._study.yaml": "x"})
        assert upload(researcher, "study.zip", packed).status_code == 302
        assert [item.prompt for item in definition_of(Study.objects.get()).items] == ["How?", "Why?"]

    @pytest.mark.parametrize("path", ["../items.csv", "/etc/items.csv", "a/../../items.csv"])
    def test_items_from_outside_of_what_was_sent_are_never_looked_at(self, path: str, researcher: Client) -> None:
        text = study_text(read_study_data(study_data())).split("\nitems:")[0] + f"\nitems: {{file: {path}}}\n"
        response = upload(researcher, "study.yaml", text.encode())
        assert response.status_code == 422 and "is no file beside the study file" in said(response)
        assert not re.search(r"/tmp|/home|looked for", said(response))

    @pytest.mark.parametrize(
        ("packed", "says"),
        [
            (b"no archive", "is no readable .zip"),
            (zipped({"a.txt": "x"}), "must hold one study file, such as study.yaml; found: none"),
            (zipped({"a.yaml": "x", "b.yaml": "y"}), "found: a.yaml, b.yaml"),
            (zipped({"../study.yaml": "x"}), "would lie outside of its folder"),
            (zipped({"/study.yaml": "x"}), "would lie outside of its folder"),
            (zipped({"study.yaml": "x", "big": bytes(70 << 20)}), "unpacks into more than 64 MB"),
            (zipped({f"{n}.csv": "" for n in range(MOST_FILES + 1)}), "at most 200 can be read"),
            (zipped({"study.yaml": "slug: a\n"}), "study.yaml:1: title: this key is missing"),
            (zipped({"a": "x", "a/study.yaml": "x"}), "is no readable .zip"),
        ],
    )  # fmt: skip
    def test_an_archive_that_is_wrong_is_refused_with_what_is(
        self, packed: bytes, says: str, researcher: Client
    ) -> None:
        response = upload(researcher, "study.zip", packed)
        assert response.status_code == 422 and says in said(response)
        assert not Study.objects.exists()

    def test_a_file_of_another_kind_is_refused(self, researcher: Client) -> None:
        assert "send one that ends in .yaml" in said(upload(researcher, "study.docx", b"x"))


class TestCopy:
    def test_a_copy_has_texts_design_and_items_and_nothing_else(self, researcher: Client) -> None:
        study = make_study(owner=make_user("ada"))
        StudyMember.objects.create(study=study, user=make_user(), role="researcher")
        response = researcher.post(NEW, {"way": "copy", "study": study.pk, "title": "Mine", "slug": "mine"})
        assert response.status_code == 302
        copy = Study.objects.get(slug="mine")
        ours, theirs = definition_of(copy).document(), definition_of(study).document()
        assert ours == {**theirs, "slug": "mine", "title": "Mine"}
        assert copy.owner.username == "researcher" and copy.state == "draft"
        assert not copy.participants.exists() and not Output.objects.filter(arm__study=copy).exists()
        assert study.audit_log.filter(action="study_copy", data={"copy": "mine"}).exists()

    def test_a_study_that_one_may_not_see_cannot_be_copied(self, researcher: Client) -> None:
        study = make_study(owner=make_user("ada"))
        assert researcher.post(NEW, {"way": "copy", "study": study.pk, "title": "Mine"}).status_code == 422


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
        assert frame.get("sandbox") == "" and definition_hash(study) == before

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
