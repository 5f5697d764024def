"""``{lab-models}``: the lab models and what was measured when they were trained: tables, a picture, a sample."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from tables import table

from tokenlab import lm
from tokenlab.figures import BLUE, GREY, INK, new_figure, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Texts of the records, by what the page calls them.
TEXTS = {
    "heldout-source": "held-out Python",
    "heldout-english": "held-out English",
    "library-source": "library Python",
    "library-english": "library English",
}
#: The prompt whose continuation the page shows.
SAMPLE = "source-01"
JUDGES = ("gzip -9", "xz -9", "xz -9 after training text", "Witten-Bell, 5 bytes")


def models() -> list[list[str]]:
    """One row per model: its size, its training, its time for a forward pass."""
    rows = [["Model", "Layers", "Parameters", "Tokens seen", "Loss, nats", "1 token, ms", "5 tokens, ms"]]
    for name in lm.LAB_MODELS:
        record = lm.metrics(name)
        times = record["forward_milliseconds"]
        rows.append(
            [
                name,
                str(record["recipe"]["layers"]),
                f"{record['parameters'] / 1e6:.2f} M",
                f"{record['tokens'] / 1e6:.2f} M",
                f"{record['final_loss']:.2f}" + (", from its teacher" if name == "lab-draft" else ""),
                f"{times['1']:.1f}",
                f"{times['5']:.1f}",
            ]
        )
    return rows


def bits_per_byte() -> dict[str, dict[str, float]]:
    """By text, what each model and each compressor needs for it."""
    records = {name: lm.metrics(name)["bits_per_byte"] for name in lm.LAB_MODELS}
    return {
        text: {name: records[name][text][name] for name in lm.LAB_MODELS}
        | {judge: records["lab-target"][text][judge] for judge in JUDGES}
        for text in TEXTS
    }


def compression() -> list[list[str]]:
    """One row per text: bits per byte of every model and every compressor."""
    rows = [[f"{value:.2f}" for value in row.values()] for row in bits_per_byte().values()]
    return [
        ["Text", *lm.LAB_MODELS, *JUDGES],
        *([name[0].upper() + name[1:], *row] for name, row in zip(TEXTS.values(), rows, strict=True)),
    ]


def bits() -> tuple[Figure, dict]:
    """Bits per byte of the texts that no model has seen, as bars: models blue, what they are measured by grey."""
    data = {text: row for text, row in bits_per_byte().items() if text.startswith("heldout")}
    figure, panels = new_figure(6.6, 2.6, ncols=len(data), sharex=True, sharey=True)
    for axes, (text, row) in zip(panels, data.items(), strict=True):
        rows = range(len(row), 0, -1)
        colours = [BLUE if name in lm.LAB_MODELS else GREY for name in row]
        axes.barh(rows, row.values(), 0.68, color=colours)
        for y, value in zip(rows, row.values(), strict=True):
            axes.annotate(
                f"{value:.2f}", (value, y), (4, 0), textcoords="offset points", va="center", color=INK
            )
        axes.set_yticks(rows, list(row))
        axes.tick_params(axis="y", length=0)
        axes.set_title(TEXTS[text], loc="left")
        axes.set_xlabel("bits per byte")
        axes.margins(x=0.2)
    alt = "Bits per byte, fewer are better. " + " ".join(
        f"{TEXTS[text]}: {', '.join(f'{name} {value:.2f}' for name, value in row.items())}."
        for text, row in data.items()
    )
    return figure, {"bits": data, "alt": alt}


def picture() -> nodes.raw:
    figure, data = bits()
    caption = (
        "Bits per byte of texts that no lab model has seen; fewer are better. Blue: the lab models. "
        "Grey: compressors, and a model that counts bytes."
    )
    return nodes.raw("", show(figure, caption=caption, alt=data["alt"])._repr_html_(), format="html")


def sample() -> nodes.literal_block:
    """A prompt and what lab-target goes on with, always taking its most probable token."""
    (found,) = [entry for entry in lm.metrics("lab-target")["samples"] if entry["id"] == SAMPLE]
    # Whole lines: the continuation ends after a number of tokens.
    text = (found["prompt"] + found["continuation"]).rpartition("\n")[0].rstrip()
    return nodes.literal_block(text, text, language="python")


CONTENT: dict[str, Callable[[], nodes.Node]] = {
    "models": lambda: table(models()),
    "compression": lambda: table(compression()),
    "picture": picture,
    "sample": sample,
}


class LabModels(SphinxDirective):
    """Render what lies beside the weights, by its name in CONTENT."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        return [CONTENT[self.arguments[0]]()]


NAME = re.compile(rf"({'|'.join(lm.LAB_MODELS)})")


def keep_names_whole(app, doctree: nodes.document) -> None:
    """No line breaks at the hyphen of a model's name."""
    for text in list(doctree.findall(nodes.Text)):
        literal = isinstance(text.parent, (nodes.literal, nodes.FixedTextElement, nodes.raw))
        pieces = NAME.split(text)
        if len(pieces) == 1 or literal or not isinstance(text.parent, nodes.TextElement):
            continue
        text.parent.replace(
            text,
            [
                nodes.inline("", piece, classes=["stated"]) if NAME.fullmatch(piece) else nodes.Text(piece)
                for piece in pieces
                if piece
            ],
        )


def setup(app) -> dict:
    app.add_directive("lab-models", LabModels)
    app.connect("doctree-read", keep_names_whole)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
