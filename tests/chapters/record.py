"""What tests of every chapter's experiments do with the record of their results."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import torch


def run_all(experiments: ModuleType, folder: Path, *options: str) -> dict[str, dict]:
    """Run every command of a chapter, and read what it wrote."""
    threads = torch.get_num_threads()
    for name in experiments.EXPERIMENTS:
        experiments.main([name, "--output", str(folder), *options])
    torch.set_num_threads(threads)
    return {name: experiments.load_results(name, folder) for name in experiments.EXPERIMENTS}


def check_provenance(results: dict, chapter: str, name: str, models: dict[str, str]) -> None:
    """A results file says what makes it again, from which models, where and when."""
    origin = results["provenance"]
    assert origin["command"] == f"python -m tokenlab.chapters.{chapter}.experiments {name}"
    assert {role: model["name"] for role, model in origin["models"].items()} == models
    assert {"device", "dtype", "date", "versions", "threads", "seconds"} <= set(origin)
    for model in origin["models"].values():
        assert len(model["weights_sha256"]) == 64
