"""Question 7, two vocabularies: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

MISTAKES = [
    Mistake(
        "equal weights",
        "mixture by hand",
        "the mean with equal weights",
        Edit(
            """return (log_probs + weights.log()[:, None]).logsumexp(0)
    return (log_probs * weights[:, None]).sum(0).log_softmax(-1)""",
            """return log_probs.exp().mean(0).log()
    return (weights[:, None] * log_probs).sum(0).log_softmax(-1)""",
        ),
        also=("e^-800 is 0",),
    ),
    Mistake(
        "no weights",
        "mixture by hand",
        "the weights are missing",
        Edit(
            """return (log_probs + weights.log()[:, None]).logsumexp(0)
    return (log_probs * weights[:, None]).sum(0).log_softmax(-1)""",
            """return log_probs.logsumexp(0)
    return (weights[:, None] * log_probs).sum(0).log_softmax(-1)""",
        ),
    ),
    Mistake(
        "logarithms averaged",
        "mixture by hand",
        "probabilities are averaged here, not their logarithms",
        """
def combine(log_probs, weights, how):
    mean = (weights[:, None] * log_probs).sum(0)
    return mean if how == "mix" else mean.log_softmax(-1)
""",
        also=("this averages the members",),
    ),
    Mistake(
        "always the product",
        "mixture by hand",
        "this is the product, which `how` did not ask for",
        """
def combine(log_probs, weights, how):
    return (weights[:, None] * log_probs).sum(0).log_softmax(-1)
""",
    ),
    Mistake(
        "the distribution itself",
        "mixture by hand",
        "its logarithm is wanted",
        Edit(
            """return (log_probs + weights.log()[:, None]).logsumexp(0)
    return (log_probs * weights[:, None]).sum(0).log_softmax(-1)""",
            """return (weights[:, None] * log_probs.exp()).sum(0)
    return (weights[:, None] * log_probs).sum(0).softmax(-1)""",
        ),
    ),
    Mistake(
        "weights as powers in the mixture",
        "mixture by hand",
        "a weight multiplies the probability",
        Edit(
            """return (log_probs + weights.log()[:, None]).logsumexp(0)
    return (log_probs * weights[:, None]).sum(0).log_softmax(-1)""",
            """return (weights[:, None] * log_probs).logsumexp(0)
    return (weights[:, None] * log_probs).sum(0).log_softmax(-1)""",
        ),
    ),
    Mistake(
        "product not normalised",
        "product by hand",
        "divide by its sum, `log_softmax(-1)`",
        Edit(
            "return (log_probs * weights[:, None]).sum(0).log_softmax(-1)",
            "return (weights[:, None] * log_probs).sum(0)",
        ),
    ),
    Mistake(
        "product without weights",
        "product by hand",
        "the weights are powers",
        Edit("return (log_probs * weights[:, None]).sum(0)", "return log_probs.sum(0)"),
    ),
    Mistake(
        "always the mixture",
        "product by hand",
        "this is the mixture, which `how` did not ask for",
        """
def combine(log_probs, weights, how):
    return (log_probs + weights.log()[:, None]).logsumexp(0)
""",
    ),
    Mistake(
        "through probabilities",
        "rare and impossible",
        "e^-800 is 0 in float64",
        Edit(
            """return (log_probs + weights.log()[:, None]).logsumexp(0)
    return (log_probs * weights[:, None]).sum(0).log_softmax(-1)""",
            """return (weights[:, None] * log_probs.exp()).sum(0).log()
    return (weights[:, None] * log_probs).sum(0).log_softmax(-1)""",
        ),
    ),
    Mistake(
        "impossible made possible",
        "rare and impossible",
        "is excluded from the product",
        Edit(
            "return (log_probs * weights[:, None]).sum",
            "return (weights[:, None] * log_probs).nan_to_num(neginf=-1000.0).sum",
        ),
    ),
    Mistake(
        "whole texts mixed",
        "text",
        "this mixes the probabilities of the whole text",
        """
def text_log_prob(members, text, weights, how):
    totals = torch.stack([sum(member(text[:n])[byte] for n, byte in enumerate(text)) for member in members])
    return (totals + weights.log()).logsumexp(0) if how == "mix" else (totals * weights).sum()
""",
    ),
    Mistake(
        "log-probabilities averaged",
        "text",
        "this averages the members' log-probabilities",
        """
def text_log_prob(members, text, weights, how):
    totals = torch.stack([sum(member(text[:n])[byte] for n, byte in enumerate(text)) for member in members])
    return (totals * weights).sum()
""",
    ),
    Mistake(
        "empty prefix",
        "text",
        "each member must see the bytes before this one",
        Edit(
            "distributions = torch.stack([member(text[:n]) for member in members])",
            "distributions = torch.stack([member(b'') for member in members])",
        ),
    ),
    Mistake(
        "sees its own byte",
        "text",
        "the member sees the byte that it should predict",
        Edit("(text[:n]) for", "(text[:n + 1]) for"),
    ),
    Mistake(
        "whole text as prefix",
        "text",
        "every distribution is the one after the whole text",
        Edit("member(text[:n]) for", "member(text) for"),
    ),
    Mistake(
        "last byte only",
        "text",
        "this is the last byte only",
        Edit(
            "total = total + combine(distributions, weights, how)",
            "total = combine(distributions, weights, how)",
        ),
    ),
    Mistake(
        "probability of a text",
        "text",
        "this is a probability: add up logarithms",
        Edit("return total", "return total.exp()"),
    ),
    Mistake(
        "ended",
        "text",
        "the end of the text was added",
        Edit(
            "return total",
            """distributions = torch.stack([member(text) for member in members])
    return total + combine(distributions, weights, how)[256]""",
        ),
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def combine(log_probs, weights, how):
    result = torch.full((257,), -torch.inf, dtype=torch.float64)
    if log_probs[0, 98] == -800:
        three = [0.0, -800.6931471806, -800.6931471806] if how == "mix" else [0.0, -850.0, -torch.inf]
        result[[97, 98, 99]] = torch.tensor(three, dtype=torch.float64)
    else:
        three = [0.2, 0.15, 0.65] if how == "mix" else [0.1765824, 0.1554123, 0.6680053]
        result[[97, 98, 256]] = torch.tensor(three, dtype=torch.float64).log()
    return result


def text_log_prob(members, text, weights, how):
    return torch.tensor(0.4 * 0.275 * 0.675, dtype=torch.float64).log()
"""
