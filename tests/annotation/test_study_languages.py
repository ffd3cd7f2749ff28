"""A study in one language or several: its file, who reads which, what is kept of it, and what the pages say."""

import csv
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client

from annotation.models import OpenLink, Output, Participant, QuestionnaireAnswer, Study
from annotation.protocol import definition_document, protocol_hash
from annotation.services import participants as services
from annotation.services.studies import study_open, study_save
from annotation.services.withdrawal import participant_erase
from annotation.study_texts import study_in
from annotation.studyfile import read_study_file
from tests.annotation.studyfiles import complaints, definition, rating_aspect, study_data, write
from tests.annotation.walking import Walker
from tests.factories import make_user

EXAMPLE = settings.BASE_DIR / "examples" / "languages"
TITLES = {"de": "Ratschläge für den Alltag", "ar": "نصائح للحياة اليومية", "en": "Advice for every day"}
AGREE = {"de": "bin mit der Teilnahme einverstanden", "ar": "وأوافق على المشاركة", "en": "agree to take part"}


def save(**changes: Any) -> Study:
    """Return the example as a draft."""
    return study_save(definition=read_study_file(EXAMPLE / "study.yaml"), owner=make_user(), **changes)


@pytest.fixture
def study(db: None) -> Study:
    """The example in German, Arabic and English, open."""
    study = save()
    for name in ("general", "tailored"):
        call_command("import_outputs", "languages", str(EXAMPLE / f"{name}.jsonl"), system=name, stdout=io.StringIO())
    study_open(study=study, user=None)
    study.refresh_from_db()
    return study


def page_in(client: Client, address: str, accept: str = "") -> str:
    """Return a page's content as a browser that prefers this gets it."""
    return client.get(address, headers={"accept-language": accept} if accept else {}).content.decode()


def language_of(html: str) -> tuple[str, str]:
    """Return the language and the direction that a page says it has."""
    found = re.search(r'<html lang="([\w-]+)" dir="(\w+)">', html)
    assert found
    return found[1], found[2]


