"""A prompt may end anywhere: what do methods say then, and what does it cost?

Each held-out file is cut at every byte of a window, for plain prompting, longest-match healing and the
exact distribution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.tasks.baselines import METHODS, prompted_streams, transformers_complete
from tokenlab.chapters.bytelevel.experiments.texts import PARTS, boundaries, heldout_bytes, is_kind
from tokenlab.chapters.intervals import Interval, ratio_interval
from tokenlab.chapters.results import tracked
from tokenlab.errors import ArgumentError, check_choice

#: Where each file is cut: after enough text to know where one is.
CUTS = range(200, 264)

#: How many bytes after a cut are coded.
AHEAD = 8

#: transformers' healing is asked at every eighth cut: it builds its trie anew at each.
HEALED_CUTS = CUTS[::8]


def measure_cuts(byte_lm: ByteLM, text: bytes, cuts: range = CUTS, methods: Sequence[str] = METHODS) -> dict:
    """What each method says after the beginnings of a text, of lengths one byte apart.

    Gives by method, for each cut: ``first`` and ``ahead``, bits of the next byte and of the next eight;
    ``hit``, whether the next byte is the most probable one; for the exact distribution also ``work``: bytes
    and tokens read so far, and their leaks.

    ArgumentError: if the text ends less than :data:`AHEAD` bytes after the last cut; for an unknown method.
    """
    if cuts.step != 1 or not cuts:
        raise ArgumentError(f"cuts is {cuts}, expected a range that is not empty, with step 1")
    if cuts[-1] + AHEAD > len(text):
        raise ArgumentError(
            f"text has {len(text)} bytes, expected {cuts[-1] + AHEAD}: {AHEAD} after the last cut"
        )
    found: dict = {}
    for method in methods:
        check_choice("method", method, METHODS)
        # One pass over the text serves all cuts: what follows a cut is what the exact distribution says later.
        if method == "exact":
            found[method], found["work"] = _exact_cuts(byte_lm, text, cuts)
        else:
            found[method] = _prompted_cuts(byte_lm, text, cuts, method)
    return found


def _exact_cuts(byte_lm: ByteLM, text: bytes, cuts: range) -> tuple[dict, dict]:
    streams, end = byte_lm.streams([b""]), cuts[-1] + AHEAD
    streams.extend([text[: cuts[0]]])
    hits = []
    for cut in cuts:
        hits.append(int(streams.log_probs[0].argmax() == text[cut]))
        streams.push([text[cut]])
    streams.extend([text[cuts[-1] + 1 : end]])
    (score,) = streams.scores()
    bits = -score.log_probs / math.log(2)
    first = [float(bits[cut]) for cut in cuts]
    ahead = [float(bits[cut : cut + AHEAD].sum()) for cut in cuts]
    work = {"bytes": end, "tokens": streams.num_tokens, "leaks": score.leaks.tolist()}
    return {"first": first, "ahead": ahead, "hit": hits}, work


def _prompted_cuts(byte_lm: ByteLM, text: bytes, cuts: range, method: str) -> dict:
    streams = prompted_streams(byte_lm, [text[:cut] for cut in cuts], method)
    best = streams.log_probs.argmax(1).tolist()
    streams.extend([text[cut : cut + AHEAD] for cut in cuts])
    bits = [-score.log_probs / math.log(2) for score in streams.scores()]
    return {
        "first": [float(row[0]) for row in bits],
        "ahead": [float(row.sum()) for row in bits],
        "hit": [int(byte == text[cut]) for byte, cut in zip(best, cuts, strict=True)],
    }


def measure_transformers_healing(
    byte_lm: ByteLM, tokenizer, text: bytes, cuts: Sequence[int] = HEALED_CUTS
) -> dict[str, list[int]]:
    """Whether transformers' token healing keeps the prompt, and writes the right byte after it."""
    drawn = [transformers_complete(byte_lm.model, tokenizer, text[:cut], 1, temperature=0) for cut in cuts]
    hits = [int(healed.text.startswith(text[: cut + 1])) for healed, cut in zip(drawn, cuts, strict=True)]
    return {"kept": [int(healed.kept) for healed in drawn], "hit": hits}


