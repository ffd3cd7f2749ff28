"""The README's first study works as it is written there, command by command."""

import re
import shlex
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command

from annotation.models import Study

README = settings.BASE_DIR / "README.md"


def commands() -> list[list[str]]:
    """Every manage.py command of the first study, with the copy of the example named as the example itself."""
    section = README.read_text().split("## A first study in ten minutes")[1].split("\n## ")[0]
    lines = re.findall(r"manage\.py (.+)", section)
    assert "cp -r examples/first_study my-study" in section
    return [[part.replace("my-study/", "examples/first_study/") for part in shlex.split(line)] for line in lines]


@pytest.mark.django_db
def test_the_first_study_of_the_readme_loads_opens_and_exports(tmp_path):
    ran = []
    for name, *arguments in commands():
        if name in ("simulate_study", "analyze"):  # they need a server that runs; test_tutorial.py has one
            continue
        arguments = [str(tmp_path) if argument == "results" else argument for argument in arguments]
        call_command(name, *arguments, stdout=StringIO(), stderr=StringIO())
        ran.append(name)
    assert ran == [
        "create_researcher", "load_study", "import_outputs", "import_outputs", "scan_outputs", "open_study",
        "create_participants", "export_ratings",
    ]  # fmt: skip
    study = Study.objects.get(slug="first-study")
    assert study.state == Study.State.OPEN
    assert study.participants.count() == 20
    assert (tmp_path / "ratings.csv").exists()
