"""Which implementation answers: the reference in plain PyTorch, or a Triton kernel.

``"auto"`` takes Triton for CUDA tensors where Triton is installed, and the reference
otherwise; on the CPU it always takes the reference. ``"triton"`` never falls back: if
it cannot run, the error says what is missing and what to do.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Literal

import torch

from tokenlab.errors import BackendError, check_choice

Backend = Literal["auto", "reference", "triton"]
BACKENDS: tuple[Backend, ...] = ("auto", "reference", "triton")


def has_triton() -> bool:
    """Whether the triton package is installed (it is not imported here)."""
    return importlib.util.find_spec("triton") is not None


def interpreter_on() -> bool:
    """Whether ``TRITON_INTERPRET`` asks for Triton's interpreter, in the words that Triton reads."""
    return os.environ.get("TRITON_INTERPRET", "").lower() in ("1", "true", "yes", "on", "y")


def interpreter_ready() -> bool:
    """Whether Triton was imported with its interpreter on (it is imported here)."""
    import triton
    import triton.language as tl

    # Triton's own functions are kernels too: they are interpreted, or not, from its import on.
    return not isinstance(tl.sum, triton.JITFunction)


def choose_backend(
    backend: Backend, device: torch.device, *, operation: str, has_kernel: bool
) -> Literal["reference", "triton"]:
    """Decide who answers a call.

    Parameters
    ----------
    backend : {"auto", "reference", "triton"}
        What the caller asked for.
    device : torch.device
        Where the tensors are.
    operation : str
        Name of the public function, for the message.
    has_kernel : bool
        Whether the operation has a Triton kernel at all.

    Returns
    -------
    {"reference", "triton"}

    Raises
    ------
    BackendError
        If ``"triton"`` was asked for and cannot run.

    Examples
    --------
    >>> choose_backend("auto", torch.device("cpu"), operation="row_stats", has_kernel=True)
    'reference'
    """
    check_choice("backend", backend, BACKENDS)
    if backend == "reference":
        return "reference"
    if backend == "auto":
        return "triton" if has_kernel and device.type == "cuda" and has_triton() else "reference"
    if not has_kernel:
        raise BackendError(f"{operation} has no Triton kernel; use backend='auto' or 'reference'")
    if not has_triton():
        raise BackendError(
            f"{operation}: backend='triton' needs the triton package, which is not installed; "
            "run `pip install triton` (Linux), or use backend='reference'"
        )
    if device.type == "cuda":
        return "triton"
    if not interpreter_on():
        late = " before anything imports triton" if "triton" in sys.modules else ""
        raise BackendError(
            f"{operation}: backend='triton' on {device} runs only under Triton's interpreter; "
            f"set TRITON_INTERPRET=1{late} and start again, or use backend='reference'"
        )
    if not interpreter_ready():
        raise BackendError(
            f"{operation}: TRITON_INTERPRET=1 was set too late, after something had imported triton "
            "(transformers' model classes do); restart Python or the notebook's kernel and set it "
            "first, or use backend='reference'"
        )
    return "triton"
