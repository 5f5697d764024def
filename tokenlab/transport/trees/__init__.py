r"""Draft trees, and their verification: which drafted tokens are kept, and which one follows.

A tree (:mod:`~tokenlab.transport.trees.draft_tree`) is verified in one of two directions
(:mod:`~tokenlab.transport.trees.verify`).

* Top-down: a rule of :data:`tokenlab.transport.RULES` decides at the root which token comes out. If
  it was drafted, verification goes on below it, else it stops there
  (:mod:`~tokenlab.transport.trees.top_down`).
* Bottom-up: leaves are tested first, and a test that is passed keeps the whole path from the root.
  ``"block"`` does so on chains, ``"traversal"`` on trees (:mod:`~tokenlab.transport.trees.bottom_up`).

Both add one token of the target's to what they keep: a correction where the path stops early, a
bonus after a leaf.

**Which tree goes with which rule.** Children of a node must have been drawn as ``sampling`` says,
and be listed in the order of their draws. Where the tree puts its next draw may depend on all
earlier ones, with one exception:

=====================================================  ======================================
whether a node gets another child                      rules that stay lossless
=====================================================  ======================================
is decided before its first child is drawn             all
may depend on its children so far, or what lies below  target_only, naive, recursive, block,
                                                       traversal
is decided after that child was drawn (pruning)        target_only
=====================================================  ======================================

``"kseq"`` and ``"optimal"``, top-down or bottom-up, look at the number of drafts before they test
the first. In a tree of i.i.d. drafts, nodes with the same tokens from the root on are one node: what
is said of its children means the children of all of them together.
"""
