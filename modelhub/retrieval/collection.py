"""What is searched: rows with their prompts, each different prompt once, and the embeddings of these kept on disk."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from annotation.errors import ServiceError
from modelhub.retrieval import store
from modelhub.retrieval.splits import PromptRow

if TYPE_CHECKING:
    from modelhub.retrieval.colbert import Encoder
    from modelhub.retrieval.sentences import SentenceEncoder

ENCODED_AT_ONCE = 64
PRECISION = "float32"
_FORMAT = 2


@dataclass(frozen=True)
class Collection:
    """Rows in the order of their keys, which decides between equal scores, and their different prompts."""

    rows: tuple[PromptRow, ...]

    @classmethod
    def of(cls, rows: Sequence[PromptRow]) -> "Collection":
        """Return the collection of these rows, whatever their order."""
        return cls(tuple(sorted(rows, key=lambda row: (row.key, row.split))))

    @cached_property
    def prompts(self) -> list[str]:
        """The different prompts, the short ones first: texts of like length are encoded and compared together."""
        return sorted({row.prompt for row in self.rows}, key=lambda prompt: (len(prompt), prompt))

    @cached_property
    def rows_of_prompt(self) -> list[list[int]]:
        """The rows of each of `prompts`, in their order."""
        found: dict[str, list[int]] = {prompt: [] for prompt in self.prompts}
        for place, row in enumerate(self.rows):
            found[row.prompt].append(place)
        return list(found.values())

    @cached_property
    def first_rows(self) -> npt.NDArray[np.int64]:
        """The first row of each of `prompts`: the one that is found of equal ones."""
        return np.array([rows[0] for rows in self.rows_of_prompt], dtype=np.int64)

    @cached_property
    def rows_by_key(self) -> dict[str, list[int]]:
        """The rows of each key: one pair may stand in two splits."""
        found: dict[str, list[int]] = {}
        for place, row in enumerate(self.rows):
            found.setdefault(row.key, []).append(place)
        return found

    @cached_property
    def digest(self) -> str:
        """The SHA-256 over splits, keys and prompts of all rows."""
        content = [[row.split, row.key, row.prompt] for row in self.rows]
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode("utf-8")).hexdigest()


@dataclass(frozen=True)
class Embeddings:
    """The token embeddings of a collection's prompts: `tokens` (all tokens, dim) float32, `lengths` per prompt."""

    tokens: npt.NDArray[np.float32]
    lengths: npt.NDArray[np.int64]

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """Where each prompt's tokens begin, and at the end how many tokens there are."""
        return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.lengths)])

    def of(self, prompts: Sequence[int] | npt.NDArray[np.int64]) -> "Embeddings":
        """Return the embeddings of some prompts, in the order asked for."""
        places = [np.arange(self.starts[one], self.starts[one + 1]) for one in prompts]
        return Embeddings(np.asarray(self.tokens[np.concatenate(places)]), self.lengths[np.asarray(prompts)])


def embeddings_of(
    folder: Path,
    collection: Collection,
    checkpoint_digest: str,
    load: Callable[[], "Encoder | SentenceEncoder"],
    *,
    say: Callable[[str], object] = lambda line: None,
    on_prompts: Callable[[int], object] = lambda count: None,
) -> Embeddings:
    """Return the embeddings kept in `folder`, made now unless they are there, whole and of this collection.

    `load` gives the encoder, if it is needed; `on_prompts` is told how many prompts were encoded.
    """
    manifest = manifest_for(collection, checkpoint_digest)
    known = store.manifest_of(folder)
    if known != manifest:
        if known is not None:
            say("The rows to be searched have changed since they were encoded: encoding them anew.")
        say(f"Encoding {len(collection.prompts):,} prompts; they are kept for later runs.")
        _encode(folder, collection.prompts, load(), manifest, on_prompts)
    embeddings = _read(folder)
    check_still(folder, manifest)
    return embeddings


def _read(folder: Path) -> Embeddings:
    """Return what is kept in the folder; raise ServiceError if it is damaged, as by a full disk or a broken copy."""
    try:
        lengths = np.load(folder / "lengths.npy")
        tokens = np.memmap(folder / "tokens.f32", dtype=np.float32, mode="r").reshape((int(lengths.sum()), -1))
    except (OSError, EOFError, ValueError) as error:
        raise ServiceError(f"The embeddings in {folder} are damaged. Delete this folder; it is made anew.") from error
    return Embeddings(tokens, lengths)


def check_still(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raise ServiceError if another process has put other rows' embeddings or index there since."""
    if not store.holds(folder, manifest):
        raise ServiceError(
            f"{folder} was made anew by another run, for other rows, while this one read it. Give the command again "
            "when no other run retrieves or indexes."
        )


def manifest_for(collection: Collection, checkpoint_digest: str) -> dict[str, Any]:
    """Return what embeddings and index of this collection say they were made of."""
    # The same numbers on every device; what was kept with others must not pass for them.
    made_of = {"checkpoint": checkpoint_digest, "collection": collection.digest}
    return {"format": _FORMAT, "precision": PRECISION, **made_of}


def _encode(
    folder: Path,
    prompts: Sequence[str],
    encoder: "Encoder | SentenceEncoder",
    manifest: dict[str, Any],
    on_prompts: Callable[[int], object],
) -> None:
    made = store.begin(folder)
    lengths: list[int] = []
    with (made / "tokens.f32").open("wb") as file:
        for start in range(0, len(prompts), ENCODED_AT_ONCE):
            batch = prompts[start : start + ENCODED_AT_ONCE]
            embeddings, counts = encoder.documents(batch)
            file.write(embeddings.numpy().astype(np.float32).tobytes())
            lengths += counts
            on_prompts(len(batch))
    np.save(made / "lengths.npy", np.array(lengths, dtype=np.int64))
    store.publish(made, folder, manifest)
