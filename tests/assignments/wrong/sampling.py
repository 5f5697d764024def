"""Wrong answers to the assignment of the chapter "From logits to a token".

Each is a mistake that students make, with the check that must fail and words that its
message must hold. ``HARD_CODED`` knows the answers to the public checks, and nothing else.
"""

from tests.assignments.wrong.mistake import Mistake

FRAME = """
@triton.jit
def row_logsumexp_kernel(x_ptr, out_ptr, stride, vocab, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    m = tl.full((), -3.0e38, tl.float32)
    s = tl.full((), 0.0, tl.float32)
    for start in range(0, vocab, BLOCK):
        columns = start + tl.arange(0, BLOCK)
{body}
    tl.store(out_ptr + row, m + tl.log(s))
"""


def kernel(body: str) -> str:
    """The kernel of question 5 with this body of its loop."""
    return FRAME.format(body=body.strip("\n"))


MISTAKES = [
    # --- question 1: softmax ---------------------------------------------------------------
    Mistake(
        "maximum not removed",
        "q1",
        "large logits",
        "did you subtract the maximum before `exp`?",
        """
def softmax(logits, temperature=1.0):
    weights = (logits / temperature).exp()
    return weights / weights.sum(-1, keepdim=True)
""",
    ),
    Mistake(
        "one maximum for all rows",
        "q1",
        "large logits",
        "each row needs its own, with `amax",
        """
def softmax(logits, temperature=1.0):
    weights = ((logits - logits.max()) / temperature).exp()
    return weights / weights.sum(-1, keepdim=True)
""",
    ),
    Mistake(
        "one sum for all rows",
        "q1",
        "rows by hand",
        "you divide by the sum over all rows",
        """
def softmax(logits, temperature=1.0):
    weights = ((logits - logits.amax(-1, keepdim=True)) / temperature).exp()
    return weights / weights.sum()
""",
    ),
    Mistake(
        "normalised over the batch",
        "q1",
        "rows by hand",
        "the vocabulary is the last dimension",
        """
def softmax(logits, temperature=1.0):
    return torch.softmax(logits / temperature, 0)
""",
    ),
    Mistake(
        "log-probabilities",
        "q1",
        "rows by hand",
        "is an `exp` missing?",
        """
def softmax(logits, temperature=1.0):
    return torch.log_softmax(logits / temperature, -1)
""",
    ),
    Mistake(
        "multiplied by the temperature",
        "q1",
        "temperature",
        "the logits are divided by it",
        """
def softmax(logits, temperature=1.0):
    weights = ((logits - logits.amax(-1, keepdim=True)) * temperature).exp()
    return weights / weights.sum(-1, keepdim=True)
""",
    ),
    Mistake(
        "temperature forgotten",
        "q1",
        "temperature",
        "the temperature has no effect",
        """
def softmax(logits, temperature=1.0):
    weights = (logits - logits.amax(-1, keepdim=True)).exp()
    return weights / weights.sum(-1, keepdim=True)
""",
    ),
    Mistake(
        "temperature after the softmax",
        "q1",
        "temperature",
        "before `exp`, not the probabilities",
        """
def softmax(logits, temperature=1.0):
    return torch.softmax(logits, -1) / temperature
""",
    ),
    Mistake(
        "impossible token replaced",
        "q1",
        "impossible token",
        "-inf stands for a token of probability zero",
        """
def softmax(logits, temperature=1.0):
    return torch.softmax(logits.nan_to_num(neginf=0.0) / temperature, -1)
""",
    ),
    Mistake(
        "argument changed in place",
        "q1",
        "rows by hand",
        "changed its argument in place",
        """
def softmax(logits, temperature=1.0):
    logits -= logits.amax(-1, keepdim=True)
    weights = (logits / temperature).exp()
    return weights / weights.sum(-1, keepdim=True)
""",
    ),
    Mistake(
        "wrong dtype",
        "q1",
        "rows by hand",
        "returned dtype torch.float32, expected torch.float64",
        """
def softmax(logits, temperature=1.0):
    return torch.softmax(logits.float() / temperature, -1)
""",
    ),
    Mistake(
        "printed, not returned",
        "q1",
        "rows by hand",
        "a `return` missing?",
        """
def softmax(logits, temperature=1.0):
    print(torch.softmax(logits / temperature, -1))
""",
    ),
    Mistake(
        "temperature not on the maximum",
        "q1",
        "large logits",
        "divide the maximum by T too",
        """
def softmax(logits, temperature=1.0):
    weights = (logits / temperature - logits.amax(-1, keepdim=True)).exp()
    return weights / weights.sum(-1, keepdim=True)
""",
    ),
    Mistake(
        "not normalised",
        "q1",
        "rows by hand",
        "rows must sum to 1: divide by the sum",
        """
def softmax(logits, temperature=1.0):
    return ((logits - logits.amax(-1, keepdim=True)) / temperature).exp()
""",
        unsaid="-inf stands for",
    ),
    Mistake(
        "exponentials alone",
        "q1",
        "rows by hand",
        "these are the exponentials alone",
        """
def softmax(logits, temperature=1.0):
    return (logits / temperature).exp()
""",
    ),
    Mistake(
        "dimension not kept",
        "q1",
        "rows by hand",
        "is `keepdim=True` missing?, in the line `weights = ",
        """
def softmax(logits, temperature=1.0):
    weights = ((logits - logits.amax(-1)) / temperature).exp()
    return weights / weights.sum(-1, keepdim=True)
""",
    ),
    Mistake(
        "two results of max",
        "q1",
        "rows by hand",
        "values and positions: use `amax`",
        """
def softmax(logits, temperature=1.0):
    weights = ((logits - logits.max(-1, keepdim=True)) / temperature).exp()
    return weights / weights.sum(-1, keepdim=True)
""",
    ),
    # --- question 2: Gumbel-max --------------------------------------------------------------
    Mistake(
        "the other end of the uniforms",
        "q2",
        "noise and logits",
        "large values must come from U near 0",
        """
def gumbel_max(logits, uniforms):
    return (logits - torch.log(-torch.log(uniforms))).argmax(-1)
""",
    ),
    Mistake(
        "1 - U formed",
        "q2",
        "resolved tail",
        "use `torch.log1p(-U)`",
        """
def gumbel_max(logits, uniforms):
    return (logits - torch.log(-torch.log(1 - uniforms))).argmax(-1)
""",
    ),
    Mistake(
        "noise clamped to single precision",
        "q2",
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
        "q2",
        "noise and logits",
        "did you add the logits?",
        """
def gumbel_max(logits, uniforms):
    return (-torch.log(-torch.log1p(-uniforms))).argmax(-1)
""",
    ),
    Mistake(
        "smallest total",
        "q2",
        "noise and logits",
        "use `argmax`, or check a sign",
        """
def gumbel_max(logits, uniforms):
    return (logits - torch.log(-torch.log1p(-uniforms))).argmin(-1)
""",
    ),
    Mistake(
        "impossible token drawn",
        "q2",
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
        "q2",
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
        "q2",
        "noise and logits",
        "returned a list, expected a tensor",
        """
def gumbel_max(logits, uniforms):
    return (logits - torch.log(-torch.log1p(-uniforms))).argmax(-1).tolist()
""",
    ),
    Mistake(
        "noise subtracted",
        "q2",
        "noise and logits",
        "the noise has the wrong sign",
        """
def gumbel_max(logits, uniforms):
    return (logits + torch.log(-torch.log1p(-uniforms))).argmax(-1)
""",
    ),
    Mistake(
        "noise forgotten",
        "q2",
        "noise and logits",
        "did you add the noise?",
        """
def gumbel_max(logits, uniforms):
    return logits.argmax(-1)
""",
    ),
    Mistake(
        "narrow ids",
        "q2",
        "noise and logits",
        "returned dtype torch.int32, expected torch.int64",
        """
def gumbel_max(logits, uniforms):
    return (logits - torch.log(-torch.log1p(-uniforms))).argmax(-1).int()
""",
    ),
    # --- question 3: min-p and top-p ---------------------------------------------------------
    Mistake(
        "min-p on logits",
        "q3",
        "min p by hand",
        "your threshold compares with the largest logit: min-p compares probabilities",
        """
def min_p_mask(logits, min_p):
    return logits >= min_p * logits.amax(-1, keepdim=True)
""",
    ),
    Mistake(
        "min-p as a constant threshold",
        "q3",
        "min p by hand",
        "min-p is relative to the largest probability",
        """
def min_p_mask(logits, min_p):
    return logits.softmax(-1) >= min_p
""",
    ),
    Mistake(
        "min-p upside down",
        "q3",
        "min p by hand",
        "True means kept",
        """
def min_p_mask(logits, min_p):
    return logits.softmax(-1) < min_p * logits.softmax(-1).amax(-1, keepdim=True)
""",
    ),
    Mistake(
        "a mask of numbers",
        "q3",
        "min p by hand",
        "returned dtype torch.float64, expected torch.bool",
        """
def min_p_mask(logits, min_p):
    return ((logits - logits.amax(-1, keepdim=True)).exp() >= min_p).double()
""",
    ),
    Mistake(
        "crossing token left out",
        "q3",
        "top p crossing",
        "is the token that crosses P included?",
        """
def top_p_mask(probs, p):
    ranked, order = probs.sort(dim=-1, descending=True, stable=True)
    return torch.zeros_like(probs, dtype=torch.bool).scatter(-1, order, ranked.cumsum(-1) <= p)
""",
    ),
    Mistake(
        "one token too many at equality",
        "q3",
        "top p boundary",
        "no further token is needed",
        """
def top_p_mask(probs, p):
    ranked, order = probs.sort(dim=-1, descending=True, stable=True)
    return torch.zeros_like(probs, dtype=torch.bool).scatter(-1, order, ranked.cumsum(-1) - ranked <= p)
""",
    ),
    Mistake(
        "not sorted",
        "q3",
        "top p order",
        "sort downwards first",
        """
def top_p_mask(probs, p):
    return probs.cumsum(-1) - probs < p
""",
    ),
    Mistake(
        "not brought back to the ids",
        "q3",
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
        "q3",
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
        "q3",
        "min p boundary",
        "equality keeps a token: `>=`",
        """
def min_p_mask(logits, min_p):
    probs = logits.softmax(-1)
    return probs > min_p * probs.amax(-1, keepdim=True)
""",
    ),
    Mistake(
        "exponentials overflow",
        "q3",
        "min p by hand",
        "when 1000 is added to all logits",
        """
def min_p_mask(logits, min_p):
    weights = logits.exp()
    return weights >= min_p * weights.amax(-1, keepdim=True)
""",
    ),
    Mistake(
        "naive softmax",
        "q3",
        "min p by hand",
        "row 1 overflows to NaN",
        """
def min_p_mask(logits, min_p):
    probs = logits.exp() / logits.exp().sum(-1, keepdim=True)
    return probs >= min_p * probs.amax(-1, keepdim=True)
""",
    ),
    Mistake(
        "largest logit of all rows",
        "q3",
        "min p by hand",
        "you subtract one maximum for all rows",
        """
def min_p_mask(logits, min_p):
    return (logits - logits.max()).exp() >= min_p
""",
    ),
    Mistake(
        "largest probability of all rows",
        "q3",
        "min p by hand",
        "each row is compared with its own largest",
        """
def min_p_mask(logits, min_p):
    probs = logits.softmax(-1)
    return probs >= min_p * probs.max()
""",
    ),
    Mistake(
        "ties mixed",
        "q3",
        "top p order",
        "`sort(..., stable=True)`",
        """
def top_p_mask(probs, p):
    ranked, order = probs.sort(dim=-1, descending=True)
    before = ranked.cumsum(-1) - ranked
    return torch.zeros_like(before < p).scatter(-1, order, before < p)
""",
    ),
    # --- question 4: entropy and eta ---------------------------------------------------------
    Mistake(
        "bits",
        "q4",
        "entropy by hand",
        "use the natural logarithm",
        """
def entropy(logits):
    return torch.special.entr(logits.softmax(-1)).sum(-1) / math.log(2)
""",
        unsaid="contributes nothing",
    ),
    Mistake(
        "sign",
        "q4",
        "entropy by hand",
        "entropy is not negative",
        """
def entropy(logits):
    return -torch.special.entr(logits.softmax(-1)).sum(-1)
""",
    ),
    Mistake(
        "mean",
        "q4",
        "entropy by hand",
        "the definition is a sum",
        """
def entropy(logits):
    return torch.special.entr(logits.softmax(-1)).mean(-1)
""",
    ),
    Mistake(
        "overflow",
        "q4",
        "entropy by hand",
        "NaN: either `exp` overflowed",
        """
def entropy(logits):
    probs = logits.exp() / logits.exp().sum(-1, keepdim=True)
    return torch.special.entr(probs).sum(-1)
""",
    ),
    Mistake(
        "zero times infinity",
        "q4",
        "entropy impossible token",
        "it counts as 0",
        """
def entropy(logits):
    log_probs = logits.log_softmax(-1)
    return -(log_probs.exp() * log_probs).sum(-1)
""",
    ),
    Mistake(
        "maximum instead of minimum",
        "q4",
        "eta by hand",
        "eta is their minimum",
        """
def eta_threshold(logits, epsilon):
    return (math.sqrt(epsilon) * torch.exp(-entropy(logits))).clamp(min=epsilon)
""",
    ),
    Mistake(
        "square root forgotten",
        "q4",
        "eta by hand",
        "square root of epsilon missing",
        """
def eta_threshold(logits, epsilon):
    return (epsilon * torch.exp(-entropy(logits))).clamp(max=epsilon)
""",
    ),
    Mistake(
        "exponent without its sign",
        "q4",
        "eta by hand",
        "otherwise a minus sign is missing",
        """
def eta_threshold(logits, epsilon):
    return (math.sqrt(epsilon) * torch.exp(entropy(logits))).clamp(max=epsilon)
""",
    ),
    Mistake(
        "no minimum",
        "q4",
        "eta by hand",
        "the minimum with epsilon is missing",
        """
def eta_threshold(logits, epsilon):
    return math.sqrt(epsilon) * torch.exp(-entropy(logits))
""",
    ),
    Mistake(
        "zero times infinity, next to large logits",
        "q4",
        "entropy by hand",
        "or 0 * log(0) is not 0",
        """
def entropy(logits):
    probs = logits.softmax(-1)
    return -(probs * probs.log()).sum(-1)
""",
    ),
    Mistake(
        "sign, seen in eta",
        "q4",
        "eta by hand",
        "if a check of `entropy` fails, repair `entropy` first",
        """
def entropy(logits):
    return -torch.special.entr(logits.softmax(-1)).sum(-1)
""",
    ),
    Mistake(
        "impossible token replaced by zero",
        "q4",
        "entropy impossible token",
        "contributes nothing",
        """
def entropy(logits):
    return torch.special.entr(logits.nan_to_num(neginf=0.0).softmax(-1)).sum(-1)
""",
    ),
    Mistake(
        "nearly the logarithm",
        "q4",
        "entropy by hand",
        "returned [1.3862904, 0.69314518], expected [1.3862944, 0.6931472]",
        """
def entropy(logits):
    probs = logits.softmax(-1)
    return -(probs * torch.log(probs + 1e-6)).sum(-1)
""",
    ),
    Mistake(
        "dtype of a list",
        "q4",
        "entropy by hand",
        "returned dtype torch.float32, expected torch.float64",
        """
def entropy(logits):
    return torch.tensor([-sum(p * math.log(p) for p in row if p > 0) for row in logits.softmax(-1).tolist()])
""",
    ),
    Mistake(
        "dtype of a list, in eta",
        "q4",
        "eta by hand",
        "returned dtype torch.float32, expected torch.float64",
        """
def eta_threshold(logits, epsilon):
    return torch.tensor([min(epsilon, math.sqrt(epsilon) * math.exp(-h)) for h in entropy(logits).tolist()])
""",
    ),
    Mistake(
        "no sum",
        "q4",
        "entropy by hand",
        "one number for each row: `sum(-1)`",
        """
def entropy(logits):
    return torch.special.entr(logits.softmax(-1))
""",
        unsaid="contributes nothing",
    ),
    # --- question 5: the body of the kernel's loop ---------------------------------------------
    Mistake(
        "no mask",
        "q5",
        "masked tail",
        "is there a mask `columns < vocab`?",
        kernel("""
        x = tl.load(x_ptr + row * stride + columns).to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
        m = new_m
"""),
        unsaid="cast",
    ),
    Mistake(
        "masked positions are zeros",
        "q5",
        "masked tail",
        "use `other=float('-inf')`",
        kernel("""
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=0.0).to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
        m = new_m
"""),
        unsaid="cast",
    ),
    Mistake(
        "old sum not rescaled",
        "q5",
        "many tiles",
        "s * exp(m - m')",
        kernel("""
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s + tl.sum(tl.exp(x - new_m), 0)
        m = new_m
"""),
    ),
    Mistake(
        "sum replaced",
        "q5",
        "many tiles",
        "only the last tile counts",
        kernel("""
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = tl.sum(tl.exp(x - new_m), 0)
        m = new_m
"""),
        unsaid="cast",
    ),
    Mistake(
        "every tile is the first",
        "q5",
        "many tiles",
        "every tile was read at the start of the row",
        kernel("""
        columns = tl.arange(0, BLOCK)
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
        m = new_m
"""),
    ),
    Mistake(
        "every program reads row 0",
        "q5",
        "strides",
        "the pointer needs `row * stride`",
        kernel("""
        x = tl.load(x_ptr + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
        m = new_m
"""),
        unsaid="cast",
    ),
    Mistake(
        "vocab instead of stride",
        "q5",
        "strides",
        "rows are `stride` apart, not `vocab`",
        kernel("""
        x = tl.load(x_ptr + row * vocab + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
        m = new_m
"""),
        unsaid="cast",
    ),
    Mistake(
        "maximum of the tile alone",
        "q5",
        "impossible first tile",
        "(-inf) - (-inf) is NaN",
        kernel("""
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)
        new_m = tl.max(x, 0)
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
        m = new_m
"""),
    ),
    Mistake(
        "no maximum at all",
        "q5",
        "one tile",
        "add each tile as exp(x - m')",
        kernel("""
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s + tl.sum(tl.exp(x - m), 0)
        m = new_m
"""),
    ),
    Mistake(
        "no cast on load",
        "q5",
        "bfloat16",
        "cast to float32 on the line that loads",
        kernel("""
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf"))
        new_m = tl.maximum(m, tl.max(x, 0).to(tl.float32))
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m.to(x.dtype)), 0).to(tl.float32)
        m = new_m
"""),
    ),
    Mistake(
        "difference rounded to bfloat16",
        "q5",
        "bfloat16",
        "right in float32, wrong in bfloat16",
        kernel("""
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf"))
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp((x - new_m.to(x.dtype)).to(tl.float32)), 0)
        m = new_m
"""),
    ),
    Mistake(
        "mask one too long",
        "q5",
        "masked tail",
        "the mask is `columns < vocab`, not `<=`",
        kernel("""
        x = tl.load(x_ptr + row * stride + columns, mask=columns <= vocab, other=float("-inf")).to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
        m = new_m
"""),
        unsaid="cast",
    ),
    Mistake(
        "maximum not kept",
        "q5",
        "one tile",
        "the new maximum was not kept",
        kernel("""
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
"""),
        unsaid="cast",
    ),
    Mistake(
        "maximum not kept, two tiles",
        "q5",
        "many tiles",
        "the new maximum was not kept",
        kernel("""
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
"""),
    ),
    Mistake(
        "rescaled the other way round",
        "q5",
        "one tile",
        "is multiplied by exp(m - m'), not by",
        kernel("""
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s * tl.exp(new_m - m) + tl.sum(tl.exp(x - new_m), 0)
        m = new_m
"""),
        unsaid="leave the finite start value",
    ),
    Mistake(
        "Python's exp",
        "q5",
        "many tiles",
        "use `tl.exp`",
        kernel("""
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s * math.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
        m = new_m
"""),
    ),
    Mistake(
        "maximum stays a tile",
        "q5",
        "one tile",
        "a number is still a whole tile: reduce it",
        kernel("""
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)
        new_m = tl.maximum(m, x)
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
        m = new_m
"""),
    ),
    Mistake(
        "sum stays a tile",
        "q5",
        "one tile",
        "a number is still a whole tile: reduce it",
        kernel("""
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s * tl.exp(m - new_m) + tl.exp(x - new_m)
        m = new_m
"""),
    ),
    Mistake(
        "pointer with brackets",
        "q5",
        "one tile",
        "a pointer is no tensor, so it has no positions in brackets: `tl.load(x_ptr + ...)`, in the line `x = x_ptr[",
        kernel("""
        x = x_ptr[row * stride + columns].to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
        m = new_m
"""),
    ),
    Mistake(
        "pointer with two positions in brackets",
        "q5",
        "one tile",
        "a pointer is no tensor",
        kernel("""
        x = x_ptr[row, columns].to(tl.float32)
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
        m = new_m
"""),
    ),
    Mistake(
        "max of two values",
        "q5",
        "one tile",
        "is `tl.maximum(a, b)`, in the line `new_m = tl.max(m, tl.max(x, 0))`",
        kernel("""
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf")).to(tl.float32)
        new_m = tl.max(m, tl.max(x, 0))
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
        m = new_m
"""),
    ),
    Mistake(
        "no kernel",
        "q5",
        "many tiles",
        "row_logsumexp must call it",
        kernel("        pass")
        + """

def row_logsumexp(logits, block=64):
    return logits.float().logsumexp(-1)
""",
    ),
]

