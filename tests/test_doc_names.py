"""What the docs name in code style exists: keys of the study file, options, columns, files, names of the code."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import load_command_class

from annotation.export import study_tables
from annotation.export.codebook import codebook_data
from tests.factories import make_study
from tests.test_docs import DOCS, PAGES, documented_variables, long_options
from tests.tools import commanddocs, keydocs

ROOT = settings.BASE_DIR
WRITTEN = [page for page in PAGES if page.name != "CHANGELOG.md"]  # which names what is gone, too
CODE = ("annotation", "modelhub", "personaeval", "plots", "deploy", "examples", "benchmarks", "static", "templates")
SUFFIXES = {".py", ".toml", ".yaml", ".yml", ".html", ".js", ".css", ".sh", ".service", ".conf", ".example", ".txt"}
# Names of others, or made from two parts.
OTHERS = {
    "dns_sd_configs", "PYTEST_DEBUG_TEMPROOT", "test_a_closed_study_cannot_be_reopened", "axes_reset", "VLLM_HOST_IP",
    "ANTHROPIC_API_KEY", "COHERE_API_KEY", "TOGETHER_API_KEY", "lm_head", "bco_pair",
}  # fmt: skip
OPTIONS_OF_VLLM = {
    "--tensor-parallel-size", "--api-key", "--lora-modules", "--generation-config", "--max-loras", "--max-num-seqs",
}  # fmt: skip
# Figures of /metrics are put together where they are written; tests/operations/ holds their page to what is served.
FIGURES = re.compile(r"\w+_(total|seconds|bytes|info|under_way|up|ok)")


def spans(page: Path) -> list[str]:
    """What stands in code style on a page, outside of blocks."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", text)


def words_of_the_code() -> set[str]:
    files = (path for folder in CODE for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES)
    return {word for path in files for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}


def assert_nothing_unknown(found: Iterable[tuple[Path, str]]) -> None:
    unknown = [f"{page.relative_to(ROOT)}: {name}" for page, name in found]
    assert not unknown, "\n".join(unknown)


def test_every_key_of_a_study_file_that_a_page_shows_with_a_value_is_one() -> None:
    known = keydocs.keys()

    def wrong() -> Iterator[tuple[Path, str]]:
        for page in WRITTEN:
            for span in spans(page):
                if re.match(r"[a-z_]+: ", span):
                    yield from ((page, f"{span} ({key})") for key in set(keys_in(yaml.safe_load(span))) - known)

    assert "overlap_share" in known and "overlap" not in known
    assert_nothing_unknown(wrong())


def keys_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from keys_in(inner)


def test_every_name_in_the_docs_is_one_of_the_code() -> None:
    known = words_of_the_code() | OTHERS | documented_variables()
    assert_nothing_unknown(
        (page, span)
        for page in WRITTEN
        for span in spans(page)
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)+", span)
        and span not in known
        and span.removeprefix("personaeval_") not in known
        and not (page.name == "operations.md" and FIGURES.fullmatch(span))
    )


def test_every_option_in_the_docs_is_one_of_a_command() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").rglob("*.py"))
    known = (
        OPTIONS_OF_VLLM
        | set(re.findall(r'"(--[a-z-]+)"', scripts))
        | {
            option
            for app, command in commanddocs.commands()
            for option in long_options(load_command_class(app, command).create_parser("manage.py", command))
        }
    )
    assert_nothing_unknown(
        (page, option)
        for page in WRITTEN
        for span in spans(page)
        for option in re.findall(r"^--[a-z][a-z-]+", span)
        if option not in known
    )


def test_every_file_of_the_checkout_that_a_page_names_is_there() -> None:
    folders = "|".join((*CODE, "docs", "tests"))
    assert_nothing_unknown(
        (page, span)
        for page in WRITTEN
        for span in spans(page)
        if re.fullmatch(rf"(?:{folders})/[\w./*-]+", span)
        and not span.endswith((".env", "NAME.py"))
        and not [*ROOT.glob(span)]
    )


@pytest.mark.django_db
def test_the_page_on_exports_names_every_table_and_no_column_that_is_not_there() -> None:
    study = make_study(comparison=True)
    tables = study_tables(study, external_ids=True)
    columns = {column.name for table in tables.values() for column in table.columns}
    values = {value for table in tables.values() for column in table.columns for value in column.values}
    counts = dict.fromkeys(tables, 0)
    codebook = set(codebook_data(study, tables, counts=counts, command="", include_bots=False))
    commands = {command for _, command in commanddocs.commands()}
    known = columns | values | {*tables, *codebook, "free_text"} | commands | keydocs.keys() | documented_variables()
    page = DOCS / "export.md"
    named = {span for span in spans(page) if re.fullmatch(r"[A-Za-z]+(_[A-Za-z]+)+", span)}
    assert set(re.findall(r"^\| `(\w+)` \| ", page.read_text(encoding="utf-8"), re.MULTILINE)) >= set(tables)
    assert len(named) > 15
    assert named <= known, named - known
