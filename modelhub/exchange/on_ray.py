"""Answer the requests of a folder on a Ray cluster: Ray Data deals its files out to engines, one on each node or GPU.

A file that was on a node that dies is dealt out again, and what of it is answered already is not asked again. Nothing
but names of files goes through Ray: all nodes have to see the folder, and this project, at the same place.
"""

import logging
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation.errors import ServiceError
from modelhub.engines.base import EngineError
from modelhub.engines.packages import require
from modelhub.exchange.folder import AnswerIndex, Exchange
from modelhub.exchange.vllm_on_ray import processed

if TYPE_CHECKING:
    from modelhub.exchange.answering import Written

_REACHED_SECONDS = 10.0
_OBJECT_STORE = 512 * 2**20  # bytes
_RAISED = re.compile(r"^[\w.]*(?:Error|Exception): (.+)$", re.MULTILINE)
_ROOT = Path(__file__).resolve().parents[2]
# What an engine on a node needs to know of this process: no key and no database.
_PASSED_ON = ("VAR_DIR", "HF_HOME", "HF_HUB_OFFLINE", "CUDA_VISIBLE_DEVICES")


class Answerer:
    """An engine on a node. Ray makes it once, and gives it one file of requests after the other."""

    def __init__(self, folder: str) -> None:
        import django

        django.setup()
        from modelhub.exchange.answering import load_answering

        self._exchange = Exchange(Path(folder))
        self._engine = load_answering(self._exchange)
        self._index = AnswerIndex(self._exchange)

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        from modelhub.exchange.answering import answer_parts

        parts = [str(part) for part in batch["part"]]
        for written in answer_parts(self._exchange, self._engine, parts, self._index):
            yield {name: [value] for name, value in asdict(written).items()}


def answer_on_ray(exchange: Exchange, address: str) -> "Iterator[Written]":
    """Yield each file of answers as it is written, until all requests of the folder are answered or have failed.

    `address` is that of a running cluster, or empty: Ray is started on this machine then, and ended again. Raises
    ServiceError if Ray or an engine on it cannot go on.
    """
    require("ray", ("ray",), "requirements-ray.txt")
    _reach(address)
    from ray.exceptions import RayError

    try:
        with _cluster(address):
            yield from _answered(exchange)
    except RayError as error:
        raise ServiceError(f"Ray cannot go on: {_reason(error)}") from error
    except ConnectionError as error:
        raise ServiceError(f"There is no Ray cluster at {address}: {error}") from error


def _reach(address: str) -> None:
    """Raise ServiceError if nothing listens there; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():  # `auto`, or none
        return
    try:
        socket.create_connection((host, int(port)), timeout=_REACHED_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ServiceError(f"There is no Ray cluster at {address}: {error}. Start its head by ray start.") from error


def _answered(exchange: Exchange) -> "Iterator[Written]":
    import ray.data

    from modelhub.exchange.answering import Written

    system, names = exchange.about().system, exchange.parts()
    if not names:
        return
    resources, engines = _each_engine(system)
    parts = ray.data.from_items([{"part": name} for name in names], override_num_blocks=len(names))
    if system["engine"] == "vllm":
        dealt = processed(exchange, parts, engines=engines, gpus="num_gpus" in resources)
    else:
        pool = ray.data.ActorPoolStrategy(min_size=1, max_size=engines, initial_size=engines)
        folder = [str(exchange.folder)]
        dealt = parts.map_batches(Answerer, fn_constructor_args=folder, batch_size=1, compute=pool, **resources)
    for row in dealt.iter_rows():
        yield Written(**row)


def _each_engine(system: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Return what one engine takes of a node, and how many engines there is room for."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = int(sum(node.get("GPU", 0.0) for node in nodes))
    if system["engine"] in ("transformers", "vllm") and gpus:
        options = system["options"]
        each = options.get("tensor_parallel_size", 1) * options.get("pipeline_parallel_size", 1)
        if each > gpus:
            raise EngineError(f"The system wants {each} GPUs (its options), and the cluster has {gpus}.")
        return {"num_cpus": 1, "num_gpus": each}, gpus // each
    # Without GPUs an engine has a whole node.
    return {"num_cpus": max(1.0, min(node.get("CPU", 0.0) for node in nodes))}, len(nodes)


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    """Connect to the cluster, or start one on this machine, for as long as the context lasts."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is reported to anybody
    import ray

    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    here = {"PYTHONPATH": str(_ROOT), "DJANGO_SETTINGS_MODULE": "personaeval.settings"}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        # Little goes through Ray, which would reserve a third of the memory for it.
        own: dict[str, Any] = {} if address else {"include_dashboard": False, "object_store_memory": _OBJECT_STORE}
        ray.init(
            address or "local", log_to_driver=False, logging_level=logging.WARNING,
            runtime_env={"env_vars": passed | here}, **own,
        )  # fmt: skip
        for number, handler in handlers.items():  # Ray sets its own
            signal.signal(number, handler)
        _quiet()
        yield
    finally:
        ray.shutdown()


def _quiet() -> None:
    """Let the stage's own bar be the only one."""
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _reason(error: Exception) -> str:
    """Return what was raised on the node first: Ray hands errors on as texts, with all that they have passed."""
    raised = [match for match in _RAISED.finditer(str(error)) if "UserCodeException" not in match[0]]
    return raised[0][1] if raised else (str(error).strip() or type(error).__name__).splitlines()[0]
