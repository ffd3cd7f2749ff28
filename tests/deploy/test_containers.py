"""The image and the services around it: every file is there, no secret is in it, and the whole comes up and works."""

import re
import shutil
import ssl
from collections import Counter
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from django.conf import settings

from tests.annotation.studyfiles import study_data, write
from tests.operations.scraping import figures, value
from tests.test_docs import documented_variables
from tests.tools.compose import Composition, read_compose

ROOT = settings.BASE_DIR
FOLDER = ROOT / "deploy" / "container"
COMPOSE, DOCKERFILE = FOLDER / "compose.yaml", FOLDER / "Dockerfile"
VARIABLES = {"SITE_HOST": "localhost"}
TOKEN = "a-token-of-enough-characters"
READY_IS_THERE = find_spec("personaeval.operations") is not None
PROGRAMS = ("nginx", "openssl")
# An arm is a system: its name, the adapter on the model server, and how a persona enters its prompts.
ARMS = {"1": ("plain", "dpo", "none"), "2": ("tailored", "pt-dpo", "field")}


def copied() -> list[str]:
    """What the Dockerfile takes from the checkout."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def test_an_image_is_made_of_files_that_are_there_and_let_in() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = [rule[1:] for rule in rules if rule.startswith("!")]
    assert rules[1] == "*"
    assert len(copied()) > 10
    for source in copied():
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) for pattern in let_in), source


def test_no_secret_and_no_data_reach_an_image() -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert not re.search(r"^(ENV|ARG) .*(SECRET|PASSWORD|DATABASE_URL|_KEY)", text, re.MULTILINE)
    assert not {".", "var", "deploy", "deploy/container"} & set(copied())
    assert text.rindex("\nUSER personaeval") < text.rindex("\nENTRYPOINT")


def test_every_file_that_the_services_name_is_there_or_is_made() -> None:
    compose = read_compose(COMPOSE, VARIABLES)
    made = (FOLDER / "make_secrets.sh").read_text(encoding="utf-8")
    for name, secret in compose["secrets"].items():
        assert secret["file"] == f"./secrets/{name}"
        assert f"keep {name}\n" in made
    for service in compose["services"].values():
        if "build" in service:
            assert (FOLDER / service["build"]["context"] / service["build"]["dockerfile"]).samefile(DOCKERFILE)
            assert documented(service["environment"]) == set()
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
        sources = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert {source for source in sources if not source.startswith("./")} <= set(compose["volumes"])


def documented(environment: dict[str, str]) -> set[str]:
    """The variables that docs/settings.md does not know."""
    return {name.removesuffix("_FILE") for name in environment} - documented_variables() - {"OPENAI_API_KEY"}


def test_a_site_without_its_name_is_refused() -> None:
    with pytest.raises(ValueError, match="SITE_HOST"):
        read_compose(COMPOSE, {})


def test_the_proxy_of_the_containers_does_all_that_the_one_of_a_machine_does() -> None:
    ours, theirs = (
        Counter(
            line.strip() for line in path.read_text(encoding="utf-8").splitlines() if not line.strip().startswith("#")
        )
        for path in (ROOT / "deploy" / "nginx.conf", FOLDER / "nginx.conf")
    )
    missing = {line.split()[0] for line in ours - theirs}
    assert missing == {"server", "server_name", "ssl_certificate", "ssl_certificate_key", "error_log"}


def test_the_model_server_of_the_containers_is_started_as_the_one_of_a_machine() -> None:
    unit = (ROOT / "deploy/personaeval-vllm.service").read_text(encoding="utf-8")
    started = unit[unit.index(" serve ") : unit.index("$MORE") + 5].replace("\\\n", " ").replace("127.0.0.1", "0.0.0.0")
    (command,) = read_compose(COMPOSE, VARIABLES)["services"]["vllm"]["command"]
    words = re.sub(r"[\"{}]", "", command[command.index(" serve ") :]).split()
    assert words == re.sub(r"[{}]", "", started).split()


@pytest.mark.slow
@pytest.mark.skipif(not READY_IS_THERE, reason="nothing answers at /ready yet, which the services wait for")
def test_the_services_come_up_in_their_order_and_serve_a_study_with_live_outputs(tmp_path: Path) -> None:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    # Without a proxy, the web server is asked directly, as one that knows of no HTTPS.
    variables = VARIABLES | {"METRICS_TOKEN": TOKEN, "LOG_FORMAT": "json"} | ({"HTTPS": "0"} if missing else {})
    composition = Composition(COMPOSE, tmp_path, variables, profiles=("gpu",), without=("proxy",) if missing else ())
    with composition.up() as site:
        direct, proxied = (f"localhost:{site.ports[port]}" for port in ("web:8000", "proxy:443"))
        url = f"http://{direct}" if missing else f"https://{proxied}"
        certificate = {} if missing else {"SSL_CERT_FILE": str(site.certificate)}
        trusted = ssl.create_default_context(cafile=certificate.get("SSL_CERT_FILE"))
        assert httpx.get(f"{url}/ready", verify=trusted).status_code == 200
        open_live_study(site, tmp_path)
        walked = site.run("web", "python", "manage.py", "simulate_study", "small", "--participants", "1",
                          "--url", url, **certificate)  # fmt: skip
        assert "1 completed" in walked.stdout, walked.stderr + site.log("worker")

        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert httpx.get(f"http://{direct}/metrics").status_code == 404
        assert "personaeval_answers " in httpx.get(f"http://{direct}/metrics", headers=bearer).text
        worker = f"http://localhost:{site.ports['worker:9101']}/metrics"
        assert value(figures(httpx.get(worker).text), "worker_answers_stored_total") == 2
        if not missing:
            assert httpx.get(f"{url}/metrics", headers=bearer, verify=trusted).status_code == 404
        assert '"route": "ready"' not in site.log("web") and '"route": "annotation:' in site.log("web")

        assert (done := site.run("backup")).returncode == 0, done.stderr
        (backup,) = site.volume("backups").iterdir()
        assert backup.stat().st_mode & 0o777 == 0o600
        # By the site's own role, which is no superuser.
        empty = {"DATABASE_URL": site.empty_database("rehearsal"), "DATABASE_URL_FILE": ""}
        restored = site.run("backup", "python", "manage.py", "restore", f"/backups/{backup.name}", **empty)
        assert "annotation_rating: " in restored.stdout, restored.stderr
    ended = {name: process.poll() for name, process in site.processes.items() if name != "vllm"}
    assert set(ended.values()) == {0}, ended


def open_live_study(site: Composition, folder: Path) -> None:
    """Set up a study in which everybody writes one persona, and the model server answers."""

    def manage(*arguments: str) -> None:
        done = site.run("web", "python", "manage.py", *arguments)
        assert done.returncode == 0, done.stderr

    design = {"written_personas_per_participant": 1, "seed": 5}
    path = write(folder, study_data(design=design, items=[{"id": "rest", "prompt": "How do I rest?"}]))
    manage("create_researcher", "somebody")
    manage("load_study", str(path))
    for name, adapter, style in ARMS.values():
        manage("register_system", name, "--engine", "openai", "--model", "base-8b", "--adapter", adapter,
               "--endpoint", f"http://127.0.0.1:{site.ports['vllm:8001']}/v1", "--persona-style", style)  # fmt: skip
    manage("bind_arms", "small", *(f"{arm}={name}" for arm, (name, _, _) in ARMS.items()))
    manage("open_study", "small")
