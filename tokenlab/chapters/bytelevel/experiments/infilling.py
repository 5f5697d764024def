"""Gaps at random positions of the held-out programs, filled byte by byte and with tokens.

The bits of the true middle and of its end say more than a few matches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch

from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.model.sampling import sample_streams
from tokenlab.bytelevel.model.streams import ByteStreams
from tokenlab.bytelevel.tasks.forced import forced_streams, rewind
from tokenlab.bytelevel.tasks.infilling import FORMATS, fill_in_middle_tokens, infilling_streams
from tokenlab.chapters.bytelevel.experiments.texts import PARTS, boundaries, heldout_bytes
from tokenlab.chapters.intervals import Interval, ratio_interval
from tokenlab.chapters.results import rounded, tracked
from tokenlab.errors import ArgumentError, check_choice, check_int

SEED = 0

#: Gaps in each program, and their greatest length in bytes.
GAPS = 4
LONGEST_GAP = 60

#: Bytes that a model reads at most before a gap, and after it.
AROUND = 320

FILLERS = ("bytes", "tokens", "healed tokens")


class Gap(NamedTuple):
    """A gap in a program; ``inside``: whether it begins inside a token of the whole text."""

    prefix: bytes
    middle: bytes
    suffix: bytes
    inside: bool


def draw_gaps(byte_lm: ByteLM, file: str, count: int = GAPS, seed: int = SEED) -> list[Gap]:
    """Gaps at random positions of a file, 1 to 60 bytes long, evenly in the logarithm as in training.

    They may overlap. Whole lines around them, as many as fit into 320 bytes on either side, are kept.

    ArgumentError: if the file is unknown, or has characters of several bytes, in which a gap could begin.
    """
    texts = heldout_bytes()
    check_choice("file", file, tuple(texts))
    check_int("count", count, low=1)
    text = texts[file]
    if not text.isascii():
        raise ArgumentError(f"{file} has characters outside ASCII, expected one byte for each")
    ends = boundaries(byte_lm, text)
    # One stream of numbers for each file, so that a file can be measured again by itself.
    generator = torch.Generator().manual_seed(1000 * seed + list(texts).index(file))
    found = []
    for _ in range(count):
        share = torch.rand((), generator=generator, dtype=torch.float64).item()
        length = int((LONGEST_GAP + 1) ** share)
        start = int(torch.randint(AROUND // 4, len(text) - AROUND // 4 - length, (), generator=generator))
        before, after = text[max(0, start - AROUND) : start], text[start + length :][:AROUND]
        if start > AROUND:
            before = before[before.find(b"\n") + 1 :]
        if start + length + AROUND < len(text):
            after = after[: after.rfind(b"\n") + 1]
        found.append(Gap(before, text[start : start + length], after, start not in ends))
    return found


def measure_gaps(byte_lm: ByteLM, gaps: Sequence[Gap], format: str) -> dict[str, list[dict]]:
    """Fill gaps with each filler, greedily, in the format ``"psm"`` or ``"spm"``.

    Gives by filler, for each gap: ``text``, cut to the middle's length; ``agrees``, whether it is the middle;
    ``exact``, whether the filler also stopped there; ``similarity`` to the middle; ``bits`` of the true
    middle; ``end_bits`` of the end after it.
    """
    found = {}
    for filler in FILLERS:
        streams = _gap_streams(byte_lm, gaps, format, filler)
        if filler == "bytes":
            most = 1 + max(len(gap.middle) for gap in gaps)
            written = [sample[:2] for sample in sample_streams(streams.copy(), most, temperature=0)]
        else:
            written = [_filled(byte_lm, gap, format, filler) for gap in gaps]
        streams.extend([gap.middle for gap in gaps])
        codes = [-score.log_probs / math.log(2) for score in streams.scores(ended=True)]
        found[filler] = []
        for gap, (text, ended), bits in zip(gaps, written, codes, strict=True):
            start = text[: len(gap.middle)]
            found[filler].append(
                {
                    "text": start.decode("utf-8", "backslashreplace"),
                    "agrees": int(start == gap.middle),
                    "exact": int(text == gap.middle and ended),
                    "similarity": similarity(start, gap.middle),
                    "bits": float(bits[:-1].sum()),
                    "end_bits": float(bits[-1]),
                }
            )
    return found


def _filled(byte_lm: ByteLM, gap: Gap, format: str, filler: str) -> tuple[bytes, bool]:
    """What tokens write, at least a byte beyond the middle, and whether they stopped by themselves."""
    length = len(gap.middle) + 1
    # A token has several bytes as a rule; only if these do not reach are there as many as bytes.
    for most in (min(length, 4 + length // 2), length):
        middle = fill_in_middle_tokens(
            byte_lm,
            gap.prefix,
            gap.suffix,
            format,
            max_new_tokens=most,
            temperature=0,
            healing="none" if filler == "tokens" else "longest_match",
        )
        if middle.ended or len(middle.text) >= length:
            break
    return middle.text, middle.ended


def _gap_streams(byte_lm: ByteLM, gaps: Sequence[Gap], format: str, filler: str) -> ByteStreams:
    """Prefixes that grow by the bytes of the middles, as a filler sees them."""
    prefixes = [gap.prefix for gap in gaps]
    if filler == "bytes":
        return infilling_streams(byte_lm, prefixes, [gap.suffix for gap in gaps], format)
    description = byte_lm.description
    start, suffix, middle = (
        description.added_token(f"<fim_{part}>") for part in ("prefix", "suffix", "middle")
    )
    if None in (start, suffix, middle):
        raise ArgumentError(
            "the tokenizer has no tokens <fim_prefix>, <fim_suffix>, <fim_middle>, expected a lab model's"
        )
    contexts, forced = [], []
    for gap in gaps:
        kept, rest = description.encode(gap.prefix), b""
        if filler == "healed tokens":
            kept, rest = rewind(byte_lm, kept)
        after = [suffix, *description.encode(gap.suffix, dummy=False), middle]
        parts = [start, *kept, *after] if format == "psm" else [start, *after, *kept]
        contexts.append([*byte_lm.start_ids, *parts])
        forced.append(rest)
    return forced_streams(byte_lm, contexts, forced, prefixes, end_anywhere=True)


def similarity(first: bytes, second: bytes) -> float:
    r"""Edit similarity, :math:`1 - \text{Levenshtein}(a, b) / \max(|a|, |b|)`, in bytes.

    Examples
    --------
    >>> similarity(b"import os", b"import io")
    0.7777777777777778
    """
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        above, row = row, [i]
        for j, b in enumerate(second, start=1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b)))
    return 1 - row[-1] / max(len(first), len(second), 1)


def run(models: Mapping[str, tuple], *, progress: bool = True) -> dict:
    """The whole experiment, on all held-out programs.

    Records ``files``, ``seed``, ``gaps`` (by file: middle, ``inside``), ``fills`` (by format, filler, file
    and measure: by gap).
    """
    byte_lm = ByteLM(*models["target"])
    files = [file for file in heldout_bytes() if file.startswith("source")]
    fills: dict = {format: {filler: [] for filler in FILLERS} for format in FORMATS}
    drawn = []
    for file in tracked(files, "file", progress):
        gaps = draw_gaps(byte_lm, file)
        drawn.append([{"middle": gap.middle.decode(), "inside": int(gap.inside)} for gap in gaps])
        for format in FORMATS:
            for filler, rows in rounded(measure_gaps(byte_lm, gaps, format)).items():
                fills[format][filler].append({name: [row[name] for row in rows] for name in rows[0]})
    return {"files": files, "seed": SEED, "gaps": drawn, "fills": fills}


def gap_score(
    results: Mapping,
    format: str,
    filler: str,
    measure: str = "agrees",
    part: str = "all",
    other: str | None = None,
) -> Interval:
    """Recorded mean over gaps; with ``other``, what a filler has more than it at the same gaps."""
    rows = _of_gaps(results, format, filler, measure)
    if other is not None:
        less = _of_gaps(results, format, other, measure)
        rows = [[a - b for a, b in zip(*pair, strict=True)] for pair in zip(rows, less, strict=True)]
    check_choice("part", part, PARTS)
    kept = [
        [
            value
            for value, gap in zip(row, gaps, strict=True)
            if part == "all" or gap["inside"] == (part == "inside")
        ]
        for row, gaps in zip(rows, results["gaps"], strict=True)
    ]
    return ratio_interval([sum(row) for row in kept], [len(row) for row in kept])


def _of_gaps(results: Mapping, format: str, filler: str, measure: str) -> list[list[float]]:
    check_choice("format", format, tuple(results["fills"]))
    check_choice("filler", filler, tuple(results["fills"][format]))
    rows = results["fills"][format][filler]
    check_choice("measure", measure, tuple(name for name in rows[0] if name != "text"))
    return [row[measure] for row in rows]