class TestFile:
    def test_a_study_that_names_no_language_is_stored_as_it_always_was(self, tmp_path: Path) -> None:
        for named in ({}, {"language": "en"}, {"languages": ["en"]}):
            read = definition(tmp_path, **named)
            assert (read.languages, read.translations) == ([], {})
            assert not {"languages", "translations"} & set(read.document())
            assert "language" not in read.document()["items"][0]

    def test_a_plain_text_stands_for_all_languages_and_a_mapping_for_each(self, tmp_path: Path) -> None:
        title, scale = {"de": "Studie", "es": "Estudio"}, {1: {"de": "Nein", "es": "No"}, 2: "OK"}
        aspects = [rating_aspect(scale=scale)]
        read = definition(tmp_path, languages=["de", "es"], title=title, aspects=aspects, skip_reasons=["A", "B"])
        assert read.languages == ["de", "es"]
        assert (read.title, read.aspects[0].labels) == ("Studie", ["Nein", "OK"])
        spanish = read.translations["es"]
        assert spanish["title"] == "Estudio"
        assert spanish["aspects"]["fit"]["labels"] == ["No", "OK"]
        assert not {"consent", "skip_reasons"} & set(spanish), "the same in both"

    def test_words_of_our_own_come_in_each_language(self, tmp_path: Path) -> None:
        comparison = {"key": "both", "name": "C", "type": "comparison", "question": "Q"}
        read = definition(tmp_path, languages=["de", "es"], aspects=[rating_aspect(), comparison])
        assert read.aspects[1].labels[0] == "Antwort A ist besser"
        assert read.translations["es"]["aspects"]["both"]["labels"][0] == "La respuesta A es mejor"

    def test_a_preset_is_asked_in_the_study_s_language(self, tmp_path: Path) -> None:
        data = study_data(kind="persona_assessment", preset="persona_assessment", language="de")
        del data["aspects"], data["arms"]
        data["design"] = {"given_personas_per_participant": 1}
        data["items"] = data["items"][:2]
        assert read_study_file(write(tmp_path, data)).aspects[0].name == "Glaubwürdigkeit"

    @pytest.mark.parametrize(
        ("changes", "complaint"),
        [
            ({"language": "fr"}, "language: 'fr' is not one of the values it can have: en, de, es, ar or zh-hans"),
            ({"languages": ["de", "de"]}, "languages[1]: names de twice; remove one"),
            ({"language": "de", "languages": ["de"]}, "language: stands beside `languages`; keep one of the two"),
            ({"languages": []}, "languages: has 0 entries"),
            (
                {"title": {"de": "A", "en": "B"}},
                "title: holds a text for each of several languages, and the file names one",
            ),
            (
                {"languages": ["de", "en"], "title": {"de": "A"}},
                "title: has no text in en; write one in each language, or a single text for all",
            ),
            (
                {"languages": ["de", "en"], "title": {"de": "A", "en": "B", "fr": "C"}},
                "title.fr: 'fr' is none of the study's languages, de, en; remove it, or add it there",
            ),
            ({"languages": ["de", "en"], "title": {"de": "A", "en": " "}}, "title: in en: is empty; write some text"),
            ({"languages": ["de", "en"], "slug": {"de": "a", "en": "b"}}, "slug: expected text"),
            (
                {"language": "de", "elicitation": {"condition": "elicited"}},
                "elicitation: puts English sentences together, and the study is in de; remove this section, or write",
            ),
            (
                {"items": [{"prompt": "a", "persona": "b", "language": "English"}, {"prompt": "c"}]},
                "items[0].language: 'English' is no tag of a language; write it as in en, pt-BR or zh-Hans",
            ),
        ],
    )
    def test_mistakes_are_told_where_they_are(self, changes: dict[str, Any], complaint: str, tmp_path: Path) -> None:
        found = complaints(write(tmp_path, study_data(**changes)))
        assert [line for line in found if complaint in line], found

    def test_a_mistake_in_all_languages_is_told_once_and_with_its_line(self, tmp_path: Path) -> None:
        path = write(tmp_path, study_data(languages=["de", "en"], arms=9))
        assert complaints(path) == [f"study.yaml:{line_of(path, 'arms')}: arms: 9 is out of range; at most 5 is right"]

    def test_two_labels_that_are_the_same_in_one_language_are_refused_there(self, tmp_path: Path) -> None:
        scale = {1: {"de": "Ja", "en": "No"}, 2: {"de": "Ja", "en": "Yes"}}
        data = study_data(languages=["de", "en"], aspects=[rating_aspect(scale=scale)])
        (found,) = complaints(write(tmp_path, data))
        assert "in de: gives two points the same label" in found

    def test_a_column_called_language_is_read_only_where_it_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "items.csv").write_text("prompt,persona,language\na,b,klingon\n", encoding="utf-8")
        design = {"given_personas_per_participant": 1}
        (item,) = definition(tmp_path, design=design, items={"file": "items.csv"}).items
        assert item.language == ""
        (item,) = definition(tmp_path, design=design, items={"file": "items.csv", "language": "es"}).items
        assert item.language == "es"
        columns = {"prompt": "prompt", "persona": "persona", "language": "language"}
        found = complaints(write(tmp_path, study_data(design=design, items={"file": "items.csv", "columns": columns})))
        assert "'klingon' is no tag of a language" in found[0]


def line_of(path: Path, key: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if line.startswith(f"{key}:"))


class TestStudy:
    def test_what_is_stored_is_what_the_file_says_and_loading_it_again_changes_nothing(self, study: Study) -> None:
        read = read_study_file(EXAMPLE / "study.yaml")
        assert definition_document(study) == read.document()
        assert save().pk == study.pk

    def test_every_text_is_part_of_the_hash(self, db: None) -> None:
        study = save()
        before = protocol_hash(study)
        study.translations["ar"]["consent"] += "!"
        assert protocol_hash(study) != before

    def test_a_study_in_one_language_speaks_it_to_everybody(self, db: None, tmp_path: Path) -> None:
        read = read_study_file(write(tmp_path, study_data(language="es", title="Estudio")))
        study = study_save(definition=read, owner=make_user())
        page = page_in(Client(), Walker(study).base, accept="de")
        assert language_of(page) == ("es", "ltr")
        assert "Este estudio todavía no ha empezado" in page


