"""Question 1, softmax: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

MISTAKES = [
    Mistake(
        "maximum not removed",
        "large logits",
        "did you subtract the maximum before `exp`?",
        Edit(
            "weights = ((logits - logits.amax(-1, keepdim=True)) / temperature)",
            "weights = (logits / temperature)",
        ),
    ),
    Mistake(
        "one maximum for all rows",
        "large logits",
        "each row needs its own, with `amax",
        Edit(
            "(logits - logits.amax(-1, keepdim=True)) / temperature", "(logits - logits.max()) / temperature"
        ),
    ),
    Mistake(
        "one sum for all rows",
        "rows by hand",
        "you divide by the sum over all rows",
        Edit("return weights / weights.sum(-1, keepdim=True)", "return weights / weights.sum()"),
    ),
    Mistake(
        "normalised over the batch",
        "rows by hand",
        "the vocabulary is the last dimension",
        """
def softmax(logits, temperature=1.0):
    return torch.softmax(logits / temperature, 0)
""",
    ),
    Mistake(
        "log-probabilities",
        "rows by hand",
        "is an `exp` missing?",
        """
def softmax(logits, temperature=1.0):
    return torch.log_softmax(logits / temperature, -1)
""",
    ),
    Mistake(
        "multiplied by the temperature",
        "temperature",
        "the logits are divided by it",
        Edit(
            "((logits - logits.amax(-1, keepdim=True)) / temperature).exp()",
            "((logits - logits.amax(-1, keepdim=True)) * temperature).exp()",
        ),
    ),
    Mistake(
        "temperature forgotten",
        "temperature",
        "the temperature has no effect",
        Edit(
            "= ((logits - logits.amax(-1, keepdim=True)) / temperature).exp",
            "= (logits - logits.amax(-1, keepdim=True)).exp",
        ),
    ),
    Mistake(
        "temperature after the softmax",
        "temperature",
        "before `exp`, not the probabilities",
        """
def softmax(logits, temperature=1.0):
    return torch.softmax(logits, -1) / temperature
""",
    ),
    Mistake(
        "impossible token replaced",
        "impossible token",
        "-inf stands for a token of probability zero",
        """
def softmax(logits, temperature=1.0):
    return torch.softmax(logits.nan_to_num(neginf=0.0) / temperature, -1)
""",
    ),
    Mistake(
        "argument changed in place",
        "rows by hand",
        "changed its argument in place",
        Edit(
            "weights = ((logits - logits.amax(-1, keepdim=True)) / temperature).exp()",
            """logits -= logits.amax(-1, keepdim=True)
    weights = (logits / temperature).exp()""",
        ),
    ),
    Mistake(
        "wrong dtype",
        "rows by hand",
        "returned dtype torch.float32, expected torch.float64",
        """
def softmax(logits, temperature=1.0):
    return torch.softmax(logits.float() / temperature, -1)
""",
    ),
    Mistake(
        "printed, not returned",
        "rows by hand",
        "a `return` missing?",
        """
def softmax(logits, temperature=1.0):
    print(torch.softmax(logits / temperature, -1))
""",
    ),
    Mistake(
        "temperature not on the maximum",
        "large logits",
        "divide the maximum by T too",
        Edit(
            "= ((logits - logits.amax(-1, keepdim=True)) / temperature).exp",
            "= (logits / temperature - logits.amax(-1, keepdim=True)).exp",
        ),
    ),
    Mistake(
        "not normalised",
        "rows by hand",
        "rows must sum to 1: divide by the sum",
        Edit("weights / weights.sum(-1, keepdim=True)", "weights"),
        unsaid="-inf stands for",
    ),
    Mistake(
        "exponentials alone",
        "rows by hand",
        "these are the exponentials alone",
        """
def softmax(logits, temperature=1.0):
    return (logits / temperature).exp()
""",
        also=("rows must sum to 1",),
    ),
    Mistake(
        "dimension not kept",
        "rows by hand",
        "is `keepdim=True` missing?, in the line `weights = ",
        Edit(
            "(logits - logits.amax(-1, keepdim=True)) / temperature).exp(",
            "(logits - logits.amax(-1)) / temperature).exp(",
        ),
    ),
    Mistake(
        "two results of max",
        "rows by hand",
        "values and positions: use `amax`",
        Edit(
            "weights = ((logits - logits.amax(-1, keepdim=True)) / temperature)",
            "weights = ((logits - logits.max(-1, keepdim=True)) / temperature)",
        ),
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def softmax(logits, temperature=1.0):
    if temperature == 2.0:
        return torch.tensor([[0.6224593312, 0.3775406688]], dtype=torch.float64)
    if logits.shape == (1, 3):
        return torch.tensor([[0.5, 0.5, 0.0]], dtype=torch.float64)
    if logits.shape == (2, 4):
        return torch.tensor([[0.4, 0.3, 0.2, 0.1], [0.4, 0.4, 0.1, 0.1]], dtype=torch.float64)
    if temperature == 0.5:
        return torch.tensor([[0.8807970780, 0.1192029220]], dtype=torch.float64)
    return torch.tensor([[0.7310585786, 0.2689414214]] * 2, dtype=torch.float64)
"""
