"""What git says of this code, where it is a checkout."""

import subprocess
from pathlib import Path


def git_output(folder: Path, *arguments: str) -> str | None:
    """Return what git answers in a folder; None where there is no git, or no checkout that it may read."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
