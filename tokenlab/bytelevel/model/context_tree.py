"""Contexts as a tree of tokens, without a model: a node's parent is the context without its last token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tokenlab.errors import ArgumentError, check_int


@dataclass(slots=True)
class Node:
    """A context: its parent (-1: none), its last token, and that token's position."""

    parent: int
    token: int
    position: int
    children: int = 0


class ContextTree:
    """Contexts by number; the same tokens are the same number, and no number is given twice."""

    def __init__(self) -> None:
        self._nodes: dict[int, Node] = {}
        self._known: dict[tuple[int, int], int] = {}  # (parent, token) -> node
        self._leaves: set[int] = set()
        self._count = 0

    def __getitem__(self, node: int) -> Node:
        return self._nodes[node]

    def __contains__(self, node: int) -> bool:
        return node in self._nodes

    def child(self, parent: int, token: int) -> int:
        """The context with one more token; after -1, of a first token."""
        node = self._known.get((parent, token))
        if node is not None:
            return node
        node, self._count = self._count, self._count + 1
        position = 0
        if parent >= 0:
            above = self._nodes[parent]
            above.children += 1
            position = above.position + 1
            self._leaves.discard(parent)
        self._nodes[node] = Node(parent, token, position)
        self._known[parent, token] = node
        self._leaves.add(node)
        return node

    def path(self, node: int) -> list[int]:
        """The context and all that it begins with, the shortest first."""
        path = []
        while node >= 0:
            path.append(node)
            node = self._nodes[node].parent
        return path[::-1]

    def keep(self, nodes: Sequence[int]) -> list[int]:
        """Forget all contexts but these and what they begin with; returns the forgotten ones."""
        kept, gone = set(nodes), []
        # From the leaves up, so that the cost is what is forgotten, not what is kept.
        for node in self._leaves - kept:
            while node >= 0 and node not in kept and not self._nodes[node].children:
                gone.append(node)
                node = self._forget(node)
        return gone

    def check(self, name: str, node: int) -> None:
        """Refuse what is no context, or a forgotten one."""
        if type(node) is int and node in self._nodes:
            return
        check_int(name, node, low=0)
        if node >= self._count:
            raise ArgumentError(f"{name} is {node}, expected one of the {self._count} contexts made so far")
        if node not in self._nodes:
            raise ArgumentError(f"{name} is {node}, a context that was forgotten, expected one that was kept")

    def _forget(self, node: int) -> int:
        """Take a leaf away; returns its parent."""
        gone = self._nodes.pop(node)
        del self._known[gone.parent, gone.token]
        self._leaves.discard(node)
        if gone.parent >= 0:
            above = self._nodes[gone.parent]
            above.children -= 1
            if not above.children:
                self._leaves.add(gone.parent)
        return gone.parent
