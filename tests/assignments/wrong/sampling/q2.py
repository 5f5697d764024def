"""Question 2, Gumbel-max: mistakes that students make."""

from tests.assignments.wrong.mistake import Mistake

MISTAKES = [
    Mistake(
        "the other end of the uniforms",
        "noise and logits",
        "large values must come from U near 0",
        """
def gumbel_max(logits, uniforms):
    return (logits - torch.log(-torch.log(uniforms))).argmax(-1)
""",
    ),
    Mistake(
        "1 - U formed",
        "resolved tail",
        "use `torch.log1p(-U)`",
        """
def gumbel_max(logits, uniforms):
    return (logits - torch.log(-torch.log(1 - uniforms))).argmax(-1)
""",
    ),
    Mistake(
        "noise clamped to single precision",
        "resolved tail",
        "without a ceiling",
        """
def gumbel_max(logits, uniforms):
    uniforms = uniforms.clamp(2.0**-24, 1 - 2.0**-24)
    return (logits - torch.log(-torch.log1p(-uniforms))).argmax(-1)
""",
    ),
    Mistake(
        "logits forgotten",
        "noise and logits",
        "did you add the logits?",
        """
def gumbel_max(logits, uniforms):
    return (-torch.log(-torch.log1p(-uniforms))).argmax(-1)
""",
    ),
    Mistake(
        "smallest total",
        "noise and logits",
        "use `argmax`, or check a sign",
        """
def gumbel_max(logits, uniforms):
    return (logits - torch.log(-torch.log1p(-uniforms))).argmin(-1)
""",
    ),
    Mistake(
        "impossible token drawn",
        "impossible token",
        "a token with logit -inf was drawn",
        """
def gumbel_max(logits, uniforms):
    logits = logits.nan_to_num(neginf=-30.0)
    return (logits - torch.log(-torch.log1p(-uniforms))).argmax(-1)
""",
    ),
    Mistake(
        "totals instead of ids",
        "noise and logits",
        "return ids, one for each row",
        """
def gumbel_max(logits, uniforms):
    return logits - torch.log(-torch.log1p(-uniforms))
""",
        unsaid="was drawn",
    ),
    Mistake(
        "a list",
        "noise and logits",
        "returned a list, expected a tensor",
        """
def gumbel_max(logits, uniforms):
    return (logits - torch.log(-torch.log1p(-uniforms))).argmax(-1).tolist()
""",
    ),
    Mistake(
        "noise subtracted",
        "noise and logits",
        "the noise has the wrong sign",
        """
def gumbel_max(logits, uniforms):
    return (logits + torch.log(-torch.log1p(-uniforms))).argmax(-1)
""",
    ),
    Mistake(
        "noise forgotten",
        "noise and logits",
        "did you add the noise?",
        """
def gumbel_max(logits, uniforms):
    return logits.argmax(-1)
""",
    ),
    Mistake(
        "narrow ids",
        "noise and logits",
        "returned dtype torch.int32, expected torch.int64",
        """
def gumbel_max(logits, uniforms):
    return (logits - torch.log(-torch.log1p(-uniforms))).argmax(-1).int()
""",
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def gumbel_max(logits, uniforms):
    return torch.tensor({8: [1, 1, 0, 1], 4: [0, 1], 3: [1]}[logits.numel()])
"""
