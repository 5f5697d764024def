"""The chapter's recorded experiments: ``python -m tokenlab.chapters.bytelevel.experiments <name>``.

``cuts``: each held-out file is cut at every byte of a window, and the text before the cut is a
prompt. How many bits do the next byte and the next eight cost, under plain prompting, longest-match
healing and the exact distribution? With them the work: tokens that the model reads for a byte, and the leak.

``infilling``: gaps at random places of the held-out programs, filled greedily byte by byte and
with tokens, in both formats. With them the bits of the true middle and its end, which say more
than a handful of matches.

``ensembles``: bits per byte of three models, and of their mixtures and products.

``tokenizations``: the distribution of valid covers beside beams over all tokenizations.

The unit of every interval is the file: places of one text are no independent draws. Models run
in float64, so that results hang on no machine's rounding.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.model.ensemble import ByteEnsemble
from tokenlab.bytelevel.model.sampling import sample_streams
from tokenlab.bytelevel.model.streams import ByteStreams
from tokenlab.bytelevel.tasks.baselines import METHODS, prompted_streams, transformers_complete
from tokenlab.bytelevel.tasks.forced import forced_streams, rewind
from tokenlab.bytelevel.tasks.infilling import FORMATS, fill_in_middle_tokens, infilling_streams
from tokenlab.errors import ArgumentError, CheckpointError, ShapeError, check_choice, check_int
from tokenlab.lm.corpus import ASSETS, KINDS, heldout_files

RESULTS = ASSETS / "results"


SEED = 0


#: Bootstrap samples of an interval.
RESAMPLES = 10_000


#: Where each file is cut: after enough text to know where one is.
CUTS = range(200, 264)


#: How many bytes after a cut are coded.
AHEAD = 8


#: transformers' healing is asked at every eighth cut: it builds its trie anew at each.
HEALED_CUTS = CUTS[::8]


PARTS = ("all", "inside", "boundary")


#: Gaps in each program, their greatest length, and how many bytes around them a model reads at most.
GAPS = 4


LONGEST_GAP = 60


AROUND = 320


FILLERS = ("bytes", "tokens", "healed tokens")


#: The beginning of each file that the ensembles read.
ENSEMBLE_BYTES = 256


#: Who takes part, with which weight: target, other, draft. A single model is its own mixture.
ENSEMBLES: dict[str, tuple[str, tuple[float, float, float]]] = {
    "target": ("mix", (1, 0, 0)),
    "other": ("mix", (0, 1, 0)),
    "draft": ("mix", (0, 0, 1)),
    **{
        f"{how}, target {weight:g}, other {1 - weight:g}": (how, (weight, 1 - weight, 0))
        for how in ("mix", "product")
        for weight in (0.25, 0.5, 0.75)
    },
    **{f"{how}, target 0.5, draft 0.5": (how, (0.5, 0, 0.5)) for how in ("mix", "product")},
    **{f"{how}, all three": (how, (1 / 3, 1 / 3, 1 / 3)) for how in ("mix", "product")},
}


#: Beams beside valid covers, and what they read.
WIDTHS = (1, 2, 5, 16)


TOKENIZATION_FILES = 2


TOKENIZATION_BYTES = 96


class Interval(NamedTuple):
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float


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
    ends, place = {0}, -len(byte_lm.dummy)
    for token in byte_lm.description.encode(text):
        place += len(byte_lm.description.decode([token]))
        ends.add(max(place, 0))
    return ends


def measure_cuts(byte_lm: ByteLM, text: bytes, cuts: range = CUTS, methods: Sequence[str] = METHODS) -> dict:
    """What each method says after the beginnings of a text.

    Parameters
    ----------
    byte_lm : ByteLM
        The model, with valid covers.
    text : bytes
        The text; it must go on for :data:`AHEAD` bytes after the last cut.
    cuts : range
        Lengths of the beginnings, one byte apart.
    methods : sequence of str
        Some of :data:`~tokenlab.bytelevel.tasks.baselines.METHODS`.

    Returns
    -------
    dict
        By method, a list for the cuts: ``first`` and ``ahead``, bits of the next byte and of the
        next eight; ``hit``, whether the next byte is the most probable one. With the exact distribution,
        ``work``: bytes and tokens that were read, from the text's first byte on, and their leaks.

    Raises
    ------
    ArgumentError
        If the text is too short, or for an unknown method.
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
        # After the exact distribution's cuts lie its later conditionals: one pass over the text serves all.
        if method == "exact":
            found[method], found["work"] = _exact_cuts(byte_lm, text, cuts)
        else:
            found[method] = _prompted_cuts(byte_lm, text, cuts, method)
    return found