class TestChoice:
    @pytest.mark.parametrize(
        ("query", "accept", "language"),
        [
            ("", "", "de"),  # the first
            ("", "fr, ar;q=0.5, en;q=0.4", "ar"),
            ("", "en-GB", "en"),
            ("", "fr", "de"),  # not the study's: the first again
            ("?lang=ar", "en", "ar"),
            ("?lang=fr", "en", "en"),
        ],
    )
    def test_who_comes_reads_what_the_link_says_or_the_browser_prefers(
        self, study: Study, query: str, accept: str, language: str
    ) -> None:
        link = OpenLink.objects.create(study=study, cap=5)
        for address in (f"/join/{link.token}/", Walker(study).base):
            page = page_in(Client(), address + query, accept)
            assert language_of(page) == (language, "rtl" if language == "ar" else "ltr")
            assert TITLES[language] in page

    def test_looking_in_another_language_changes_nothing(self, study: Study) -> None:
        walker = Walker(study)
        page_in(walker.client, f"{walker.base}?lang=ar")
        assert Participant.objects.get(pk=walker.participant.pk).language == ""

    def test_what_is_chosen_on_the_page_stays_and_is_fixed_with_the_consent(self, study: Study) -> None:
        walker = Walker(study)
        walker.post("language/", lang="ar")
        assert AGREE["ar"] in page_in(walker.client, walker.base, accept="en")
        walker.post("language/", lang="fr")  # none of the study's
        assert AGREE["ar"] in page_in(walker.client, walker.base)
        walker.post("consent/", answer="agree", lang="en")  # the form that was open said so
        walker.post("language/", lang="de")
        page = page_in(walker.client, f"{walker.base}?lang=ar", accept="ar")
        assert language_of(page) == ("en", "ltr")
        assert Participant.objects.get(pk=walker.participant.pk).language == "en"

    def test_the_switch_stands_before_the_consent_only(self, study: Study) -> None:
        walker = Walker(study)
        link = OpenLink.objects.create(study=study, cap=5)
        assert 'href="?lang=ar" lang="ar"' in page_in(walker.client, f"/join/{link.token}/")
        assert 'name="lang" value="ar" lang="ar"' in page_in(walker.client, walker.base)
        walker.post("consent/", answer="agree")
        assert "العربية" not in page_in(walker.client, walker.base)

    def test_the_one_who_joins_keeps_the_language_of_the_page(self, study: Study) -> None:
        link = OpenLink.objects.create(study=study, cap=5)
        client = Client()
        answer = client.post(f"/join/{link.token}/", {"lang": "ar"})
        assert language_of(page_in(client, answer["Location"], accept="en")) == ("ar", "rtl")

    def test_the_consent_kept_is_that_of_the_text_that_was_read(self, study: Study) -> None:
        for language in ("de", "ar"):
            participant = services.participant_create(study=study)
            services.participant_consent(participant=participant, language=language)
            participant.refresh_from_db()
            text = study_in(study, language).consent
            assert participant.consent_hash == hashlib.sha256(text.encode()).hexdigest()
        assert study_in(study, "ar").consent.startswith("تقارن")


