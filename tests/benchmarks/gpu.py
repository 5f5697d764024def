"""``make gpu``: the kernel tests compiled, then the benchmarks, with the Python that is there.

Installs nothing and needs no network; says what is missing.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

from tests.benchmarks.recorded import replacing

NEEDED = ("torch", "triton", "pytest", "hypothesis", "jaxtyping", "yaml")
#: Notebooks and pictures are tested elsewhere: they need more packages, and no GPU.
TESTS = (
    "tests/ops",
    "tests/test_backend.py",
    "tests/benchmarks",
    "tests/transport/node/test_kernels.py",
    "tests/transport/node/test_kernel_agreement.py",
    "tests/transport/node/test_compiled.py",
    "tests/bytelevel/masses/test_masses.py",
    "tests/bytelevel/masses/test_kernels.py",
    "tests/bytelevel/masses/test_compiled.py",
    "tests/chapters/test_traffic.py",
)


def missing() -> str | None:
    """What keeps the kernels from running here, in one sentence."""
    absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if absent:
        return f"{sys.executable} lacks {', '.join(absent)}: install them, or say make gpu PYTHON=..."
    import torch

    if not torch.cuda.is_available():
        return (
            f"no CUDA device: torch {torch.__version__} of {sys.executable} sees none. The same "
            "kernel tests run interpreted in `make test`"
        )
    return None


def main() -> None:
    if reason := missing():
        sys.exit(f"make gpu cannot run: {reason}")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    # Most of the time goes into compiling, which processes can share.
    workers = ["-n", str(min(8, os.cpu_count() or 1))] if importlib.util.find_spec("xdist") else []
    for command in (
        ["-m", "pytest", "-q", *workers, *TESTS],
        replacing("bench_kernels", "kernels_cuda.json"),
        replacing("bench_transport_kernels", "transport_cuda.json"),
        replacing("bench_byte_kernels", "bytes_cuda.json"),
    ):
        done = subprocess.run([sys.executable, *command], env=environment)
        if done.returncode:
            sys.exit(done.returncode)


if __name__ == "__main__":
    main()
