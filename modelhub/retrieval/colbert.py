"""Encode prompts with a ColBERT checkpoint, through colbert-ai, whose defects with transformers 5 are cured here.

Source of the model: Khattab and Zaharia, "ColBERT" (SIGIR 2020): a text is one unit vector per token.
"""

import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation.errors import ServiceError
from modelhub.engines.base import EngineError
from modelhub.engines.weights import Gaps
from modelhub.retrieval.checkpoint import CheckpointFiles
from modelhub.retrieval.lengths import ReadLengths

if TYPE_CHECKING:
    import torch

BATCH = 64
_CURED = "personaeval_cured"


class Encoder:
    """The model of a checkpoint, loaded; nothing is compiled for it. Raises ServiceError if it does not load.

    Of each text as many tokens are read as `lengths` say, or the checkpoint; the rest is left out.
    """

    def __init__(self, files: CheckpointFiles, lengths: ReadLengths | None = None) -> None:
        with quiet():
            cure()
            from transformers.utils import logging as library_logging

            library_logging.disable_progress_bar()
            try:
                settings = (lengths or ReadLengths(files)).settings
                self._model = _checkpoint_class()(str(files.folder), colbert_config(files, **settings))
            except (OSError, ValueError, RuntimeError) as error:
                raise ServiceError(f"The checkpoint {files.name} does not load: {error}") from error
        self.dim = int(self._model.colbert_config.dim)

    def queries(self, texts: Sequence[str]) -> "torch.Tensor":
        """Return float32 embeddings of shape (texts, query length, dim), on the CPU."""
        import torch

        with quiet():
            parts = [
                self._model.queryFromText(list(texts[start : start + BATCH])).float().cpu()
                for start in range(0, len(texts), BATCH)
            ]
        return torch.cat(parts)

    def documents(self, texts: Sequence[str]) -> tuple["torch.Tensor", list[int]]:
        """Return the float32 embeddings of all tokens, one text after the other, of shape (tokens, dim), on the CPU;

        and how many tokens each text has. Texts of like length should stand together: shorter ones are padded.
        """
        with quiet():
            embeddings, lengths = self._model.docFromText(list(texts), bsize=max(len(texts), 1), keep_dims="flatten")
        return embeddings.float().cpu(), [int(length) for length in lengths]


def colbert_config(files: CheckpointFiles, **settings: Any) -> Any:
    """Return the settings under which colbert-ai works on the checkpoint: in this process, on its own folder only."""
    from colbert.infra import ColBERTConfig

    # Another process would not have the cure; another name for the model would be looked up on the Hub.
    own = {"checkpoint": str(files.folder), "model_name": str(files.folder), "avoid_fork_if_possible": True}
    return ColBERTConfig(nranks=1, **own, **settings)


def cure() -> None:
    """Make colbert-ai's model class loadable by transformers 5, as a whole, and from a folder alone.

    The class lacks one attribute that transformers 5 reads and has another one of the wrong type. The function that
    makes it is replaced once, in all modules that have taken a copy.
    """
    # colbert-ai imports a package that insists on git, and asks it for the branch only in what is not used here.
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    # Which of its builds faiss tries first is no news to anybody.
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)
    import colbert.indexing.collection_indexer
    import colbert.modeling.checkpoint
    import colbert.searcher  # noqa: F401  (loaded so that its copies are replaced)
    from colbert.modeling import hf_colbert

    original = hf_colbert.class_factory
    if getattr(original, _CURED, False):
        return
    cured = _cured(original)
    for name, module in list(sys.modules.items()):
        if name.startswith("colbert.") and getattr(module, "class_factory", None) is original:
            module.class_factory = cured  # type: ignore[attr-defined]


def _cured(original: Callable[[str], Any]) -> Callable[[str], Any]:
    def class_factory(name_or_path: str) -> Any:
        if not Path(name_or_path).is_dir():
            # Here colbert-ai takes another model, from the Hub, for one whose class it could not make.
            raise ServiceError(f"colbert-ai could not make the model class and fell back to {name_or_path}.")
        made = original(name_or_path)
        made.all_tied_weights_keys = {}
        made._keys_to_ignore_on_load_unexpected = {"cls"}
        made.from_pretrained = classmethod(partial(_load_whole, made))
        return made

    setattr(class_factory, _CURED, True)
    return class_factory


