"""The dependency rules that the blinding and the light web host rest on."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from django.conf import settings
from packaging.requirements import Requirement

ROOT = settings.BASE_DIR
APPS = ("annotation", "modelhub")
HEAVY = {"torch", "transformers", "vllm", "colbert", "faiss", "trl", "peft", "datasets", "accelerate", "sklearn"}
HEAVY |= {"matplotlib"}  # a second of every command, for the one that draws on paper
SLOW = {"scipy.stats", "simplemma"}  # a second of every command, for the few that count
PURE = [
    "annotation/allocation.py",
    "annotation/keys.py",
    "annotation/elicitation/*.py",
    "annotation/errors.py",
    "annotation/persona_screening.py",
    "annotation/persona_terms.py",
    "modelhub/stats/sampling.py",
    "modelhub/files/pairs.py",
    "modelhub/files/personacolumns.py",
    "modelhub/files/preferences.py",
    "modelhub/files/sources.py",
    "modelhub/files/problems.py",
    "modelhub/prompting/layouts.py",
    "modelhub/prompting/endings.py",
    "modelhub/prompting/persona_text.py",
    "modelhub/prompting/guarding.py",
    "annotation/rowfiles/*.py",
    "modelhub/screening/flags.py",
    "modelhub/screening/self_references.py",
    "modelhub/prompting/persona_inference.py",
    "modelhub/stats/lemmas.py",
    "modelhub/prompting/persona_judging.py",
    "modelhub/prompting/output_judging.py",
    "modelhub/prompting/answers.py",
    "modelhub/prompting/procedures.py",
    "modelhub/profiles/*.py",
    "modelhub/prompting/bm25.py",
    "modelhub/retrieval/maxsim.py",
    "modelhub/retrieval/splits.py",
    "modelhub/screening/persona_flags.py",
    "modelhub/training/*.py",
    "modelhub/prompting/verdicts.py",
    "modelhub/stats/*.py",
    "plots/*.py",
]
# Imports one module after another, and takes back what each brought, so that no module hides what the next one needs.
IMPORTER = """
import importlib, json, sys
before, loaded = set(sys.modules), {}
for module in sys.argv[1:]:
    importlib.import_module(module)
    loaded[module] = sorted(set(sys.modules) - before)
    for name in loaded[module]:
        if name.partition(".")[0] in ("annotation", "modelhub", "personaeval", "django"):
            del sys.modules[name]
print(json.dumps(loaded))
"""
WRITES = {"create", "bulk_create", "get_or_create", "update_or_create", "bulk_update", "save", "delete", "_raw_delete"}


def sources(*folders: str) -> list[Path]:
    return sorted(
        path for folder in folders for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts
    )


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(nodes: Iterable[ast.AST]) -> set[str]:
    """The dotted names that import statements and import_module("…") calls among `nodes` ask for."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("import_module", "__import__", "get_model")
        ):
            found |= {str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)}
    return found


def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs when a module is imported: neither functions nor what only the type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from outside_functions(child)