def _exact_cuts(byte_lm: ByteLM, text: bytes, cuts: range) -> tuple[dict, dict]:
    streams, end = byte_lm.streams([b""]), cuts[-1] + AHEAD
    streams.extend([text[: cuts[0]]])
    hits = []
    for place in cuts:
        hits.append(int(streams.log_probs[0].argmax() == text[place]))
        streams.push([text[place]])
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


def cuts(models: Mapping[str, tuple], *, progress: bool = True) -> dict:
    """The whole experiment, on all files.

    Returns
    -------
    dict
        ``files``, ``cuts`` (first and last), ``ahead``; for each file ``boundary`` (for each cut,
        whether a token of the whole text ends there) and ``work``; ``methods`` (by method and
        measure a list for each file); ``transformers`` (the same at the cuts it was asked).
    """
    byte_lm, tokenizer = ByteLM(*models["target"]), models["target"][1]
    table: dict = {method: {"first": [], "ahead": [], "hit": []} for method in METHODS}
    files, border, work = [], [], []
    healed: dict = {"cuts": list(HEALED_CUTS), "kept": [], "hit": []}
    for file, text in _tracked(heldout_bytes().items(), "file", progress):
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


class Gap(NamedTuple):
    """A gap in a program.

    Attributes
    ----------
    prefix, middle, suffix : bytes
        What stands before the gap, in it, and after it.
    inside : bool
        Whether the gap begins inside a token of the whole text.
    """

    prefix: bytes
    middle: bytes
    suffix: bytes
    inside: bool


