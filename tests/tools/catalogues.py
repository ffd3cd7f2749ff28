"""The catalogues of translations: gather the messages, bring the catalogues up to date and compile them.

`make catalogues` writes `personaeval/locale/LANGUAGE/LC_MESSAGES/{django,djangojs}.{po,mo}` anew: messages that are new
come in empty, to be translated, and those that are gone leave. No GNU gettext is needed.
"""

import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
django.setup()

from babel.messages.catalog import Catalog, Message  # noqa: E402
from babel.messages.extract import extract  # noqa: E402
from babel.messages.mofile import write_mo  # noqa: E402
from babel.messages.pofile import read_po, write_po  # noqa: E402
from django.conf import settings  # noqa: E402
from django.utils.translation import get_language_info, to_locale  # noqa: E402
from django.utils.translation.template import templatize  # noqa: E402

ROOT = Path(settings.BASE_DIR)
LOCALE = Path(settings.LOCALE_PATHS[0])
LANGUAGES = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
DOMAINS = ("django", "djangojs")
PACKAGES = ("annotation", "modelhub", "personaeval", "plots")
KEYWORDS = {
    name: spec
    for suffix in ("", "_lazy", "_noop")
    for name, spec in {
        f"gettext{suffix}": None,
        f"ngettext{suffix}": (1, 2),
        f"pgettext{suffix}": ((1, "c"), 2),
        f"npgettext{suffix}": ((1, "c"), 2, 3),
    }.items()
} | {"_": None}
# In the order of CLDR: none, one, two, few, many, other. Babel's own order is another one.
PLURALS = {
    "ar": (6, "(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 && n%100<=99 ? 4 : 5)"),
}
# Fixed, so that writing a catalogue anew changes nothing that did not change.
WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)
_Found = tuple[int, object, list[str], str | None]


def path_of(language: str, domain: str, ending: str = "po") -> Path:
    """Return where a catalogue lies."""
    return LOCALE / to_locale(language) / "LC_MESSAGES" / f"{domain}.{ending}"


def messages_of(domain: str) -> Catalog:
    """Return every message of the domain: of Python and templates (django), or of scripts (djangojs)."""
    catalog = Catalog(domain=domain)
    for path in _sources(domain):
        name = str(path.relative_to(ROOT))
        for _, message, comments, context in _extracted(path):
            catalog.add(message, locations=[(name, 0)], auto_comments=comments, context=context)  # type: ignore[arg-type]
    return catalog


def _sources(domain: str) -> Iterator[Path]:
    if domain == "djangojs":
        yield from sorted((ROOT / "static").glob("*.js"))
        return
    yield from sorted((ROOT / "templates").rglob("*.html"))
    for package in PACKAGES:
        yield from (path for path in sorted((ROOT / package).rglob("*.py")) if "migrations" not in path.parts)


def _extracted(path: Path) -> Iterator[_Found]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        # What stands around the messages comes as X; without indents it can be read as Python.
        text = "\n".join(line.lstrip() for line in templatize(text, origin=str(path)).splitlines())
    method = "javascript" if path.suffix == ".js" else "python"
    yield from extract(method, io.BytesIO(text.encode("utf-8")), keywords=KEYWORDS, comment_tags=("Translators:",))


def read_catalogue(language: str, domain: str) -> Catalog:
    """Return a catalogue as it stands; an empty one, in the language's form, where there is none."""
    path = path_of(language, domain)
    if path.exists():
        with path.open("rb") as file:
            return read_po(file, locale=to_locale(language), domain=domain)
    catalog = Catalog(
        locale=to_locale(language),
        domain=domain,
        project="personaeval",
        version="1",
        copyright_holder="personaeval",
        msgid_bugs_address="none",
        last_translator="personaeval",
        language_team=language,
        header_comment=f"# {get_language_info(language)['name']}; see docs/languages.md.",
        fuzzy=False,
        creation_date=WRITTEN,
        revision_date=WRITTEN,
    )
    if language in PLURALS:
        catalog._num_plurals, catalog._plural_expr = PLURALS[language]  # type: ignore[assignment]
    return catalog


def brought_up_to_date(language: str, domain: str, messages: Catalog) -> Catalog:
    """Return the catalogue with exactly these messages; those that it lacked have no translation yet."""
    catalog = read_catalogue(language, domain)
    catalog.update(messages, no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    return catalog


def as_text(catalog: Catalog) -> bytes:
    """Return the .po file of a catalogue."""
    file = io.BytesIO()
    write_po(file, catalog, width=110, include_lineno=False, ignore_obsolete=True, sort_by_file=True)
    return file.getvalue()


def compiled(catalog: Catalog) -> bytes:
    """Return the .mo file of a catalogue."""
    file = io.BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def untranslated(catalog: Catalog) -> list[Message]:
    """Return the messages of a catalogue that lack a translation, or one of its plural forms."""
    return [message for message in catalog if message.id and not is_translated(message, catalog)]


def is_translated(message: Message, catalog: Catalog) -> bool:
    """Whether a message has its translation; one with a plural has as many as the language has forms."""
    forms = said(message)
    return all(forms) and len(forms) == (1 if isinstance(message.id, str) else catalog.num_plurals)


def said(message: Message) -> list[str]:
    """Return the translations of a message: one, or one for each form of a plural; "" where there is none."""
    text = message.string or ""
    return [text] if isinstance(text, str) else list(text)


def main() -> None:
    """Write every catalogue anew, and say what is still to be translated."""
    for domain in DOMAINS:
        messages = messages_of(domain)
        for language in LANGUAGES:
            catalog = brought_up_to_date(language, domain, messages)
            path_of(language, domain).parent.mkdir(parents=True, exist_ok=True)
            path_of(language, domain).write_bytes(as_text(catalog))
            path_of(language, domain, "mo").write_bytes(compiled(catalog))
            left = len(untranslated(catalog))
            print(f"{path_of(language, domain).relative_to(ROOT)}: {len(catalog)} messages, {left} not translated")


if __name__ == "__main__":
    main()
