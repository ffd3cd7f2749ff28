"""The systemd units as we would run them: well-formed, come back by themselves, and may do no more than they need."""

import configparser
import contextlib
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from gunicorn.config import GracefulTimeout

from tests.test_docs import refusal
from tests.tools.processes import Server, wait_until

DEPLOY = settings.BASE_DIR / "deploy"
UNITS = sorted(path for kind in ("service", "timer") for path in DEPLOY.glob(f"*.{kind}"))
STAY_UP = ["personaeval-web.service", "personaeval-worker@.service"]
CLOSED = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "PrivateTmp": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "ProtectKernelTunables": "yes",
    "SystemCallFilter": "@system-service",
    "UMask": "0077",
    "StateDirectoryMode": "0700",
}


def parsed(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(DEPLOY / name, encoding="utf-8")
    return parser


def test_units_have_an_example_of_their_environment_with_every_variable_that_they_use() -> None:
    assert len(UNITS) == 5
    for unit in UNITS:
        if unit.suffix == ".service":
            service = parsed(unit.name)["Service"]
            example = DEPLOY / f"{Path(service['EnvironmentFile']).name}.example"
            used = set(re.findall(r"\$\{?([A-Z_]+)", service["ExecStart"]))
            assert used <= set(re.findall(r"^([A-Z_]+)=", example.read_text(), re.M)), unit.name


@pytest.mark.parametrize("name", STAY_UP)
def test_what_serves_people_is_never_given_up_and_does_not_spin(name: str) -> None:
    unit = parsed(name)
    assert "postgresql.service" in unit["Unit"]["After"].split()
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Service"]["Restart"] == "always"
    assert int(unit["Service"]["RestartSec"]) >= 2
    assert int(unit["Service"]["TimeoutStopSec"]) > GracefulTimeout.default


@pytest.mark.parametrize("name", [unit.name for unit in UNITS if unit.suffix == ".service"])
def test_a_unit_may_do_what_it_needs_and_no_more(name: str) -> None:
    service = parsed(name)["Service"]
    # What drivers of a card and compilers of its kernels ask the system for is not ours to know.
    closed = {key: value for key, value in CLOSED.items() if "vllm" not in name or key != "SystemCallFilter"}
    assert {key: service.get(key) for key in closed} == closed
    # A model, of a worker or of a server, may need the card, which these would hide.
    has_model = "worker" in name or "vllm" in name
    assert ("PrivateDevices" in service) == ("ProtectClock" in service) == (not has_model)


def test_the_timer_makes_backups_of_which_some_are_kept() -> None:
    assert parsed("personaeval-backup.timer")["Timer"]["Persistent"] == "yes"
    service = parsed("personaeval-backup.service")["Service"]
    arguments = service["ExecStart"].partition("manage.py backup ")[2].split()
    assert refusal("annotation", "backup", arguments) == []
    assert "--keep" in arguments
    assert Path(arguments[0]).name in service["StateDirectory"].split()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_no_fault_with_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        text = re.sub(r"/opt/\S+/bin/python", "/bin/true", unit.read_text(encoding="utf-8"))
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    command = ["systemd-analyze", "verify", *(str(tmp_path / unit.name) for unit in UNITS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if str(tmp_path) in line]) == (0, [])


def test_the_web_server_tells_systemd_when_it_is_ready(collected_static: None, tmp_path: Path) -> None:
    assert parsed("personaeval-web.service")["Service"]["Type"] == "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "n"))
        told.setblocking(False)
        server = Server(tmp_path / "server.log", {"NOTIFY_SOCKET": str(tmp_path / "n"), "VAR_DIR": str(tmp_path)})
        try:
            server.start()
            heard: list[bytes] = []
            wait_until(lambda: b"READY=1" in listen(told, heard), seconds=60, what="READY")
        finally:
            server.stop()


def listen(told: socket.socket, heard: list[bytes]) -> bytes:
    """What has been said so far."""
    with contextlib.suppress(BlockingIOError):  # nothing new
        heard.append(told.recv(4096))
    return b"".join(heard)
