"""Who answers a call: the reference in plain PyTorch, or a Triton kernel.

``"auto"`` takes Triton for CUDA tensors if it is installed, and else the reference. ``"triton"`` never
falls back: the error says what is missing and what to do.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Literal

import torch
from torch import Tensor

from tokenlab.errors import BackendError, check_choice

Backend = Literal["auto", "reference", "triton"]
BACKENDS: tuple[Backend, ...] = ("auto", "reference", "triton")


def has_triton() -> bool:
    """Whether the triton package is installed; it is not imported here."""
    return importlib.util.find_spec("triton") is not None


def interpreter_on() -> bool:
    """Whether ``TRITON_INTERPRET`` is set, as Triton reads it."""
    return os.environ.get("TRITON_INTERPRET", "").lower() in ("1", "true", "yes", "on", "y")


def interpreter_ready() -> bool:
    """Whether Triton was imported with its interpreter on, or will be."""
    triton = sys.modules.get("triton")
    if triton is None:
        return interpreter_on()
    # Triton's own functions are kernels too: they are interpreted, or not, from its import on.
    return not isinstance(triton.language.sum, triton.JITFunction)


def no_kernel_for(*tensors: Tensor, limit: str | None = None) -> str | None:
    """Why no kernel takes these tensors: float64, a ``limit`` that they pass, a gradient; None if one does."""
    if any(tensor.dtype == torch.float64 for tensor in tensors):
        return "of float64"
    if limit is None and torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return "with a gradient"
    return limit


def choose_backend(
    backend: Backend, device: torch.device, *, operation: str, no_kernel_because: str | None = None
) -> Literal["reference", "triton"]:
    """Decide who answers a call of ``operation``.

    ``no_kernel_because`` says why it has no kernel, in words that follow the operation: ``"of
    float64"``. Then ``"auto"`` takes the reference.

    Raises
    ------
    DtypeError, ArgumentError
        If ``backend`` is not a string, or an unknown one.
    BackendError
        If ``"triton"`` cannot run.

    Examples
    --------
    >>> choose_backend("auto", torch.device("cpu"), operation="row_stats")
    'reference'
    """
    check_choice("backend", backend, BACKENDS)
    if backend == "reference":
        return "reference"
    if backend == "auto":
        return (
            "triton" if no_kernel_because is None and device.type == "cuda" and has_triton() else "reference"
        )
    if no_kernel_because is not None:
        raise BackendError(
            f"{operation} {no_kernel_because} has no Triton kernel; use backend='auto' or 'reference'"
        )
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
