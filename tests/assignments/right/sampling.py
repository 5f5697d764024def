"""Right answers to the assignment of "Sampling", in other styles than the key's.

Every check must accept them, the hidden ones too.
"""

from tests.assignments.wrong.sampling.q6 import kernel

ANSWERS = {
    "q1": [
        # Equation (2) of the chapter.
        """
def softmax(logits, temperature=1.0):
    z = logits / temperature
    return (z - z.logsumexp(-1, keepdim=True)).exp()
""",
        """
def softmax(logits, temperature=1.0):
    z = logits / temperature
    weights = torch.exp(z - z.max(dim=-1, keepdim=True).values)
    return weights / weights.sum(-1)[:, None]
""",
        # Row by row.
        """
def softmax(logits, temperature=1.0):
    rows = [((row - max(row)) / temperature).exp() for row in logits]
    return torch.stack([row / sum(row) for row in rows])
""",
        # In Python's numbers.
        """
def softmax(logits, temperature=1.0):
    rows = []
    for row in logits.tolist():
        weights = [math.exp((z - max(row)) / temperature) for z in row]
        rows.append([weight / sum(weights) for weight in weights])
    return torch.tensor(rows, dtype=logits.dtype)
""",
    ],
    "q2": [
        """
def gumbel_max(logits, uniforms):
    return (torch.log(-torch.log1p(-uniforms)) - logits).argmin(dim=1)
""",
        # A race of exponential waiting times.
        """
def gumbel_max(logits, uniforms):
    waiting = -torch.log1p(-uniforms)
    return (logits.softmax(-1) / waiting).max(-1).indices
""",
        """
def gumbel_max(logits, uniforms):
    ids = []
    for row, us in zip(logits.tolist(), uniforms.tolist()):
        totals = [z - math.log(-math.log1p(-u)) for z, u in zip(row, us)]
        ids.append(totals.index(max(totals)))
    return torch.tensor(ids)
""",
    ],
    "q3": [
        """
def min_p_mask(logits, min_p):
    probs = logits.softmax(-1)
    return probs / probs.amax(-1, keepdim=True) >= min_p


def top_p_mask(probs, p):
    ranked, order = probs.sort(dim=-1, descending=True, stable=True)
    before = torch.cat([torch.zeros_like(ranked[:, :1]), ranked.cumsum(-1)[:, :-1]], -1)
    return (before < p).gather(-1, order.argsort(-1))
""",
        # The mass of all tokens ahead, without a sort.
        """
def min_p_mask(logits, min_p):
    return logits >= logits.max(-1, keepdim=True).values + math.log(min_p)


def top_p_mask(probs, p):
    one, other = probs[:, :, None], probs[:, None, :]
    ids = torch.arange(probs.shape[1])
    ahead = (other > one) | ((other == one) & (ids[None, :] < ids[:, None]))
    return (ahead * other).sum(-1) < p
""",
        """
def min_p_mask(logits, min_p):
    return torch.stack([row.softmax(-1) >= min_p * row.softmax(-1).max() for row in logits])


def top_p_mask(probs, p):
    mask = torch.zeros(probs.shape, dtype=torch.bool)
    for row, kept in zip(probs.tolist(), mask):
        mass = 0.0
        for token in sorted(range(len(row)), key=lambda token: -row[token]):
            if mass >= p:
                break
            kept[token] = True
            mass += row[token]
    return mask
""",
    ],
    "q4": [
        """
def entropy(logits):
    return torch.distributions.Categorical(logits=logits).entropy()


def eta_threshold(logits, epsilon):
    eta = torch.exp(0.5 * math.log(epsilon) - entropy(logits))
    return torch.where(eta < epsilon, eta, epsilon)
""",
        # log Z minus the mean logit.
        """
def entropy(logits):
    means = (logits.softmax(-1) * logits.masked_fill(logits == -torch.inf, 0.0)).sum(-1)
    return logits.logsumexp(-1) - means


def eta_threshold(logits, epsilon):
    eta = epsilon**0.5 / torch.exp(entropy(logits))
    return torch.minimum(eta, torch.full_like(eta, epsilon))
""",
        """
def entropy(logits):
    rows = [-sum(p * math.log(p) for p in row if p > 0) for row in logits.softmax(-1).tolist()]
    return torch.tensor(rows, dtype=logits.dtype)


def eta_threshold(logits, epsilon):
    etas = [min(epsilon, math.sqrt(epsilon) * math.exp(-h)) for h in entropy(logits).tolist()]
    return torch.tensor(etas, dtype=logits.dtype)
""",
    ],
    "q5": [
        # A second token slightly above the average, and the rest impossible.
        """
def reading():
    return dict(zip("ABCD", ("top-p", "epsilon", "min-p", "top-k")))


def counterexample(vocab, temperature):
    logits = torch.full((vocab,), -torch.inf, dtype=torch.float64)
    logits[0], logits[-1] = math.log(1 - 1.05 / vocab), math.log(1.05 / vocab)
    return logits
""",
        # By trying.
        """
def reading():
    return {"D": "top-k", "C": "min-p", "B": "epsilon", "A": "top-p"}


def counterexample(vocab, temperature):
    generator = torch.Generator().manual_seed(1)
    while True:
        logits = torch.randn(vocab, dtype=torch.float64, generator=generator) - 30
        logits[:2] = torch.randn(2, dtype=torch.float64, generator=generator)
        before, after = logits.softmax(-1), (logits / temperature).softmax(-1)
        if ((before > 1 / vocab) & (after > before + 1e-6)).any():
            return logits
""",
    ],
    "q6": [
        # Not cast: m is float32, and so is all that meets it.
        kernel("""
        x = tl.load(x_ptr + row * stride + columns, mask=columns < vocab, other=float("-inf"))
        new_m = tl.maximum(m, tl.max(x, 0))
        s = s * tl.exp(m - new_m) + tl.sum(tl.exp(x - new_m), 0)
        m = new_m
"""),
        # The positions beyond the end are filled after the load.
        kernel("""
        inside = columns < vocab
        x = tl.load(x_ptr + row * stride + columns, mask=inside).to(tl.float32)
        x = tl.where(inside, x, -float("inf"))
        before = m
        m = tl.maximum(tl.max(x, axis=0), before)
        s *= tl.exp(before - m)
        s += tl.sum(tl.exp(x - m), axis=0)
"""),
        # Two passes over the row.
        """
@triton.jit
def row_logsumexp_kernel(x_ptr, out_ptr, stride, vocab, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    x_ptr += row * stride
    m = tl.full((), -3.0e38, tl.float32)
    s = tl.full((), 0.0, tl.float32)
    for start in range(0, vocab, BLOCK):
        columns = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + columns, columns < vocab, float("-inf")).to(tl.float32)
        m = tl.maximum(m, tl.max(x))
    for start in range(0, vocab, BLOCK):
        columns = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + columns, columns < vocab, float("-inf")).to(tl.float32)
        s += tl.sum(tl.exp(x - m))
    tl.store(out_ptr + row, m + tl.log(s))
""",
    ],
}
