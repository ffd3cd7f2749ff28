"""Start the services of a compose.yaml as plain processes, where there is no container engine.

What counts is read from the files themselves: commands, the image's entrypoint, environment, secrets, order and
conditions, health checks, stop signals. Replaced is what an engine would bring: PostgreSQL is the one of the tests, the
model server a stand-in, and the names and paths of containers are those of this machine.
"""

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import psycopg
import yaml

from tests.tools.leftovers import MARK, make_folder
from tests.tools.postgres import DurablePostgres, programs
from tests.tools.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
HEALTHY_SECONDS, STOP_SECONDS = 120.0, 60.0
VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::([-?])([^}]*))?\})")
NGINX = """
daemon off; user {user}; pid {folder}/nginx.pid;
events {{}}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/default.conf;
}}
"""


def interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """Return what compose makes of a value: ${NAME}, ${NAME:-default}, ${NAME:?why}, and $$ for a dollar."""
    if isinstance(value, dict):
        return {key: interpolated(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [interpolated(one, variables) for one in value]

    def filled(found: "re.Match[str]") -> str:
        name, kind, rest = found.groups()
        if name is None:
            return "$"
        given = variables.get(name, "")
        if not given and kind == "?":
            raise ValueError(f"{name}: {rest}")
        return given or rest or ""

    return VARIABLE.sub(filled, value) if isinstance(value, str) else value


def read_compose(path: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return a compose file with its variables filled in."""
    return dict(interpolated(yaml.safe_load(path.read_text(encoding="utf-8")), variables))


def entrypoint(dockerfile: Path) -> list[str]:
    """Return the entrypoint of the image that a Dockerfile makes."""
    found = re.findall(r"^ENTRYPOINT (.*)$", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)
    return list(json.loads(found[-1]))


@dataclass
class Composition:
    """A compose file at work in `folder`. `without` are services that are left out, with nothing that needs them."""

    source: Path
    folder: Path
    variables: Mapping[str, str]
    profiles: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    started: dict[str, Callable[[], None]] = field(default_factory=dict)
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.here = self.folder / "compose"
        shutil.copytree(self.source.parent, self.here, ignore=shutil.ignore_patterns("secrets", "certificates"))
        self.services: dict[str, Any] = read_compose(self.source, self.variables)["services"]
        self.ports = {name: free_port() for name in ("web:8000", "worker:9101", "vllm:8001", "proxy:443", "proxy:80")}

    @contextlib.contextmanager
    def up(self) -> Iterator["Composition"]:
        """Start the services in their order, each when those it needs are as far as it asks; stop them in reverse."""
        subprocess.run(["sh", str(self.here / "make_secrets.sh")], check=True, capture_output=True)
        try:
            for name in self._order():
                for other, asked in self.services[name].get("depends_on", {}).items():
                    self._wait(other, asked["condition"])
                self._start(name)
            for name in self.started:
                if "test" in self.services[name].get("healthcheck", {}):
                    self._wait(name, "service_healthy")
            yield self
        finally:
            for stop in reversed(self.started.values()):
                stop()

    def run(self, name: str, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command as a service would: `docker compose run --rm NAME COMMAND`; its own where none is given."""
        whole = self._command(name) if not command else self._local(name, [*self._entrypoint(), *command])
        environment = {**self._environment(name), **environment}
        return subprocess.run(whole, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    def volume(self, name: str) -> Path:
        """Return the folder that stands for a volume."""
        return self.folder / "volumes" / name

    def empty_database(self, name: str) -> str:
        """Make another database for the services' role and return its address."""
        url = urlsplit((self.here / "secrets" / "database_url").read_text())
        with psycopg.connect(self.server.url.replace("postgres://", "postgresql://"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} OWNER {url.username}".encode())
        return url._replace(path=f"/{name}").geturl()

    def log(self, name: str) -> str:
        """Return what a service has said."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def _order(self) -> list[str]:
        wanted = {
            name: set(service.get("depends_on", {}))
            for name, service in self.services.items()
            if set(service.get("profiles", ["always"])) & {"always", *self.profiles} and name not in self.without
        }
        return list(TopologicalSorter(wanted).static_order())

    def _start(self, name: str) -> None:
        service = self.services[name]
        if service.get("image", "").startswith("postgres:"):
            self._start_postgres(name, service)
        elif service.get("image", "").startswith("vllm/"):
            self._spawn(
                name, [sys.executable, "-m", "tests.tools.standin", str(self.ports["vllm:8001"])], dict(os.environ)
            )
        elif service.get("image", "").startswith("nginx:"):
            self._spawn(name, self._nginx(service), dict(os.environ), stop=signal.SIGQUIT)
        else:
            self._spawn(name, self._command(name), self._environment(name))

    def _spawn(self, name: str, command: list[str], environment: dict[str, str], *, stop: int = signal.SIGTERM) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self.processes[name] = process
        self.started[name] = lambda: self._stop(name, process, stop)

    def _stop(self, name: str, process: "subprocess.Popen[bytes]", number: int) -> None:
        process.send_signal(number)
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(f"{name} did not end within {STOP_SECONDS:g} s:\n{self.log(name)}") from None

    def _start_postgres(self, name: str, service: Mapping[str, Any]) -> None:
        """Make the role and the database that the image would make, on the server of the tests."""
        self.server = DurablePostgres(make_folder("personaeval-pg-"))  # its socket needs a short path
        self.started[name] = self.server.stop
        asked = service["environment"]
        password = (self.here / "secrets" / Path(asked["POSTGRES_PASSWORD_FILE"]).name).read_text()
        with psycopg.connect(self.server.url.replace("postgres://", "postgresql://"), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {asked['POSTGRES_USER']} LOGIN PASSWORD '{password}'".encode())
            connection.execute(f"CREATE DATABASE {asked['POSTGRES_DB']} OWNER {asked['POSTGRES_USER']}".encode())
        # The address that the others are given has to be that of this service.
        url = self.here / "secrets" / "database_url"
        given = urlsplit(url.read_text())
        assert (given.hostname, given.password, given.path) == (name, password, f"/{asked['POSTGRES_DB']}")
        url.chmod(0o600)
        url.write_text(
            given._replace(netloc=given.netloc.replace("@db", f"@{quote(self._socket(), safe='')}")).geturl()
        )

    def _socket(self) -> str:
        return unquote(urlsplit(self.server.url).netloc.rpartition("@")[2])

    def _wait(self, name: str, condition: str) -> None:
        process = self.processes.get(name)
        if condition == "service_completed_successfully":
            assert process and process.wait(HEALTHY_SECONDS) == 0, f"{name} has failed:\n{self.log(name)}"
            return
        assert condition == "service_healthy", f"{condition}: not known here"
        deadline = time.monotonic() + HEALTHY_SECONDS
        while (done := self._look(name)).returncode:
            assert process is None or process.poll() is None, f"{name} has ended:\n{self.log(name)}"
            assert time.monotonic() < deadline, f"{name} is not healthy: {done.stderr}\n{self.log(name)}"
            time.sleep(0.2)

    def _look(self, name: str) -> "subprocess.CompletedProcess[str]":
        kind, *command = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        if command[0] == "pg_isready":
            command = [str(programs() / "pg_isready"), *command[1:], f"--host={self._socket()}"]
        command = self._local(name, command)
        return subprocess.run(
            command, cwd=ROOT, env=self._environment(name), capture_output=True, text=True, check=False
        )

    def _entrypoint(self) -> list[str]:
        return entrypoint(self.source.parent / "Dockerfile")

    def _command(self, name: str) -> list[str]:
        return self._local(name, [*self._entrypoint(), *self.services[name]["command"]])

    def _environment(self, name: str) -> dict[str, str]:
        """What a container gets and nothing else, but for the programs on PATH and the mark of the test run."""
        kept = {key: os.environ[key] for key in (MARK, "TMPDIR") if key in os.environ}
        path = f"{Path(sys.executable).parent}:{programs()}:/usr/bin:/bin"
        asked = self.services[name].get("environment", {})
        values = self._local(name, [str(value) for value in asked.values()])
        return {**kept, "PATH": path, **dict(zip(asked, values, strict=True))}

    def _local(self, name: str, words: list[str]) -> list[str]:
        """Put this machine's addresses and paths where a container's stand."""
        places = {"/run/secrets": str(self.here / "secrets")}
        for volume in self.services[name].get("volumes", []):
            source, target = volume.split(":")[:2]
            places[target] = str(self.volume(source))
            self.volume(source).mkdir(mode=0o700, parents=True, exist_ok=True)
        web = f"127.0.0.1:{self.ports['web:8000']}"
        places |= {"0.0.0.0:8000": web, "127.0.0.1:8000": web}
        places |= {"0.0.0.0": "127.0.0.1", "9101": str(self.ports["worker:9101"])}
        return [self._replaced(word, places) for word in words]

    def _nginx(self, service: Mapping[str, Any]) -> list[str]:
        """Write the mounted configuration as nginx of this machine can read it, beside a certificate of its own."""
        mounted = {target: source for source, target in (one.split(":")[:2] for one in service["volumes"])}
        folder = self.folder / "nginx"
        folder.mkdir()
        self.certificate = folder / "fullchain.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost", "-keyout", str(folder / "privkey.pem"),
             "-out", str(self.certificate)], check=True, capture_output=True,
        )  # fmt: skip
        text = (self.here / mounted["/etc/nginx/conf.d/default.conf"]).read_text(encoding="utf-8")
        places = {
            "server web:8000": f"server 127.0.0.1:{self.ports['web:8000']}",
            "listen 443 ssl": f"listen 127.0.0.1:{self.ports['proxy:443']} ssl",
            "listen 80": f"listen 127.0.0.1:{self.ports['proxy:80']}",
            "Host $host": "Host $http_host",  # with its port, which is not the usual one here
            next(target for target in mounted if "certificates" in target): str(folder),
        }
        assert all(place in text for place in places), text
        (folder / "default.conf").write_text(self._replaced(text, places), encoding="utf-8")
        user = pwd.getpwuid(os.geteuid()).pw_name
        (folder / "nginx.conf").write_text(NGINX.format(user=user, folder=folder), encoding="utf-8")
        return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]

    @staticmethod
    def _replaced(text: str, places: Mapping[str, str]) -> str:
        for place, ours in places.items():
            text = text.replace(place, ours)
        return text
