"""Computations of what the byte-level chapter measures on models; the ledger is book/claims.yml.

The results were recorded by ``python -m tokenlab.chapters.bytelevel.experiments <name>``;
tests/chapters/bytelevel/experiments/ computes a part of each again.
"""

from __future__ import annotations

import json
import random
from bisect import bisect_right
from functools import cache
from itertools import accumulate

import torch
from tokenizers import Tokenizer

from tests.claims.registry import computes
from tokenlab.bytelevel import ByteLM
from tokenlab.bytelevel.covers import Contexts, CoverFrontier
from tokenlab.bytelevel.tokenizer.merges import MergeTable
from tokenlab.bytelevel.tokenizer.reading import read_tokenizer
from tokenlab.bytelevel.tokenizer.validity import Validity
from tokenlab.chapters.bytelevel import experiments
from tokenlab.chapters.bytelevel.experiments import (
    cut_bits,
    cut_excess,
    distribution_means,
    gap_score,
    tokens_per_byte,
)
from tokenlab.chapters.intervals import ratio_interval
from tokenlab.lm import load
from tokenlab.lm.corpus import ASSETS
from tokenlab.lm.loading import lab_folder


@cache
def results(name: str) -> dict:
    return experiments.load_results(name)


# --- derive, section 4: the lab models' tokenizers -------------------------------------

TOKENIZERS = ("lab-target", "lab-other")
TEXTS = ("english/07_text_and_encodings.txt", "source/tokenizer.py")


def backend(name: str) -> Tokenizer:
    return Tokenizer.from_file(str(lab_folder(name) / "tokenizer.json"))


@computes("bytelevel-lab-pairs")
def pairs() -> str:
    """Neighbours inside a piece: by the merges of both, and by encoding what they spell again."""
    right = tried = 0
    for name in TOKENIZERS:
        description = read_tokenizer(backend(name))
        table = MergeTable(description.merges, description.base, description.vocabulary.vocab_size)
        state = json.loads(backend(name).to_str())
        state.update(normalizer=None, pre_tokenizer=None, post_processor=None, added_tokens=[])
        whole = Tokenizer.from_str(json.dumps(state))
        pieces = {token: piece for piece, token in state["model"]["vocab"].items()}
        known = sorted({*description.vocabulary.order.tolist()} - {*description.fallback.tolist()})
        draw = random.Random(0)
        for _ in range(2000):
            left, right_one = draw.choice(known), draw.choice(known)
            again = whole.encode(pieces[left] + pieces[right_one]).ids == [left, right_one]
            right += table.is_valid_pair(left, right_one) == again
            tried += 1
    return f"{right:,} of {tried:,}"


@computes("bytelevel-lab-alive")
def alive() -> str:
    """At each byte of a text, whether its own encoding is among the covers of what is read."""
    right = tried = 0
    for name in TOKENIZERS:
        description = read_tokenizer(backend(name))
        rules, strings = Validity(description), description.vocabulary.strings
        for file in TEXTS:
            text = (ASSETS / "heldout" / file).read_bytes()[:300]
            ids = description.encode(text)
            ends = [0, *accumulate(len(strings[description.vocabulary.positions[token]]) for token in ids)]
            frontier = CoverFrontier(description.vocabulary, rules, Contexts(rules.start))
            for read, byte in enumerate(description.dummy + text, 1):
                frontier.read(byte)
                whole = bisect_right(ends, read) - 1  # tokens that end within what is read
                path = ids[:whole]
                nodes = (
                    frontier.exact
                    if ends[whole] == read
                    else [open_cover.node for open_cover in frontier.open_covers]
                )
                right += any(frontier.contexts.path(node) == path for node in nodes)
                tried += 1
    return f"{right:,} of {tried:,}"


@computes("bytelevel-lab-sums")
def sums() -> str:
    """Distributions that lie within 1e-9 of one, over the bytes and the end."""
    byte_lm = ByteLM(*load("lab-draft", dtype=torch.float64))
    text = (ASSETS / "heldout" / TEXTS[0]).read_bytes()
    distributions = byte_lm.next_byte_log_probs([text[:cut] for cut in range(0, 80, 2)])
    right = int(((distributions.exp().sum(-1) - 1).abs() < 1e-9).sum())
    return f"{right} of {len(distributions)}"


# --- run, sections 5 to 9 -------------------------------------------------------------


def next_byte(method: str, part: str) -> float:
    return cut_bits(results("cuts"), method, "first", part).mean


@computes("bytelevel-cuts-plain-inside")
def plain_inside() -> float:
    return next_byte("plain", "inside")


@computes("bytelevel-cuts-healed-inside")
def healed_inside() -> float:
    return next_byte("longest_match", "inside")


@computes("bytelevel-cuts-exact-inside")
def exact_inside() -> float:
    return next_byte("exact", "inside")


@computes("bytelevel-cuts-plain-boundary")
def plain_boundary() -> float:
    return next_byte("plain", "boundary")


@computes("bytelevel-cuts-exact-boundary")
def exact_boundary() -> float:
    return next_byte("exact", "boundary")


@computes("bytelevel-cuts-plain")
def plain_everywhere() -> float:
    return next_byte("plain", "all")


@computes("bytelevel-cuts-exact")
def exact_everywhere() -> float:
    return next_byte("exact", "all")


