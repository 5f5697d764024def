"""Where a recorded number comes from: weights, machine, versions."""

from __future__ import annotations

import datetime
import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

from tokenlab.lm.loading import WEIGHTS_FILE, local_folder


def file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def weights_digest(name: str) -> str | None:
    """SHA-256 of the weights of a lab model or a folder; None for a model of the Hub."""
    path = local_folder(name) / WEIGHTS_FILE
    return file_digest(path) if path.exists() else None


def versions(*packages: str) -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def provenance(command: str, models: dict[str, str], *, device: str, dtype: str, seconds: float) -> dict:
    """What a results file says about itself; ``command`` makes it again, ``models`` are by role."""
    import torch

    return {
        "command": command,
        "models": {
            role: {"name": name, "weights_sha256": weights_digest(name)} for role, name in models.items()
        },
        "device": f"{device} ({platform.machine()})",
        "threads": torch.get_num_threads(),
        "dtype": dtype,
        "date": datetime.date.today().isoformat(),
        "seconds": round(seconds, 1),
        "versions": versions("torch", "transformers", "numpy"),
    }
