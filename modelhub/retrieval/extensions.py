"""The C++ extensions of colbert-ai, which torch compiles at their first use: where they are kept, and who compiles.

Compiling takes about two minutes, once per version of colbert-ai, torch and Python.
"""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from django.conf import settings

from annotation.errors import ServiceError

VARIABLE = "TORCH_EXTENSIONS_DIR"


def versioned(folder: Path) -> Path:
    """Return the folder below `folder` for this colbert-ai, torch and Python: what others compiled must not load."""
    import torch

    colbert = version("colbert-ai")
    return folder / f"colbert-{colbert}-torch-{torch.__version__}-py{sys.version_info.major}{sys.version_info.minor}"


@contextmanager
def compiled() -> Iterator[None]:
    """Hold this around whatever loads the extensions; one process at a time compiles, the others wait for it.

    Raises ServiceError if something is missing that compiling takes.
    """
    _tools_on_path()
    folder = Path(os.environ.setdefault(VARIABLE, str(versioned(settings.VAR_DIR / "torch_extensions"))))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".compiling").open("w") as ours:
        # The kernel gives this lock back when a process is killed. Torch's own lock is a file that would stay, and
        # everybody after it would wait for ever.
        fcntl.flock(ours, fcntl.LOCK_EX)
        for stale in folder.glob("*/lock"):
            stale.unlink()
        yield


def _tools_on_path() -> None:
    """Make sure of compiler and ninja, which may stand beside Python rather than on the path; of nvcc with a GPU."""
    beside = str(Path(sys.executable).parent)
    if beside not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), beside])
    compiler = os.environ.get("CXX", "c++")
    missing = [name for name in (compiler, "ninja") if shutil.which(name) is None]
    if missing:
        raise ServiceError(
            f"An index needs programs that are not on the path here: {', '.join(missing)} (a C++ compiler and ninja; "
            "with Debian: apt install g++ ninja-build). --exact searches without an index and needs neither."
        )
    _cuda_compiler()


def _cuda_compiler() -> None:
    """Raise ServiceError for a GPU without nvcc: colbert-ai compiles for any GPU that torch sees."""
    import torch
    from torch.utils import cpp_extension

    home = cpp_extension.CUDA_HOME
    if torch.cuda.device_count() and not (home and (Path(home) / "bin" / "nvcc").is_file()):
        raise ServiceError(
            f"With a GPU an index needs nvcc, which is not here (looked for in {home or 'CUDA_HOME and the path'}): "
            f"install the CUDA toolkit {torch.version.cuda} and set CUDA_HOME to its folder; or index on the processor "
            "(CUDA_VISIBLE_DEVICES= before the command); or search with --exact, which needs no index."
        )
