"""The documentation names every setting, command and option, and nothing that does not exist."""

import argparse
import ast
import configparser
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import load_command_class
from django.core.management.base import BaseCommand

from modelhub.runs.registry import stage_commands
from tests.tools import stagedocs

ROOT = settings.BASE_DIR
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))]
READ_BY_OTHERS = {"deploy/gunicorn.conf.py", "tests/tools/chromium.py"}
SHARED = "Options of every stage"
FILES = [path for app in ("annotation", "modelhub") for path in (ROOT / app).glob("management/commands/[a-z]*.py")]
COMMANDS = sorted(
    [(path.parts[-4], path.stem) for path in FILES] + [("modelhub", command) for command in stage_commands()]
)


def variables_read(path: Path) -> set[str]:
    """The environment variables that a module reads by name."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return {
        call.args[0].value
        for call in calls
        if re.fullmatch(r"env_\w+|os\.environ\.get", ast.unparse(call.func))
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def documented_variables() -> set[str]:
    return set(re.findall(r"^\| `([A-Z_]+)` \|", (DOCS / "settings.md").read_text(encoding="utf-8"), re.MULTILINE))


def test_every_setting_is_documented_and_every_documented_one_is_read() -> None:
    read = variables_read(ROOT / "personaeval" / "settings.py")
    for other in READ_BY_OTHERS:
        read |= variables_read(ROOT / other)
    assert {"SECRET_KEY", "DATABASE_URL", "HTTPS"} <= read
    assert documented_variables() - {"PYTHON"} == read
    assert "${PYTHON" in (ROOT / "deploy" / "make_venv.sh").read_text(encoding="utf-8")


def test_every_system_check_is_documented() -> None:
    ids = set(re.findall(r'id="(annotation\.\w+)"', (ROOT / "annotation" / "checks.py").read_text(encoding="utf-8")))
    assert ids
    assert ids == set(re.findall(r"annotation\.[EW]\d+", (DOCS / "settings.md").read_text(encoding="utf-8")))


def section_of(command: str) -> str:
    """The section of a command, with that on the options it shares where it refers to it."""
    section = section_called(f"`{command}`")
    return section + section_called(SHARED) if "(#options-of-every-stage)" in section else section


def section_called(heading: str) -> str:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    match = re.search(rf"^### {heading}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert match, f"docs/commands.md has no section '### {heading}'."
    return match[1]


def own_options(app: str, command: str) -> set[str]:
    parser = load_command_class(app, command).create_parser("manage.py", command)
    everywhere = BaseCommand().create_parser("manage.py", command)
    return {name for name in long_options(parser) if name not in long_options(everywhere)}


def long_options(parser: argparse.ArgumentParser) -> set[str]:
    return {name for action in parser._actions for name in action.option_strings if name.startswith("--")}


@pytest.mark.parametrize(("app", "command"), COMMANDS)
def test_every_command_and_option_is_documented(app: str, command: str) -> None:
    section = section_of(command)
    missing = {option for option in own_options(app, command) if f"`{option}" not in section}
    assert not missing


def test_every_documented_command_exists_and_is_documented_once() -> None:
    named = re.findall(r"^### `(\w+)`", (DOCS / "commands.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(command for _, command in COMMANDS)


def test_the_page_of_stages_says_what_they_declare() -> None:
    assert (ROOT / stagedocs.PAGE).read_text(encoding="utf-8") == stagedocs.page(), "Write it anew: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|mailto:)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_shown_on_a_page_take_the_options_that_they_are_shown_with(page: Path) -> None:
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    apps = {name: app for app, name in COMMANDS}
    shown = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    for command, arguments in (found.groups() for line in shown if (found := re.search(r"manage\.py (\w+)(.*)", line))):
        app = apps.get(command)
        if app and "…" not in arguments:
            parser = load_command_class(app, command).create_parser("manage.py", command)
            parser.parse_args(shlex.split(arguments, comments=True))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_shown_on_a_page_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    known = {command for _, command in COMMANDS} | {"migrate", "check", "changepassword", "makemigrations", "help", "…"}
    assert set(re.findall(r"manage\.py ([a-z_]+|…)", text)) <= known
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets


@pytest.mark.parametrize("unit", sorted((ROOT / "deploy").glob("*.service")), ids=lambda unit: unit.name)
def test_deployment_units_are_well_formed(unit: Path) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(unit, encoding="utf-8")
    assert set(parser.sections()) == {"Unit", "Service", "Install"}
    assert parser["Service"]["EnvironmentFile"] == "/etc/personaeval.env"


def test_deployment_shell_scripts_parse() -> None:
    for script in [*(ROOT / "deploy").glob("*.sh"), ROOT / ".ci" / "run"]:
        subprocess.run(["bash", "-n", script], check=True)


def test_the_example_environment_names_documented_variables() -> None:
    text = (ROOT / "deploy" / "personaeval.env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^([A-Z_]+)=", text, re.MULTILINE)) <= documented_variables()
