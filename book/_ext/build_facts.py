"""``{build-facts}``: on what the published pages were executed.

``{build-facts} recorded``: which results were computed before, when, and on what.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

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


ROOT = Path(__file__).parents[2]
#: Where results are kept, and whose they are.
RECORDED = {
    "experiments of {chapter}": ROOT / "tokenlab" / "assets" / "results",
    "benchmarks": ROOT / "tests" / "benchmarks" / "results",
}
CHAPTERS = {
    "sampling": "Sampling",
    "transport": "Speculative decoding",
    "bytelevel": "Byte-level probabilities",
}


def recorded() -> list[list[nodes.Node | str]]:
    """Head, and a row for the results files that hold the same kind, from one device and day."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for what, folder in RECORDED.items():
        for path in sorted(folder.glob("*.json")):
            result = json.loads(path.read_text(encoding="utf-8"))
            origin = result.get("provenance", result)
            chapter, _, name = path.stem.partition("_")
            kind = what.format(chapter=CHAPTERS.get(chapter, chapter))
            name = name if kind != what else chapter
            groups.setdefault((kind, origin["device"], origin["date"]), []).append(name)
    rows: list[list] = [["What", "Results", "Made on", "Date"]]
    for (kind, device, date), names in groups.items():
        day = nodes.inline("", date, classes=["stated"])
        rows.append([kind, ", ".join(names), device, [day]])
    return rows


class BuildFacts(SphinxDirective):
    """A table of :func:`facts`, or of :func:`recorded`; the page is read anew in every build."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        if self.arguments == ["recorded"]:
            return [table(recorded())]
        return [table([["What", "In this build"], *map(list, facts().items())])]


def setup(app) -> dict:
    app.add_directive("build-facts", BuildFacts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
