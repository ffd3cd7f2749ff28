"""How much of a prompt a retriever reads: the checkpoint's numbers of tokens or others, and how many are longer."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from annotation.errors import ServiceError
from modelhub.retrieval.checkpoint import COLBERT, METADATA, CheckpointFiles
from modelhub.retrieval.sentences import length_of

LEAST = 8
"""Three tokens are marks: the beginning, what kind of text it is, and the end."""
# What colbert-ai takes where a checkpoint does not say.
_QUERY, _DOCUMENT = 32, 220
_TOKENIZED_AT_ONCE = 1000
# Their first positions stand for padding.
_OFFSET = {"roberta": 2, "xlm-roberta": 2, "camembert": 2}


@dataclass(frozen=True)
class ReadLengths:
    """How many tokens of a prompt that searches, and of one that is searched, are read; None: as the checkpoint says.

    What is longer is read from its beginning. Raises ServiceError for a number that the checkpoint's model cannot read.
    """

    files: CheckpointFiles
    wanted_query: int | None = None
    wanted_document: int | None = None

    def __post_init__(self) -> None:
        most = self._most
        for option, wanted in (("query", self.wanted_query), ("document", self.wanted_document)):
            if wanted is not None and not LEAST <= wanted <= most:
                raise ServiceError(
                    f"--{option}-tokens is {wanted}; {self.files.name} reads {LEAST} to {most} tokens of a text."
                )

    @property
    def query(self) -> int:
        """Tokens of a prompt that searches; ColBERT fills shorter ones up to it with masks, which search too."""
        return self.wanted_query or self._of_checkpoint("query_maxlen", _QUERY)

    @property
    def document(self) -> int:
        """Tokens of a prompt that is searched."""
        return self.wanted_document or self._of_checkpoint("doc_maxlen", _DOCUMENT)

    @property
    def changed(self) -> dict[str, int]:
        """What is another number than the checkpoint's: only this makes other rows than before."""
        own = ReadLengths(self.files)
        pairs = {"query_tokens": (self.query, own.query), "document_tokens": (self.document, own.document)}
        return {name: now for name, (now, then) in pairs.items() if now != then}

    @property
    def settings(self) -> dict[str, int]:
        """What colbert-ai is to be told."""
        return {"query_maxlen": self.query, "doc_maxlen": self.document}

    def cut_queries(self, prompts: Sequence[str]) -> int:
        """Return how many of these are read in part, as prompts that search."""
        return self._longer(prompts, self.query)

    def cut_documents(self, prompts: Sequence[str]) -> int:
        """Return how many of these are read in part, as prompts that are searched."""
        return self._longer(prompts, self.document)

    def _longer(self, prompts: Sequence[str], most: int) -> int:
        longer = 0
        for start in range(0, len(prompts), _TOKENIZED_AT_ONCE):
            read = self._tokenizer(list(prompts[start : start + _TOKENIZED_AT_ONCE]))["input_ids"]
            longer += sum(len(ids) + self._marks > most for ids in read)
        return longer

    @property
    def _marks(self) -> int:
        """Tokens that are put into a text beside the tokenizer's own: ColBERT's for the kind of the text."""
        return int(self.files.kind == COLBERT)

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(str(self.files.folder))
        tokenizer.deprecation_warnings["sequence-length-is-longer-than-the-specified-maximum"] = True
        return tokenizer

    @cached_property
    def _metadata(self) -> dict[str, Any]:
        return dict(json.loads((self.files.folder / METADATA).read_text(encoding="utf-8")))

    def _of_checkpoint(self, name: str, default: int) -> int:
        if self.files.kind != COLBERT:
            return min(length_of(self.files.folder) or self._most, self._most)
        return int(self._metadata.get(name) or default)

    @cached_property
    def _most(self) -> int:
        config = json.loads((self.files.folder / "config.json").read_text(encoding="utf-8"))
        return int(config.get("max_position_embeddings", 512)) - _OFFSET.get(str(config.get("model_type")), 0)
