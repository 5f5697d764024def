"""``{build-facts}``: on what the published pages were executed."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import UTC, datetime

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from tables import table

PACKAGES = ("tokenlab", "torch", "triton", "transformers", "tokenizers", "numpy", "scipy", "matplotlib")


def facts() -> dict[str, str]:
    """Date, machine and versions of this build."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU only"
    result = {
        "Built": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "System": f"{platform.system()} {platform.machine()}",
        "Device": device,
        "CPU cores": str(os.cpu_count()),
        "Python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            result[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            result[package] = "not installed"
    return result


class BuildFacts(SphinxDirective):
    """A table of :func:`facts`; the page is read anew in every build."""

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        return [table([["What", "In this build"], *map(list, facts().items())])]


def setup(app) -> dict:
    app.add_directive("build-facts", BuildFacts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
