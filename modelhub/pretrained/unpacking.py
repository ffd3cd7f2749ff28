"""Write what a package holds as a folder of a model, as the libraries that load models write one."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from annotation.errors import ServiceError
from modelhub.engines.packages import require
from modelhub.engines.weights import Gaps, load_errors, whole_model
from modelhub.pretrained.catalogue import PackedAs
from modelhub.training.loading import load_tokenizer, quiet_environment, quiet_libraries

_REQUIREMENTS = "requirements-real.txt"


def needs(packed: PackedAs) -> None:
    """Raise ServiceError naming what is not installed of what writing such a model takes."""
    packages = ("torch", "transformers", "gguf") if packed == PackedAs.GGUF else ("torch", "transformers")
    require("transformers", packages, _REQUIREMENTS)


def write_gguf(file: Path, folder: Path) -> None:
    """Write the language model in a GGUF file into an empty folder: float32 weights, tokenizer and chat template.

    What was written is loaded again and compared, weight by weight. Raises ServiceError for a file that does not load
    whole, whose tokenizer knows no end of text, or that comes back as another model.
    """
    import torch
    from transformers import AutoTokenizer

    quiet_environment(str(file.parent))
    quiet_libraries()
    try:
        model = whole_model(str(file.parent), gguf_file=file.name, dtype=torch.float32)
        AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
        # The weights are full numbers from here on; the libraries would refuse to save them as the quantized ones.
        del model.config.quantization_config
        model.hf_quantizer = None
        model.save_pretrained(folder)
        load_tokenizer(str(folder))
        written = whole_model(str(folder), dtype="auto").state_dict()
    except load_errors() as error:
        raise ServiceError(f"{file.name} cannot be written as a model: {error}") from error
    changed = [name for name, tensor in model.state_dict().items() if not torch.equal(tensor, written[name])]
    if changed:
        raise ServiceError(f"What was written of {file.name} is another model: {len(changed)} of its weights differ.")


def write_archive(file: Path, folder: Path) -> None:
    """Unpack an archive of a model into an empty folder; raise ServiceError unless what is there loads whole."""
    from transformers import AutoModel, AutoTokenizer

    quiet_environment(str(folder))
    quiet_libraries()
    try:
        with zipfile.ZipFile(file) as archive:
            archive.extractall(folder)
        AutoTokenizer.from_pretrained(folder)
        told = AutoModel.from_pretrained(folder, output_loading_info=True, ignore_mismatched_sizes=True)[1]
    except zipfile.BadZipFile as error:
        raise ServiceError(f"{file.name} cannot be unpacked: {error}") from error
    except load_errors() as error:
        raise ServiceError(f"{file.name} holds no model that can be loaded: {error}") from error
    gaps = Gaps(told["missing_keys"], told["unexpected_keys"], [str(one[0]) for one in told["mismatched_keys"]])
    if gaps:
        raise ServiceError(f"The model in {file.name} does not load whole: of its weights, {gaps}.")


WRITERS: Mapping[PackedAs, Callable[[Path, Path], None]] = {
    PackedAs.GGUF: write_gguf,
    PackedAs.ZIP: write_archive,
}