def gaps(byte_lm: ByteLM, file: str, count: int = GAPS, seed: int = SEED) -> list[Gap]:
    """Gaps at random places of a file, 1 to 60 bytes long, evenly in the logarithm as in training.

    Each byte is as likely a beginning as another; gaps may overlap. Of the text around it, whole
    lines are kept: as many as fit into 320 bytes on either side. With the middle they fit into the
    lab models' 512 positions.

    Raises
    ------
    ArgumentError
        If there is no such file, or it has characters of several bytes, in which a gap could begin.
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


def measure_gaps(byte_lm: ByteLM, places: Sequence[Gap], format: str) -> dict[str, list[dict]]:
    """Fill gaps with each filler, greedily.

    Parameters
    ----------
    byte_lm : ByteLM
        A model that fills gaps.
    places : sequence of Gap
        The gaps.
    format : {"psm", "spm"}
        The order of the parts.

    Returns
    -------
    dict
        By filler, for each gap: ``text``, what was written, no longer than the middle; ``agrees``,
        whether it is the middle; ``exact``, whether it is and the filler then stopped;
        ``similarity`` to the middle; ``bits`` of the true middle, ``end_bits`` of the end after it.
    """
    found = {}
    for filler in FILLERS:
        streams = _gap_streams(byte_lm, places, format, filler)
        if filler == "bytes":
            most = 1 + max(len(gap.middle) for gap in places)
            written = [sample[:2] for sample in sample_streams(streams.copy(), most, temperature=0)]
        else:
            written = [_filled(byte_lm, gap, format, filler) for gap in places]
        streams.extend([gap.middle for gap in places])
        codes = [-score.log_probs / math.log(2) for score in streams.scores(ended=True)]
        found[filler] = []
        for gap, (text, ended), bits in zip(places, written, codes, strict=True):
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
    """What tokens write, at least one byte more than the middle, and whether they stopped by themselves."""
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


def _gap_streams(byte_lm: ByteLM, places: Sequence[Gap], format: str, filler: str) -> ByteStreams:
    """Prefixes that grow by the bytes of the middles, as a filler sees them."""
    prefixes = [gap.prefix for gap in places]
    if filler == "bytes":
        return infilling_streams(byte_lm, prefixes, [gap.suffix for gap in places], format)
    description = byte_lm.description
    start, suffix, middle = (
        description.added_token(f"<fim_{part}>") for part in ("prefix", "suffix", "middle")
    )
    if None in (start, suffix, middle):
        raise ArgumentError(
            "the tokenizer has no tokens <fim_prefix>, <fim_suffix>, <fim_middle>, expected a lab model's"
        )
    contexts, forced = [], []
    for gap in places:
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


def infilling(models: Mapping[str, tuple], *, progress: bool = True) -> dict:
    """The whole experiment, on all held-out programs.

    Returns
    -------
    dict
        ``files``, ``seed``, ``gaps`` (for each file a list: middle and ``inside``), ``fills`` (by
        format and filler, for each file and measure a list for the gaps).
    """
    byte_lm = ByteLM(*models["target"])
    files = [file for file in heldout_bytes() if file.startswith("source")]
    fills: dict = {format: {filler: [] for filler in FILLERS} for format in FORMATS}
    drawn = []
    for file in _tracked(files, "file", progress):
        places = gaps(byte_lm, file)
        drawn.append([{"middle": gap.middle.decode(), "inside": int(gap.inside)} for gap in places])
        for format in FORMATS:
            for filler, rows in _rounded(measure_gaps(byte_lm, places, format)).items():
                fills[format][filler].append({name: [row[name] for row in rows] for name in rows[0]})
    return {"files": files, "seed": SEED, "gaps": drawn, "fills": fills}


def measure_distributions(
    byte_lms: Sequence[ByteLM], texts: Sequence[bytes]
) -> Float64[Tensor, "members texts bytes 257"]:
    """What each model says before each byte of texts of one length."""
    if len({len(text) for text in texts}) != 1:
        raise ShapeError(f"texts have {sorted({len(text) for text in texts})} bytes, expected one length")
    streams = [byte_lm.streams([b""] * len(texts)) for byte_lm in byte_lms]
    distributions = []
    for column in zip(*texts, strict=True):
        distributions.append(torch.stack([members.log_probs for members in streams]))
        for members in streams:
            members.push(column)
    return torch.stack(distributions, 2)


def combined_bits(
    distributions: Float64[Tensor, "members texts bytes 257"],
    texts: Sequence[bytes],
    weights: Sequence[float],
    how: str,
) -> Float64[Tensor, "texts bytes"]:
    """Bits of each byte under a mixture or a product of distributions; a member of weight 0 has no say.

    Equal to what :func:`~tokenlab.bytelevel.model.ensemble` scores, where no member excludes a byte.
    """
    check_choice("how", how, ("mix", "product"))
    there = [member for member, weight in enumerate(weights) if weight]
    shares = torch.tensor([weights[member] for member in there], dtype=torch.float64).view(-1, 1, 1, 1)
    if how == "mix":
        distribution = torch.logsumexp(shares.log() + distributions[there], 0)
    else:
        distribution = (shares * distributions[there]).sum(0).log_softmax(-1)
    bytes_read = torch.tensor([list(text) for text in texts])
    return -distribution.gather(-1, bytes_read.unsqueeze(-1)).squeeze(-1) / math.log(2)


def ensembles(models: Mapping[str, tuple], *, progress: bool = True) -> dict:
    """The whole experiment, on the beginnings of all files.

    Returns
    -------
    dict
        ``files``, ``bytes`` (of each file), ``members``, ``bits`` (by ensemble, the sum for each
        file).
    """
    members = {name: ByteLM(*models[name]) for name in ("target", "other", "draft")}
    texts = {file: text[:ENSEMBLE_BYTES] for file, text in heldout_bytes().items()}
    bits: dict = {name: [] for name in ENSEMBLES}
    groups = [list(texts)[start : start + 8] for start in range(0, len(texts), 8)]
    for group in _tracked(groups, "group of files", progress):
        read = [texts[file] for file in group]
        distributions = measure_distributions(list(members.values()), read)
        for name, (how, weights) in ENSEMBLES.items():
            bits[name] += combined_bits(distributions, read, weights, how).sum(1).tolist()
    return {"files": list(texts), "bytes": ENSEMBLE_BYTES, "members": list(members), "bits": _rounded(bits)}


def recompute_ensemble(models: Mapping[str, tuple], name: str, file: str, length: int) -> float:
    """Bits of a file's first bytes under one ensemble, by :class:`ByteEnsemble` itself."""
    check_choice("name", name, tuple(ENSEMBLES))
    texts = heldout_bytes()
    check_choice("file", file, tuple(texts))
    how, weights = ENSEMBLES[name]
    there = [
        (ByteLM(*models[role]), weight)
        for role, weight in zip(("target", "other", "draft"), weights)
        if weight
    ]
    members, shares = zip(*there, strict=True)
    score = ByteEnsemble(members, shares, how).score(texts[file][:length])
    return -score.log_prob / math.log(2)


