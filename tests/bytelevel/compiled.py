"""Compile every kernel of ``tokenlab.bytelevel`` for sm_90 as it would be launched, and print the facts.

``python -m tests.bytelevel.compiled`` prints JSON, one entry for each launch of each case; with
``--save`` it also writes the file that the book's page of benchmarks shows. Run it without
``TRITON_INTERPRET``.
"""

from __future__ import annotations

from pathlib import Path

import torch

from tests.bytelevel.vocabularies import like_a_models
from tests.compile_only import LAYOUTS, command_line, facts_of, recording
from tokenlab.bytelevel import kernels

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "bytes_sm90.json"

#: A call, and the kernels of it that no case before it has shown.
CASES = {
    "first byte": ("_window_kernel", "_bins_kernel"),
    "range": ("_children_kernel", "_range_kernel", "_bins_kernel"),
    "range, allowed tokens": ("_range_kernel",),
}
#: What is compiled: case, dtype, layout.
WANTED = [
    *((case, "float32", "aligned") for case in CASES),
    *((case, "bfloat16", "aligned") for case in ("first byte", "range")),
    ("first byte", "float32", "padded"),
    ("first byte", "bfloat16", "padded"),
    ("first byte", "float32", "odd"),
]


def launches() -> list[dict]:
    """Every launch of every case, compiled."""
    found = []
    vocabularies = {vocab: like_a_models(vocab) for vocab in {vocab for vocab, _ in LAYOUTS.values()}}
    for case, dtype, layout in WANTED:
        vocab, stride = LAYOUTS[layout]
        vocabulary = vocabularies[vocab]
        logits = torch.empty(2, stride, dtype=getattr(torch, dtype))[:, :vocab]
        places = None, None, None
        if case != "first byte":
            start, stop = vocabulary.find(b" ")
            places = (torch.full((2,), place) for place in (start, stop, 1))
        allowed = torch.ones(2, len(vocabulary), dtype=torch.bool) if "allowed" in case else None
        norm = None if case == "first byte" else torch.zeros(2, dtype=torch.float64)
        with recording(kernels) as recorded:
            kernels.byte_log_masses(logits, vocabulary, *places, allowed, norm)
        where = {"case": case, "dtype": dtype, "layout": layout}
        found += [facts_of(launch, **where) for launch in recorded if launch[0].__name__ in CASES[case]]
    return found


if __name__ == "__main__":
    command_line("tests.bytelevel.compiled", RESULTS, launches)
