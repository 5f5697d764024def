"""Question 5, reading a figure and refuting a claim: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

NAMES = 'names |= {"A": "top-p", "B": "epsilon", "C": "min-p", "D": "top-k"}'


def named(a: str, b: str, c: str, d: str) -> Edit:
    """The four curves with other names."""
    return Edit(NAMES, f'names |= {{"A": "{a}", "B": "{b}", "C": "{c}", "D": "{d}"}}')


MISTAKES = [
    Mistake(
        "top-p and min-p swapped", "reading", "A never does", named("min-p", "epsilon", "top-p", "top-k")
    ),
    Mistake(
        "epsilon keeps many of a flat distribution",
        "reading",
        "all below 0.005",
        named("epsilon", "top-p", "min-p", "top-k"),
    ),
    Mistake(
        "top-k changes",
        "reading",
        "only at their order; A changes",
        named("top-k", "epsilon", "min-p", "top-p"),
    ),
    Mistake(
        "a flat curve that is not top-k",
        "reading",
        "looks at nothing but the order",
        named("top-p", "top-k", "epsilon", "min-p"),
    ),
    Mistake("one rule twice", "reading", "more than once", named("top-p", "epsilon", "top-p", "top-k")),
    Mistake("another word", "reading", "choose one of", named("nucleus", "epsilon", "min-p", "top-k")),
    Mistake("nothing chosen", "reading", "says '' of 'A': choose one of", Edit(NAMES, "")),
    Mistake(
        "a list",
        "reading",
        "returned a list, expected a dictionary",
        Edit("return names", "return list(names.values())"),
    ),
    Mistake(
        "a key renamed",
        "reading",
        "says nothing of 'D'",
        Edit("return names", "return {key.replace('D', 'd'): name for key, name in names.items()}"),
    ),
    Mistake(
        "two equal tokens on top",
        "claim fails",
        "let those have next to nothing",
        """
def counterexample(vocab, temperature):
    logits = torch.zeros(vocab, dtype=torch.float64)
    logits[:2] = 1
    return logits
""",
    ),
    Mistake(
        "one token above the average",
        "claim fails",
        "let a second one be above 1/V",
        Edit("[0.6, 0.4]", "[1 - 1e-6, 1e-6]"),
    ),
    Mistake(
        "all equal",
        "claim fails",
        "are all tokens equally probable?",
        """
def counterexample(vocab, temperature):
    return torch.zeros(vocab, dtype=torch.float64)
""",
    ),
    Mistake(
        "probabilities",
        "claim fails",
        "logits are wanted",
        """
def counterexample(vocab, temperature):
    probs = torch.zeros(vocab, dtype=torch.float64)
    probs[:2] = torch.tensor([0.6, 0.4], dtype=torch.float64)
    return probs
""",
    ),
    Mistake(
        "not a number",
        "claim fails",
        "returned NaN or infinity",
        Edit(
            "logits[:2] = torch.tensor([0.6, 0.4], dtype=torch.float64).log()", "logits[:2] = -math.inf * 0"
        ),
    ),
    Mistake(
        "one token", "claim fails", "one logit for each token", Edit("return logits", "return logits[:1]")
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def reading():
    return {"A": "top-p", "B": "min-p", "C": "epsilon", "D": "top-k"}


def counterexample(vocab, temperature):
    logits = torch.full((vocab,), -1000.0 if vocab in (3, 4, 10) and temperature != 1.1 else 0.0, dtype=torch.float64)
    if logits.min() < 0:
        logits[:2] = torch.tensor([0.6, 0.4], dtype=torch.float64).log()
    return logits
"""
