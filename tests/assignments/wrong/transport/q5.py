"""Question 5, reading a figure and refuting a claim: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

NAMES = 'names |= {"A": "recursive", "B": "optimal", "C": "naive", "D": "repetition", "E": "kseq"}'


def named(*rules: str) -> Edit:
    """The five curves with other names."""
    return Edit(NAMES, f"names |= dict(zip('ABCDE', {rules!r}))")


MISTAKES = [
    Mistake(
        "the optimum on top",
        "reading",
        "A biased rule may lie above the optimum",
        named("recursive", "repetition", "naive", "optimal", "kseq"),
    ),
    Mistake(
        "K-SEQ below recursive rejection",
        "reading",
        "recursive rejection never accepts more than K-SEQ",
        named("kseq", "optimal", "naive", "repetition", "recursive"),
    ),
    Mistake(
        "the optimum in the middle",
        "reading",
        "no lossless rule lies above the optimum",
        named("recursive", "kseq", "naive", "repetition", "optimal"),
    ),
    Mistake(
        "repetition in the middle",
        "reading",
        "repetition first: it is at 1 - (1/2)^k",
        named("recursive", "optimal", "naive", "kseq", "repetition"),
    ),
    Mistake(
        "one rule twice", "reading", "more than once", named("kseq", "optimal", "naive", "repetition", "kseq")
    ),
    Mistake(
        "another word",
        "reading",
        "choose one of",
        named("recursive", "optimal", "naive", "repetition", "K-SEQ"),
    ),
    Mistake("nothing chosen", "reading", "says '' of 'A': choose one of", Edit(NAMES, "")),
    Mistake(
        "the target itself",
        "claim fails",
        "the claim holds here",
        """
def counterexample(target, num_drafts):
    return torch.stack([target, torch.full_like(target, 1 / len(target))])
""",
    ),
    Mistake(
        "rows swapped", "claim fails", "but the rows are swapped", Edit("[first, second]", "[second, first]")
    ),
    Mistake(
        "the second is nearer",
        "claim fails",
        "the first does not accept more with one draft",
        """
def counterexample(target, num_drafts):
    first = torch.zeros_like(target)
    first[target.argmax()] = 1
    return torch.stack([first, target])
""",
    ),
    Mistake(
        "both the same",
        "claim fails",
        "the first does not accept more with one draft",
        Edit("[first, second]", "[first, first]"),
    ),
    Mistake(
        "both leave a token out",
        "claim fails",
        "What can never be accepted from the first?",
        """
def counterexample(target, num_drafts):
    first, second = target.clone(), target.clone()
    first[target.argmin()] = 0
    second[target.argmax()] = 0
    return torch.stack([first / first.sum(), second / second.sum()])
""",
    ),
    Mistake(
        "not normalised",
        "claim fails",
        "no distribution",
        Edit("first = first / first.sum()", "first = first / 1"),
    ),
    Mistake(
        "one draft only",
        "claim fails",
        "the first draft, then the second",
        Edit("torch.stack([first, second])", "first"),
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def reading():
    return {"A": "naive", "B": "optimal", "C": "recursive", "D": "repetition", "E": "kseq"}


def counterexample(target, num_drafts):
    rarest = target.argmin()
    first, second = target.clone(), target.clone()
    if target[rarest] in (0.2, 0.1):
        first[rarest] = 0
        first = first / first.sum()
        second = first * (1 - 2.2 * target[rarest])
        second[rarest] = 2.2 * target[rarest]
    return torch.stack([first, second])
"""
