r"""Rules, trees and optima in exact fractions, written as their equations are: the chapter's oracle.

It shares no arithmetic with what it judges, and rounds nothing: "the output has the target's distribution"
is an equality. Meant for a handful of tokens. A distribution is a tuple of fractions (:func:`as_row`).

At one node, with target p, draft distribution q and drafts :math:`x = (x_1, \dots, x_k)`:

===========================  =======================================================
:func:`draft_distribution`   how probable each tuple of drafts is, :math:`P(x)`
:func:`output_given_drafts`  what a rule makes of it, :math:`\pi(y \mid x)`
:func:`output`               what comes out, :math:`\sum_x P(x)\,\pi(y \mid x)`
:func:`acceptance_rate`      how often that is a draft
===========================  =======================================================

With trees, for toy models that are tables from prefixes to distributions:

=============================  ==================================================
:func:`draft_trees`            how probable each tree of drafts is
:func:`output_given_tree`      accepted tokens and the final one, given a tree
:func:`sequence_distribution`  all trees together, blocks completed by the target
:func:`block_efficiency`       expected tokens of one block
=============================  ==================================================

A rule is lossless if :func:`output` is the target, and :func:`sequence_distribution` is
:func:`target_distribution`.
"""

from tokenlab.chapters.transport.exact.blocks import (
    block_efficiency,
    completed,
    sequence_distribution,
    target_distribution,
)
from tokenlab.chapters.transport.exact.drafts import draft_distribution, draft_probability
from tokenlab.chapters.transport.exact.kseq import lossless_factor
from tokenlab.chapters.transport.exact.optimum import optimal_acceptance_rate, transport_plan
from tokenlab.chapters.transport.exact.rows import (
    Row,
    Tokens,
    as_row,
    excess,
    most_probable,
    normalised,
    point,
    without,
)
from tokenlab.chapters.transport.exact.rules import acceptance_rate, output, output_given_drafts
from tokenlab.chapters.transport.exact.trees import (
    Growth,
    Model,
    Tree,
    branching,
    draft_trees,
    random_model,
    sequences,
)
from tokenlab.chapters.transport.exact.verification import HALVINGS, output_given_tree

__all__ = [
    "HALVINGS",
    "Growth",
    "Model",
    "Row",
    "Tokens",
    "Tree",
    "acceptance_rate",
    "as_row",
    "block_efficiency",
    "branching",
    "completed",
    "draft_distribution",
    "draft_probability",
    "draft_trees",
    "excess",
    "lossless_factor",
    "most_probable",
    "normalised",
    "optimal_acceptance_rate",
    "output",
    "output_given_drafts",
    "output_given_tree",
    "point",
    "random_model",
    "sequence_distribution",
    "sequences",
    "target_distribution",
    "transport_plan",
    "without",
]
