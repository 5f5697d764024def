"""``make peers``: our speed beside that of other projects, each in the environment that it needs.

Everywhere: decoding with the lab pair beside transformers' assisted generation, on the CPU, in
this environment. On Linux with a CUDA device also: the verification kernels beside FlashInfer's
and vLLM's. Those two bring a torch of their own and need several gigabytes, so they are installed
into ``.venv-peers``, from ``requirements-peers.txt``, and nothing else ever imports them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
VENV = ROOT / ".venv-peers"
REQUIREMENTS = ROOT / "requirements-peers.txt"
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


def install() -> Path:
    """The Python of ``.venv-peers``, made anew when the requirements have changed."""
    python, stamp = VENV / "bin" / "python", VENV / ".stamp"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        run(sys.executable, "-m", "venv", "--clear", str(VENV))
        run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS))
        stamp.write_text(wanted, encoding="utf-8")
    return python


def run(*command: str) -> None:
    """Run a command in the checkout, its kernels compiled; stop where it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(command, cwd=ROOT, env=environment)
    if done.returncode:
        sys.exit(f"make peers: `{' '.join(command)}` failed")


def main() -> None:
    run(sys.executable, "-m", "tests.benchmarks.bench_generate")
    if has_gpu():
        run(str(install()), "-m", "tests.benchmarks.bench_transport_kernels")
    else:
        print(NO_GPU)


if __name__ == "__main__":
    main()