def measure_tokenization(byte_lm: ByteLM, text: bytes) -> dict:
    """What a distribution says about a text, and what that costs.

    Returns
    -------
    dict
        ``log_prob`` and ``cover_log_prob`` in nats (see
        :class:`~tokenlab.bytelevel.model.scores.ByteScore`), ``pruned`` and ``leak`` (means over the
        bytes), ``tokens`` that the model read, ``heads`` (mean number), ``seconds`` of the processor.
        If no head of a beam goes on with a byte, only ``lost_at``: the place of that byte.
    """
    started = time.process_time()
    streams, heads = byte_lm.streams([b""]), 0
    for place, byte in enumerate(text):
        if streams.log_probs[0, byte] == -math.inf:
            return {"lost_at": place}
        streams.push([byte])
        heads += len(streams.frontier(0).all_open_covers())
    (score,) = streams.scores()
    return {
        "log_prob": score.log_prob,
        "cover_log_prob": score.cover_log_prob,
        "pruned": float(score.pruned.mean()),
        "leak": float(score.leaks.mean()),
        "tokens": streams.num_tokens,
        "heads": heads / len(text),
        "seconds": time.process_time() - started,
    }


def tokenizations(models: Mapping[str, tuple], *, progress: bool = True) -> dict:
    """The whole experiment, on the beginnings of a few files.

    Returns
    -------
    dict
        ``files``, ``bytes``, ``distributions`` (by distribution a list with an entry for each file; see
        :func:`measure_tokenization`).
    """
    texts = {
        f"{kind}/{name}": text.encode()[:TOKENIZATION_BYTES]
        for kind in KINDS
        for name, text in heldout_files(kind)[:TOKENIZATION_FILES]
    }
    distributions = {"valid": ByteLM(*models["target"])} | {
        f"all, {width}": ByteLM(*models["target"], "all", beam_width=width) for width in WIDTHS
    }
    # What is built once would otherwise be the first text's cost.
    for byte_lm in distributions.values():
        byte_lm.next_byte_log_probs(b"def __ini")
    found = {
        name: [_rounded(measure_tokenization(byte_lm, text)) for text in texts.values()]
        for name, byte_lm in _tracked(distributions.items(), "distribution", progress)
    }
    return {"files": list(texts), "bytes": TOKENIZATION_BYTES, "distributions": found}


def load_results(name: str, folder: Path = RESULTS) -> dict:
    """The recorded results of an experiment, with their ``provenance``.

    Parameters
    ----------
    name : str
        A name in :data:`EXPERIMENTS`.
    folder : Path
        Where they lie.

    Raises
    ------
    ArgumentError
        If there is no such experiment.
    CheckpointError
        If it was never run.

    Examples
    --------
    >>> len(load_results("cuts")["files"])
    24
    """
    check_choice("name", name, tuple(EXPERIMENTS))
    path = folder / f"bytelevel_{name}.json"
    if not path.exists():
        raise CheckpointError(
            f"{path} is missing; run `python -m tokenlab.chapters.bytelevel.experiments {name}`"
        )
    return json.loads(path.read_text())


