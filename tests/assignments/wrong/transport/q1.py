"""Question 1, one draft: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

MISTAKES = [
    Mistake(
        "roles swapped",
        "accept by hand",
        "target and draft are swapped: the ratio is p / q",
        """
def accept_probs(target, draft):
    return torch.where(draft > 0, (draft / target).clamp(max=1), 0.0)
""",
    ),
    Mistake(
        "ratio above one",
        "accept by hand",
        "no probability exceeds 1: min(1, p / q)",
        """
def accept_probs(target, draft):
    return torch.where(draft > 0, target / draft, 0.0)
""",
    ),
    Mistake(
        "accepted mass",
        "accept by hand",
        "it is the mass min(p, q) that is drafted and accepted",
        """
def accept_probs(target, draft):
    return torch.minimum(target, draft)
""",
    ),
    Mistake(
        "a test without chance",
        "accept by hand",
        "a draft with p < q is still accepted with probability p / q",
        """
def accept_probs(target, draft):
    return ((target >= draft) & (draft > 0)).to(target.dtype)
""",
    ),
    Mistake(
        "rejection",
        "accept by hand",
        "this is the probability of a rejection",
        """
def accept_probs(target, draft):
    return torch.where(draft > 0, 1 - (target / draft).clamp(max=1), 0.0)
""",
    ),
    Mistake(
        "zero by zero",
        "never drafted",
        "0 / 0 gave NaN",
        """
def accept_probs(target, draft):
    return (target / draft).clamp(max=1)
""",
    ),
    Mistake(
        "accepted though never drafted",
        "never drafted",
        "a token with q = 0 is never drafted",
        """
def accept_probs(target, draft):
    return torch.where(target > 0, (target / draft).clamp(max=1), 0.0)
""",
    ),
    Mistake(
        "residual not normalised",
        "residual by hand",
        "each row must sum to 1: divide by the sum of the row",
        """
def residual(target, draft):
    return (target - draft).clamp(min=0)
""",
    ),
    Mistake(
        "residual the wrong way round",
        "residual by hand",
        "this is what the draft has too much",
        """
def residual(target, draft):
    left = (draft - target).clamp(min=0)
    return left / left.sum(-1, keepdim=True)
""",
    ),
    Mistake(
        "the target again",
        "residual by hand",
        "this is the target itself",
        """
def residual(target, draft):
    return target / target.sum(-1, keepdim=True)
""",
    ),
    Mistake(
        "absolute difference",
        "residual by hand",
        "negative differences count as 0: `clamp(min=0)`, not `abs()`",
        """
def residual(target, draft):
    left = (target - draft).abs()
    return left / left.sum(-1, keepdim=True)
""",
    ),
    Mistake(
        "negative residual",
        "residual by hand",
        "there are negative numbers",
        """
def residual(target, draft):
    return target - draft
""",
    ),
    Mistake(
        "one sum for all rows",
        "residual by hand",
        "each row needs its own, with `sum(-1, keepdim=True)`",
        Edit(
            """total = left.sum(-1, keepdim=True)
    return torch.where(total > 0, left / total, target)""",
            "return torch.where(left.sum() > 0, left / left.sum(), target)",
        ),
    ),
    Mistake(
        "normalised over the batch",
        "residual by hand",
        "the vocabulary is the last dimension",
        Edit(
            """total = left.sum(-1, keepdim=True)
    return torch.where(total > 0, left / total, target)""",
            "return left / left.sum(0)",
        ),
    ),
    Mistake(
        "dimension not kept",
        "residual by hand",
        "is `keepdim=True` missing?",
        Edit(
            """total = left.sum(-1, keepdim=True)
    return torch.where(total > 0, left / total, target)""",
            "return left / left.sum(-1)",
        ),
    ),
    Mistake(
        "nothing left gives NaN",
        "equal distributions",
        "0 / 0 gave NaN: where nothing is left",
        Edit(
            """total = left.sum(-1, keepdim=True)
    return torch.where(total > 0, left / total, target)""",
            "return left / left.sum(-1, keepdim=True)",
        ),
    ),
    Mistake(
        "nothing left gives zeros",
        "equal distributions",
        "a row of zeros is no distribution",
        Edit(
            """total = left.sum(-1, keepdim=True)
    return torch.where(total > 0, left / total, target)""",
            "return left / left.sum(-1, keepdim=True).clamp(min=1e-12)",
        ),
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def accept_probs(target, draft):
    if len(target) == 1:
        return torch.tensor([[0.625, 0.0, 0.0, 0.0]], dtype=torch.float64)
    return torch.tensor([[1.0, 1.0, 1 / 3], [1 / 3, 1.0, 1.0]], dtype=torch.float64)


def residual(target, draft):
    if len(target) == 1:
        return torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)
    return torch.tensor([[0.75, 0.25, 0.0], [0.0, 0.5, 0.5]], dtype=torch.float64)
"""
