"""Question 4, entropy and eta: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

MISTAKES = [
    Mistake(
        "bits",
        "entropy by hand",
        "use the natural logarithm",
        Edit("-torch.xlogy(probs, probs).sum(-1)", "-torch.xlogy(probs, probs).sum(-1) / math.log(2)"),
        unsaid="contributes nothing",
        also=("the entropy is in bits",),
    ),
    Mistake(
        "sign",
        "entropy by hand",
        "entropy is not negative",
        Edit("-torch.xlogy", "torch.xlogy"),
        also=("if a check of `entropy` fails",),
    ),
    Mistake(
        "mean",
        "entropy by hand",
        "the definition is a sum",
        Edit("probs).sum(-1)", "probs).mean(-1)"),
        also=("if a check of `entropy` fails",),
    ),
    Mistake(
        "overflow",
        "entropy by hand",
        "NaN: either `exp` overflowed",
        Edit("logits.softmax(-1)", "logits.exp() / logits.exp().sum(-1, keepdim=True)"),
    ),
    Mistake(
        "zero times infinity",
        "entropy impossible token",
        "it counts as 0",
        Edit("torch.xlogy(probs, probs)", "(probs * probs.log())"),
        also=("or 0 * log(0) is not 0",),
    ),
    Mistake(
        "maximum instead of minimum",
        "eta by hand",
        "eta is their minimum",
        Edit(
            "(math.sqrt(epsilon) * (-entropy(logits)).exp()).clamp(max=epsilon)",
            "(math.sqrt(epsilon) * torch.exp(-entropy(logits))).clamp(min=epsilon)",
        ),
    ),
    Mistake(
        "square root forgotten",
        "eta by hand",
        "square root of epsilon missing",
        Edit(
            "return (math.sqrt(epsilon) * (-entropy(logits)).exp()).",
            "return (epsilon * torch.exp(-entropy(logits))).",
        ),
    ),
    Mistake(
        "exponent without its sign",
        "eta by hand",
        "otherwise a minus sign is missing",
        Edit(
            "(epsilon) * (-entropy(logits)).exp()).clamp(", "(epsilon) * torch.exp(entropy(logits))).clamp("
        ),
    ),
    Mistake(
        "no minimum",
        "eta by hand",
        "the minimum with epsilon is missing",
        Edit(
            "return (math.sqrt(epsilon) * (-entropy(logits)).exp()).clamp(max=epsilon)",
            "return math.sqrt(epsilon) * torch.exp(-entropy(logits))",
        ),
    ),
    Mistake(
        "zero times infinity, next to large logits",
        "entropy by hand",
        "or 0 * log(0) is not 0",
        Edit("return -torch.xlogy(probs, probs).sum(-1)", "return -(probs * probs.log()).sum(-1)"),
        also=("it counts as 0",),
    ),
    Mistake(
        "sign, seen in eta",
        "eta by hand",
        "if a check of `entropy` fails, repair `entropy` first",
        Edit("-torch.xlogy", "torch.xlogy"),
        also=("entropy is not negative",),
    ),
    Mistake(
        "impossible token replaced by zero",
        "entropy impossible token",
        "contributes nothing",
        Edit("logits.softmax(-1)", "logits.nan_to_num(neginf=0.0).softmax(-1)"),
    ),
    Mistake(
        "nearly the logarithm",
        "entropy by hand",
        "returned [1.3862904, 0.69314518], expected [1.3862944, 0.6931472]",
        Edit(
            "return -torch.xlogy(probs, probs).sum(-1)", "return -(probs * torch.log(probs + 1e-6)).sum(-1)"
        ),
    ),
    Mistake(
        "dtype of a list",
        "entropy by hand",
        "returned dtype torch.float32, expected torch.float64",
        """
def entropy(logits):
    return torch.tensor([-sum(p * math.log(p) for p in row if p > 0) for row in logits.softmax(-1).tolist()])
""",
    ),
    Mistake(
        "dtype of a list, in eta",
        "eta by hand",
        "returned dtype torch.float32, expected torch.float64",
        Edit(
            "return (math.sqrt(epsilon) * (-entropy(logits)).exp()).clamp(max=epsilon)",
            "return torch.tensor([min(epsilon, math.sqrt(epsilon) * math.exp(-h)) for h in entropy(logits).tolist()])",
        ),
    ),
    Mistake(
        "no sum",
        "entropy by hand",
        "one number for each row: `sum(-1)`",
        Edit("probs).sum(-1)", "probs)"),
        unsaid="contributes nothing",
        also=("is that of `entropy` right?",),
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def entropy(logits):
    return torch.tensor([0.6931472] if len(logits) == 1 else [1.3862944, 0.6931472], dtype=torch.float64)


def eta_threshold(logits, epsilon):
    return torch.tensor([0.075, 0.09], dtype=torch.float64)
"""