@computes("bytelevel-cuts-healed-excess")
def healed_excess() -> float:
    return cut_excess(results("cuts"), "longest_match", "first").mean


@computes("bytelevel-cuts-healed-excess-ahead")
def healed_excess_ahead() -> float:
    return cut_excess(results("cuts"), "longest_match", "ahead").mean


@computes("bytelevel-cuts-decided")
def cuts_decided() -> str:
    """Comparisons with the exact distribution over all cuts, one byte and eight, whose intervals are above zero."""
    found = [
        cut_excess(results("cuts"), method, measure)
        for method in ("plain", "longest_match")
        for measure in ("first", "ahead")
    ]
    return f"{sum(pair.low > 0 for pair in found)} of {len(found)}"


@computes("bytelevel-work-tokens-english")
def tokens_english() -> float:
    return tokens_per_byte(results("cuts"), "english").mean


@computes("bytelevel-work-tokens-source")
def tokens_source() -> float:
    return tokens_per_byte(results("cuts"), "source").mean


@computes("bytelevel-work-leak-mean")
def leak_mean() -> float:
    return experiments.leaks(results("cuts"))["mean"]


@computes("bytelevel-work-leak-p99")
def leak_p99() -> float:
    return experiments.leaks(results("cuts"))["p99"]


# --- run, section 12 ------------------------------------------------------------------


def more_bits(format: str, part: str) -> float:
    """Bits of the middle that tokens need more than bytes."""
    return -gap_score(results("infilling"), format, "bytes", "bits", part, "tokens").mean


@computes("bytelevel-gaps-psm-bits")
def gaps_psm() -> float:
    return more_bits("psm", "inside")


@computes("bytelevel-gaps-spm-bits")
def gaps_spm() -> float:
    return more_bits("spm", "inside")


@computes("bytelevel-gaps-spm-boundary")
def gaps_boundary() -> float:
    return -more_bits("spm", "boundary")


@computes("bytelevel-gaps-end-bits")
def gaps_end() -> float:
    return gap_score(results("infilling"), "spm", "tokens", "end_bits", "all").mean


@computes("bytelevel-gaps-stopped")
def gaps_stopped() -> str:
    """Gaps that any filler wrote right and then ended, in either format."""
    fills = [
        row for fillers in results("infilling")["fills"].values() for rows in fillers.values() for row in rows
    ]
    return f"{sum(sum(row['exact']) for row in fills)} of {sum(len(row['exact']) for row in fills)}"


@computes("bytelevel-gaps-healed-undecided")
def gaps_healed() -> str:
    """Comparisons of bytes with healed tokens, in gaps written right and in similarity, whose intervals hold zero."""
    found = [
        gap_score(results("infilling"), format, "bytes", measure, "all", "healed tokens")
        for format in ("psm", "spm")
        for measure in ("agrees", "similarity")
    ]
    return f"{sum(pair.low <= 0 <= pair.high for pair in found)} of {len(found)}"


@computes("bytelevel-gaps-spm-easier")
def gaps_spm_easier() -> str:
    """Fillers for which the middles cost fewer bits in SPM than in PSM, by intervals of the difference."""
    fills = results("infilling")["fills"]
    won = 0
    for filler in experiments.FILLERS:
        pairs = zip(fills["psm"][filler], fills["spm"][filler], strict=True)
        more = [[a - b for a, b in zip(psm["bits"], spm["bits"], strict=True)] for psm, spm in pairs]
        won += ratio_interval([sum(row) for row in more], [len(row) for row in more]).low > 0
    return f"{won} of {len(experiments.FILLERS)}"


# --- run, section 14 ------------------------------------------------------------------


def bits(name: str) -> float:
    return experiments.ensemble_bits(results("ensembles"), name).mean


@computes("bytelevel-ensemble-target")
def ensemble_target() -> float:
    return bits("target")


@computes("bytelevel-ensemble-other")
def ensemble_other() -> float:
    return bits("other")


@computes("bytelevel-ensemble-mix")
def ensemble_mix() -> float:
    return bits("mix, target 0.5, other 0.5")


@computes("bytelevel-ensemble-product")
def ensemble_product() -> float:
    return bits("product, target 0.5, other 0.5")


@computes("bytelevel-ensemble-gain")
def ensemble_gain() -> float:
    """What the equal mixture of target and other saves against the better of the two, in all."""
    best = min(("target", "other"), key=bits)
    return -experiments.ensemble_bits(results("ensembles"), "mix, target 0.5, other 0.5", other=best).mean


@computes("bytelevel-ensemble-decided")
def ensemble_decided() -> str:
    """Combinations of target and other that save bits against target by an interval above zero."""
    names = [name for name in experiments.ENSEMBLES if "target" in name and "other" in name]
    found = [experiments.ensemble_bits(results("ensembles"), name, other="target") for name in names]
    return f"{sum(saved.high < 0 for saved in found)} of {len(found)}"


# --- run, section 15 ------------------------------------------------------------------


@computes("bytelevel-all-covers")
def all_covers() -> float:
    return distribution_means(results("tokenizations"), "all, 16")["covers"]


@computes("bytelevel-all-next-byte")
def all_next_byte() -> float:
    return distribution_means(results("tokenizations"), "all, 16")["conditionals"]
