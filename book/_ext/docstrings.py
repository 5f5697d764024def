"""Small repairs between our docstrings and reStructuredText."""

from __future__ import annotations

import re
from importlib import import_module

#: A shape such as ``Float[Tensor, "*batch vocab"]``: its star would open an emphasis.
SHAPE = re.compile(r'(?<!`)\b\w+\[Tensor, "[^"]*"\](?!`)')


def quote_shapes(app, what, name, obj, options, lines: list[str]) -> None:
    lines[:] = [SHAPE.sub(lambda shape: f"``{shape[0]}``", line) for line in lines]


def accept_existing(app, env, node, contnode):
    """A name that exists in the package but has no entry on these pages stays without a link."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith("tokenlab."):
        return None
    module, _, attribute = target.rpartition(".")
    try:
        import_module(target)
    except ImportError:
        try:
            getattr(import_module(module), attribute)
        except (ImportError, AttributeError):
            return None
    return contnode


def setup(app) -> dict:
    # Before numpydoc, which connects at the usual 500.
    app.connect("autodoc-process-docstring", quote_shapes, priority=100)
    app.connect("missing-reference", accept_existing)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
