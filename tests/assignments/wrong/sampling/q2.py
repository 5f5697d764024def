"""Question 2, Gumbel-max: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

MISTAKES = [
    Mistake(
        "the other end of the uniforms",
        "noise and logits",
        "large values must come from U near 0",
        Edit("torch.log1p(-uniforms)", "torch.log(uniforms)"),
        also=("yours is smaller",),
    ),
    Mistake(
        "1 - U formed",
        "tiny uniforms",
        "use `torch.log1p(-U)`",
        Edit("torch.log1p(-uniforms)", "torch.log(1 - uniforms)"),
        also=("a token with logit -inf was drawn, or a NaN won",),
    ),
    Mistake(
        "noise clamped to single precision",
        "tiny uniforms",
        "without a ceiling",
        Edit("log1p(-uniforms)", "log1p(-uniforms.clamp(2.0**-24, 1 - 2.0**-24))"),
    ),
    Mistake(
        "logits forgotten",
        "noise and logits",
        "did you add the logits?",
        Edit("(logits + noise)", "noise"),
        also=("a token with logit -inf was drawn, or a NaN won",),
    ),
    Mistake(
        "smallest total",
        "noise and logits",
        "use `argmax`, or check a sign",
        Edit("argmax", "argmin"),
        also=("a token with logit -inf was drawn, or a NaN won",),
    ),
    Mistake(
        "impossible token drawn",
        "impossible token",
        "a token with logit -inf was drawn",
        Edit("(logits + noise)", "(logits.nan_to_num(neginf=-30.0) + noise)"),
    ),
    Mistake(
        "totals instead of ids",
        "noise and logits",
        "return ids, one for each row",
        Edit(".argmax(-1)", ""),
        unsaid="was drawn",
    ),
    Mistake(
        "a list",
        "noise and logits",
        "returned a list, expected a tensor",
        Edit(".argmax(-1)", ".argmax(-1).tolist()"),
    ),
    Mistake(
        "noise subtracted",
        "noise and logits",
        "the noise has the wrong sign",
        Edit("logits + noise", "logits - noise"),
        also=("yours is smaller",),
    ),
    Mistake(
        "noise forgotten",
        "noise and logits",
        "did you add the noise?",
        Edit("(logits + noise)", "logits"),
        also=("yours is smaller",),
    ),
    Mistake(
        "narrow ids",
        "noise and logits",
        "returned dtype torch.int32, expected torch.int64",
        Edit(".argmax(-1)", ".argmax(-1).int()"),
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def gumbel_max(logits, uniforms):
    return torch.tensor({8: [1, 1, 0, 1], 6: [0, 1, 1], 3: [1]}[logits.numel()])
"""