def run(models: Mapping[str, tuple], *, progress: bool = True) -> dict:
    """The whole experiment, on all files.

    Records ``files``, ``cuts`` (first and last), ``ahead``; by file ``boundary`` (whether a token of the text
    ends at each cut) and ``work``; by method, measure and file ``methods``, and ``transformers`` alike.
    """
    byte_lm, tokenizer = ByteLM(*models["target"]), models["target"][1]
    table: dict = {method: {"first": [], "ahead": [], "hit": []} for method in METHODS}
    files, border, work = [], [], []
    healed: dict = {"cuts": list(HEALED_CUTS), "kept": [], "hit": []}
    for file, text in tracked(heldout_bytes().items(), "file", progress):
        found = measure_cuts(byte_lm, text)
        ends = boundaries(byte_lm, text)
        files.append(file)
        border.append([int(cut in ends) for cut in CUTS])
        work.append({**found["work"], "leaks": [float(f"{leak:.2g}") for leak in found["work"]["leaks"]]})
        for method in METHODS:
            for measure, values in found[method].items():
                table[method][measure].append([round(value, 4) for value in values])
        for measure, values in measure_transformers_healing(byte_lm, tokenizer, text).items():
            healed[measure].append(values)
    return {
        "files": files,
        "cuts": [CUTS[0], CUTS[-1]],
        "ahead": AHEAD,
        "boundary": border,
        "methods": table,
        "transformers": healed,
        "work": work,
    }


def cut_bits(
    results: Mapping, method: str, measure: str = "first", part: str = "all", kind: str | None = None
) -> Interval:
    """Recorded bits per byte after the cuts: of the next byte, or of the next eight (``"ahead"``).

    ``part`` chooses cuts inside a token of the whole text or between two.
    """
    return _over_cuts(results, _of_cuts(results, method, measure), measure, part, kind)


def cut_excess(
    results: Mapping, method: str, measure: str = "first", part: str = "all", kind: str | None = None
) -> Interval:
    """Bits per byte that a method needs more than the exact distribution, at the same cuts."""
    own, exact = (_of_cuts(results, name, measure) for name in (method, "exact"))
    more = [[a - b for a, b in zip(*rows, strict=True)] for rows in zip(own, exact, strict=True)]
    return _over_cuts(results, more, measure, part, kind)


def cut_hits(results: Mapping, method: str, part: str = "all", kind: str | None = None) -> Interval:
    """How often the most probable byte is the next one; ``"transformers"`` was asked at fewer cuts."""
    if method == "transformers":
        healed = results["transformers"]
        columns = [cut - results["cuts"][0] for cut in healed["cuts"]]
        return _over_cuts(results, healed["hit"], "hit", part, kind, columns)
    return _over_cuts(results, _of_cuts(results, method, "hit"), "hit", part, kind)


def prompts_kept(results: Mapping) -> Interval:
    """How often transformers' healing gives back its prompt."""
    rows = results["transformers"]["kept"]
    return ratio_interval([sum(row) for row in rows], [len(row) for row in rows])


def tokens_per_byte(results: Mapping, kind: str | None = None) -> Interval:
    """New tokens that the model reads for a byte under the exact distribution."""
    work = [
        entry for file, entry in zip(results["files"], results["work"], strict=True) if is_kind(file, kind)
    ]
    return ratio_interval([entry["tokens"] for entry in work], [entry["bytes"] for entry in work])


def leaks(results: Mapping, kind: str | None = None) -> dict[str, float]:
    """Leak of a step: mean over the first byte of each file; mean and 99th percentile over the others."""
    rows = [
        entry["leaks"]
        for file, entry in zip(results["files"], results["work"], strict=True)
        if is_kind(file, kind)
    ]
    later = np.array([leak for row in rows for leak in row[1:]])
    return {
        "first": float(np.mean([row[0] for row in rows])),
        "mean": float(later.mean()),
        "p99": float(np.quantile(later, 0.99)),
    }


def _of_cuts(results: Mapping, method: str, measure: str) -> list[list[float]]:
    check_choice("method", method, tuple(results["methods"]))
    check_choice("measure", measure, tuple(results["methods"][method]))
    return results["methods"][method][measure]


def _over_cuts(
    results: Mapping,
    rows: Sequence[Sequence[float]],
    measure: str,
    part: str,
    kind: str | None,
    columns: Sequence[int] | None = None,
) -> Interval:
    check_choice("part", part, PARTS)
    sums, counts = [], []
    for file, row, border in zip(results["files"], rows, results["boundary"], strict=True):
        if is_kind(file, kind):
            border = border if columns is None else [border[column] for column in columns]
            kept = [
                value
                for value, ends in zip(row, border, strict=True)
                if part == "all" or ends == (part == "boundary")
            ]
            sums.append(sum(kept))
            counts.append(len(kept) * (results["ahead"] if measure == "ahead" else 1))
    return ratio_interval(sums, counts)
