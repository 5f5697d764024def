"""The rules at one node, how drafts can be drawn (the sampling), and which pairs are lossless.

===========  ===  ===================  ======  =======
rule         iid  without_replacement  greedy  spechub
===========  ===  ===================  ======  =======
target_only  own  yes                  yes     yes
naive        own  yes
recursive    own  yes
kseq         own
greedy                                 own
spechub                                        own
optimal      own  yes                  yes     yes
===========  ===  ===================  ======  =======

``own`` is what ``sampling=None`` stands for. Rule and sampling ``"spechub"`` take two drafts.
"""

from __future__ import annotations

from tokenlab.errors import ArgumentError, check_choice, check_int

#: For each rule the samplings that it is defined for; the first is its own.
DEFINED: dict[str, tuple[str, ...]] = {
    "target_only": ("iid", "without_replacement", "greedy", "spechub"),
    "naive": ("iid", "without_replacement"),
    "recursive": ("iid", "without_replacement"),
    "kseq": ("iid",),
    "greedy": ("greedy",),
    "spechub": ("spechub",),
    "optimal": ("iid", "without_replacement", "greedy", "spechub"),
}
#: The rules at one node.
RULES: tuple[str, ...] = tuple(DEFINED)
#: How drafts can be drawn.
SAMPLINGS: tuple[str, ...] = DEFINED["target_only"]
#: Where each rule comes from.
PAPERS: dict[str, str] = {
    "target_only": "sampling from the target and looking the token up; Miao et al. 2023, arXiv 2305.09781",
    "naive": "Leviathan et al. 2022, arXiv 2211.17192, with further drafts looked up",
    "recursive": "Miao et al. 2023, arXiv 2305.09781 (i.i.d.); "
    "Jeon et al. 2024, arXiv 2402.14160 (without replacement)",
    "kseq": "Sun et al. 2023, arXiv 2310.15141",
    "greedy": "Hu et al. 2025, arXiv 2502.18779",
    "spechub": "Sun, Zhou et al. 2024, arXiv 2411.05289",
    "optimal": "Sun et al. 2023, arXiv 2310.15141, the linear program",
}


def resolve(rule: str, sampling: str | None, num_drafts: int, vocab_size: int) -> str:
    """The sampling, None being the rule's own, checked against rule and drafts."""
    check_choice("rule", rule, RULES)
    if sampling is None:
        sampling = DEFINED[rule][0]
    check_choice("sampling", sampling, SAMPLINGS)
    if sampling not in DEFINED[rule]:
        raise ArgumentError(
            f"rule {rule!r} is not defined for sampling {sampling!r}: "
            f"it would not keep the target's distribution; expected one of {', '.join(map(repr, DEFINED[rule]))}"
        )
    check_drafts(sampling, num_drafts, vocab_size)
    return sampling


def check_drafts(sampling: str, num_drafts: int, vocab_size: int) -> None:
    """Check that so many drafts can be drawn in this way."""
    check_choice("sampling", sampling, SAMPLINGS)
    check_int("num_drafts", num_drafts, low=1)
    if sampling == "spechub" and num_drafts != 2:
        raise ArgumentError(f"num_drafts is {num_drafts}, but sampling 'spechub' draws two drafts")
    if sampling != "iid" and num_drafts > vocab_size:
        raise ArgumentError(
            f"num_drafts is {num_drafts}, but there are only {vocab_size} tokens to draw "
            f"with sampling {sampling!r}, which repeats none"
        )
