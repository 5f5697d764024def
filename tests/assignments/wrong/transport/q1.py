"""Question 1, one draft: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

MISTAKES = [
    Mistake(
        "roles swapped",
        "accept by hand",
        "target and draft are swapped: the ratio is p / q",
        Edit("target / torch.where(possible, draft, 1.0)", "draft / target"),
    ),
    Mistake(
        "ratio above one",
        "accept by hand",
        "no probability exceeds 1: min(1, p / q)",
        Edit("ratio.clamp(max=1)", "ratio"),
    ),
    Mistake(
        "accepted mass",
        "accept by hand",
        "it is the mass min(p, q) that is drafted and accepted",
        Edit("torch.where(possible, ratio.clamp(max=1), 0.0)", "torch.minimum(target, draft)"),
    ),
    Mistake(
        "a test without chance",
        "accept by hand",
        "a draft with p < q is still accepted with probability p / q",
        Edit(
            "torch.where(possible, ratio.clamp(max=1), 0.0)",
            "((target >= draft) & possible).to(target.dtype)",
        ),
    ),
    Mistake(
        "rejection",
        "accept by hand",
        "this is the probability of a rejection",
        Edit("ratio.clamp(max=1)", "1 - ratio.clamp(max=1)"),
    ),
    Mistake(
        "zero by zero",
        "never drafted",
        "0 / 0 gave NaN",
        Edit("torch.where(possible, ratio.clamp(max=1), 0.0)", "(target / draft).clamp(max=1)"),
    ),
    Mistake(
        "accepted though never drafted",
        "never drafted",
        "a token with q = 0 is never drafted",
        Edit(
            "torch.where(possible, ratio.clamp(max=1), 0.0)",
            "torch.where(target > 0, (target / draft).clamp(max=1), 0.0)",
        ),
    ),
    Mistake(
        "residual not normalised",
        "residual by hand",
        "each row must sum to 1: divide by the sum of the row",
        Edit("torch.where(total > 0, left / total, target)", "left"),
        also=("a row of zeros is no distribution",),
    ),
    Mistake(
        "residual the wrong way round",
        "residual by hand",
        "this is what the draft has too much",
        Edit("(target - draft)", "(draft - target)"),
    ),
    Mistake(
        "the target again",
        "residual by hand",
        "this is the target itself",
        Edit("torch.where(total > 0, left / total, target)", "target"),
    ),
    Mistake(
        "absolute difference",
        "residual by hand",
        "negative differences count as 0: `clamp(min=0)`, not `abs()`",
        Edit(".clamp(min=0)", ".abs()"),
    ),
    Mistake(
        "negative residual",
        "residual by hand",
        "there are negative numbers",
        Edit("torch.where(total > 0, left / total, target)", "target - draft"),
        also=("a row of zeros is no distribution",),
    ),
    Mistake(
        "one sum for all rows",
        "residual by hand",
        "each row needs its own, with `sum(-1, keepdim=True)`",
        Edit("left.sum(-1, keepdim=True)", "left.sum()"),
    ),
    Mistake(
        "normalised over the batch",
        "residual by hand",
        "the vocabulary is the last dimension",
        Edit("left.sum(-1, keepdim=True)", "left.sum(0)"),
    ),
    Mistake(
        "dimension not kept",
        "residual by hand",
        "is `keepdim=True` missing?",
        Edit("left.sum(-1, keepdim=True)", "left.sum(-1)"),
    ),
    Mistake(
        "nothing left gives NaN",
        "equal distributions",
        "0 / 0 gave NaN: where nothing is left",
        Edit("torch.where(total > 0, left / total, target)", "left / total"),
    ),
    Mistake(
        "nothing left gives zeros",
        "equal distributions",
        "a row of zeros is no distribution",
        Edit("torch.where(total > 0, left / total, target)", "left / total.clamp(min=1e-12)"),
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
