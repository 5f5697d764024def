"""Draft trees and their verification: which drafted tokens are kept, and which one follows.

A tree is verified in one of two directions:

* :mod:`Top-down <tokenlab.transport.trees.top_down>`: a rule decides at the root which token comes out,
  and goes on below it if it was drafted.
* :mod:`Bottom-up <tokenlab.transport.trees.bottom_up>`: leaves are tested first, and a test that is
  passed keeps the whole path from the root; ``"block"`` on chains, ``"traversal"`` on trees.

Both add one token of the target's: a correction where the path stops early, a bonus after a leaf.

**Which tree goes with which rule.** Children of a node are drawn as ``sampling`` says, and listed in
that order. Where the tree draws next may depend on all earlier draws, but for a node's next child:

* decided before its first child is drawn: all rules stay lossless;
* decided by its children so far, or what lies below: target_only, naive, recursive, block, traversal;
* decided after that child was drawn (pruning): target_only.

``"kseq"`` and ``"optimal"``, in both directions, need the number of drafts for their first test. Of
i.i.d. drafts, nodes with the same tokens from the root on are one node: their children are counted together.
"""
