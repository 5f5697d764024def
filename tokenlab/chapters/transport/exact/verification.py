"""What verification makes of one tree: top-down, as a block, or bottom-up."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from functools import cache
from typing import NamedTuple

from tokenlab.chapters.transport.exact.kseq import lossless_factor
from tokenlab.chapters.transport.exact.rows import Row, Tokens, excess, normalised, without
from tokenlab.chapters.transport.exact.rules import output_given_drafts
from tokenlab.chapters.transport.exact.trees import Model, Tree
from tokenlab.errors import ArgumentError, check_choice
from tokenlab.transport.rules import RULES

#: Probability of each block: accepted tokens and the final one.
Blocks = dict[Tokens, Fraction]
#: K-SEQ's factor is a fraction this many halvings from its root.
HALVINGS = 50


class _Case(NamedTuple):
    """Two models and a drafted tree; what comes out is added to ``outcomes``."""

    target: Model
    draft: Model
    tree: Tree
    sampling: str
    outcomes: Blocks


def output_given_tree(target: Model, draft: Model, tree: Tree, rule: str, sampling: str) -> Blocks:
    """Distribution of the accepted tokens and the final one, given the tree that was drawn.

    The rule is one at one node (with ``"traversal_"`` before it: bottom-up), ``"block"`` for chains, or
    ``"traversal"``.

    Raises
    ------
    ArgumentError
        If the rule is unknown, or not defined for such a tree.

    Examples
    --------
    >>> target = {prefix: (Fraction(3, 4), Fraction(1, 4)) for prefix in [(), (0,), (1,)]}
    >>> draft = {(): (Fraction(1, 4), Fraction(3, 4))}
    >>> print(*output_given_tree(target, draft, Tree((1,), (-1,)), "block", "iid").values())
    1/4 1/12 2/3
    """
    bottom_up = tuple(f"traversal_{name}" for name in RULES)
    check_choice("rule", rule, (*RULES, "block", "traversal", *bottom_up))
    case, root, all_of_it = _Case(target, draft, tree, sampling, defaultdict(Fraction)), (-1,), Fraction(1)
    if rule == "block":
        _block(case)
    elif rule == "traversal":
        _traverse(case, root, all_of_it, all_of_it)
    elif rule in bottom_up:
        _bottom_up(case, root, rule.removeprefix("traversal_"), all_of_it, all_of_it)
    else:
        _top_down(case, root, rule, all_of_it)
    return {tokens: probability for tokens, probability in case.outcomes.items() if probability}


def _top_down(case: _Case, nodes: Tokens, rule: str, reached: Fraction) -> None:
    """Decide at one prefix, then go on in all nodes that carry the token: they are one prefix."""
    tree = case.tree
    prefix, children = tree.prefix(nodes[0]), tree.children(*nodes)
    if not children:
        given = case.target[prefix]
    else:
        tokens = tuple(tree.tokens[child] for child in children)
        given = _at_node(rule, case.target[prefix], case.draft[prefix], tokens, case.sampling)
    for token, probability in enumerate(given):
        same = tuple(child for child in children if tree.tokens[child] == token)
        if same and probability:
            _top_down(case, same, rule, reached * probability)
        else:
            case.outcomes[*prefix, token] += reached * probability


@cache
def _at_node(rule: str, target: Row, draft: Row, tokens: Tokens, sampling: str) -> Row:
    factor = lossless_factor(target, draft, len(tokens), HALVINGS) if rule == "kseq" else None
    return output_given_drafts(rule, target, draft, tokens, sampling, factor=factor)


def _block(case: _Case) -> None:
    r"""The longest i whose test, with probability :math:`h_i`, succeeds; the drafts are :math:`x_1^\gamma`.

    .. math::

        p_0 = 1, \quad p_i = \min\left(1,\ p_{i-1} \frac{p(x_i)}{q(x_i)}\right), \qquad
        h_i = \frac{R_i}{R_i + 1 - p_i}, \quad h_\gamma = p_\gamma, \qquad
        R_i = \sum_x \max(p_i\, p(x \mid x_{\le i}) - q(x \mid x_{\le i}),\ 0)

    Reference: Sun, Mendlovic et al. 2024, arXiv 2403.10444.
    """
    tree = case.tree
    length = len(tree.tokens)
    if tree.parents != tuple(range(-1, length - 1)):
        raise ArgumentError(f"parents are {tree.parents}, expected a chain for rule 'block'")
    weight, tests = Fraction(1), []
    for i in range(length + 1):
        target, draft = case.target[tree.tokens[:i]], case.draft.get(tree.tokens[:i])
        if i == length:
            tests.append((weight, target))
            break
        scaled = tuple(weight * p for p in target)
        residual = excess(scaled, draft)
        mass = sum(residual)
        tests.append((mass / (mass + 1 - weight) if mass else Fraction(0), normalised(residual)))
        token = tree.tokens[i]
        weight = min(Fraction(1), scaled[token] / draft[token])

    reached = Fraction(1)
    for i, (accept, residual) in reversed(list(enumerate(tests))):
        for token, probability in enumerate(residual):
            case.outcomes[*tree.tokens[:i], token] = reached * accept * probability
        reached *= 1 - accept


def _traverse(case: _Case, nodes: Tokens, rate: Fraction, reached: Fraction) -> Fraction:
    r"""Bottom-up: a subtree is entered with a rate; returns how probably it is left unaccepted.

    In state :math:`(p, q, r)`, child x is entered with :math:`\min(1, r\,p(x)/q(x))`; if left unaccepted,

    .. math::

        R = \sum_x \max(r\,p(x) - q(x), 0), \qquad p \leftarrow \frac{(r\,p - q)_+}{R}, \qquad
        r \leftarrow \frac{R}{R + 1 - r}

    and without replacement q loses the token. At last the node is accepted with r, and the final token is of
    p.
    """
    tree = case.tree
    prefix, children = tree.prefix(nodes[0]), tree.children(*nodes)
    p, q, r = case.target[prefix], case.draft.get(prefix), rate
    seen: set[int] = set()
    for child in children:
        token = tree.tokens[child]
        if token not in seen:
            # Later nodes with this token are the same prefix: they bring their children along.
            same = tuple(other for other in children if tree.tokens[other] == token)
            reached = _traverse(case, same, min(Fraction(1), r * p[token] / q[token]), reached)
        seen.add(token)
        residual = excess(tuple(r * value for value in p), q)
        mass = sum(residual)
        if r < 1 or mass:
            p, r = normalised(residual), mass / (mass + 1 - r)
        if case.sampling == "without_replacement":
            q = without(q, [token])
    for token, probability in enumerate(p):
        case.outcomes[*prefix, token] += reached * r * probability
    return reached * (1 - r)


def _bottom_up(case: _Case, nodes: Tokens, rule: str, rate: Fraction, reached: Fraction) -> Fraction:
    """Any rule bottom-up; returns how probably the subtree is left unaccepted.

    The target gets one more token, never drafted: "back", with mass :math:`1 - r`. The rule's output for this
    row is how probably each token comes out; a subtree is entered with its share of what is left.
    """
    tree = case.tree
    prefix, children = tree.prefix(nodes[0]), tree.children(*nodes)
    given = (*(rate * value for value in case.target[prefix]), 1 - rate)
    tokens = tuple(tree.tokens[child] for child in children)
    if children:
        given = _at_node(rule, given, (*case.draft[prefix], Fraction(0)), tokens, case.sampling)
    left = Fraction(1)
    for token in dict.fromkeys(tokens):
        same = tuple(child for child in children if tree.tokens[child] == token)
        reached = _bottom_up(case, same, rule, given[token] / left if left else Fraction(0), reached)
        left -= given[token]
    for token, probability in enumerate(given[:-1]):
        if left and token not in tokens:
            case.outcomes[*prefix, token] += reached * probability / left
    return reached * given[-1] / left if left else reached