def packages(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def run_python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def assert_none(paths: Iterable[Path], wrong: Callable[[str], Iterable[str]]) -> None:
    """Fail with every file in whose text `wrong` finds a fault, and with all of its faults."""
    checked = list(paths)
    assert len(checked) > 10, f"Almost no file was looked at: {checked}"
    found = {name_of(path): sorted(wrong(path.read_text(encoding="utf-8"))) for path in checked}
    assert not any(found.values()), "\n".join(f"{name}: {', '.join(bad)}" for name, bad in found.items() if bad)


def test_annotation_never_imports_modelhub() -> None:
    def wrong(text: str) -> set[str]:
        return packages(imported(ast.walk(ast.parse(text)))) & {"modelhub"}

    assert_none(sources("annotation"), wrong)


def test_no_annotation_template_loads_tags_of_modelhub() -> None:
    def wrong(text: str) -> list[str]:
        return [match.group() for match in re.finditer(r"\{% (load|include|extends)[^%]*modelhub", text)]

    assert_none((ROOT / "templates" / "annotation").rglob("*.html"), wrong)


def test_heavy_packages_are_imported_inside_functions_only() -> None:
    def wrong(text: str) -> set[str]:
        return packages(imported(outside_functions(ast.parse(text)))) & HEAVY

    assert_none(sources(*APPS, "personaeval"), wrong)


def test_no_start_up_and_no_page_loads_a_heavy_package() -> None:
    loaded = run_python(
        "import os, sys, django, pkgutil, importlib\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'personaeval.settings'\n"
        "django.setup()\n"
        "from django.core.management import call_command\n"
        "call_command('check')\n"
        "import personaeval.urls, annotation, modelhub\n"
        "for app in (annotation, modelhub):\n"
        "    for module in pkgutil.walk_packages(app.__path__, app.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
        "print(*sorted(sys.modules))\n"
    ).split()
    assert "modelhub" in loaded
    assert not HEAVY & packages(set(loaded))
    assert not SLOW & set(loaded)


def test_pure_modules_work_without_django() -> None:
    files = {pattern: sorted(ROOT.glob(pattern)) for pattern in PURE}
    assert all(files.values()), files
    modules = [name_of(path)[:-3].replace("/", ".") for found in files.values() for path in found]
    loaded = json.loads(run_python(IMPORTER, *modules))
    assert all(module in loaded[module] for module in modules)
    impure = [module for module in modules if "django" in loaded[module]]
    assert not impure, "\n".join(impure)


def test_services_are_the_only_writers_in_annotation() -> None:
    def wrong(text: str) -> list[str]:
        calls = [node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        return [ast.unparse(call) for call in calls if isinstance(call, ast.Attribute) and call.attr in WRITES]

    others = [path for path in sources("annotation") if not {"services", "models"} & set(path.parts)]
    assert_none(others, wrong)


def room_of(module: str) -> str:
    """The folder of a module of ours by its dotted name, or the module itself where it lies in its application."""
    path = ROOT / module.replace(".", "/")
    folder = path if path.is_dir() else path.parent
    return name_of(folder) if folder != ROOT / "modelhub" else name_of(path)


def test_the_rooms_of_modelhub_depend_on_each_other_in_no_circle() -> None:
    rooms: dict[str, set[str]] = {}
    for path in sources("modelhub"):
        room = room_of(name_of(path.with_suffix("")).replace("/", ".").removesuffix(".__init__"))
        for name in imported(ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
            there = ROOT / name.replace(".", "/")
            if name.startswith("modelhub.") and (there.is_dir() or there.with_suffix(".py").is_file()):
                rooms.setdefault(room, set()).add(room_of(name))
    for room, others in rooms.items():
        others.discard(room)
    TopologicalSorter(rooms).prepare()  # raises CycleError, which names the circle


def closure_of(requirements: Path) -> set[str]:
    """The names of all distributions that installing a requirements file brings with it."""
    wanted, seen = direct_requirements(requirements), set()
    while wanted:
        requirement = wanted.pop()
        key = (requirement.name.lower(), *sorted(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        for line in importlib.metadata.requires(requirement.name) or []:
            inner = Requirement(line)
            if any(not inner.marker or inner.marker.evaluate({"extra": e}) for e in ("", *requirement.extras)):
                wanted.append(inner)
    return {key[0] for key in seen}


def direct_requirements(path: Path) -> list[Requirement]:
    lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    included = [ROOT / line.removeprefix("-r ") for line in lines if line.startswith("-r ")]
    own = [Requirement(line) for line in lines if line and not line.startswith("-r ")]
    return own + [requirement for inner in included for requirement in direct_requirements(inner)]


def test_a_web_host_never_gets_torch() -> None:
    distributions = closure_of(ROOT / "requirements-web.txt")
    assert "django" in distributions
    assert not {"torch", "transformers", "vllm"} & distributions
    assert not {name for name in distributions if name.startswith("nvidia")}
