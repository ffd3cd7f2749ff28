"""One name, one thing: what a search for a class or a module finds."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

ROOT = settings.BASE_DIR
PACKAGES = ("annotation", "modelhub", "personaeval", "plots")
MOST_MODULES = 4  # of one name
STILL_TWICE = {"Step", "Generation", "_Section", "_Progress", "_Plan"}


def modules() -> Iterator[Path]:
    """Yield the modules of the applications, without migrations."""
    for package in PACKAGES:
        yield from (path for path in sorted((ROOT / package).rglob("*.py")) if "migrations" not in path.parts)


def test_no_two_classes_go_by_one_name() -> None:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in modules():
        classes = (one for one in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(one, ast.ClassDef))
        for one in classes:
            found[one.name].append(f"{path.relative_to(ROOT)}:{one.lineno}")
    del found["Command"]  # of every command: Django asks for it
    assert not {name: places for name, places in found.items() if len(places) > 1 and name not in STILL_TWICE}


def test_no_module_name_stands_for_five_modules() -> None:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in modules():
        if path.stem != "__init__" and path.parent.name != "commands":
            found[path.stem].append(str(path.relative_to(ROOT)))
    assert not {name: places for name, places in found.items() if len(places) > MOST_MODULES}
