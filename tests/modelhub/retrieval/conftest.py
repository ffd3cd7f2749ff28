"""Fixtures of retrieval: a tiny ColBERT checkpoint, and where its compiled extensions are kept."""

from tests.tools.tinycolbert import compiled_extensions as compiled_extensions
from tests.tools.tinycolbert import tiny_colbert as tiny_colbert
from tests.tools.tinycolbert import tiny_sentence_encoder as tiny_sentence_encoder
