"""Make a group of rows ready to be searched with a checkpoint; what was made is kept, in VAR_DIR/indexes."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from django.conf import settings

from annotation.errors import ServiceError
from modelhub.retrieval.checkpoint import COLBERT, CheckpointFiles
from modelhub.retrieval.colbert import Encoder
from modelhub.retrieval.collection import Embeddings, embeddings_of, manifest_for
from modelhub.retrieval.lengths import ReadLengths
from modelhub.retrieval.plaid import Index, make_index
from modelhub.retrieval.rows import Group
from modelhub.retrieval.search import EXACT_BELOW, Nearest
from modelhub.retrieval.sentences import SentenceEncoder

EXACT, INDEX, AUTO = "exact", "index", "auto"


@dataclass
class Preparation:
    """Prepares groups with one checkpoint, which is loaded when it is first needed. `mode` is exact, index or auto.

    Raises ServiceError for an index with a sentence encoder, since PLAID is one of ColBERT's vectors.

    `lengths` say how much of a prompt is read; None: as much as the checkpoint says.

    `on_prompts` is told how many prompts were encoded, as it goes on; `say` gets lines for the researcher.
    """

    dataset: str
    files: CheckpointFiles
    mode: str = AUTO
    lengths: ReadLengths | None = None
    say: Callable[[str], object] = field(default=lambda line: None)
    on_prompts: Callable[[int], object] = field(default=lambda count: None)

    def __post_init__(self) -> None:
        if self.mode == INDEX and self.files.kind != COLBERT:
            raise ServiceError(
                f"--index makes an index of ColBERT's vectors, and {self.files.name} is a sentence encoder, with one "
                "vector a text: every row is compared. Leave --index out."
            )

    @cached_property
    def encoder(self) -> Encoder | SentenceEncoder:
        """The loaded checkpoint."""
        return Encoder(self.files, self.read) if self.files.kind == COLBERT else SentenceEncoder(self.files, self.read)

    @cached_property
    def read(self) -> ReadLengths:
        """How much of a prompt is read."""
        return self.lengths or ReadLengths(self.files)

    def search_of(self, group: Group) -> str:
        """Return how the group is searched: `exact` or `index`."""
        if self.mode != AUTO:
            return self.mode
        compared = self.files.kind != COLBERT or len(group.collection.rows) < EXACT_BELOW
        return EXACT if compared else INDEX

    def prepare(self, group: Group) -> Embeddings:
        """Encode the group's prompts and index them if they are searched so, unless that was done before."""
        folder = self.folder(group)
        embeddings = embeddings_of(
            folder / "embeddings", group.collection, self._checkpoint, lambda: self.encoder, say=self.say,
            on_prompts=self.on_prompts,
        )  # fmt: skip
        if self.search_of(group) == INDEX:
            manifest = manifest_for(group.collection, self._checkpoint)
            make_index(folder / "index", embeddings, self.files, manifest, say=self.say)
        return embeddings

    def nearest(self, group: Group) -> Nearest:
        """Return the group, ready to be searched."""
        embeddings = self.prepare(group)
        index = None
        if self.search_of(group) == INDEX:
            index = Index(self.folder(group) / "index", self.files, len(group.collection.prompts))
        return Nearest(group.collection, embeddings, index)

    @property
    def _checkpoint(self) -> str:
        """What makes embeddings: the checkpoint, and how much of a text it reads, if that is not its own number."""
        document = self.read.changed.get("document_tokens")
        return f"{self.files.digest}, {document} tokens" if document else self.files.digest

    def folder(self, group: Group) -> Path:
        """Return where what belongs to the group and the checkpoint is kept."""
        identity = json.dumps([self.dataset, list(group.searched), self._checkpoint])
        readable = re.sub(r"[^A-Za-z0-9]+", "_", f"{self.dataset} {' '.join(group.searched)}")[:60]
        return settings.VAR_DIR / "indexes" / f"{readable}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
