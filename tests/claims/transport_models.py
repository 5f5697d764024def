"""Computations of what the transport chapter measures on models; the ledger is book/claims.yml.

The results were recorded by ``python -m tokenlab.chapters.transport.experiments <name>``;
tests/chapters/transport/experiments/ computes a part of each again.
"""

from __future__ import annotations

from functools import cache

from tests.claims.registry import computes
from tokenlab.chapters.intervals import student_interval
from tokenlab.chapters.transport import experiments
from tokenlab.chapters.transport.experiments import advantage, efficiency, gap, rate, round_advantage

DRAFTS = 4


@cache
def results(name: str) -> dict:
    return experiments.load_results(name)


# --- run, sections 3 to 5 ------------------------------------------------------------


def on_steps(series: str, label: str = "T = 1") -> float:
    return rate(results("acceptance"), label, series, DRAFTS).mean


@computes("steps-recursive")
def steps_recursive() -> float:
    return on_steps("recursive")


@computes("steps-kseq")
def steps_kseq() -> float:
    return on_steps("kseq")


@computes("steps-optimum")
def steps_optimum() -> float:
    return on_steps("optimal")


@computes("steps-greedy")
def steps_greedy() -> float:
    return on_steps("greedy")


@computes("steps-optimum-cold")
def steps_optimum_cold() -> float:
    return on_steps("optimal", "T = 0.25")


@computes("steps-greedy-cold")
def steps_greedy_cold() -> float:
    return on_steps("greedy", "T = 0.25")


def left(series: str, label: str) -> float:
    return gap(results("acceptance"), label, series, DRAFTS).mean


@computes("steps-gap-recursive-cold")
def steps_gap_recursive_cold() -> float:
    return left("recursive", "T = 0.25")


@computes("steps-gap-recursive")
def steps_gap_recursive() -> float:
    return left("recursive", "T = 1")


@computes("steps-gap-recursive-hot")
def steps_gap_recursive_hot() -> float:
    return left("recursive", "T = 1.5")


@computes("steps-gap-kseq-hot")
def steps_gap_kseq_hot() -> float:
    return left("kseq", "T = 1.5")


def gained_without_replacement(label: str) -> float:
    """How much higher the optimum is without replacement, with four drafts on the same steps."""
    cells = results("acceptance")["without_replacement"]["cells"]
    (cell,) = [cell for cell in cells if cell["setting"] == label and cell["num_drafts"] == DRAFTS]
    pairs = zip(cell["rates"]["optimal"], cell["rates"]["optimal, iid"], strict=True)
    return student_interval([without - with_ for without, with_ in pairs]).mean


@computes("steps-without-replacement-over-iid-hot")
def without_replacement_hot() -> float:
    return gained_without_replacement("T = 1")


@computes("steps-without-replacement-over-iid-cold")
def without_replacement_cold() -> float:
    return gained_without_replacement("T = 0.25")


# --- run, section 7 ------------------------------------------------------------------


def per_call(way: str, label: str = "T = 1") -> float:
    return efficiency(results("decoding"), label, way).mean


@computes("texts-chain")
def texts_chain() -> float:
    return per_call("chain of 4")


@computes("texts-chain-12")
def texts_chain_12() -> float:
    return per_call("chain of 12")


@computes("texts-chain-12-block")
def texts_chain_block() -> float:
    return per_call("chain of 12, block")


@computes("texts-sequences-8")
def texts_sequences_8() -> float:
    return per_call("8 sequences of 4, K-SEQ")


@computes("texts-traversal")
def texts_traversal() -> float:
    return per_call("3 sequences of 4, traversal")


@computes("texts-target-only")
def texts_target_only() -> float:
    return per_call("tree 3-1-1-1, target only")


@computes("texts-dynamic")
def texts_dynamic() -> float:
    return per_call("dynamic tree of 12, recursive")


@computes("texts-dynamic-cold")
def texts_dynamic_cold() -> float:
    return per_call("dynamic tree of 12, recursive", "T = 0.5")


def root_of_three() -> list[str]:
    """Ways with three drafts at the root and twelve in all, without the target-only rule."""
    return [
        way for way in experiments.WAYS if way.startswith(("3 sequences", "tree")) and "target" not in way
    ]


@computes("texts-several-drafts-beat-a-chain")
def several_drafts_beat_a_chain() -> str:
    """Ways with three drafts at the root that need fewer calls than a chain, by their intervals."""
    found = results("decoding")
    ways = root_of_three()
    better = [
        (label, way)
        for label in experiments.TEXT_SETTINGS
        for way in ways
        if advantage(found, label, way, "chain of 4").low > 0
    ]
    return f"{len(better)} of {len(ways) * len(experiments.TEXT_SETTINGS)}"


@computes("texts-long-chain-undecided")
def long_chain_undecided() -> str:
    """The same ways beside a chain with as many drafts and block verification: intervals that hold zero."""
    found = results("decoding")
    pairs = [
        advantage(found, label, way, "chain of 12, block")
        for label in experiments.TEXT_SETTINGS
        for way in root_of_three()
    ]
    return f"{sum(pair.low <= 0 <= pair.high for pair in pairs)} of {len(pairs)}"


# --- run, section 8 ------------------------------------------------------------------


def more(rule: str, other: str, way: str = "3 sequences of 4") -> float:
    return round_advantage(results("rounds"), "T = 1", way, rule, other).mean


@computes("rounds-kseq-over-recursive")
def rounds_kseq() -> float:
    return more("kseq", "recursive")


@computes("rounds-traversal-over-recursive")
def rounds_traversal() -> float:
    return more("traversal", "recursive", "tree 3-1-1-1")


@computes("rounds-block-over-recursive")
def rounds_block() -> float:
    return more("block", "recursive", "chain of 4")


@computes("rounds-traversal-kseq-over-recursive")
def rounds_traversal_kseq() -> float:
    return more("traversal_kseq", "recursive")


@computes("rounds-traversal-kseq-over-traversal")
def rounds_traversal_kseq_over_traversal() -> float:
    return more("traversal_kseq", "traversal")
