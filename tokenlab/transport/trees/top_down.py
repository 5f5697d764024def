"""Top-down verification: a rule at one node, from the root on, as long as its token was drafted.

Of i.i.d. drafts several may be this token: verification goes on in all, with the children of all.
"""

from __future__ import annotations

from collections.abc import Iterator

from jaxtyping import Float, Float64
from torch import Tensor

from tokenlab.ops.reference import invert_cdf
from tokenlab.transport.node.reference import decide
from tokenlab.transport.node.verdict import Verdict, normalised, output_distribution
from tokenlab.transport.trees.draft_tree import DraftTree

Probs = Float64[Tensor, " vocab"]
Rows = Float[Tensor, "nodes_plus_1 vocab"]
#: A node where verification ends (-1: the root), how probably, and the distribution of the final token.
End = tuple[int, float, Probs]


def verify(tree: DraftTree, target_probs: Rows, rule: str, uniform: Iterator[float]) -> tuple[int, int]:
    """The last accepted node (-1: the root) and the final token."""
    nodes = [-1]
    while True:
        target = target_probs[nodes[0] + 1].double()
        children = tree.children(*nodes)
        if not children:
            return nodes[0], draw(target, target, next(uniform))
        tokens = tree.tokens[children].tolist()
        verdict = at_node(tree, target, children, rule)
        for drafted, accept in zip(tokens, verdict.accept.tolist(), strict=True):
            if next(uniform) < accept:
                token = drafted
                break
        else:
            token = draw(verdict.residual, target, next(uniform))
        same = [child for child, drafted in zip(children, tokens, strict=True) if drafted == token]
        if not same:
            return nodes[0], token
        nodes = same


def at_node(tree: DraftTree, target: Probs, children: list[int], rule: str) -> Verdict:
    """What the rule makes of these children, after one prefix."""
    draft = tree.drawn_from(children[0]).double()
    if len(children) == 1 and rule != "target_only":
        rule = "recursive"  # With one draft all others are the same rule, and this one is quick.
    return decide(target, draft, tree.tokens[children], rule, tree.sampling)


def verify_chain(
    tree: DraftTree, target_probs: Rows, rule: str, uniform: Float64[Tensor, " noise"]
) -> tuple[int, int]:
    """The same for a chain: all tests at once, then one residual."""
    length = len(tree)
    tests = chain_tests(tree, target_probs, rule)
    failed = (uniform[:length] >= tests).nonzero()
    stop = int(failed[0]) if len(failed) else length
    target = target_probs[stop].double()
    left = chain_residual(tree, target, rule, stop) if stop < length else target
    return stop - 1, draw(left, target, float(uniform[length]))


def chain_tests(tree: DraftTree, target_probs: Rows, rule: str) -> Float64[Tensor, " length"]:
    """Probability that each draft is accepted, given that it is reached."""
    tokens = tree.tokens.unsqueeze(-1)
    target = target_probs[:-1].gather(-1, tokens).squeeze(-1).double()
    if rule == "target_only":
        return target
    return (target / tree.draft_probs[:-1].gather(-1, tokens).squeeze(-1).double()).clamp_(max=1)


def chain_residual(tree: DraftTree, target: Probs, rule: str, node: int) -> Probs:
    """What is left of the target after a rejection, not normalised."""
    if rule == "target_only":
        return target.scatter(-1, tree.tokens[node], 0.0)
    return (target - tree.draft_probs[node].double()).clamp_(min=0)


def ends(tree: DraftTree, target_probs: Rows, rule: str) -> Iterator[End]:
    """Every way in which verification may end."""
    unfinished = [([-1], 1.0)]
    while unfinished:
        nodes, reached = unfinished.pop()
        target = target_probs[nodes[0] + 1].double()
        children = tree.children(*nodes)
        if not children:
            yield nodes[0], reached, normalised(target, target)
            continue
        tokens = tree.tokens[children]
        distribution = output_distribution(at_node(tree, target, children, rule), tokens)
        # Rounded rows of the target need not sum to one.
        distribution = normalised(distribution, distribution)
        same: dict[int, list[int]] = {}
        for child, token in zip(children, tokens.tolist(), strict=True):
            same.setdefault(token, []).append(child)
        for token, group in same.items():
            if probability := reached * distribution[token].item():
                unfinished.append((group, probability))
        other = distribution.scatter(-1, tokens, 0.0)
        yield nodes[0], reached * other.sum().item(), normalised(other, target)


def draw(weights: Probs, fallback: Probs, uniform: float) -> int:
    """A token in proportion to its weight; from the fallback if all weights are 0."""
    sums = weights.cumsum(-1)
    if not sums[-1] > 0:
        sums = fallback.cumsum(-1)
    return int(invert_cdf(sums, sums.new_tensor(uniform)))
