"""Read a data set from the Hugging Face Hub by its name, through the library that caches it."""

import re
from dataclasses import dataclass

from annotation.rowfiles import Record, RecordError

_NAME = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)?", re.ASCII)  # what else there is may be a path on this machine
_INSTALL = "The package datasets is not installed; it comes with: pip install -r requirements-ml.txt"


@dataclass(frozen=True)
class HubData:
    """The rows of a data set by split, and the files they came from; their addresses hold the revision."""

    splits: dict[str, list[Record]]
    files: list[str]


def read_hub(name: str, *, split: str = "") -> HubData:
    """Return `owner/name` or `owner/name:configuration`, all its splits or the one that is wanted.

    HF_HOME says where downloads are kept, HF_TOKEN opens private data sets. Raises RecordError.
    """
    try:
        import datasets
        from datasets.exceptions import DatasetsError
    except ImportError as error:
        raise RecordError([_INSTALL]) from error
    path, _, configuration = name.partition(":")
    if not _NAME.fullmatch(path):
        raise RecordError([f"hub:{name}: write hub:owner/name, or hub:owner/name:configuration."])
    try:
        loaded = datasets.load_dataset(path, configuration or None)
    except (DatasetsError, OSError, ValueError) as error:
        raise RecordError([f"hub:{name}: cannot be loaded: {error}"]) from error
    if split and split not in loaded:
        raise RecordError([f"hub:{name}: has no split {split!r}; it has {', '.join(loaded)}."])
    wanted = {key: rows for key, rows in loaded.items() if split in ("", key)}
    files = {file for rows in wanted.values() for file in rows.info.download_checksums or {}}
    return HubData({key: _records(f"{path} {key}", rows.to_list()) for key, rows in wanted.items()}, sorted(files))


def _records(place: str, rows: list[dict[str, object]]) -> list[Record]:
    return [Record(place, f"row {number}", row) for number, row in enumerate(rows, start=1)]
