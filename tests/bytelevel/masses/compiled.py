"""Compile every kernel of ``tokenlab.bytelevel`` for sm_90 as it would be launched, and print the facts.

``python -m tests.bytelevel.masses.compiled`` prints JSON, one entry for each launch of each case; with
``--save`` it also writes the file that the book's page of benchmarks shows. Run it without
``TRITON_INTERPRET``.
"""

from __future__ import annotations

from pathlib import Path

import torch

from tests.bytelevel.vocabularies import like_a_models
from tests.support.compile_only import LAYOUTS, command_line, facts_of, recording
from tokenlab.bytelevel.masses import kernels

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "bytes_sm90.json"


#: Vocabulary and row stride; the small one is as large as the lab models'.
SHAPES = LAYOUTS | {"small": (4096, 4096)}


#: What is compiled: case, dtype, layout, and the kernels that no line before it has shown.
WANTED = [
    ("first byte", "float32", "aligned", ("_window_kernel", "_bins_kernel")),
    ("first byte", "bfloat16", "aligned", ("_window_kernel",)),
    ("range", "float32", "aligned", ("_children_kernel", "_range_kernel")),
    ("range", "bfloat16", "aligned", ("_range_kernel",)),
    ("range, allowed tokens", "float32", "aligned", ("_range_kernel",)),
    ("first byte", "bfloat16", "padded", ("_window_kernel",)),
    ("first byte", "float32", "odd", ("_window_kernel",)),
    ("first byte", "float32", "small", ("_bins_kernel",)),
]


def launches() -> list[dict]:
    """Every launch of every case, compiled."""
    found = []
    for case, dtype, layout, names in WANTED:
        vocab, stride = SHAPES[layout]
        vocabulary = like_a_models(vocab)
        logits = torch.empty(2, stride, dtype=getattr(torch, dtype))[:, :vocab]
        spans = None, None, None
        if case.startswith("range"):
            start, stop = vocabulary.find(b" ")
            spans = (torch.full((2,), position) for position in (start, stop, 1))
        allowed = torch.ones(2, len(vocabulary), dtype=torch.bool) if "allowed" in case else None
        norm = torch.zeros(2, dtype=torch.float64) if case.startswith("range") else None
        with recording(kernels) as recorded:
            kernels.byte_log_masses(logits, vocabulary, *spans, allowed, norm)
        for launch in recorded:
            if launch[0].__name__ in names:
                facts = facts_of(launch, case=case, dtype=dtype, layout=layout)
                found.append(facts | {"tokens_per_thread": tokens_per_thread(launch, facts["warps"])})
    return found


def tokens_per_thread(launch: tuple, warps: int) -> int | None:
    """Of the kernels that read logits: positions for tokens, filled or not."""
    _, _, options, _ = launch
    return options["SLOTS"] * options["WIDTH"] // (32 * warps) if "SLOTS" in options else None


if __name__ == "__main__":
    command_line("tests.bytelevel.masses.compiled", RESULTS, launches)
