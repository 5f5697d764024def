"""Loading a model and its tokenizer: a lab model, a local folder, or a Hub id."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import torch

from tokenlab.errors import FLOAT_DTYPES, CheckpointError, DtypeError, ModelNotFoundError
from tokenlab.lm.corpus import ASSETS
from tokenlab.lm.recipes import LAB_MODELS

MODELS = ASSETS / "models"
METRICS_FILE = "metrics.json"
WEIGHTS_FILE = "model.safetensors"


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
        If there is no such lab model or folder, and the Hub cannot provide it.
    CheckpointError
        If files are missing, damaged, not safetensors, do not fit together, or need code of their own
        without ``trust_remote_code``.
    DtypeError
        If the name is no string or empty, or ``dtype`` is no float type.

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
    is_lab = name in LAB_MODELS
    folder = local_folder(name)
    local = is_lab or folder.is_dir()
    if local:
        _check_folder(folder, f"python -m tokenlab.lm.train {name} --output {folder}" if is_lab else None)
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


def _from_pretrained(source: str, name: str, local: bool, *, dtype: torch.dtype, trust_remote_code: bool):
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options = {"trust_remote_code": trust_remote_code, "local_files_only": local}
    try:
        with _no_progress_bar() if local else contextlib.nullcontext():
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
            model, report = AutoModelForCausalLM.from_pretrained(
                source, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
            )
    except SafetensorError as error:
        raise CheckpointError(f"the weights of {name!r} are damaged or truncated: {error}") from error
    # transformers reports files that do not fit together by all three.
    except (OSError, ValueError, RuntimeError) as error:
        if local or not isinstance(error, OSError):
            raise CheckpointError(f"{source} cannot be loaded: {error}") from error
        raise ModelNotFoundError(
            f"no model {name!r}: it is no lab model ({', '.join(LAB_MODELS)}), no local folder, and "
            "the Hugging Face Hub could not provide it (wrong name, no access, or no network): "
            + str(error).partition("\n")[0]
        ) from error
    # transformers fills missing weights with random numbers and goes on; we do not.
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise CheckpointError(f"the weights of {name!r} lack {len(missing)} tensors, first {missing[0]}")
    return model, tokenizer


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
