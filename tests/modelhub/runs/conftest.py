"""Fixtures of runs: the tiny ColBERT checkpoint that two stages are run with."""

from tests.tools.tinycolbert import compiled_extensions as compiled_extensions
from tests.tools.tinycolbert import tiny_colbert as tiny_colbert
