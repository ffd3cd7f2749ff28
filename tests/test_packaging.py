"""What the package declares agrees with the files that its users install from."""

import tomllib

import pytest
from django.conf import settings

ROOT = settings.BASE_DIR
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = {
    "requirements-web.txt": PROJECT["dependencies"],
    "requirements-ml.txt": PROJECT["optional-dependencies"]["ml"],
    "requirements.txt": PROJECT["optional-dependencies"]["vllm"],
    "requirements-real.txt": PROJECT["optional-dependencies"]["real"],
    "requirements-ray.txt": PROJECT["optional-dependencies"]["ray"],
    "requirements-dev.txt": PROJECT["optional-dependencies"]["dev"],
}


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_the_package_asks_for_what_the_requirements_files_install(name: str) -> None:
    lines = [line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    assert sorted(line for line in lines if line and not line.startswith("-r ")) == sorted(DECLARED[name])


def test_the_version_is_the_same_wherever_it_stands() -> None:
    assert f"\nversion: {PROJECT['version']}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
