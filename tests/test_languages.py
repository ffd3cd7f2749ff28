"""Everything that pages say is translated: no template has text outside gettext, and no catalogue is behind."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo
from django.conf import settings
from django.template import engines
from django.utils.translation import override

from tests.tools.catalogues import (
    DOMAINS,
    LANGUAGES,
    brought_up_to_date,
    compiled,
    is_translated,
    messages_of,
    path_of,
    read_catalogue,
    said,
)
from tests.tools.templatetexts import texts_outside_gettext

TEMPLATES = settings.BASE_DIR / "templates"
# The report is a file that leaves the site, and is in English wherever it is read.
IN_ENGLISH = {
    f"modelhub/report/{name}.html" for name in ("_document", "_contents", "_blocks", "_table", "_figure", "standalone")
}
_PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}|%%")


def translated_templates() -> Iterator[Path]:
    for path in sorted(TEMPLATES.rglob("*.html")):
        if str(path.relative_to(TEMPLATES)) not in IN_ENGLISH:
            yield path


def test_no_template_has_text_outside_gettext() -> None:
    found = [text for path in translated_templates() for text in texts_outside_gettext(path)]
    assert not found, "\n".join(found)


def test_text_outside_gettext_is_found_wherever_it_stands(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        '{# A comment. #}<p title="Read me">{% translate "Said" %} and {{ name }}</p>\n'
        '{% blocktranslate %}Also said{% endblocktranslate %}<input placeholder="{% translate "x" %}" data-x="y">\n'
        '<p data-note="a few words"><code>manage.py help</code></p><img alt="Face">',
        encoding="utf-8",
    )
    assert texts_outside_gettext(page) == [
        'page.html:1: title="Read me"', "page.html:1: and", 'page.html:3: data-note="a few words"',
        'page.html:3: alt="Face"',
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["app.css", "workbench.css", "participant.css"])
def test_a_style_sheet_says_nothing(name: str) -> None:
    style = (settings.BASE_DIR / "static" / name).read_text(encoding="utf-8")
    assert re.findall(r'content: *"[^";]*[A-Za-z][^"]*"', style) == []


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_catalogue_is_behind(language: str, domain: str) -> None:
    path = path_of(language, domain)
    assert path.exists(), f"{path} is missing: make catalogues"
    stands, wanted = read_catalogue(language, domain), messages_of(domain)
    missing = [f"no message: {_id(message)}" for message in wanted if message.id and not _find(stands, message)]
    gone = [f"said nowhere: {_id(message)}" for message in stands if message.id and not _find(wanted, message)]
    faults = [fault for message in stands if message.id for fault in _faults(message, stands.num_plurals)]
    assert not [*missing, *gone, *faults], "\n".join(["make catalogues, then translate:", *missing, *gone, *faults])
    assert not stands.obsolete, f"obsolete: {list(stands.obsolete)}"
    assert _kept_in(path_of(language, domain, "mo").read_bytes()) == _kept_in(compiled(stands)), (
        f"make catalogues: {path}"
    )


def _kept_in(compiled_file: bytes) -> list[object]:
    """Return what a .mo file says, without its header, which names the version of the compiler."""
    messages = read_mo(io.BytesIO(compiled_file))
    return sorted(([str(one.context), str(one.id), one.string] for one in messages if one.id), key=str)


def _id(message: Message) -> str:
    return str(message.id) if isinstance(message.id, str) else str(message.id[0])


def _find(catalogue: Catalog, message: Message) -> Message | None:
    return catalogue.get(_id(message), message.context)


def _faults(message: Message, forms: int) -> Iterator[str]:
    forms_said = said(message)
    name = _id(message)
    if message.fuzzy:
        yield f"fuzzy: {name}"
    if not any(forms_said):
        yield f"not translated: {name}"
    elif not isinstance(message.id, str) and (len(forms_said) != forms or not all(forms_said)):
        yield f"{forms} plural forms are needed: {name}"
    for text in filter(None, forms_said):
        # A form for one or two of something may say so in a word instead of the number.
        wanted, has = set(_PLACEHOLDER.findall(name)), set(_PLACEHOLDER.findall(text))
        if has - wanted or (isinstance(message.id, str) and has != wanted):
            yield f"other placeholders than the original: {name} → {text}"
        if sorted(re.findall(r"</?\w+", name)) != sorted(re.findall(r"</?\w+", text)):
            yield f"other tags than the original: {name} → {text}"


def test_a_message_that_is_not_in_a_catalogue_is_told() -> None:
    messages = messages_of("djangojs")
    messages.add("A new message")
    catalogue = brought_up_to_date("de", "djangojs", messages)
    new = catalogue.get("A new message")
    assert new is not None
    assert not is_translated(new, catalogue)
    assert list(_faults(new, 2)) == ["not translated: A new message"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Teil %(nummer)s", "other placeholders"),
        ("Teil", "other placeholders"),
        ("<b>Teil</b> %(number)s", "other tags"),
    ],
)
def test_a_translation_that_would_break_the_page_is_told(text: str, fault: str) -> None:
    assert [fault in told for told in _faults(Message("Part %(number)s", text), 2)] == [True]


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_every_template_can_be_read(language: str) -> None:
    """Also by Arabic, which has six forms of a plural."""
    with override(language):
        for path in TEMPLATES.rglob("*.html"):
            engines["django"].get_template(str(path.relative_to(TEMPLATES)))


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "طلب واحد"), (2, "طلبان"), (3, "3 طلبات"), (11, "11 طلبًا"), (100, "100 طلب ")],
)
def test_arabic_has_a_form_for_each_of_its_plurals(count: int, words: str) -> None:
    template = engines["django"].from_string(
        "{% blocktranslate count n=n %}Waiting in line: {{ n }} request before yours."
        "{% plural %}Waiting in line: {{ n }} requests before yours.{% endblocktranslate %}"
    )
    with override("ar"):
        assert words in template.render({"n": count})
