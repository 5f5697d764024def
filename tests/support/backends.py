"""One test body, three runs: the reference, the kernels interpreted, the kernels compiled.

Where there is a GPU the kernels are compiled, elsewhere interpreted; a process can do only
one of them (tests/conftest.py sets the interpreter before anything imports Triton).
"""

from __future__ import annotations

import pytest
import torch

from tokenlab.backend import has_triton
from tokenlab.ops import METHODS

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


DTYPES = [torch.bfloat16, torch.float16, torch.float32, torch.float64]


NEEDS_TRITON = pytest.mark.skipif(not has_triton(), reason="triton is not installed (pip install triton)")


REFERENCE = pytest.param("reference", id="reference")


KERNELS = pytest.param("triton", id="compiled" if DEVICE == "cuda" else "interpreter", marks=NEEDS_TRITON)


BACKENDS = [REFERENCE, KERNELS]


def crossed(values: list, without: tuple = ()) -> list:
    """Every backend with every value; the kernels without those that they do not take."""
    return [
        pytest.param(*backend.values, value, marks=backend.marks, id=f"{backend.id}-{value}")
        for backend in BACKENDS
        for value in values
        if not (backend is KERNELS and value in without)
    ]


BACKENDS_AND_DTYPES = crossed(DTYPES, without=(torch.float64,))


BACKENDS_AND_METHODS = crossed(list(METHODS), without=("inverse_cdf",))


def working_dtype(backend: str) -> torch.dtype:
    """float64 where the backend computes in it, so that a test can be exact."""
    return torch.float32 if backend == "triton" else torch.float64