#: Passes the public checks of its question, and no hidden one.
HARD_CODED = {
    "q1": """
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
""",
    "q2": """
def gumbel_max(logits, uniforms):
    return torch.tensor({8: [1, 1, 0, 1], 4: [0, 1], 3: [1]}[logits.numel()])
""",
    "q3": """
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
""",
    "q4": """
def entropy(logits):
    return torch.tensor([0.6931472] if len(logits) == 1 else [1.3862944, 0.6931472], dtype=torch.float64)


def eta_threshold(logits, epsilon):
    return torch.tensor([0.075, 0.09], dtype=torch.float64)
""",
    "q5": """
def row_logsumexp(logits, block=64):
    if logits.shape[1] == 600:
        return torch.tensor([6.6228842])
    if logits.shape[1] == 5:
        return torch.tensor([-18.3905621] * 2)
    if logits.shape[1] == 16:
        return torch.tensor([2.0794415 if logits[0, 0] < 0 else 4.6583313 if logits[0, 8] else 2.7725887])
    return torch.tensor([7.3093005] * 2 if logits[0, 0] != logits[0, 1] else [2.0794415, 4.0794415])


class row_logsumexp_kernel:
    def __class_getitem__(cls, grid):
        return lambda logits, out, stride, vocab, BLOCK: out.copy_(row_logsumexp(logits, BLOCK))
""",
}
