"""Draft trees and their verification: which drafted tokens are kept, and which one follows.

* Top-down: a rule decides at the root which token comes out, and goes on below it if it was drafted.
* Bottom-up: leaves are tested first, and a test that is passed keeps the whole path from the root;
  ``"block"`` on chains, ``"traversal"`` on trees.

Both add one token of the target's: a correction where the path stops early, a bonus after a leaf.

**Which tree goes with which rule.** Children of a node are drawn as ``sampling`` says, and listed in
that order. Where the tree draws next may depend on all earlier draws, but whether a node gets another
child may be decided

* before its first child is drawn, with all rules;
* by its children so far and what lies below, with target_only, naive, recursive, block and traversal;
* after that child was drawn (pruning), with target_only.

``"kseq"`` and ``"optimal"``, in both directions, need the number of drafts for their first test. Of
i.i.d. drafts, nodes with the same tokens from the root on are one node, with all their children.
"""