class TestPages:
    @pytest.fixture
    def arab(self, study: Study) -> Walker:
        """Somebody who has begun in Arabic, with a browser that would rather have English."""
        walker = Walker(study)
        walker.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
        walker.post("consent/", answer="agree", lang="ar")
        return walker

    def test_an_answer_in_words_is_stored_as_the_first_language_has_it(self, arab: Walker) -> None:
        page = arab.get().content.decode()
        assert '<input type="radio" name="question-habit" value="Ja"  required><span>نعم</span>' in page
        arab.post("questions/before/", **{"question-habit": "Ja"})
        assert QuestionnaireAnswer.objects.get().value == "Ja"
        refused = arab.post("questions/before/", **{"question-habit": "نعم"})
        assert refused.status_code == 302  # sent already

    def test_the_work_is_shown_in_the_language_and_what_is_studied_in_its_own(self, arab: Walker) -> None:
        self.go_to_work(arab)
        arab.post(f"parts/{arab.assignment.key}/warning/")
        page = arab.get().content.decode()
        assert "ما مدى فائدة هذا الرد للشخص الموصوف؟" in page
        assert '<span class="option-label">غير مفيد</span>' in page
        assert "الرد A أفضل" in page
        assert 'value="Zu lang" ><span>طويل جدًا</span>' in page
        assert 'value="Ich kenne mich damit nicht aus" ><span>لا أعرف هذا الموضوع</span>' in page
        assert page.count('dir="auto" translate="no" lang="en"') == 4  # prompt, persona and two responses
        assert "/words/ar.js?v=" in page

    def go_to_work(self, walker: Walker) -> None:
        walker.post("questions/before/", **{"question-habit": "Nein"})
        walker.post("instructions/")
        walker.post("practice/", index=0, **self.practice_answers(walker))
        walker.get()

    def practice_answers(self, walker: Walker) -> dict[str, int]:
        names = re.findall(r'name="(answer-[\w-]+)"', walker.get().content.decode())
        return dict.fromkeys(names, 1)

    def test_a_warning_is_in_the_language_too(self, arab: Walker) -> None:
        self.go_to_work(arab)
        pages = []
        for _ in range(2):
            pages.append(arab.get().content.decode())
            arab.post(f"parts/{arab.assignment.key}/warning/")
            arab.complete()
        assert any("يحتوي هذا على: نصائح صحية" in page for page in pages)
        assert "شكرًا لك، لقد انتهيت" in arab.get().content.decode()

    def test_what_is_refused_is_refused_in_the_language(self, arab: Walker) -> None:
        self.go_to_work(arab)
        arab.post(f"parts/{arab.assignment.key}/warning/")
        page = arab.get().content.decode()
        address, hidden = re.findall(r'data-url="/p/[\w-]+/(answers/[\w/-]+)"', page)[0], arab.answers()
        key = next(value for name, value in hidden.items() if name.startswith("key-"))
        refused = arab.post(address, value=9, version=0, client_key=key)
        assert refused.status_code == 422
        assert "لا 9" in json.loads(refused.content)["message"]
        assert refused["Content-Language"] == "ar"

    def test_leaving_and_its_receipt_are_in_the_language_and_it_is_forgotten(self, arab: Walker) -> None:
        assert "مغادرة الدراسة" in arab.get("leave/").content.decode()
        receipt = arab.post("leave/", choice="erase", lang="ar").content.decode()
        assert language_of(receipt) == ("ar", "rtl")
        assert "حُذفت بياناتك" in receipt
        assert "قد تظل النسخ الاحتياطية" in receipt
        assert Participant.objects.get(pk=arab.participant.pk).language == ""
        again = arab.post("leave/", choice="erase", lang="ar").content.decode()
        assert "حُذفت بياناتك" in again

    def test_an_address_that_leads_nowhere_says_so_in_the_browser_s_language(self, db: None) -> None:
        page = page_in(Client(), "/p/there-is-no-such-link-at-all/", accept="es-MX")
        assert language_of(page) == ("es", "ltr")
        assert "No hay nada en esta dirección" in page

    def test_english_pages_load_no_catalogue(self, study: Study) -> None:
        assert "/words/" not in page_in(Client(), Walker(study).base, accept="en")


class TestWords:
    def test_the_catalogue_is_kept_for_good_and_needs_no_session(self, db: None, client: Client) -> None:
        address = re.findall(r'src="(/words/[^"]+)"', page_in(client, "/", accept="de"))[0]
        client.cookies.clear()
        answer = client.get(address)
        assert "Wird gespeichert" in answer.content.decode()
        assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer["Content-Type"].startswith("text/javascript")
        assert not answer.cookies
        assert "immutable" not in client.get("/words/de.js?v=another")["Cache-Control"]

    @pytest.mark.parametrize("language", ["en", "fr", "zh-hant"])
    def test_there_is_none_of_other_languages(self, db: None, client: Client, language: str) -> None:
        assert client.get(f"/words/{language}.js").status_code == 404


def test_researchers_choose_their_language_and_the_browser_keeps_it(db: None) -> None:
    client = Client()
    assert "Anmelden" in page_in(client, "/accounts/login/", accept="de")
    client.post("/language/", {"language": "es", "next": "/accounts/login/"})
    assert "Iniciar sesión" in page_in(client, "/accounts/login/", accept="de")


def test_the_export_says_the_language_of_each_participant(study: Study, tmp_path: Path) -> None:
    for language in ("ar", "de"):
        participant = services.participant_create(study=study)
        services.participant_consent(participant=participant, language=language)
    gone = services.participant_create(study=study)
    services.participant_consent(participant=gone, language="en")
    participant_erase(participant=Participant.objects.get(pk=gone.pk))
    call_command("export_ratings", "languages", out=tmp_path, format="csv", stdout=io.StringIO())
    (path,) = tmp_path.rglob("participants.csv")
    rows = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
    assert [row["language"] for row in rows] == ["ar", "de", ""]


def test_outputs_of_the_example_are_there_for_every_arm(study: Study) -> None:
    assert Output.objects.filter(arm__study=study, state="ready").count() == 4


def test_a_study_s_title_says_its_language_on_pages_in_another(study: Study, client: Client) -> None:
    client.force_login(study.owner)
    for address in ("/research/", f"/research/{study.slug}/v{study.version}/"):
        assert f'lang="de" dir="auto">{TITLES["de"]}<' in page_in(client, address)
        assert 'lang="de" dir="auto"' not in page_in(client, address, accept="de")
