"""Bits per byte of three models, and of their mixtures and products."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float64
from torch import Tensor

from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.model.ensemble import ByteEnsemble
from tokenlab.chapters.bytelevel.experiments.texts import heldout_bytes, is_kind
from tokenlab.chapters.intervals import Interval, ratio_interval
from tokenlab.chapters.results import rounded, tracked
from tokenlab.errors import ShapeError, check_choice

#: How much of each file the ensembles read.
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
    """Bits of each byte under a mixture or product of distributions; a member of weight 0 has no say.

    :func:`~tokenlab.bytelevel.model.ensemble` scores the same, where no member excludes a byte.
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


def run(models: Mapping[str, tuple], *, progress: bool = True) -> dict:
    """The whole experiment, on the beginnings of all files.

    Records ``files``, ``bytes`` of each, ``members``, ``bits`` (by ensemble, the sum for each file).
    """
    members = {name: ByteLM(*models[name]) for name in ("target", "other", "draft")}
    texts = {file: text[:ENSEMBLE_BYTES] for file, text in heldout_bytes().items()}
    bits: dict = {name: [] for name in ENSEMBLES}
    groups = [list(texts)[start : start + 8] for start in range(0, len(texts), 8)]
    for group in tracked(groups, "group of files", progress):
        read = [texts[file] for file in group]
        distributions = measure_distributions(list(members.values()), read)
        for name, (how, weights) in ENSEMBLES.items():
            bits[name] += combined_bits(distributions, read, weights, how).sum(1).tolist()
    return {"files": list(texts), "bytes": ENSEMBLE_BYTES, "members": list(members), "bits": rounded(bits)}


def recompute_ensemble(models: Mapping[str, tuple], name: str, file: str, length: int) -> float:
    """Bits of a file's first bytes under one ensemble, by :class:`ByteEnsemble` itself."""
    check_choice("name", name, tuple(ENSEMBLES))
    texts = heldout_bytes()
    check_choice("file", file, tuple(texts))
    how, weights = ENSEMBLES[name]
    roles = zip(("target", "other", "draft"), weights, strict=True)
    there = [(ByteLM(*models[role]), weight) for role, weight in roles if weight]
    members, shares = zip(*there, strict=True)
    score = ByteEnsemble(members, shares, how).score(texts[file][:length])
    return -score.log_prob / math.log(2)


def ensemble_bits(results: Mapping, name: str, kind: str | None = None, other: str | None = None) -> Interval:
    """Recorded bits per byte of an ensemble; with ``other``, what it needs more than another."""
    for chosen in (name, other or name):
        check_choice("name", chosen, tuple(results["bits"]))
    base = results["bits"][other] if other else [0.0] * len(results["files"])
    sums = [
        bits - less
        for file, bits, less in zip(results["files"], results["bits"][name], base, strict=True)
        if is_kind(file, kind)
    ]
    return ratio_interval(sums, [results["bytes"]] * len(sums))