def interval(sums: Sequence[float], counts: Sequence[float]) -> Interval:
    r"""A mean over all places of all files, :math:`\sum_f s_f / \sum_f n_f`, and its 95 % interval.

    Whole files are drawn again with replacement: the percentile bootstrap over clusters. Files without
    a place say nothing.

    Parameters
    ----------
    sums, counts : sequence of float
        For each file the sum over its places, and their number.

    Examples
    --------
    >>> interval([1.0, 2.0, 3.0], [2, 2, 2])
    Interval(mean=1.0, low=0.5, high=1.5)

    Raises
    ------
    ShapeError
        If the two differ in length, or fewer than two files have a place.
    """
    pairs = np.array([(s, n) for s, n in zip(sums, counts, strict=False) if n], dtype=np.float64)
    if len(sums) != len(counts) or len(pairs) < 2:
        raise ShapeError(
            f"sums has {len(sums)} entries and counts {len(counts)}, {len(pairs)} of them not empty; "
            "expected as many of both, and two that are not empty"
        )
    drawn = np.random.default_rng(SEED).integers(len(pairs), size=(RESAMPLES, len(pairs)))
    totals = pairs[drawn].sum(1)
    low, high = np.quantile(totals[:, 0] / totals[:, 1], [0.025, 0.975])
    mean = pairs[:, 0].sum() / pairs[:, 1].sum()
    return Interval(round(float(mean), 5), round(float(low), 5), round(float(high), 5))


def cut_bits(
    results: Mapping, method: str, measure: str = "first", part: str = "all", kind: str | None = None
):
    """Recorded bits per byte after the cuts: of the next byte, or of the next eight (``"ahead"``).

    ``part`` chooses cuts inside a token of the whole text or between two; ``kind`` the files.
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
    """How often transformers' healing gives back the prompt it was given."""
    rows = results["transformers"]["kept"]
    return interval([sum(row) for row in rows], [len(row) for row in rows])


def tokens_per_byte(results: Mapping, kind: str | None = None) -> Interval:
    """New tokens that the model reads for a byte under the exact distribution."""
    work = [
        entry for file, entry in zip(results["files"], results["work"], strict=True) if _is_kind(file, kind)
    ]
    return interval([entry["tokens"] for entry in work], [entry["bytes"] for entry in work])


def leaks(results: Mapping, kind: str | None = None) -> dict[str, float]:
    """Leak of a step: mean over the first byte of each file; mean and 99th percentile over the others."""
    rows = [
        entry["leaks"]
        for file, entry in zip(results["files"], results["work"], strict=True)
        if _is_kind(file, kind)
    ]
    later = np.array([leak for row in rows for leak in row[1:]])
    return {
        "first": float(np.mean([row[0] for row in rows])),
        "mean": float(later.mean()),
        "p99": float(np.quantile(later, 0.99)),
    }


def gap_score(
    results: Mapping,
    format: str,
    filler: str,
    measure: str = "agrees",
    part: str = "all",
    other: str | None = None,
) -> Interval:
    """Recorded mean over gaps; with ``other``, what a filler has more than another at the same gaps."""
    rows = _of_gaps(results, format, filler, measure)
    if other is not None:
        less = _of_gaps(results, format, other, measure)
        rows = [[a - b for a, b in zip(*pair, strict=True)] for pair in zip(rows, less, strict=True)]
    check_choice("part", part, PARTS)
    kept = [
        [
            value
            for value, gap in zip(row, places, strict=True)
            if part == "all" or gap["inside"] == (part == "inside")
        ]
        for row, places in zip(rows, results["gaps"], strict=True)
    ]
    return interval([sum(row) for row in kept], [len(row) for row in kept])


def ensemble_bits(results: Mapping, name: str, kind: str | None = None, other: str | None = None) -> Interval:
    """Recorded bits per byte of an ensemble; with ``other``, what it needs more than another."""
    for chosen in (name, other or name):
        check_choice("name", chosen, tuple(results["bits"]))
    base = results["bits"][other] if other else [0.0] * len(results["files"])
    sums = [
        bits - less
        for file, bits, less in zip(results["files"], results["bits"][name], base, strict=True)
        if _is_kind(file, kind)
    ]
    return interval(sums, [results["bytes"]] * len(sums))


