"""The most that any lossless rule can accept, and a rule that does."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from itertools import chain, combinations

from tokenlab.chapters.transport.exact.drafts import draft_distribution
from tokenlab.chapters.transport.exact.rows import Row, Tokens, as_pair, normalised


def optimal_acceptance_rate(target: Row, draft: Row, num_drafts: int, sampling: str = "iid") -> Fraction:
    r"""The most that any lossless rule can accept, from all :math:`2^V` sets of tokens.

    .. math::

        \alpha^\star = 1 + \min_{H} \left[ p(H) - Q(H) \right]

    where :math:`Q(H)` is the probability that all drafts lie in H.

    Examples
    --------
    >>> optimal_acceptance_rate(["1/2", "3/10", "1/5"], ["1/5", "3/10", "1/2"], 2)
    Fraction(43, 50)

    Reference: Hu et al. 2025, arXiv 2502.18779.
    """
    target, draft = as_pair(target, draft)
    drafts = draft_distribution(draft, num_drafts, sampling)
    vocab = range(len(target))
    subsets = chain.from_iterable(combinations(vocab, size) for size in range(len(target) + 1))
    return 1 + min(
        sum(target[token] for token in subset)
        - sum(probability for tokens, probability in drafts.items() if set(tokens) <= set(subset))
        for subset in subsets
    )


def transport_plan(target: Row, draft: Row, num_drafts: int, sampling: str = "iid") -> dict[Tokens, Row]:
    """An optimal rule: for each tuple of drafts the distribution of the token that comes out.

    Mass flows from the tuples, :math:`P(x)` each, to their own tokens, and leaves them, :math:`p(y)` each. A
    maximum flow is the accepted mass; the rest of the target is the residual.

    Examples
    --------
    >>> print(*transport_plan(["3/4", "1/4"], ["1/4", "3/4"], 2)[1, 1])
    5/9 4/9

    Reference: Sun et al. 2023, arXiv 2310.15141 (the transport problem).
    """
    target, draft = as_pair(target, draft)
    return _plan(target, draft, num_drafts, sampling)


@lru_cache(maxsize=256)
def _plan(target: Row, draft: Row, num_drafts: int, sampling: str) -> dict[Tokens, Row]:
    import networkx

    drafts = draft_distribution(draft, num_drafts, sampling)
    # Whole numbers of 1/unit, so that the flow is exact.
    unit = math.lcm(*(value.denominator for value in (*drafts.values(), *target)))
    graph = networkx.DiGraph()
    for token, mass in enumerate(target):
        graph.add_edge(token, "target", capacity=int(mass * unit))
    for tokens, probability in drafts.items():
        graph.add_edge("drafts", tokens, capacity=int(probability * unit))
        graph.add_edges_from((tokens, token) for token in sorted(set(tokens)))
    _, flow = networkx.maximum_flow(graph, "drafts", "target")

    residual = normalised(
        target[token] - Fraction(flow[token]["target"], unit) for token in range(len(target))
    )
    plan = {}
    for tokens, probability in drafts.items():
        kept = [Fraction(flow[tokens].get(token, 0), unit) / probability for token in range(len(target))]
        wasted = 1 - sum(kept)
        plan[tokens] = tuple(share + wasted * rest for share, rest in zip(kept, residual, strict=True))
    return plan