def _load_whole(made: Any, cls: Any, name: str, colbert_config: Any) -> Any:
    """Return colbert-ai's model of a folder with every weight of encoder and projection from its files.

    What the library would make up, or leave out, is refused. A pooler is not asked in retrieval, and heads of other
    tasks beside the encoder are no part of it. Raises EngineError.
    """
    how = {"output_loading_info": True, "ignore_mismatched_sizes": True}  # so that they are counted here
    model, told = super(made, cls).from_pretrained(name, colbert_config=colbert_config, **how)
    encoder = f"{model.base_model_prefix}."
    gaps = Gaps(
        [one for one in told["missing_keys"] if ".pooler." not in one],
        [one for one in told["unexpected_keys"] if one.startswith(encoder) and ".pooler." not in one],
        [str(one[0]) for one in told["mismatched_keys"]],
    )
    if gaps:
        raise EngineError(
            f"The checkpoint {name} does not load whole: of its weights, {gaps}. What is missing would be made up. "
            "Give a complete checkpoint whose config.json and artifact.metadata are its own."
        )
    model.base = name
    return model


def _checkpoint_class() -> Any:
    """Return colbert-ai's class for encoding in float32, without the extension that it compiles only to score with."""
    from colbert.modeling.base_colbert import BaseColBERT
    from colbert.modeling.checkpoint import Checkpoint
    from colbert.modeling.tokenization import DocTokenizer, QueryTokenizer
    from colbert.utils.amp import MixedPrecisionManager

    class EncodingCheckpoint(Checkpoint):  # type: ignore[misc, unused-ignore]
        def __init__(self, name: str, config: Any) -> None:
            BaseColBERT.__init__(self, name, config)
            # On a GPU colbert-ai would encode with half the digits, so that equal prompts got other scores there.
            self.use_gpu = False
            self.skiplist = _punctuation(self.raw_tokenizer) if self.colbert_config.mask_punctuation else {}
            self.pad_token = self.raw_tokenizer.pad_token_id
            self.verbose = 0
            self.query_tokenizer = QueryTokenizer(self.colbert_config, verbose=0)
            self.doc_tokenizer = DocTokenizer(self.colbert_config)
            self.amp_manager = MixedPrecisionManager(self.use_gpu)

    return EncodingCheckpoint


def _punctuation(tokenizer: Any) -> dict[Any, bool]:
    import string

    ids = [tokenizer.encode(symbol, add_special_tokens=False)[0] for symbol in string.punctuation]
    return dict.fromkeys([*string.punctuation, *ids], True)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what colbert-ai prints, prompts and progress bars, from the terminal; and its environment to itself."""
    kept = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "TOKENIZERS_PARALLELISM")}
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def silent_descriptors() -> Iterator[None]:
    """Keep what faiss prints, past Python, from the terminal; if there is an error, standard error gets it after all.

    For the whole process: hold it around what is known to print, and for nothing else.
    """
    import ctypes

    library = ctypes.CDLL(None)
    kept: dict[int, int] = {}
    failed = True
    with tempfile.TemporaryFile() as printed:
        try:
            _flush(library)
            for descriptor in (1, 2):
                kept[descriptor] = os.dup(descriptor)
                os.dup2(printed.fileno(), descriptor)
            yield
            failed = False
        except KeyboardInterrupt:
            failed = False
            raise
        finally:
            _restore(library, kept)
            if failed:
                printed.seek(0)
                os.write(2, printed.read())


def _restore(library: Any, kept: dict[int, int]) -> None:
    _flush(library)
    while kept:
        descriptor, original = kept.popitem()
        os.dup2(original, descriptor)
        os.close(original)


def _flush(library: Any) -> None:
    """Write what Python and C hold back, to where it belongs."""
    sys.stdout.flush()
    sys.stderr.flush()
    library.fflush(None)
