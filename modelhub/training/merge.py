"""Put an adapter's weights into its base, for tools that know no adapters."""

import shutil
from pathlib import Path
from typing import Any

from annotation.errors import ServiceError
from modelhub.engines.digests import ADAPTER_CONFIG, MANIFEST, base_problem, model_digest
from modelhub.engines.weights import load_errors, put_adapter, whole_model
from modelhub.training.checks import check_disk
from modelhub.training.job import MERGED
from modelhub.training.loading import check_base, load_tokenizer, quiet_environment, quiet_libraries
from modelhub.training.manifest import (
    base_entry,
    is_trained_here,
    read_json,
    read_manifest,
    versions,
    write_json,
)


def merge_adapter(adapter: Path, out: Path, *, base: str = "") -> dict[str, Any]:
    """Write base and adapter as one model, in the precision of the base's files, and return its manifest.

    The base is the one the adapter names, unless `base` says where it is now. Nothing is left of a merge that fails.
    Raises ServiceError if the folder is taken, the adapter unfinished, the base another one, or the disk too full.
    """
    if out.exists():
        raise ServiceError(f"{out} exists already. Give a folder that does not.")
    manifest = _manifest_of(adapter)
    name = base or manifest.get("base", {}).get("name") or _base_named_by(adapter)
    quiet_environment(name)
    check_base(name)
    if problem := base_problem(str(adapter), name):
        raise ServiceError(problem)
    check_disk(out, _bytes_of(name))
    half = out.with_name(f".{out.name}.half")
    shutil.rmtree(half, ignore_errors=True)  # of a merge that was killed
    half.mkdir(parents=True)
    try:
        _merge(name, adapter, half)
        merged = {
            "format": 1, "kind": MERGED, "base": base_entry(name),
            "parent": {"name": str(adapter.resolve()), "digest": model_digest(str(adapter))},
            "data": manifest.get("data"), "versions": versions(),
        }  # fmt: skip
        write_json(half / MANIFEST, merged)
        half.rename(out)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return merged


def _merge(base: str, adapter: Path, folder: Path) -> None:
    quiet_libraries()
    try:
        model = put_adapter(whole_model(base, dtype="auto"), str(adapter))
        model.merge_and_unload(safe_merge=True).save_pretrained(folder)
    except load_errors() as error:
        raise ServiceError(f"The adapter {adapter} cannot be merged into {base}: {error}") from error
    load_tokenizer(base).save_pretrained(folder)


def _manifest_of(adapter: Path) -> dict[str, Any]:
    """Return the adapter's manifest, empty for an adapter that was trained elsewhere; refuse an unfinished one."""
    manifest = read_manifest(adapter) if is_trained_here(adapter) else {}
    if not (adapter / ADAPTER_CONFIG).is_file():
        raise ServiceError(f"{adapter} holds no adapter (no {ADAPTER_CONFIG}).")
    return manifest


def _base_named_by(adapter: Path) -> str:
    name = read_json(adapter / ADAPTER_CONFIG).get("base_model_name_or_path")
    if not name:
        raise ServiceError(f"{adapter} does not say which base it belongs to; name it with --base.")
    return str(name)


def _bytes_of(base: str) -> int:
    """Return the size of the base's weights, 0 for a Hub name."""
    folder = Path(base)
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file()) if folder.is_dir() else 0
