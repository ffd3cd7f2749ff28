"""How long retrieval takes through an index, its candidates scored exactly, against comparing with every prompt.

    python -m benchmarks.retrieval [--prompts 10000 100000] [--queries 100]

Prompts are synthetic and the checkpoint is the tiny one of the tests: what is timed is the search, not the encoding.
"""

import argparse
import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
django.setup()

from django.conf import settings  # noqa: E402

from modelhub.retrieval.checkpoint import find_checkpoint  # noqa: E402
from modelhub.retrieval.colbert import Encoder  # noqa: E402
from modelhub.retrieval.collection import Collection, embeddings_of, manifest_for  # noqa: E402
from modelhub.retrieval.extensions import VARIABLE, versioned  # noqa: E402
from modelhub.retrieval.plaid import Index, make_index  # noqa: E402
from modelhub.retrieval.search import Found, Nearest  # noqa: E402
from modelhub.retrieval.splits import PromptRow  # noqa: E402
from tests.tools.tinycolbert import make_colbert, prompts  # noqa: E402

WORDS_TAKEN = 14


def synthetic(count: int, seed: int) -> list[str]:
    """Return prompts of words drawn at random from those that the checkpoint's tokenizer has learned."""
    words = sorted({word for prompt in prompts(1536) for word in prompt.rstrip("?").split()})
    draw = random.Random(seed)
    return [" ".join(draw.choices(words, k=draw.randint(5, WORDS_TAKEN))) + "?" for _ in range(count)]


def measure(encoder: Encoder, folder: Path, count: int, queries: int) -> str:
    """Search `count` prompts in both ways, and return what came of it in a line."""
    collection = Collection.of([PromptRow("t", n, f"{n:08d}", text) for n, text in enumerate(synthetic(count, 1))])
    files = find_checkpoint(str(folder / "checkpoint"))
    began = time.perf_counter()
    embeddings = embeddings_of(folder / f"{count}-embeddings", collection, files.digest, lambda: encoder)
    encoded = time.perf_counter()
    make_index(folder / f"{count}-index", embeddings, files, manifest_for(collection, files.digest))
    indexed = time.perf_counter()
    embedded = encoder.queries(synthetic(queries, 2))
    keys = [""] * queries
    through_index = Nearest(collection, embeddings, Index(folder / f"{count}-index", files, len(collection.prompts)))
    slow, exact_seconds = _timed(Nearest(collection, embeddings), embedded, keys)
    fast, index_seconds = _timed(through_index, embedded, keys)
    recall = sum(one[0].score >= other[0].score - 2e-4 for one, other in zip(fast, slow, strict=True)) / queries
    return (
        f"{count:,} prompts: encoded in {encoded - began:.1f} s, indexed in {indexed - encoded:.1f} s; {queries} "
        f"queries exactly {exact_seconds:.2f} s, by index {index_seconds:.2f} s, "
        f"ratio {exact_seconds / index_seconds:.1f}, recall of the best {recall:.2f}"
    )


def _timed(nearest: Nearest, queries: Any, keys: list[str]) -> tuple[list[list[Found]], float]:
    nearest.search(queries[:2], keys[:2], 1)  # what is set up at the first search is not timed
    began = time.perf_counter()
    found = nearest.search(queries, keys, 1)
    return found, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--queries", type=int, default=100)
    options = parser.parse_args()
    # Compiled once for all runs of tests and benchmarks.
    os.environ.setdefault(VARIABLE, str(versioned(settings.BASE_DIR / "var" / "torch_extensions")))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_colbert(folder / "checkpoint")
        encoder = Encoder(find_checkpoint(str(folder / "checkpoint")))
        for count in options.prompts:
            print(measure(encoder, folder, count, options.queries), flush=True)


if __name__ == "__main__":
    main()
