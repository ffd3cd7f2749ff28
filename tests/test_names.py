"""One name, one thing: what a search for a class or a module finds."""

import re
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

from django.conf import settings

ROOT = settings.BASE_DIR
PACKAGES = ("annotation", "modelhub", "personaeval", "plots")
MOST_MODULES = 4  # of one name
# By Python, Django, PyYAML, gunicorn, Prometheus, ColBERT and the trainer, by these names.
CALLED_BY_OTHERS = {
    "Command", "add_arguments", "handle", "AnnotationConfig", "ModelhubConfig", "as_sqlite", "as_postgresql",
    "encode_passages", "exec_module", "on_log", "on_save", "on_train_begin", "collect", "counting_files_reserve",
    "counting_files_settle", "ignore_aliases", "counting_folder_make", "process_exception",
}  # fmt: skip
DEFINITION = re.compile(r"^ *(?:def|class) (\w+)", re.MULTILINE)
# A decorator that gives a function to somebody who calls it, with the function.
HANDED_OVER = re.compile(r"^( *)@[^\n]*(?:register|validator)[^\n]*\n(?:\1@[^\n]*\n)*\1def \w+", re.MULTILINE)
PROSE = re.compile(r'""".*?"""|\s#[^\n]*', re.DOTALL)


@cache
def sources() -> dict[Path, str]:
    """Return the text of each module of the applications by its path from the root, without migrations."""
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return {
        path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in paths if "migrations" not in path.parts
    }


def test_no_two_classes_go_by_one_name() -> None:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path, text in sources().items():
        for name in re.findall(r"^class (\w+)", text, re.MULTILINE):
            if name != "Command":  # of every command: Django asks for it
                found[name].append(str(path))
    assert not {name: places for name, places in found.items() if len(places) > 1}


def test_no_module_name_stands_for_five_modules() -> None:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sources():
        if path.stem != "__init__" and path.parent.name != "commands":
            found[path.stem].append(str(path))
    assert not {name: places for name, places in found.items() if len(places) > MOST_MODULES}


def test_no_function_and_no_class_is_there_for_tests_alone() -> None:
    code = {path: HANDED_OVER.sub("", PROSE.sub("", text)) for path, text in sources().items()}
    templates = (path.read_text(encoding="utf-8") for path in (ROOT / "templates").rglob("*.html"))
    words = Counter(word for text in (*code.values(), *templates) for word in re.findall(r"\w+", text))
    defined = Counter(name for text in code.values() for name in DEFINITION.findall(text))
    unused = {name for name, times in defined.items() if words[name] == times and not name.startswith("__")}
    assert not {
        f"{path}: {name}" for path, text in code.items() for name in unused - CALLED_BY_OTHERS
        if name in DEFINITION.findall(text)
    }  # fmt: skip
