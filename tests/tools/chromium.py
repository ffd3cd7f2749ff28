"""Find a Chromium for the browser tests, or install one: `python -m tests.tools.chromium` prints its path."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Playwright's own list, since Chromium takes the last of two alone, and the pages of the address bar: a window without
# one renders them all the same, which was two thirds of what a new window cost.
_FEATURES = (
    "AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding", "ThirdPartyStoragePartitioning",
    "OptimizationHints", "NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch",
    "WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup",
)  # fmt: skip
FLAGS = (
    f"--disable-features={','.join(_FEATURES)}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
HELP = (
    "No Chromium was found and none could be installed.\n"
    "Install one (Debian, Ubuntu: `sudo apt-get install chromium`; Fedora: `sudo dnf install chromium`) "
    "or set CHROMIUM to the path of a Chromium or Chrome, then run this again."
)


def starts(path: str) -> bool:
    """Whether the browser at `path` runs here: a downloaded one may lack system libraries."""
    try:
        result = subprocess.run([path, "--headless", *FLAGS, "--version"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0


def find() -> str | None:
    """Return the Chromium in $CHROMIUM, on PATH, or downloaded by Playwright, in this order; None if none runs."""
    chosen = os.environ.get("CHROMIUM")
    if chosen:
        if not starts(chosen):
            raise SystemExit(f"CHROMIUM={chosen} does not start. Correct it, or unset it to have one looked for.")
        return chosen
    return next((path for path in _candidates() if path and starts(path)), None)


def _candidates() -> Iterator[str | None]:
    yield from (shutil.which(name) for name in NAMES)
    # Asked in a process of its own, since Playwright does not start twice in one.
    ask = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"
    yield subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()


def _install_commands() -> list[list[str]]:
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    commands = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if shutil.which("apt-get"):
        commands += [[*root, "apt-get", "update", "-q"], [*root, "apt-get", "install", "-yq", "chromium"]]
    elif shutil.which("dnf"):
        commands += [[*root, "dnf", "install", "-yq", "chromium"]]
    return commands


def ensure() -> str:
    """Return a working Chromium, installing one where that is possible; exit with what to do where it is not."""
    path = find()
    for command in _install_commands():
        if path:
            break
        print(f"No Chromium yet; trying: {' '.join(command)}", file=sys.stderr)
        subprocess.run(command, stdout=sys.stderr, check=False)
        path = find()
    return path or sys.exit(HELP)


if __name__ == "__main__":
    print(ensure())
