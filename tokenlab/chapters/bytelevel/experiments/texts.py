"""The texts that the experiments read, and where their tokens end."""

from __future__ import annotations

from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.errors import check_choice
from tokenlab.lm.corpus import KINDS, heldout_files

#: Of cuts and gaps: those inside a token of the whole text, and those between two.
PARTS = ("all", "inside", "boundary")


def heldout_bytes() -> dict[str, bytes]:
    """The held-out files, by ``kind/name``."""
    return {f"{kind}/{name}": text.encode() for kind in KINDS for name, text in heldout_files(kind)}


def boundaries(byte_lm: ByteLM, text: bytes) -> set[int]:
    """Where tokens of a text's own encoding end.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> byte_lm = ByteLM(*load("lab-draft"))
    >>> sorted(boundaries(byte_lm, b"import os"))
    [0, 6, 9]
    """
    ends, position = {0}, -len(byte_lm.dummy)
    for token in byte_lm.description.encode(text):
        position += len(byte_lm.description.decode([token]))
        ends.add(max(position, 0))
    return ends


def is_kind(file: str, kind: str | None) -> bool:
    """Whether a file is of a kind; all are if none is named."""
    if kind is not None:
        check_choice("kind", kind, KINDS)
    return kind is None or file.startswith(f"{kind}/")
