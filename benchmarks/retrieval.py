"""How long retrieval takes: comparing with every prompt, as it is done and in the plain way; and through an index.

    python -m benchmarks.retrieval exact [--prompts 16000] [--queries 2000]
    python -m benchmarks.retrieval index [--prompts 10000 30000 100000] [--queries 100]

Embeddings are made up, of the sizes that checkpoints have (128 numbers for a token, 32 tokens for a query, 10 to 40 for
a prompt). What is timed is the search, not the encoding.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
import numpy as np
import numpy.typing as npt

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
django.setup()

from django.conf import settings  # noqa: E402

from modelhub.retrieval.checkpoint import find_checkpoint  # noqa: E402
from modelhub.retrieval.collection import Collection, Embeddings, manifest_for  # noqa: E402
from modelhub.retrieval.extensions import VARIABLE, versioned  # noqa: E402
from modelhub.retrieval.maxsim import DECIMALS  # noqa: E402
from modelhub.retrieval.plaid import Index, load_extensions, make_index  # noqa: E402
from modelhub.retrieval.search import Found, Nearest  # noqa: E402
from modelhub.retrieval.splits import PromptRow  # noqa: E402
from modelhub.stages.retrieve_personas import RetrieveOptions  # noqa: E402
from tests.tools.tinycolbert import make_colbert  # noqa: E402

DIM, QUERY_TOKENS, SHORTEST, LONGEST = 128, 32, 10, 40
QUERY_WORDS = 12
VOCABULARY = 30_000
SPREAD = 0.6  # how far a word's vector is from place to place, against its length of 1
AT_ONCE = RetrieveOptions.model_fields["batch_size"].default
STUDIES = (1_000, 10_000)
PLAIN_QUERIES, PLAIN_NUMBERS = 16, 8 * 2**20

Numbers = npt.NDArray[np.float32]
Words = npt.NDArray[np.int64]


class Made:
    """So many made-up prompts of words drawn by Zipf's law, and queries that share words with some of them."""

    def __init__(self, prompts: int, queries: int) -> None:
        self.random = np.random.default_rng(prompts)
        self.vectors = _unit(self.random.normal(size=(VOCABULARY, DIM)).astype(np.float32))
        shares = 1 / np.arange(1, VOCABULARY + 1)
        self.shares = shares / shares.sum()
        lengths = np.sort(self.random.integers(SHORTEST, LONGEST + 1, size=prompts))
        words = self._words(int(lengths.sum()))
        self.embeddings = Embeddings(self._seen(words), lengths)
        # The collection orders these texts as the embeddings are.
        rows = [PromptRow("t", number, f"{number:08d}", f"{number:08d}") for number in range(prompts)]
        self.collection = Collection.of(rows)
        starts = self.embeddings.starts
        asked = [words[starts[one] : starts[one + 1]] for one in self.random.integers(prompts, size=queries)]
        self.queries = np.stack([self._query(one) for one in asked])

    def _words(self, count: int) -> Words:
        return self.random.choice(VOCABULARY, size=count, p=self.shares)

    def _query(self, words: Words) -> Numbers:
        """Return a query of a prompt's words and others; the tokens that fill it up stand for its words again."""
        own = np.concatenate([self.random.choice(words, QUERY_WORDS * 2 // 3), self._words(QUERY_WORDS // 3)])
        return self._seen(np.resize(own, QUERY_TOKENS))

    def _seen(self, words: Words) -> Numbers:
        made = np.empty((len(words), DIM), dtype=np.float32)
        for start in range(0, len(words), 2**18):
            part = words[start : start + 2**18]
            noise = self.random.normal(scale=SPREAD / DIM**0.5, size=(len(part), DIM)).astype(np.float32)
            made[start : start + 2**18] = _unit(self.vectors[part] + noise)
        return made


def _unit(vectors: Numbers) -> Numbers:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def plain(made: Made) -> list[list[Found]]:
    """Search as it stands in the formula: all prompts for a few queries at a time, with all their scores."""
    import torch

    lengths, starts, found = made.embeddings.lengths, made.embeddings.starts, []
    step = PLAIN_NUMBERS // (PLAIN_QUERIES * QUERY_TOKENS) // LONGEST
    for begin in range(0, len(made.queries), PLAIN_QUERIES):
        part = torch.from_numpy(made.queries[begin : begin + PLAIN_QUERIES])
        flat = part.reshape(-1, DIM).T.contiguous()
        scores = np.empty((len(part), len(lengths)), dtype=np.float32)
        for first in range(0, len(lengths), step):
            sizes = lengths[first : first + step]
            tokens = np.array(made.embeddings.tokens[starts[first] : starts[first] + sizes.sum()])
            columns = np.minimum(np.arange(sizes.max())[None, :], sizes[:, None] - 1)
            documents = torch.from_numpy(tokens[(np.cumsum(sizes) - sizes)[:, None] + columns])
            matches = (documents.view(-1, DIM) @ flat).view(*columns.shape, len(part), QUERY_TOKENS)
            scores[:, first : first + step] = matches.amax(1).sum(-1).T.numpy()
        best = np.argmax(np.round(scores, DECIMALS), axis=1)
        found += [[Found(int(row), round(float(one[row]), DECIMALS))] for row, one in zip(best, scores, strict=True)]
    return found


def blocked(made: Made) -> list[list[Found]]:
    """Search as `retrieve_personas` does."""
    return _search(Nearest(made.collection, made.embeddings), made.queries)


def _search(nearest: Nearest, queries: Numbers) -> list[list[Found]]:
    import torch

    found: list[list[Found]] = []
    for start in range(0, len(queries), AT_ONCE):
        part = torch.from_numpy(queries[start : start + AT_ONCE])
        found += nearest.search(part, [""] * len(part), 1)
    return found


WAYS: dict[str, Callable[[Made], list[list[Found]]]] = {"plain": plain, "blocked": blocked}


def measure_way(way: str, prompts: int, queries: int) -> None:
    """Search in one way, and print what that took; in a process of its own, for its memory."""
    made = Made(prompts, queries)
    before = _peak()
    began, cpu = time.perf_counter(), time.process_time()
    found = WAYS[way](made)
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"{way}: {queries:,} queries, {prompts:,} prompts: {seconds:.1f} s ({used:.1f} s of processor time), "
        f"{_peak() - before:,.0f} MB above the {before:,.0f} before; "
        f"sum of scores {sum(one[0].score for one in found):.4f}, of rows {sum(one[0].row for one in found)}",
        flush=True,
    )


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_index(folder: Path, prompts: int, queries: int) -> str:
    """Make an index, search it and every prompt, and return what came of it in a line, in seconds of processor time."""
    made, files = Made(prompts, queries), find_checkpoint(str(folder / "checkpoint"))
    place = folder / f"{prompts}-index"
    load_extensions()  # compiled at the first use
    began = time.process_time()
    make_index(place, made.embeddings, files, manifest_for(made.collection, files.digest))
    indexing = time.process_time() - began
    index = Index(place, files, prompts)
    slow, exact = _timed(Nearest(made.collection, made.embeddings), made.queries)
    fast, indexed = _timed(Nearest(made.collection, made.embeddings, index), made.queries)
    found = sum(one[0].score >= other[0].score - 1.5 * 10**-DECIMALS for one, other in zip(fast, slow, strict=True))
    totals = "; ".join(
        f"{count:,} queries: exactly {count * exact:,.0f} s, by index {indexing + count * indexed:,.0f} s"
        for count in STUDIES
    )
    return (
        f"{prompts:,} prompts: indexed in {indexing:.0f} s; a query exactly {exact * 1000:.1f} ms, by index "
        f"{indexed * 1000:.1f} ms, best found for {found} of {queries}. {totals}"
    )


def _timed(nearest: Nearest, queries: Numbers) -> tuple[list[list[Found]], float]:
    """Return what is found, and the seconds of processor time for a query: others may be busy on the machine."""
    _search(nearest, queries[:2])  # what is set up at the first search is not timed
    began = time.process_time()
    found = _search(nearest, queries)
    return found, (time.process_time() - began) / len(queries)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["exact", "index", *WAYS])
    parser.add_argument("--prompts", type=int, nargs="+")
    parser.add_argument("--queries", type=int)
    options = parser.parse_args()
    if options.what == "index":
        _indexes(options)
    elif options.what == "exact":
        for way in WAYS:
            subprocess.run([sys.executable, "-m", "benchmarks.retrieval", way, *sys.argv[2:]], check=True)
    else:
        for prompts in options.prompts or [16_000]:
            measure_way(options.what, prompts, options.queries or 2_000)


def _indexes(options: Any) -> None:
    # Compiled once for all runs of tests and benchmarks.
    os.environ.setdefault(VARIABLE, str(versioned(settings.BASE_DIR / "var" / "torch_extensions")))
    with tempfile.TemporaryDirectory() as name:
        make_colbert(Path(name) / "checkpoint", DIM)
        for prompts in options.prompts or [10_000, 30_000, 100_000]:
            print(measure_index(Path(name), prompts, options.queries or 100), flush=True)


if __name__ == "__main__":
    main()
