"""Loading a model and its tokenizer: a lab model, a local folder, or a Hub id."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

import torch

from tokenlab.errors import FLOAT_DTYPES, ArgumentError, CheckpointError, DtypeError, ModelNotFoundError
from tokenlab.lm.corpus import ASSETS
from tokenlab.lm.recipes import LAB_MODELS

MODELS = ASSETS / "models"
METRICS_FILE = "metrics.json"
WEIGHTS_FILE = "model.safetensors"
GENERATION_FILE = "generation_config.json"
#: From which likeness on, by difflib, a name is a lab model's with a slip. No id of the Hub comes near.
NEAR = 0.8


def lab_folder(name: str) -> Path:
    return MODELS / name


def local_folder(name: str) -> Path:
    """A lab model's folder, else the name as a path."""
    return lab_folder(name) if name in LAB_MODELS else Path(name)


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
        ``"lab-target"``, ``"lab-draft"``, ``"lab-other"``, a local folder, or a Hub id.
    dtype
        Of the weights in memory; lab models lie in float16 on disk.

    Raises
    ------
    ModelNotFoundError
        If there is no such lab model or folder, and the Hub cannot provide it. The Hub is not asked for a name
        that is nearly a lab model's.
    CheckpointError
        If files are missing, damaged, not safetensors, do not fit together, need a package that is not there,
        or code of their own without ``trust_remote_code``.
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
    is_lab = name in LAB_MODELS
    folder = local_folder(name)
    local = is_lab or folder.is_dir()
    if local:
        _check_folder(folder, f"python -m tokenlab.lm.train {name} --output {folder}" if is_lab else None)
    elif near := get_close_matches(name.lower(), LAB_MODELS, n=1, cutoff=NEAR):
        raise ModelNotFoundError(
            f"no model {name!r}: did you mean {near[0]!r}? There are the lab models {', '.join(LAB_MODELS)}"
        )
    source = str(folder) if local else name
    model, tokenizer = _from_pretrained(source, name, local, dtype=dtype, trust_remote_code=trust_remote_code)
    return model.to(device).eval(), tokenizer


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


def _from_pretrained(source: str, name: str, local: bool, *, dtype: torch.dtype, trust_remote_code: bool):
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    options = {"trust_remote_code": trust_remote_code, "local_files_only": local}
    with _no_progress_bar() if local else contextlib.nullcontext():
        # Read again with the model; here, so that the file which is wrong can be named.
        with _named_errors(source, name, local, "config.json"):
            AutoConfig.from_pretrained(source, **options)
        with _named_errors(source, name, local, "tokenizer"):
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
        with _named_errors(source, name, local, "model"):
            model, report = AutoModelForCausalLM.from_pretrained(
                source, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
            )
    # transformers fills missing weights with random numbers and goes on; we do not.
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise CheckpointError(f"the weights of {name!r} lack {len(missing)} tensors, first {missing[0]}")
    check_generation_config(source, name, local)
    return model, tokenizer


@contextlib.contextmanager
def _named_errors(source: str, name: str, local: bool, part: str) -> Iterator[None]:
    """Errors of transformers as ours."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise CheckpointError(f"the weights of {name!r} are damaged or truncated: {error}") from error
    # Files that are damaged, do not fit together or need a package that is not there raise errors of any kind, and
    # so may the code that a folder brings.
    except Exception as error:
        if local or not isinstance(error, OSError):
            hint = _sentencepiece_hint(Path(source)) if local and part == "tokenizer" else ""
            raise CheckpointError(
                f"{source} cannot be loaded, because of its {part}: {type(error).__name__}: {error}{hint}"
            ) from error
        raise ModelNotFoundError(
            f"no model {name!r}: it is no lab model ({', '.join(LAB_MODELS)}), no local folder, and "
            "the Hugging Face Hub could not provide it (wrong name, no access, or no network): "
            + str(error).partition("\n")[0]
        ) from error


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
