"""``make peers``: our speed beside that of other projects, each in the environment that it needs.

Everywhere, on the CPU: decoding with the lab pair beside transformers' assisted generation, in
this environment; and distributions of the next byte beside genlm-bytes, in ``.venv-peers-bytes``. On Linux
with a CUDA device also: the verification kernels beside FlashInfer's and vLLM's, in
``.venv-peers``. Those two bring a torch of their own and need several gigabytes, hence two
environments, each from the requirements file of its name; nothing else ever imports the peers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.recorded import replacing

ROOT = Path(__file__).parents[2]


class Environment(NamedTuple):
    """Where peers are installed, and from which file."""

    folder: Path
    requirements: Path


KERNELS = Environment(ROOT / ".venv-peers", ROOT / "requirements-peers.txt")
BYTES = Environment(ROOT / ".venv-peers-bytes", ROOT / "requirements-peers-bytes.txt")
NO_GPU = (
    "FlashInfer and vLLM are left out: they install and run only on Linux with a CUDA device, and "
    "nvidia-smi lists none here"
)


def has_gpu() -> bool:
    """Whether the driver sees a device, whatever this environment's torch was built for."""
    if shutil.which("nvidia-smi") is None:
        return False
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    return listed.returncode == 0 and "GPU" in listed.stdout


def install(environment: Environment, torch_index: str | None = None) -> Path:
    """The environment's Python, made anew when the requirements have changed."""
    python, stamp = environment.folder / "bin" / "python", environment.folder / ".stamp"
    wanted = environment.requirements.read_text(encoding="utf-8")
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        index = ["--extra-index-url", torch_index] if torch_index else []
        pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(sys.executable, "-m", "venv", "--clear", str(environment.folder))
        run(*pip, *index, "-r", str(environment.requirements))
        stamp.write_text(wanted, encoding="utf-8")
    return python


def run(*command: str) -> None:
    """Run a command in the checkout, its kernels compiled; stop where it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(command, cwd=ROOT, env=environment)
    if done.returncode:
        sys.exit(f"make peers: `{' '.join(command)}` failed")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-index", help="a further package index, for a torch without CUDA")
    options = parser.parse_args(arguments)
    run(sys.executable, *replacing("bench_generate", "generate_cpu.json"))
    run(str(install(BYTES, options.torch_index)), *replacing("bench_bytes", "bytes_cpu.json"))
    if has_gpu():
        run(str(install(KERNELS)), *replacing("bench_transport_kernels", "transport_cuda.json"))
    else:
        print(NO_GPU)


if __name__ == "__main__":
    main()
