"""``{lab-models}``: the lab models and what was measured when they were trained, as tables."""

from __future__ import annotations

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from tables import table

from tokenlab import lm

JUDGES = ("gzip -9", "xz -9", "xz -9 after training text", "Witten-Bell, 5 bytes")


def models() -> list[list[str]]:
    """One row per model: its size, its training, its time for a forward pass."""
    rows = [["Model", "Layers", "Parameters", "Tokens seen", "Final loss", "ms, 1 token", "ms, 5 tokens"]]
    for name in lm.LAB_MODELS:
        record = lm.metrics(name)
        times = record["forward_milliseconds"]
        rows.append(
            [
                name,
                str(record["recipe"]["layers"]),
                f"{record['parameters']:,}",
                f"{record['tokens']:,}",
                f"{record['final_loss']:.2f}",
                f"{times['1']:.1f}",
                f"{times['5']:.1f}",
            ]
        )
    return rows


def compression() -> list[list[str]]:
    """One row per text: bits per byte of every model and every compressor."""
    records = {name: lm.metrics(name)["bits_per_byte"] for name in lm.LAB_MODELS}
    rows = [["Text", *lm.LAB_MODELS, *JUDGES]]
    for text, row in records["lab-target"].items():
        own = [records[name][text][name] for name in lm.LAB_MODELS]
        rows.append([text, *(f"{value:.2f}" for value in [*own, *(row[judge] for judge in JUDGES)])])
    return rows


class LabModels(SphinxDirective):
    """Render the metrics that lie beside the weights; ``models`` or ``compression``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        return [table({"models": models, "compression": compression}[self.arguments[0]]())]


def setup(app) -> dict:
    app.add_directive("lab-models", LabModels)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
