"""Question 3, min-p and top-p: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

MISTAKES = [
    Mistake(
        "min-p on logits",
        "min p by hand",
        "your threshold compares with the largest logit: min-p compares probabilities",
        Edit(
            "return (logits - logits.amax(-1, keepdim=True)).exp() >= min_p",
            "return logits >= min_p * logits.amax(-1, keepdim=True)",
        ),
    ),
    Mistake(
        "min-p as a constant threshold",
        "min p by hand",
        "min-p is relative to the largest probability",
        Edit("return (logits - logits.amax(-1, keepdim=True)).exp() >", "return logits.softmax(-1) >"),
    ),
    Mistake(
        "min-p upside down",
        "min p by hand",
        "True means kept",
        Edit(
            "return (logits - logits.amax(-1, keepdim=True)).exp() >= min_p",
            "return logits.softmax(-1) < min_p * logits.softmax(-1).amax(-1, keepdim=True)",
        ),
    ),
    Mistake(
        "a mask of numbers",
        "min p by hand",
        "returned dtype torch.float64, expected torch.bool",
        Edit(
            "return (logits - logits.amax(-1, keepdim=True)).exp() >= min_p",
            "return ((logits - logits.amax(-1, keepdim=True)).exp() >= min_p).double()",
        ),
    ),
    Mistake(
        "crossing token left out",
        "top p crossing",
        "is the token that crosses P included?",
        Edit(
            """before = ranked.cumsum(-1) - ranked
    return torch.zeros_like(before < p).scatter(-1, order, before < p)""",
            "return torch.zeros_like(probs, dtype=torch.bool).scatter(-1, order, ranked.cumsum(-1) <= p)",
        ),
    ),
    Mistake(
        "one token too many at equality",
        "top p boundary",
        "no further token is needed",
        Edit(
            """before = ranked.cumsum(-1) - ranked
    return torch.zeros_like(before < p).scatter(-1, order, before < p)""",
            "return torch.zeros_like(probs, dtype=torch.bool).scatter(-1, order, ranked.cumsum(-1) - ranked <= p)",
        ),
    ),
    Mistake(
        "not sorted",
        "top p order",
        "sort downwards first",
        """
def top_p_mask(probs, p):
    return probs.cumsum(-1) - probs < p
""",
    ),
    Mistake(
        "not brought back to the ids",
        "top p order",
        "bring it back to the ids",
        """
def top_p_mask(probs, p):
    ranked = probs.sort(dim=-1, descending=True).values
    return ranked.cumsum(-1) - ranked < p
""",
    ),
    Mistake(
        "all equal tokens kept",
        "top p order",
        "of equal tokens only as many stay as are needed",
        """
def top_p_mask(probs, p):
    ranked = probs.sort(dim=-1, descending=True).values
    last = (ranked.cumsum(-1) - ranked < p).sum(-1, keepdim=True) - 1
    return probs >= ranked.gather(-1, last)
""",
    ),
    Mistake(
        "equality drops a token",
        "min p boundary",
        "equality keeps a token, `>=`",
        Edit(
            "return (logits - logits.amax(-1, keepdim=True)).exp() >= min_p",
            """probs = logits.softmax(-1)
    return probs > min_p * probs.amax(-1, keepdim=True)""",
        ),
    ),
    Mistake(
        "exponentials overflow",
        "min p by hand",
        "when 1000 is added to all logits",
        Edit(
            "return (logits - logits.amax(-1, keepdim=True)).exp() >= min_p",
            """weights = logits.exp()
    return weights >= min_p * weights.amax(-1, keepdim=True)""",
        ),
    ),
    Mistake(
        "naive softmax",
        "min p by hand",
        "row 1 overflows to NaN",
        Edit(
            "return (logits - logits.amax(-1, keepdim=True)).exp() >= min_p",
            """probs = logits.exp() / logits.exp().sum(-1, keepdim=True)
    return probs >= min_p * probs.amax(-1, keepdim=True)""",
        ),
    ),
    Mistake(
        "largest logit of all rows",
        "min p by hand",
        "you subtract one maximum for all rows",
        Edit("logits - logits.amax(-1, keepdim=True)).exp(", "logits - logits.max()).exp("),
    ),
    Mistake(
        "largest probability of all rows",
        "min p by hand",
        "each row is compared with its own largest",
        Edit(
            "return (logits - logits.amax(-1, keepdim=True)).exp() >= min_p",
            """probs = logits.softmax(-1)
    return probs >= min_p * probs.max()""",
        ),
    ),
    Mistake(
        "ties mixed",
        "top p order",
        "`sort(..., stable=True)`",
        Edit("(dim=-1, descending=True, stable=True)", "(dim=-1, descending=True)"),
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def min_p_mask(logits, min_p):
    if min_p == 1:
        return torch.tensor([[True, False, True, False]])
    return torch.tensor([[True, True, False, False], [True, True, logits[1, 1] == 0, logits[1, 1] == 0]])


def top_p_mask(probs, p):
    if p == 0.49:
        return torch.arange(64)[None] < 32
    if len(probs) == 2:
        return torch.tensor([[False, True, False, True], [True, True, True, False]])
    return torch.tensor([[True, p > 0.5, False, False]])
"""