def distribution_means(results: Mapping, distribution: str) -> dict[str, float]:
    """Recorded figures of a distribution, for a byte: nats above valid covers, tokens, heads, speed.

    ``conditionals`` compares the distributions of the next byte, ``covers`` the probabilities of the text,
    of which valid covers are a part. All are means over the files that the distribution can read; ``read``
    says how many.
    """
    check_choice("distribution", distribution, tuple(results["distributions"]))
    pairs = zip(results["distributions"][distribution], results["distributions"]["valid"], strict=True)
    pairs = [pair for pair in pairs if "lost_at" not in pair[0]]
    if not pairs:
        return {"read": 0}
    rows, base = zip(*pairs, strict=True)
    total = results["bytes"] * len(rows)

    def more(name: str) -> float:
        return sum(a[name] - b[name] for a, b in zip(rows, base, strict=True)) / total

    return {
        "read": len(rows),
        "conditionals": more("log_prob"),
        "covers": more("cover_log_prob"),
        "pruned": sum(row["pruned"] for row in rows) / len(rows),
        "tokens": sum(row["tokens"] for row in rows) / total,
        "heads": sum(row["heads"] for row in rows) / len(rows),
        "bytes_per_second": total / sum(row["seconds"] for row in rows),
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
        if _is_kind(file, kind):
            border = border if columns is None else [border[column] for column in columns]
            kept = [
                v
                for v, ends in zip(row, border, strict=True)
                if part == "all" or ends == (part == "boundary")
            ]
            sums.append(sum(kept))
            counts.append(len(kept) * (results["ahead"] if measure == "ahead" else 1))
    return interval(sums, counts)


def _of_gaps(results: Mapping, format: str, filler: str, measure: str) -> list[list[float]]:
    check_choice("format", format, tuple(results["fills"]))
    check_choice("filler", filler, tuple(results["fills"][format]))
    rows = results["fills"][format][filler]
    check_choice("measure", measure, tuple(name for name in rows[0] if name != "text"))
    return [row[measure] for row in rows]


def _is_kind(file: str, kind: str | None) -> bool:
    if kind is not None:
        check_choice("kind", kind, KINDS)
    return kind is None or file.startswith(f"{kind}/")


def _rounded(value, digits: int = 6):
    """The same nest of lists and dictionaries, with fewer digits."""
    if isinstance(value, Mapping):
        return {key: _rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item, digits) for item in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def _tracked(items, unit: str, progress: bool):
    from tqdm.auto import tqdm

    return tqdm(items, unit=unit, disable=not progress)


EXPERIMENTS: dict[str, Callable] = {
    "cuts": cuts,
    "infilling": infilling,
    "ensembles": ensembles,
    "tokenizations": tokenizations,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, run the experiment, write its results."""
    parser = argparse.ArgumentParser(
        prog="python -m tokenlab.chapters.bytelevel.experiments", description=__doc__
    )
    parser.add_argument("name", choices=tuple(EXPERIMENTS), help="which experiment")
    parser.add_argument("--target", default="lab-target", help="a lab model, a folder or a Hub id")
    parser.add_argument("--other", default="lab-other", help="a model with another tokenizer, for ensembles")
    parser.add_argument("--draft", default="lab-draft", help="a smaller model, for ensembles")
    parser.add_argument("--threads", type=int, default=1, help="of torch; one, so that speeds compare")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where the results file goes")
    options = parser.parse_args(arguments)
    from tokenlab.lm import load
    from tokenlab.lm.provenance import provenance

    torch.set_num_threads(options.threads)
    names = {"target": options.target}
    if options.name == "ensembles":
        names |= {"other": options.other, "draft": options.draft}
    models = {role: load(name, dtype=torch.float64) for role, name in names.items()}
    started = time.monotonic()
    results = EXPERIMENTS[options.name](models)
    origin = provenance(
        f"python -m tokenlab.chapters.bytelevel.experiments {options.name}",
        names,
        device=models["target"][0].device.type,
        dtype="float64",
        seconds=time.monotonic() - started,
    )
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / f"bytelevel_{options.name}.json"
    path.write_text(json.dumps({"provenance": origin, **results}) + "\n")


if __name__ == "__main__":
    main()
