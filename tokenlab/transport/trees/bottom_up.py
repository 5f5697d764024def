r"""Bottom-up verification: test the leaves first, and keep the whole path of the first success.

Give the target one more token, "back": this node is not accepted. A node that is entered with
probability r has mass :math:`m = r\,p` on the tokens and :math:`1 - r` on back; the root has r = 1. A
rule at one node for this longer target does everything: its probability to accept child x is the one
with which x is entered, and what it leaves on back is handed to the parent.

Recursive rejection accepts with :math:`\min(1, m(x)/q(x))`, and after a failure

.. math::

    m \leftarrow \frac{(m - q)_+}{1 - \sum_x \min(m(x), q(x))}

That is traversal verification, on a chain block verification. The numbers do not depend on earlier
tests: each node has one test, and the first success in post-order decides.

Other rules can stand in, as in Weng, Hu and Yairi 2026; those here are derived from the longer target.
Equal drafts share one subtree: apart, copies would be lost after the first.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from torch.nn.functional import pad

from tokenlab.transport.node.reference import decide
from tokenlab.transport.node.verdict import normalised, output_distribution
from tokenlab.transport.trees.draft_tree import DraftTree
from tokenlab.transport.trees.top_down import End, Probs, Rows, draw

#: A node (-1: the root), the probability of its own test, and the weights of the final token.
Stop = tuple[int, float, Probs]


def verify(tree: DraftTree, target_probs: Rows, rule: str, uniform: Iterator[float]) -> tuple[int, int]:
    """The deepest accepted node and the final token."""
    node, _, weights = next(
        stop for stop in stops(tree, target_probs, rule) if stop[1] == 1 or next(uniform) < stop[1]
    )
    return node, draw(weights, target_probs[node + 1].double(), next(uniform))


def ends(tree: DraftTree, target_probs: Rows, rule: str) -> Iterator[End]:
    reached = 1.0
    for node, accept, weights in stops(tree, target_probs, rule):
        yield node, reached * accept, normalised(weights, target_probs[node + 1].double())
        reached *= 1 - accept


def stops(tree: DraftTree, target_probs: Rows, rule: str) -> Iterator[Stop]:
    """The nodes in the order of their tests; the root, the last, always passes."""
    if tree.is_chain:
        return block(tree, target_probs)
    return subtree_stops(tree, target_probs, rule, [-1], 1.0)


def block(tree: DraftTree, target_probs: Rows) -> Iterator[Stop]:
    r"""The tests :math:`h` of block verification, the longest block first; at the chain's end :math:`h = r`.

    .. math::

        r_i &= \min\left(1,\ r_{i-1} \frac{p_i(x_i)}{q_i(x_i)}\right), \quad r_0 = 1 \\
        R_i &= \sum_x \max(r_i\,p_{i+1}(x) - q_{i+1}(x), 0) \\
        h_i &= \frac{R_i}{R_i + 1 - r_i}
    """
    rates = torch.tensor(block_rates(tree, target_probs), dtype=torch.float64, device=tree.tokens.device)
    yield len(tree) - 1, rates[-1].item(), target_probs[-1].double()
    rest = (rates[:-1, None] * target_probs[:-1].double() - tree.draft_probs[:-1].double()).clamp_(min=0)
    tests = block_tests(rest.sum(-1), rates[:-1]).tolist()
    for i in reversed(range(len(tree))):
        yield i - 1, tests[i], rest[i]


def block_rates(tree: DraftTree, target_probs: Rows) -> list[float]:
    """Probability that each prefix of a chain is entered, the empty one first."""
    tokens = tree.tokens.unsqueeze(-1)
    target = target_probs[:-1].gather(-1, tokens).squeeze(-1).double()
    draft = tree.draft_probs[:-1].gather(-1, tokens).squeeze(-1).double()
    rates = [1.0]
    for ratio in (target / draft).tolist():
        rates.append(min(1.0, rates[-1] * ratio))
    return rates


def block_tests(
    rest: Float64[Tensor, " length"], rates: Float64[Tensor, " length"]
) -> Float64[Tensor, " length"]:
    """The share that stays at a prefix and does not go back: 1 at a rate of 1."""
    back = 1 - rates
    return torch.where(back > 0, rest / torch.where(back > 0, rest + back, 1.0), 1.0)


def subtree_stops(
    tree: DraftTree, target_probs: Rows, rule: str, nodes: list[int], rate: float
) -> Iterator[Stop]:
    """The tests below and at nodes with the same tokens from the root on."""
    # No recursion: a branch may be deeper than Python's stack.
    pending: list[tuple[list[int], float, Probs | None]] = [(nodes, rate, None)]
    while pending:
        nodes, rate, mass = pending.pop()
        if mass is not None:
            yield nodes[0], rate, mass
            continue
        mass, entered = rate * target_probs[nodes[0] + 1].double(), {}
        children = tree.children(*nodes)
        if children:
            draft = tree.drawn_from(children[0]).double()
            tokens = tree.tokens[children]
            if rule == "traversal" or len(children) == 1:  # With one draft all rules are the same.
                entered, mass, rate = _recursive(mass, rate, draft, tokens.tolist(), tree.sampling)
            else:
                node_rule = rule.removeprefix("traversal_")
                entered, mass, rate = _decided(mass, rate, draft, tokens, node_rule, tree.sampling)
        pending.append((nodes, rate, mass))
        for token, enter in reversed(entered.items()):
            # Equal drafts share one subtree.
            same = [child for child in children if tree.tokens[child] == token]
            pending.append((same, enter, None))


#: The probability that each token's subtree is entered, given that those before it failed; then
#: the mass on tokens given that all failed, and its sum, the probability of the node's own test.
Step = tuple[dict[int, float], Probs, float]


def _recursive(mass: Probs, rate: float, draft: Probs, tokens: list[int], sampling: str) -> Step:
    """Recursive rejection. A token that failed has no mass left: repeats fail."""
    entered: dict[int, float] = {}
    for token in tokens:
        entered.setdefault(token, min(1.0, (mass[token] / draft[token]).item()))
        rest = (mass - draft).clamp_(min=0)
        mass, rate = _given_failure(rest, 1 - rate)
        if sampling == "without_replacement":
            draft = draft.scatter(-1, torch.tensor(token, device=draft.device), 0.0)
            draft = normalised(draft, draft)
    return entered, mass, rate


def _decided(
    mass: Probs, rate: float, draft: Probs, tokens: Int64[Tensor, " drafts"], rule: str, sampling: str
) -> Step:
    """Any rule at one node, for the target with one more token."""
    longer = torch.cat([mass, mass.new_tensor([1 - rate])])
    distribution = output_distribution(decide(longer, pad(draft, (0, 1)), tokens, rule, sampling), tokens)
    rest, back = distribution.scatter(-1, tokens, 0.0).split([len(mass), 1])
    mass, rate = _given_failure(rest, back.item())
    # From the last token on, so that what is left is a sum and no difference.
    left, entered = (rest.sum() + back).item(), {}
    for token in reversed(dict.fromkeys(tokens.tolist())):
        came = distribution[token].item()
        left += came
        entered[token] = came / left if left > 0 else 0.0
    return dict(reversed(entered.items())), mass, rate


def _given_failure(rest: Probs, back: float) -> tuple[Probs, float]:
    """Divide by all that is left; if that is nothing, the numbers are never used."""
    kept = rest.sum().item()
    left = kept + back
    return (rest / left, kept / left) if left > 0 else (rest, 1.0)
