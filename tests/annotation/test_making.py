"""Making a study in the browser: from a starter, a file, or a copy."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotation.models import Output, Study, StudyMember
from annotation.protocol import definition_of, problems_before_opening
from annotation.studyfile import read_study_data, study_text
from annotation.studyfile.starters import STARTERS
from annotation.studyfile.uploads import MOST_FILES
from tests.annotation.making import NEW, draft, said, upload, zipped
from tests.annotation.making import researcher as researcher  # a fixture
from tests.annotation.studyfiles import definition, study_data
from tests.factories import make_study, make_user

pytestmark = pytest.mark.django_db


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
