"""Environments of the tools that this project is compared with: made once, below var/peers, and kept.

Each takes its packages from PyPI: 0.5 GB for Potato, 50 MB for oTree. Nothing of them is copied into this project.
"""

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.loading.servers import ROOT, ServerTrouble, run_quietly

MAKE_SECONDS, INSTALL_SECONDS = 120, 1200
# A release that lies ready for a CPU; should a peer ever ask for torch, none with CUDA is fetched.
CONSTRAINTS = "torch==2.13.0\n"


def environment_of(name: str, packages: Sequence[str]) -> Path:
    """Return the folder of an environment with these packages, made where it is missing or was made for others."""
    folder = Path(os.environ.get("VAR_DIR") or ROOT / "var").absolute() / "peers" / name
    stamp = folder / f".installed-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:12]}"
    if stamp.exists():
        return folder
    print(f"Installing {', '.join(packages)} into an environment of its own; once.", file=sys.stderr, flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as unless_whole:
        unless_whole.callback(shutil.rmtree, folder, ignore_errors=True)  # half an environment is of no use
        _install(folder, packages)
        stamp.touch()
        unless_whole.pop_all()
    return folder


def _install(folder: Path, packages: Sequence[str]) -> None:
    run_quietly(
        [sys.executable, "-m", "venv", "--clear", str(folder)], folder=ROOT, environment={}, seconds=MAKE_SECONDS
    )
    constraints = folder / "constraints.txt"
    constraints.write_text(CONSTRAINTS, encoding="utf-8")
    command = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run_quietly(
        [*command, "--constraint", str(constraints), *packages],
        folder=ROOT, environment={}, seconds=INSTALL_SECONDS,
    )  # fmt: skip


def program(folder: Path, name: str) -> str:
    """Return the path of a program of the environment."""
    path = folder / "bin" / name
    if not path.exists():
        raise ServerTrouble(f"{name} is not among the programs of {folder.name}.")
    return str(path)
